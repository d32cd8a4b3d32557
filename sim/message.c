/* SPDX-License-Identifier: Apache-2.0 */
/* Messages, lists of them, and the memory of chunks. */
#include <stdlib.h>

#include "sim/link.h"

#define CHUNKS_A_SLAB 256

struct sim_message *sim_message_create(
	enum sim_message_kind kind, size_t payload_bytes, uint32_t marks_count)
{
	struct sim_message *message = sim_allocate(1, sizeof(*message));

	message->kind = kind;
	message->ready = true;
	message->placement.buffer = SWARM_BUFFER_NONE;
	message->buffer = SWARM_BUFFER_NONE;
	message->payload = message->few_bytes;
	if (payload_bytes > sizeof(message->few_bytes))
		message->payload = sim_allocate(1, payload_bytes);
	if (kind == SIM_HANDSHAKE)
		message->handshake = sim_allocate(1, sizeof(*message->handshake));
	message->marks_count = marks_count;
	message->marks = message->few_marks;
	if (marks_count > ARRAY_COUNT(message->few_marks))
		message->marks = sim_allocate(marks_count, sizeof(*message->marks));
	return message;
}

void sim_message_destroy(struct sim_message *message)
{
	if (message->payload != message->few_bytes)
		free(message->payload);
	free(message->handshake);
	if (message->marks != message->few_marks)
		free(message->marks);
	free(message);
}

/* ---- chunks: from slabs, which go with the world ---- */

struct sim_chunk *sim_chunk_take(struct sim_world *world)
{
	if (world->chunks_free == NULL) {
		struct sim_chunk *slab = sim_allocate(CHUNKS_A_SLAB, sizeof(*slab));

		/* The first of each holds the list of slabs together. */
		slab->next = world->chunks_slabs;
		world->chunks_slabs = slab;
		for (uint32_t i = 1; i < CHUNKS_A_SLAB; i++) {
			slab[i].next = world->chunks_free;
			world->chunks_free = &slab[i];
		}
	}
	struct sim_chunk *chunk = world->chunks_free;

	world->chunks_free = chunk->next;
	chunk->next = NULL;
	return chunk;
}

void sim_chunk_release(struct sim_world *world, struct sim_chunk *chunk)
{
	chunk->next = world->chunks_free;
	world->chunks_free = chunk;
}

void sim_chunks_destroy(struct sim_world *world)
{
	while (world->chunks_slabs != NULL) {
		struct sim_chunk *slab = world->chunks_slabs;

		world->chunks_slabs = slab->next;
		free(slab);
	}
}

void sim_list_push(struct sim_message_list *list, struct sim_message *message)
{
	message->next = NULL;
	if (list->last != NULL)
		list->last->next = message;
	else
		list->first = message;
	list->last = message;
}

struct sim_message *sim_list_pop(struct sim_message_list *list)
{
	struct sim_message *message = list->first;

	list->first = message->next;
	if (list->first == NULL)
		list->last = NULL;
	return message;
}

void sim_list_clear(struct sim_message_list *list)
{
	while (list->first != NULL)
		sim_message_destroy(sim_list_pop(list));
}
