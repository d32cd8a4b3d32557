/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links of 200 Mbit/s, of which the nodes may send 4 MB/s and receive 2 MB/s, after a ramp of four
 * seconds. Every window of two seconds is looked at: nobody passes a limit by more than 5 %, and
 * the origin, then everybody, makes full use of it.
 */
#include <inttypes.h>

#include "sim/scenario.h"

#define LINK_BYTES_PER_S 25000000
#define NODES		 8
#define UP_BYTES_PER_S	 4000000
#define DOWN_BYTES_PER_S 2000000
#define RAMP_NS		 (4 * NS_PER_S)
#define WINDOW_NS	 (2 * NS_PER_S)
#define NEXT_WINDOW	 (2 * (NODES + 1)) /* its index in world->tally */
#define FULL_FROM_NS	 (10 * NS_PER_S)
#define FULL_UNTIL_NS	 (20 * NS_PER_S)

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, 256 * KIB, 0, 0);
	sim_node_traits_default(&traits);
	traits.up_bytes_per_s = traits.down_bytes_per_s = LINK_BYTES_PER_S;
	traits.limits.up_bytes_per_s = UP_BYTES_PER_S;
	traits.limits.down_bytes_per_s = DOWN_BYTES_PER_S;
	traits.limits.ramp_ns = RAMP_NS;
	sim_room(world, NODES, &traits);
}

/* What the limit was on average, within the window that ends now. */
static uint64_t allowed(const struct sim_world *world, uint64_t bytes_per_s)
{
	uint64_t middle_ns = u64_max(world->now_ns, WINDOW_NS / 2) - WINDOW_NS / 2;
	uint64_t full = bytes_per_s * (WINDOW_NS / NS_PER_S);

	/* It climbs from a sixteenth in a straight line. */
	return middle_ns >= RAMP_NS
		       ? full
		       : full / 16 + full * 15 / 16 / 1000 * (middle_ns / (RAMP_NS / 1000));
}

static void check(struct sim_world *world, const struct sim_node *node, const char *what,
	uint64_t *before, uint64_t bytes, uint64_t bytes_per_s, bool busy)
{
	uint64_t passed = bytes - *before;
	uint64_t limit = allowed(world, bytes_per_s);

	*before = bytes;
	/* Headers of packets are in the limit, and not simulated here. */
	passed += passed / 32;
	if (passed > limit + limit / 20)
		sim_violation(world, "throttle", "%s %s %" PRIu64 " bytes of %" PRIu64, node->name,
			what, passed, limit);
	if (busy && world->now_ns >= FULL_FROM_NS && world->now_ns <= FULL_UNTIL_NS &&
		passed < limit - limit / 20)
		sim_violation(world, "throttle", "%s only %s %" PRIu64 " bytes of %" PRIu64,
			node->name, what, passed, limit);
}

static void watch(struct sim_world *world)
{
	if (world->now_ns < world->tally[NEXT_WINDOW] + WINDOW_NS)
		return;
	world->tally[NEXT_WINDOW] = world->now_ns;
	for (uint32_t i = 0; i <= NODES; i++) {
		const struct sim_node *node = world->nodes[i];

		check(world, node, "sent", &world->tally[2 * i], node->payload_sent_bytes,
			UP_BYTES_PER_S, false);
		check(world, node, "received", &world->tally[2 * i + 1],
			node->payload_received_bytes, DOWN_BYTES_PER_S, i != 0);
	}
}

const struct sim_scenario sim_scenario_throttled = {
	.name = "throttled",
	.shows = "limits of what nodes send and receive hold within 5 % over two seconds",
	.nodes_max = NODES + 1,
	.limit_ns = 60 * NS_PER_S,
	.build = build,
	.watch = watch,
};
