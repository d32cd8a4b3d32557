/* SPDX-License-Identifier: Apache-2.0 */
/* Connections and the chunks that travel on them. */
#include "sim/link.h"

#include <stdlib.h>

#include "sim/node.h"

struct sim_message *sim_message_create(
	enum sim_message_kind kind, size_t payload_bytes, uint32_t marks_count)
{
	struct sim_message *message = sim_allocate(1, sizeof(*message));

	message->kind = kind;
	message->ready = true;
	message->place_buffer = SWARM_BUFFER_NONE;
	message->buffer = SWARM_BUFFER_NONE;
	if (payload_bytes > 0)
		message->payload = sim_allocate(payload_bytes, 1);
	message->marks_count = marks_count;
	if (marks_count > 0)
		message->marks = sim_allocate(marks_count, sizeof(*message->marks));
	return message;
}

void sim_message_destroy(struct sim_message *message)
{
	free(message->payload);
	free(message->marks);
	free(message);
}

static void list_push(struct sim_message_list *list, struct sim_message *message)
{
	message->next = NULL;
	if (list->last != NULL)
		list->last->next = message;
	else
		list->first = message;
	list->last = message;
}

static struct sim_message *list_pop(struct sim_message_list *list)
{
	struct sim_message *message = list->first;

	list->first = message->next;
	if (list->first == NULL)
		list->last = NULL;
	return message;
}

static void list_clear(struct sim_message_list *list)
{
	while (list->first != NULL)
		sim_message_destroy(list_pop(list));
}

/* ---- the uplink ---- */

static struct sim_end *sender_of(struct sim_stream *stream)
{
	return &stream->connection->ends[stream->from];
}

static struct sim_end *receiver_of(struct sim_stream *stream)
{
	return &stream->connection->ends[1 - stream->from];
}

static void queue_remove(struct sim_link *link, struct sim_stream *stream)
{
	if (!stream->waiting)
		return;
	stream->waiting = false;
	if (stream->previous != NULL)
		stream->previous->next = stream->next;
	else
		link->queue_first = stream->next;
	if (stream->next != NULL)
		stream->next->previous = stream->previous;
	else
		link->queue_last = stream->previous;
}

static void queue_append(struct sim_link *link, struct sim_stream *stream)
{
	stream->waiting = true;
	stream->next = NULL;
	stream->previous = link->queue_last;
	if (link->queue_last != NULL)
		link->queue_last->next = stream;
	else
		link->queue_first = stream;
	link->queue_last = stream;
}

static uint64_t window_left(const struct sim_stream *stream)
{
	const struct sim_node *node = stream->connection->ends[stream->from].node;
	uint64_t in_flight = stream->sent_offset - stream->delivered_offset;
	uint64_t left = node->world->window_bytes - u64_min(in_flight, node->world->window_bytes);

	return u64_min(
		left, stream->stall_offset - u64_min(stream->stall_offset, stream->sent_offset));
}

static bool can_send(const struct sim_stream *stream)
{
	bool something = stream->sending_left_bytes > 0 || stream->control.first != NULL ||
			 (stream->blocks.first != NULL && stream->blocks.first->ready);

	return something && window_left(stream) > 0;
}

static uint64_t message_end(const struct sim_message *message)
{
	return message->begin_offset + message->wire_bytes;
}

/* Puts up to a chunk of bytes on the wire; returns how many. */
static uint64_t fill_chunk(struct sim_stream *stream, uint64_t bytes_max)
{
	uint64_t filled = 0;

	while (filled < bytes_max) {
		if (stream->sending_left_bytes == 0) {
			struct sim_message *message;

			if (stream->control.first != NULL)
				message = list_pop(&stream->control);
			else if (stream->blocks.first != NULL && stream->blocks.first->ready)
				message = list_pop(&stream->blocks);
			else
				break;
			message->begin_offset = stream->sent_offset + filled;
			stream->sending_left_bytes = message->wire_bytes;
			list_push(&stream->wire, message);
			if (stream->unreported == NULL)
				stream->unreported = message;
		}
		uint64_t bytes = u64_min(stream->sending_left_bytes, bytes_max - filled);

		stream->sending_left_bytes -= bytes;
		filled += bytes;
	}
	stream->sent_offset += filled;
	return filled;
}

