/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of scenarios with hundreds and thousands of machines on gigabit links, in racks. */
#include "sim/scenario.h"

#define UPLINK	    (10 * SIM_GIGABIT)
#define PIECE_BYTES (4 * MIB)
#define OUTAGE_NS   (30 * NS_PER_S)

/* Another disk for some, and no power for a while. */
static void vary(struct sim_world *world, const struct sim_hall *hall, struct sim_node *node)
{
	uint64_t copy_ns = hall->image_bytes / SIM_GIGABIT * NS_PER_S;

	if (hall->slow_one_in > 0 && rng_below(&world->rng, hall->slow_one_in) == 0)
		node->disk.traits.write_bytes_per_s = hall->slow_disk_bytes_per_s;
	node->traits.disk = node->disk.traits;
	if (hall->fails_one_in == 0 || rng_below(&world->rng, hall->fails_one_in) != 0)
		return;
	uint64_t at_ns = rng_below(&world->rng, copy_ns);

	sim_node_power_cut_at(node, at_ns);
	sim_node_boot_at(node, at_ns + OUTAGE_NS);
}

void sim_hall_build(struct sim_world *world, const struct sim_hall *hall)
{
	struct sim_node_traits traits;
	uint32_t unit_bytes = (uint32_t)(hall->together * PIECE_BYTES);

	sim_node_traits_default(&traits);
	sim_count_in_pieces(world, &traits, unit_bytes);
	/* What is counted in pieces stays as many of these, and each as many chunks. */
	world->chunk_bytes *= hall->together;
	traits.limits.undurable_bytes_max *= hall->together;
	traits.limits.flush_bytes *= hall->together;
	sim_image_make(world, hall->image_bytes, unit_bytes, 0, 0);
	traits.up_bytes_per_s = traits.down_bytes_per_s = SIM_GIGABIT;
	traits.disk.write_bytes_per_s = hall->disk_bytes_per_s;
	traits.hides_place = hall->unaware;
	world->places_by_subnet = hall->unaware;
	if (hall->peers_max > 0) {
		traits.limits.peers_max = hall->peers_max;
		traits.limits.peers_wanted = hall->peers_max / 2;
		traits.limits.addresses_max = 4 * hall->peers_max;
	}
	sim_racked(world, hall->racks_count, SIM_HALL_RACK_NODES, UPLINK, &traits);
	for (uint32_t i = 1; i < world->nodes_count; i++)
		vary(world, hall, world->nodes[i]);
}
