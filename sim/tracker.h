/* SPDX-License-Identifier: Apache-2.0 */
/* Trackers: announce in, some of the others out, after the latency of the announcer. A dead one
 * refuses, or is silent until the announcer's time-out. */
#ifndef SIM_TRACKER_H
#define SIM_TRACKER_H

#include "sim/node.h"

void sim_tracker_add(struct sim_world *world, uint32_t interval_s);
void sim_tracker_die(struct sim_world *world, uint32_t tracker, bool silent);
void sim_tracker_revive(struct sim_world *world, uint32_t tracker);
void sim_tracker_announce(struct sim_node *node, const struct swarm_effect *effect);
/* A bad peer makes itself known at every tracker for the whole run. */
void sim_tracker_register(struct sim_node *node);

#endif