static sim_event_function report_sent, chunk_sent, chunk_delivered;

/* From the streams into the queue, in turn, until it is full. */
static void uplink_fill(struct sim_node *node)
{
	struct sim_link *link = &node->link;

	while (link->queue_first != NULL &&
		(link->chunks_bytes == 0 || link->chunks_bytes < link->up_queue_bytes)) {
		struct sim_stream *stream = link->queue_first;

		queue_remove(link, stream);
		if (!can_send(stream))
			continue;
		struct sim_chunk *chunk = sim_allocate(1, sizeof(*chunk));

		chunk->stream = stream;
		chunk->bytes =
			fill_chunk(stream, u64_min(node->world->chunk_bytes, window_left(stream)));
		chunk->end_offset = stream->sent_offset;
		link->chunks_bytes += chunk->bytes;
		if (link->chunks_last != NULL)
			link->chunks_last->next = chunk;
		else
			link->chunks_first = chunk;
		link->chunks_last = chunk;
		/* Not at once: the sender may be in the middle of saying something. */
		if (stream->unreported != NULL &&
			message_end(stream->unreported) <= chunk->end_offset)
			sim_schedule(node->world, node->world->now_ns, report_sent, stream,
				chunk->end_offset);
		if (can_send(stream))
			queue_append(link, stream);
	}
}

static void uplink_next(struct sim_node *node)
{
	struct sim_link *link = &node->link;

	uplink_fill(node);
	if (link->sending || link->chunks_first == NULL)
		return;
	link->sending = true;
	sim_schedule(node->world,
		node->world->now_ns + link->chunks_first->bytes * NS_PER_S / link->up_bytes_per_s,
		chunk_sent, node, node->life);
}

static void stream_ready(struct sim_stream *stream)
{
	struct sim_end *sender = sender_of(stream);

	if (!sender->open || stream->waiting || !can_send(stream))
		return;
	queue_append(&sender->node->link, stream);
	uplink_next(sender->node);
}

/* Tells the sender of blocks that are wholly in the queue: out of its hands. */
static void report_sent(struct sim_world *world, void *context, uint64_t offset)
{
	struct sim_stream *stream = context;

	(void)world;
	while (stream->unreported != NULL && message_end(stream->unreported) <= offset) {
		struct sim_message *message = stream->unreported;
		struct sim_end *sender = sender_of(stream);

		stream->unreported = message->next;
		if (message->kind == SIM_BLOCK && sender->open)
			sender->node->actor->block_sent(sender->node, sender, message);
	}
}

static void chunk_sent(struct sim_world *world, void *context, uint64_t life)
{
	struct sim_node *node = context;
	struct sim_link *link = &node->link;

	if (node->life != life)
		return;
	struct sim_chunk *chunk = link->chunks_first;
	struct sim_link *down = &receiver_of(chunk->stream)->node->link;
	uint64_t arrival_ns = world->now_ns + link->latency_ns + down->latency_ns;
	uint64_t on_wire_ns = chunk->bytes * NS_PER_S / link->up_bytes_per_s;
	/* Packets of a chunk come in while later ones still leave: an idle downlink that is as fast
	 * as the uplink adds nothing. */
	uint64_t start_ns =
		u64_max(down->down_free_ns, arrival_ns - u64_min(arrival_ns, on_wire_ns));
	uint64_t done_ns =
		u64_max(arrival_ns, start_ns + chunk->bytes * NS_PER_S / down->down_bytes_per_s);

	down->down_free_ns = done_ns;
	down->received_bytes += chunk->bytes;
	link->sent_bytes += chunk->bytes;
	link->chunks_bytes -= chunk->bytes;
	link->chunks_first = chunk->next;
	if (link->chunks_first == NULL)
		link->chunks_last = NULL;
	link->sending = false;
	sim_schedule(world, done_ns, chunk_delivered, chunk->stream, chunk->end_offset);
	free(chunk);
	uplink_next(node);
}

/* ---- the receiving side ---- */

