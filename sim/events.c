/* SPDX-License-Identifier: Apache-2.0 */
/* The wheel of events. */
#include "sim/events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define EVENTS_START 1024
#define LEVEL_BITS   8

static void grow(struct sim_events *e)
{
	uint32_t events_max = e->events_max == 0 ? EVENTS_START : 2 * e->events_max;
	struct sim_event *events = realloc(e->events, events_max * sizeof(*events));

	if (events == NULL) {
		fprintf(stderr, "sim: no memory for %" PRIu32 " events\n", events_max);
		abort();
	}
	for (uint32_t i = e->events_max; i < events_max; i++)
		events[i].next = i + 1 < events_max ? i + 1 : SIM_EVENT_NONE;
	e->free = e->events_max;
	e->events = events;
	e->events_max = events_max;
}

void sim_events_init(struct sim_events *e)
{
	*e = (struct sim_events){.free = SIM_EVENT_NONE};
	for (uint32_t level = 0; level < SIM_EVENT_LEVELS; level++)
		for (uint32_t slot = 0; slot < SIM_EVENT_SLOTS; slot++)
			e->slots[level][slot].first = SIM_EVENT_NONE;
	grow(e);
}

void sim_events_destroy(struct sim_events *e)
{
	free(e->events);
	e->events = NULL;
}

static void insert(struct sim_events *e, uint32_t number)
{
	struct sim_event *event = &e->events[number];
	uint64_t differs = event->at_ns ^ e->base_ns;
	uint32_t level = differs == 0 ? 0 : (63 - (uint32_t)__builtin_clzll(differs)) / LEVEL_BITS;
	uint32_t slot = (uint32_t)(event->at_ns >> (level * LEVEL_BITS)) % SIM_EVENT_SLOTS;
	struct sim_event_list *list = &e->slots[level][slot];

	if (level == 0)
		__builtin_prefetch(event->context); /* it is due within 256 ns */
	event->next = SIM_EVENT_NONE;
	if (list->first == SIM_EVENT_NONE)
		list->first = number;
	else
		e->events[list->last].next = number;
	list->last = number;
	e->filled[level][slot / 64] |= (uint64_t)1 << slot % 64;
}

static uint32_t take_slot(struct sim_events *e, uint32_t level, uint32_t slot)
{
	uint32_t first = e->slots[level][slot].first;

	e->slots[level][slot].first = SIM_EVENT_NONE;
	e->filled[level][slot / 64] &= ~((uint64_t)1 << slot % 64);
	return first;
}

static void insert_all(struct sim_events *e, uint32_t number)
{
	while (number != SIM_EVENT_NONE) {
		uint32_t next = e->events[number].next;

		insert(e, number);
		number = next;
	}
}

/* Somebody looked ahead, in vain, and now something is due before that: everything is sorted anew.
 * Events of one time are in one slot, so they keep their order. */
static void rewind_to(struct sim_events *e, uint64_t base_ns)
{
	uint32_t chain = SIM_EVENT_NONE;
	uint32_t *end = &chain;

	for (uint32_t level = 0; level < SIM_EVENT_LEVELS; level++)
		for (uint32_t slot = 0; slot < SIM_EVENT_SLOTS; slot++) {
			uint32_t last = e->slots[level][slot].last;
			uint32_t first = take_slot(e, level, slot);

			if (first == SIM_EVENT_NONE)
				continue;
			*end = first;
			end = &e->events[last].next;
		}
	e->base_ns = base_ns;
	insert_all(e, chain);
}

void sim_events_push(struct sim_events *e, const struct sim_event *event)
{
	if (e->free == SIM_EVENT_NONE)
		grow(e);
	uint32_t number = e->free;

	e->free = e->events[number].next;
	e->events[number] = *event;
	if (event->at_ns < e->base_ns)
		rewind_to(e, event->at_ns);
	insert(e, number);
}

static uint32_t first_filled(const struct sim_events *e, uint32_t level)
{
	for (uint32_t word = 0; word < SIM_EVENT_SLOTS / 64; word++)
		if (e->filled[level][word] != 0)
			return word * 64 + (uint32_t)__builtin_ctzll(e->filled[level][word]);
	return SIM_EVENT_SLOTS;
}

bool sim_events_pop(struct sim_events *e, uint64_t until_ns, struct sim_event *event)
{
	for (uint32_t level = 0; level < SIM_EVENT_LEVELS;) {
		uint32_t slot = first_filled(e, level);

		if (slot == SIM_EVENT_SLOTS) {
			level++;
			continue;
		}
		uint32_t shift = level * LEVEL_BITS;
		uint64_t start_ns = (e->base_ns >> shift >> LEVEL_BITS << LEVEL_BITS | slot)
				    << shift;

		if (start_ns > until_ns)
			return false;
		e->base_ns = start_ns;
		if (level == 0) {
			uint32_t number = e->slots[0][slot].first;

			*event = e->events[number];
			e->slots[0][slot].first = event->next;
			if (event->next == SIM_EVENT_NONE)
				(void)take_slot(e, 0, slot);
			e->events[number].next = e->free;
			e->free = number;
			return true;
		}
		insert_all(e, take_slot(e, level, slot));
		level = 0;
	}
	return false;
}
