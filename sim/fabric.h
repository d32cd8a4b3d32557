/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies between the links of two nodes: racks with an uplink into the core of their site, and
 * sites with an uplink to each other. A pipe lets bytes through in the order in which they come, at
 * its rate; what waits before it waits without a limit but the senders' windows.
 *
 * A node outside of any rack hangs on the core of its site; one outside of any site on the core
 * that joins the sites.
 */
#ifndef SIM_FABRIC_H
#define SIM_FABRIC_H

#include "lib/bytes.h"

#define SIM_RACK_NONE 0
#define SIM_SITE_NONE 0

struct sim_world;

struct sim_pipe {
	uint64_t bytes_per_s; /* 0: never the bottleneck */
	uint64_t free_ns;     /* when it has passed on what it was given so far */
	uint64_t bytes;	      /* passed, all kinds */
	uint64_t block_bytes; /* passed, payload of blocks */
};

struct sim_rack {
	struct sim_pipe up;   /* out of the rack */
	struct sim_pipe down; /* into it */
	uint32_t site;
};

struct sim_site {
	struct sim_pipe up;
	struct sim_pipe down;
	uint64_t latency_ns; /* one way, of its uplink */
};

/* First and last bit of some bytes on their way. */
struct sim_passage {
	uint64_t first_ns;
	uint64_t last_ns;
};

/* Their numbers, from 1. Rates in bytes/s, 0: no limit. */
uint32_t sim_site_add(struct sim_world *world, uint64_t up_bytes_per_s, uint64_t down_bytes_per_s,
	uint64_t latency_ns);
uint32_t sim_rack_add(
	struct sim_world *world, uint64_t up_bytes_per_s, uint64_t down_bytes_per_s, uint32_t site);

/* Returns for how long the first bit waited. */
uint64_t sim_pipe_pass(struct sim_pipe *pipe, uint64_t bytes, struct sim_passage *passage);

/* What lies between nodes in two racks and sites, those they are in and those they leave. NULL: not
 * passed through. */
struct sim_route {
	struct sim_rack *rack_out;
	struct sim_site *site_out;
	struct sim_site *site_in;
	struct sim_rack *rack_in;
	uint64_t latency_ns; /* beyond that of the nodes' links */
};

struct sim_node;
struct sim_route sim_route_find(const struct sim_node *from, const struct sim_node *to);
static inline bool sim_route_direct(const struct sim_route *route)
{
	return route->rack_out == NULL && route->rack_in == NULL && route->site_out == NULL &&
	       route->site_in == NULL;
}
/* The site that it is in, directly or by its rack; or SIM_SITE_NONE. */
uint32_t sim_site_of(const struct sim_node *node);
/* As the engine is told: "" for 0, else letter and number. */
void sim_place_write(char *name, char letter, uint32_t number);
void sim_route_count(const struct sim_route *route, uint64_t block_bytes);

#endif
