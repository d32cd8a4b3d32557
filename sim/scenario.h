/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scenario builds a world, watches and disturbs it while it runs, and judges it at the end. Each
 * is a file in sim/scenarios/ named after what it shows, and a line in sim/scenarios.def.
 */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include "sim/bound.h"
#include "sim/node.h"
#include "sim/peers.h"
#include "sim/tracker.h"

struct sim_scenario {
	const char *name;
	const char *shows;
	uint32_t nodes_max; /* of all kinds */
	uint64_t limit_ns;  /* of virtual time: by then every node ended as expected */
	void (*build)(struct sim_world *world);
	void (*watch)(struct sim_world *world); /* every SIM_WATCH_NS; may be NULL */
	void (*judge)(struct sim_world *world); /* at the end; may be NULL */
	/* The checker that must catch this scenario: the run is good when it does and bad when
	 * nothing does. NULL: nothing may be caught. */
	const char *must_violate;
	bool manual; /* takes minutes and gigabytes: only run when named */
	bool large;  /* takes long or much memory: run-scenarios runs one seed of it */
};

#define SIM_WATCH_NS (20 * NS_PER_MS)

struct sim_result {
	bool good;
	uint32_t nodes_count; /* that received */
	uint32_t finished_count;
	uint32_t failed_count;
	uint64_t first_finish_ns; /* from the first boot */
	uint64_t last_finish_ns;
	uint64_t bound_ns; /* sim/bound.h */
	enum bound_part bound_by;
	uint64_t distinct_bytes;
	uint64_t origin_sent_bytes;
	uint64_t racks_in_bytes; /* payload of blocks that came into racks from outside */
	uint64_t received_bytes;
	uint64_t wasted_bytes;
	uint64_t events_count;
	uint64_t end_ns;
	uint32_t effects_most_count;
	uint32_t bans_count;
	struct sim_violation violation; /* checker "" : none */
};

extern const struct sim_scenario *const sim_scenarios[];
extern const uint32_t sim_scenarios_count;

/* NULL when there is none of that name. */
const struct sim_scenario *sim_scenario_find(const char *name);
/* trace: a line for each thing that happens; timeline: one for each second of virtual time, how
 * full the links are. Both may be NULL. */
void sim_scenario_run(const struct sim_scenario *scenario, uint64_t seed, FILE *trace,
	FILE *timeline, struct sim_result *result);
/* sim/measure.c: what there is to see now, beside the bound. */
void sim_measure(struct sim_world *world, struct sim_result *result);
/* A machine with the engine that wants the image. */
bool sim_receives(const struct sim_node *node);
/* sim/timeline.c */
void sim_timeline_start(struct sim_world *world);

/* ---- parts to build with ---- */

/* A tracker, an origin (node 0) and nodes_count machines (nodes 1...), all with these traits, all
 * booting at time 0; the image is already made. Returns the first machine's number: 1. */
uint32_t sim_room(
	struct sim_world *world, uint32_t nodes_count, const struct sim_node_traits *traits);

/* sim/racked.c: a tracker, and racks of nodes_per_rack machines each, whose uplinks carry
 * uplink_bytes_per_s (0: any rate); the origin, node 0, is one more in the first. traits.rack is
 * set here. All boot at time 0. */
void sim_racked(struct sim_world *world, uint32_t racks_count, uint32_t nodes_per_rack,
	uint64_t uplink_bytes_per_s, const struct sim_node_traits *traits);
#define SIM_RACKED_BYTES_PER_S (25 * 1000 * 1000 / 8) /* of sim_racked_traits' links */
/* A usual machine with links as thin as the uplinks. */
void sim_racked_traits(struct sim_node_traits *traits);
/* An image of 64 MiB, and four such racks of eight. */
void sim_racked_usual(struct sim_world *world, uint64_t uplink_bytes_per_s);
/* Machines of one rack, or of none. */
void sim_racked_machines(struct sim_world *world, uint32_t rack, uint32_t count,
	const struct sim_node_traits *traits);
/* The machines alone, in racks that are there. */
void sim_racked_add(struct sim_world *world, uint32_t racks_count, uint32_t nodes_per_rack,
	const struct sim_node_traits *traits);
/* To watch with, in sim_racked_usual: an importer of the second rack ends when it has a third of
 * the image, one of the third rack at two thirds. They need not finish. */
void sim_racked_importers_expect_nothing(struct sim_world *world);
void sim_racked_importers_end(struct sim_world *world, void (*end)(struct sim_node *node));
/* "uplinks": bytes of blocks that went into racks, in percent of the image. */
void sim_judge_uplinks(struct sim_world *world, uint64_t percent_max);

/* Links as traffic shapers make them, and TCP on them: the world's, and a usual machine's. */
void sim_shaped(struct sim_world *world, struct sim_node_traits *traits, uint64_t link_bytes_per_s);

/* Before the image is made and machines are added: whole pieces instead of blocks travel and are
 * written, and control messages do not queue. For rooms too large for anything finer. */
void sim_count_in_pieces(
	struct sim_world *world, struct sim_node_traits *traits, uint32_t piece_bytes);

/* sim/halls.c: racks of 40 machines on gigabit links behind uplinks of 10 Gbit/s; pieces of 4 MiB,
 * counted in pieces. */
#define SIM_GIGABIT		 (UINT64_C(125000000) * 1448 / 1538)
#define SIM_HALL_RACK_NODES	 40
#define SIM_HALL_NODES(racks)	 ((racks)*SIM_HALL_RACK_NODES + 1)
#define SIM_HALL_LIMIT_NS(bytes) (20 * ((bytes) / SIM_GIGABIT) * NS_PER_S)

struct sim_hall {
	uint32_t racks_count;
	uint64_t image_bytes;
	uint32_t together; /* so many pieces travel, are hashed and written as one */
	uint64_t disk_bytes_per_s;
	uint64_t slow_disk_bytes_per_s;
	uint32_t slow_one_in;  /* machines with the slow disk; 0: none */
	uint32_t fails_one_in; /* machines that lose power once; 0: none */
	uint32_t peers_max;    /* 0: the default */
	bool unaware;	       /* machines are not told their racks; the tracker's subnets are */
};
void sim_hall_build(struct sim_world *world, const struct sim_hall *hall);

/* Durable bytes of the node by its engine's account, 0 when it is off. */
uint64_t sim_durable_bytes(const struct sim_node *node);
/* Every piece can be read at some machine that runs, the origin aside. */
bool sim_one_copy_outside_origin(const struct sim_world *world);
/* "bans": of the bans that all nodes together should have made, at least half. */
void sim_judge_bans(struct sim_world *world, uint32_t liars_count);
/* "ratio": last finish against the bound, in percent; "copies": the origin's, in percent. */
void sim_judge_ratio(struct sim_world *world, uint64_t percent_max);
void sim_judge_copies(struct sim_world *world, uint64_t percent_max);

#endif
