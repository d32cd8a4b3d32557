/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power goes when half of the image is durable, and comes back two seconds later. What was written
 * and not flushed is lost in part, torn at sector size. Then only the pieces that overlap head and
 * tail and at most 32 MiB come again, in bytes that crossed the wire.
 */
#include "sim/power_cut.h"

#include <inttypes.h>

#define VICTIM	       1
#define OFF_NS	       (2 * NS_PER_S)
#define AGAIN_MAX      (32 * MIB)
#define TALLY_CUT      0
#define PIECES_AT_ENDS 2

void sim_power_cut_build(struct sim_world *world, uint32_t piece_bytes, bool flush_does_nothing)
{
	struct sim_node_traits traits;

	sim_image_make(world, 256 * MIB - 5 * 512, piece_bytes, 8, 16);
	sim_node_traits_default(&traits);
	traits.old_system = true;
	traits.disk.flush_does_nothing = flush_does_nothing;
	sim_room(world, 2, &traits);
}

void sim_power_cut_watch(struct sim_world *world)
{
	struct sim_node *victim = world->nodes[VICTIM];

	if (world->tally[TALLY_CUT] != 0 ||
		sim_durable_bytes(victim) < world->image.length_bytes / 2)
		return;
	/* Not at a round moment: somewhere in the next second. */
	world->tally[TALLY_CUT] = 1;
	sim_node_power_cut_at(victim, world->now_ns + rng_below(&world->rng, NS_PER_S));
	sim_node_boot_at(victim, world->now_ns + OFF_NS);
}

void sim_power_cut_judge(struct sim_world *world)
{
	const struct sim_node *victim = world->nodes[VICTIM];
	/* The last MiB may begin inside the piece before the last. */
	uint64_t ends_bytes = (uint64_t)(PIECES_AT_ENDS + 1) * world->image.piece_bytes;
	uint64_t again_bytes = victim->payload_received_bytes -
			       u64_min(victim->payload_received_bytes, victim->needed_bytes);

	if (victim->boots_count != 2)
		sim_violation(world, "again", "the power was never cut");
	if (again_bytes > ends_bytes + AGAIN_MAX)
		sim_violation(world, "again", "%" PRIu64 " KiB came again, limit %" PRIu64 " KiB",
			again_bytes / KIB, (ends_bytes + AGAIN_MAX) / KIB);
	sim_trace(world, "%" PRIu64 " KiB came again", again_bytes / KIB);
}
