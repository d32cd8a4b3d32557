/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold, one checker each, named as in a violation's report. They look at the world, never
 * at the engine's inside; sim/node_effects.c calls them before it applies an effect.
 */
#ifndef SIM_INVARIANTS_H
#define SIM_INVARIANTS_H

#include "sim/node.h"

/* "memory": the engine allocates nothing after its creation. */
void sim_check_allocation(struct sim_node *node, size_t bytes);
/* "effects": one input has a bounded number of effects, and a tick leads somewhere. */
void sim_check_effects(struct sim_node *node, uint32_t effects_count);
void sim_check_tick(struct sim_node *node, uint64_t deadline_ns);
/* "buffers": a buffer has one use at a time, and holds what the engine says it holds. */
bool sim_check_place(struct sim_node *node, uint32_t buffer, uint32_t piece);
bool sim_check_hash(struct sim_node *node, uint32_t buffer, uint32_t piece);
bool sim_check_write(struct sim_node *node, uint32_t buffer, uint32_t piece);
/* "first write": nothing is written before one piece was verified. */
void sim_check_first_write(struct sim_node *node, uint32_t piece);
/* "wrong data": what an honest node writes or sends is the image's. */
void sim_check_marks(struct sim_node *node, const char *doing, uint32_t piece,
	uint32_t first_granule, const uint32_t *marks, uint32_t marks_count);
/* "have": a piece that is announced can be read. */
void sim_check_have(struct sim_node *node, const struct peer_message *message);
/* "undurable": written and not durable stays below the limit. */
void sim_check_undurable(struct sim_node *node);
/* "durable", "complete": only what a power cut would leave (or held back memory holds). */
void sim_check_durable(struct sim_node *node, uint32_t piece);
void sim_check_complete(struct sim_node *node);
/* "finished": the medium is the image, all of it. */
void sim_check_finished(struct sim_node *node);
/* "half-written boots": the image's head is on the medium only when all of it is. */
void sim_check_not_bootable(struct sim_node *node);
/* "outcome": every node ended as the scenario expects. */
void sim_check_outcomes(struct sim_world *world);

#endif