static void chunk_delivered(struct sim_world *world, void *context, uint64_t offset)
{
	struct sim_stream *stream = context;
	struct sim_end *receiver = receiver_of(stream);

	(void)world;
	if (!receiver->open)
		return;
	stream->delivered_offset = offset;
	stream_ready(stream);
	while (receiver->open && stream->wire.first != NULL) {
		struct sim_message *message = stream->wire.first;

		if (message->kind == SIM_BLOCK && !message->head_seen &&
			message->begin_offset + PEER_PIECE_HEAD_BYTES <= offset) {
			message->head_seen = true;
			receiver->node->actor->block_begins(receiver->node, receiver, message);
			continue;
		}
		if (message_end(message) > offset)
			break;
		list_pop(&stream->wire);
		receiver->node->actor->received(receiver->node, receiver, message);
		sim_message_destroy(message);
	}
}

/* ---- connections ---- */

static sim_event_function syn_arrives, connect_answer, accept_arrives, close_arrives, cut_noticed;

static struct sim_connection *connection_create(
	struct sim_node *node, uint32_t slot, uint32_t generation, struct sim_node *to)
{
	struct sim_connection *connection = sim_allocate(1, sizeof(*connection));
	struct sim_world *world = node->world;

	connection->next = world->connections;
	world->connections = connection;
	connection->ends[0] = (struct sim_end){node, slot, generation, false};
	connection->ends[1] = (struct sim_end){to, SWARM_PEER_NONE, 0, false};
	for (uint32_t i = 0; i < 2; i++) {
		connection->streams[i].connection = connection;
		connection->streams[i].from = i;
		connection->streams[i].stall_offset = UINT64_MAX;
	}
	return connection;
}

void sim_connect(struct sim_node *node, uint32_t slot, uint32_t generation,
	const struct peer_address *address)
{
	struct sim_world *world = node->world;
	struct sim_node *to = sim_node_at(world, address);
	struct sim_connection *connection = connection_create(node, slot, generation, to);
	uint64_t latency_ns = node->link.latency_ns + (to != NULL ? to->link.latency_ns : 0);

	sim_schedule(world, world->now_ns + latency_ns, syn_arrives, connection, node->boots_count);
}

static void syn_arrives(struct sim_world *world, void *context, uint64_t boot)
{
	struct sim_connection *connection = context;
	struct sim_node *to = connection->ends[1].node;
	struct sim_node *from = connection->ends[0].node;
	bool powered = to != NULL && to->powered;
	uint64_t latency_ns = from->link.latency_ns + (to != NULL ? to->link.latency_ns : 0);
	/* A host without power never answers; one without a listener refuses. */
	uint64_t answer_ns = powered ? latency_ns : world->dead_host_ns;

	connection->ends[1].open = powered && to->listening;
	sim_schedule(world, world->now_ns + answer_ns, connect_answer, connection, boot);
}

static void connect_answer(struct sim_world *world, void *context, uint64_t boot)
{
	struct sim_connection *connection = context;
	struct sim_end *here = &connection->ends[0];
	struct sim_end *there = &connection->ends[1];
	bool accepted = there->open;

	there->open = false;
	if (here->node->boots_count != boot || !here->node->powered)
		return;
	if (!sim_node_expects(here->node, here->slot, here->generation))
		return;
	if (!accepted) {
		here->node->actor->connect_failed(here->node, here->slot, here->generation);
		return;
	}
	here->open = true;
	sim_node_bind(here->node, here->slot, connection, 0);
	sim_schedule(world,
		world->now_ns + here->node->link.latency_ns + there->node->link.latency_ns,
		accept_arrives, connection, 0);
	here->node->actor->connected(here->node, here->slot, here->generation);
}

static void accept_arrives(struct sim_world *world, void *context, uint64_t unused)
{
	struct sim_connection *connection = context;
	struct sim_end *there = &connection->ends[1];
	struct sim_node *from = connection->ends[0].node;
	/* What accept(2) says: the host's address and a port of the moment. */
	struct peer_address address = from->address;

	(void)unused;
	address.port = (uint16_t)(32768 + rng_below(&world->rng, 28232));
	if (!there->node->powered) {
		sim_schedule(
			world, world->now_ns + world->dead_host_ns, cut_noticed, connection, 0);
		return;
	}
	there->open = true;
	if (!there->node->listening || !connection->ends[0].open ||
		!there->node->actor->accepted(there->node, connection, &address)) {
		there->open = false;
		sim_schedule(world,
			world->now_ns + from->link.latency_ns + there->node->link.latency_ns,
			close_arrives, connection, 0);
	}
}

