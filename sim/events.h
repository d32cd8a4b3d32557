/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events to come, in order of time; equal times in order of scheduling. A wheel of wheels: an
 * event waits in the slot of the highest byte in which its time differs from the present, and moves
 * down when that byte's turn comes. So each is touched a few times however many there are.
 */
#ifndef SIM_EVENTS_H
#define SIM_EVENTS_H

#include "lib/bytes.h"

#define SIM_EVENT_LEVELS 8
#define SIM_EVENT_SLOTS	 256
#define SIM_EVENT_NONE	 UINT32_MAX

struct sim_world;

typedef void sim_event_function(struct sim_world *world, void *context, uint64_t argument);

struct sim_event {
	sim_event_function *fire;
	void *context;
	uint64_t argument;
	uint64_t at_ns;
	uint32_t next;
};

struct sim_event_list {
	uint32_t first;
	uint32_t last;
};

struct sim_events {
	struct sim_event *events;
	uint32_t events_max;
	uint32_t free;	  /* list through next */
	uint64_t base_ns; /* nothing is due before it */
	struct sim_event_list slots[SIM_EVENT_LEVELS][SIM_EVENT_SLOTS];
	uint64_t filled[SIM_EVENT_LEVELS][SIM_EVENT_SLOTS / 64];
};

void sim_events_init(struct sim_events *events);
void sim_events_destroy(struct sim_events *events);
void sim_events_push(struct sim_events *events, const struct sim_event *event);
/* The next one that is due by until_ns; false when there is none. */
MUST_USE bool sim_events_pop(struct sim_events *events, uint64_t until_ns, struct sim_event *event);

#endif
