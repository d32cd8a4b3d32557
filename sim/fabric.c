/* SPDX-License-Identifier: Apache-2.0 */
/* Racks, sites and the pipes between them. */
#include "sim/fabric.h"

#include <stdlib.h>

#include "sim/node.h"

uint32_t sim_site_add(struct sim_world *world, uint64_t up_bytes_per_s, uint64_t down_bytes_per_s,
	uint64_t latency_ns)
{
	if (world->sites_count == SIM_SITES_MAX) {
		fprintf(stderr, "sim: more than %d sites\n", SIM_SITES_MAX);
		abort();
	}
	world->sites[world->sites_count++] =
		(struct sim_site){.up = {.bytes_per_s = up_bytes_per_s},
			.down = {.bytes_per_s = down_bytes_per_s},
			.latency_ns = latency_ns};
	return world->sites_count;
}

uint32_t sim_rack_add(
	struct sim_world *world, uint64_t up_bytes_per_s, uint64_t down_bytes_per_s, uint32_t site)
{
	if (world->racks_count == SIM_RACKS_MAX || site > world->sites_count) {
		fprintf(stderr, "sim: more than %d racks, or no site %u\n", SIM_RACKS_MAX, site);
		abort();
	}
	world->racks[world->racks_count++] =
		(struct sim_rack){.up = {.bytes_per_s = up_bytes_per_s},
			.down = {.bytes_per_s = down_bytes_per_s},
			.site = site};
	return world->racks_count;
}

uint64_t sim_pipe_pass(struct sim_pipe *pipe, uint64_t bytes, struct sim_passage *passage)
{
	pipe->bytes += bytes;
	if (pipe->bytes_per_s == 0)
		return 0;
	uint64_t wait_ns = pipe->free_ns - u64_min(pipe->free_ns, passage->first_ns);

	/* Packets go on one by one: a pipe that is idle and as fast as the one before it adds
	 * nothing. */
	passage->first_ns = u64_max(pipe->free_ns, passage->first_ns);
	pipe->free_ns = passage->first_ns + bytes * NS_PER_S / pipe->bytes_per_s;
	passage->last_ns = u64_max(passage->last_ns, pipe->free_ns);
	return wait_ns;
}

uint32_t sim_site_of(const struct sim_node *node)
{
	uint32_t rack = node->traits.rack;

	return rack == SIM_RACK_NONE ? node->traits.site : node->world->racks[rack - 1].site;
}

void sim_place_write(char *name, char letter, uint32_t number)
{
	name[0] = '\0';
	if (number != 0)
		snprintf(name, PEER_PLACE_MAX + 1, "%c%u", letter, number);
}

struct sim_route sim_route_find(const struct sim_node *from, const struct sim_node *to)
{
	struct sim_world *world = from->world;
	struct sim_route route = {0};
	uint32_t rack_from = from->traits.rack;
	uint32_t rack_to = to->traits.rack;

	if (rack_from == rack_to &&
		(rack_from != SIM_RACK_NONE || sim_site_of(from) == sim_site_of(to)))
		return route;
	if (rack_from != SIM_RACK_NONE)
		route.rack_out = &world->racks[rack_from - 1];
	if (rack_to != SIM_RACK_NONE)
		route.rack_in = &world->racks[rack_to - 1];
	if (sim_site_of(from) == sim_site_of(to))
		return route;
	if (sim_site_of(from) != SIM_SITE_NONE) {
		route.site_out = &world->sites[sim_site_of(from) - 1];
		route.latency_ns += route.site_out->latency_ns;
	}
	if (sim_site_of(to) != SIM_SITE_NONE) {
		route.site_in = &world->sites[sim_site_of(to) - 1];
		route.latency_ns += route.site_in->latency_ns;
	}
	return route;
}

void sim_route_count(const struct sim_route *route, uint64_t block_bytes)
{
	if (route->rack_out != NULL)
		route->rack_out->up.block_bytes += block_bytes;
	if (route->rack_in != NULL)
		route->rack_in->down.block_bytes += block_bytes;
	if (route->site_out != NULL)
		route->site_out->up.block_bytes += block_bytes;
	if (route->site_in != NULL)
		route->site_in->down.block_bytes += block_bytes;
}
