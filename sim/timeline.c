/* SPDX-License-Identifier: Apache-2.0 */
/* Where the time goes: how full uplinks and downlinks were, second by second. */
#include <inttypes.h>

#include "sim/scenario.h"

#define PERCENT 100

static uint64_t percent_of(uint64_t now_bytes, uint64_t *before_bytes, uint64_t bytes_per_s)
{
	uint64_t percent = (now_bytes - *before_bytes) * PERCENT / bytes_per_s;

	*before_bytes = now_bytes;
	return percent;
}

static void timeline_line(struct sim_world *world, void *context, uint64_t unused)
{
	uint64_t origin_up = 0;
	uint64_t up = 0;
	uint64_t down = 0;
	uint64_t up_least = UINT64_MAX;
	uint32_t idle_count = 0;
	uint32_t count = 0;

	(void)context;
	(void)unused;
	for (uint32_t i = 0; i < world->nodes_count; i++) {
		struct sim_node *node = world->nodes[i];
		struct sim_link *link = &node->link;
		uint64_t sent = percent_of(
			link->sent_bytes, &node->timeline_sent_bytes, link->up_bytes_per_s);
		uint64_t received = percent_of(
			link->down.bytes, &node->timeline_received_bytes, link->down.bytes_per_s);

		if (node->actor != &sim_engine_actor)
			continue;
		if (node->traits.origin) {
			origin_up = sent;
			continue;
		}
		count++;
		up += sent;
		down += received;
		idle_count += sent == 0;
		up_least = u64_min(up_least, sent);
	}
	if (count > 0)
		fprintf(world->timeline,
			"%4" PRIu64 " s  origin up %3" PRIu64 " %%  nodes up %3" PRIu64
			" %% (least %" PRIu64 " %%, idle %" PRIu32 ")  down %3" PRIu64 " %%\n",
			world->now_ns / NS_PER_S, origin_up, up / count, up_least, idle_count,
			down / count);
	sim_schedule(world, world->now_ns + NS_PER_S, timeline_line, NULL, 0);
}

void sim_timeline_start(struct sim_world *world)
{
	sim_schedule(world, NS_PER_S, timeline_line, NULL, 0);
}