static void purge_end(struct sim_connection *connection, uint32_t end)
{
	struct sim_stream *stream = &connection->streams[end];

	connection->ends[end].open = false;
	queue_remove(&connection->ends[end].node->link, stream);
	list_clear(&stream->control);
	list_clear(&stream->blocks);
	stream->sending_left_bytes = 0;
	stream->unreported = NULL;
}

static void close_arrives(struct sim_world *world, void *context, uint64_t end)
{
	struct sim_connection *connection = context;
	struct sim_end *here = &connection->ends[end];

	(void)world;
	if (!here->open)
		return;
	purge_end(connection, (uint32_t)end);
	sim_node_unbind(here->node, here->slot, connection);
	here->node->actor->disconnected(here->node, here->slot, here->generation);
	list_clear(&connection->streams[0].wire);
	list_clear(&connection->streams[1].wire);
}

void sim_close(struct sim_connection *connection, uint32_t end)
{
	struct sim_end *here = &connection->ends[end];
	struct sim_end *there = &connection->ends[1 - end];
	struct sim_world *world = here->node->world;

	if (!here->open)
		return;
	purge_end(connection, end);
	sim_node_unbind(here->node, here->slot, connection);
	sim_schedule(world,
		world->now_ns + here->node->link.latency_ns + there->node->link.latency_ns,
		close_arrives, connection, 1 - end);
}

static void cut_noticed(struct sim_world *world, void *context, uint64_t end)
{
	close_arrives(world, context, end);
}

void sim_cut(struct sim_connection *connection, uint32_t end)
{
	struct sim_world *world = connection->ends[end].node->world;

	purge_end(connection, end);
	sim_schedule(world, world->now_ns + world->dead_host_ns, cut_noticed, connection, 1 - end);
}

void sim_link_reset(struct sim_link *link)
{
	while (link->chunks_first != NULL) {
		struct sim_chunk *chunk = link->chunks_first;

		link->chunks_first = chunk->next;
		free(chunk);
	}
	link->chunks_last = NULL;
	link->chunks_bytes = 0;
	link->sending = false;
	link->down_free_ns = 0;
}

/* ---- what nodes say ---- */

void sim_send(struct sim_connection *connection, uint32_t end, struct sim_message *message)
{
	struct sim_stream *stream = &connection->streams[end];

	if (!connection->ends[end].open) {
		sim_message_destroy(message);
		return;
	}
	list_push(message->kind == SIM_BLOCK ? &stream->blocks : &stream->control, message);
	stream_ready(stream);
}

struct sim_message *sim_find_queued(
	struct sim_connection *connection, uint32_t end, const struct peer_message *block)
{
	struct sim_message *message = connection->streams[end].blocks.first;

	while (message != NULL &&
		(message->message.index != block->index || message->message.begin != block->begin ||
			message->message.length != block->length))
		message = message->next;
	return message;
}

struct sim_message *sim_find_numbered(
	struct sim_connection *connection, uint32_t end, uint64_t number)
{
	struct sim_message *message = connection->streams[end].blocks.first;

	while (message != NULL && message->number != number)
		message = message->next;
	return message;
}

void sim_unqueue(struct sim_connection *connection, uint32_t end, struct sim_message *message)
{
	struct sim_message_list *list = &connection->streams[end].blocks;
	struct sim_message *previous = NULL;

	for (struct sim_message *at = list->first; at != message; at = at->next)
		previous = at;
	if (previous != NULL)
		previous->next = message->next;
	else
		list->first = message->next;
	if (list->last == message)
		list->last = previous;
	stream_ready(&connection->streams[end]);
}

void sim_poke(struct sim_connection *connection, uint32_t end)
{
	stream_ready(&connection->streams[end]);
}

void sim_connections_destroy(struct sim_world *world)
{
	while (world->connections != NULL) {
		struct sim_connection *connection = world->connections;

		world->connections = connection->next;
		for (uint32_t i = 0; i < 2; i++) {
			list_clear(&connection->streams[i].control);
			list_clear(&connection->streams[i].blocks);
			list_clear(&connection->streams[i].wire);
		}
		free(connection);
	}
}
