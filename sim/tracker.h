/* SPDX-License-Identifier: Apache-2.0 */
/* Trackers: the core of tracker/, as it ships; what it answers comes after the latency of the
 * announcer. A dead one refuses, or is silent until the announcer's time-out. Trackers of a cluster
 * know the same peers at once, and one that is back learns them from the others. */
#ifndef SIM_TRACKER_H
#define SIM_TRACKER_H

#include "sim/node.h"

void sim_tracker_add(struct sim_world *world, uint32_t interval_s);
void sim_tracker_destroy(struct sim_tracker *tracker);
/* Of a site, of a cluster (0: none), and in a tier of that site; for nodes of other sites it is one
 * tier later. */
void sim_tracker_add_for(struct sim_world *world, uint32_t interval_s, uint32_t site, uint32_t tier,
	uint32_t cluster);
/* The trackers that a node is told of, by tier; returns how many. */
uint32_t sim_tracker_list(struct sim_node *node, uint32_t tiers[static SIM_TRACKERS_MAX]);
/* It would be handed out by this tracker now. */
bool sim_tracker_knows(
	const struct sim_world *world, uint32_t tracker, const struct sim_node *node);
/* "trackers": no node of an engine went without an answer for longer than that. */
void sim_judge_trackers(struct sim_world *world, uint64_t unheard_ns_max);
void sim_tracker_die(struct sim_world *world, uint32_t tracker, bool silent);
void sim_tracker_revive(struct sim_world *world, uint32_t tracker);
void sim_tracker_announce(struct sim_node *node, const struct swarm_effect *effect);
/* A bad peer makes itself known at every tracker for the whole run. */
void sim_tracker_register(struct sim_node *node);

#endif
