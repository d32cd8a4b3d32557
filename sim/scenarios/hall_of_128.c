/* SPDX-License-Identifier: Apache-2.0 */
/* 128 nodes in the time of one: the limit guards what is reached, which is not yet what is
 * possible. */
#include "sim/scenario.h"

#define NODES	    128
#define GIGABIT	    (UINT64_C(125000000) * 1448 / 1538)
#define PIECE_BYTES (4 * MIB)

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_node_traits_default(&traits);
	sim_count_in_pieces(world, &traits, PIECE_BYTES);
	sim_image_make(world, GIB, PIECE_BYTES, 0, 0);
	traits.up_bytes_per_s = traits.down_bytes_per_s = GIGABIT;
	sim_room(world, NODES, &traits);
}

static void judge(struct sim_world *world)
{
	sim_judge_ratio(world, 200);
	sim_judge_copies(world, 115);
}

const struct sim_scenario sim_scenario_hall_of_128 = {
	.name = "hall_of_128",
	.shows = "128 nodes on gigabit links: the last finishes within 2 of the bound",
	.nodes_max = NODES + 1,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.judge = judge,
	.large = true,
};
