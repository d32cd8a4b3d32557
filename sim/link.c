/* SPDX-License-Identifier: Apache-2.0 */
/* Streams, and the chunks of them that travel on links. */
#include "sim/link.h"

#include "sim/node.h"

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
	const struct sim_world *world = stream->connection->ends[stream->from].node->world;
	uint64_t in_flight = stream->sent_offset - stream->delivered_offset;
	uint64_t left = world->window_bytes - u64_min(in_flight, world->window_bytes);

	if (stream->tcp != NULL)
		left = u64_min(left, sim_tcp_window_left(stream, world->now_ns));
	return u64_min(
		left, stream->stall_offset - u64_min(stream->stall_offset, stream->sent_offset));
}

static bool block_ready(const struct sim_stream *stream)
{
	return stream->blocks.first != NULL && stream->blocks.first->ready;
}

static bool can_send(const struct sim_stream *stream)
{
	bool something = stream->sending_left_bytes > 0 || stream->socket.first != NULL ||
			 stream->control.first != NULL || block_ready(stream);

	if (!something || window_left(stream) > 0) {
		if (stream->tcp != NULL && !something)
			stream->tcp->limited = false;
		return something;
	}
	if (stream->tcp != NULL)
		stream->tcp->limited = true;
	return false;
}

/* Control passes blocks, but not what the socket has taken already. */
static void socket_fill(struct sim_stream *stream)
{
	const struct sim_world *world = stream->connection->ends[stream->from].node->world;
	uint64_t most_bytes = stream->tcp != NULL ? world->tcp.unsent_bytes : 0;

	while (stream->socket.first == NULL ||
		stream->socket_bytes + stream->sending_left_bytes < most_bytes) {
		struct sim_message *message;

		if (stream->control.first != NULL)
			message = sim_list_pop(&stream->control);
		else if (block_ready(stream))
			message = sim_list_pop(&stream->blocks);
		else
			break;
		stream->socket_bytes += message->wire_bytes;
		sim_list_push(&stream->socket, message);
	}
}

static uint64_t message_end(const struct sim_message *message)
{
	return message->begin_offset + message->wire_bytes;
}

static uint64_t head_bytes(const struct sim_message *block)
{
	return block->message.id == PEER_FRAME ? PEER_FRAME_HEAD_BYTES : PEER_PIECE_HEAD_BYTES;
}

/* Puts up to a chunk of bytes on the wire; returns how many. */
static uint64_t fill_chunk(struct sim_stream *stream, uint64_t bytes_max)
{
	uint64_t filled = 0;

	while (filled < bytes_max) {
		if (stream->sending_left_bytes == 0) {
			socket_fill(stream);
			if (stream->socket.first == NULL)
				break;
			struct sim_message *message = sim_list_pop(&stream->socket);

			stream->socket_bytes -= message->wire_bytes;
			message->begin_offset = stream->sent_offset + filled;
			stream->sending_left_bytes = message->wire_bytes;
			sim_list_push(&stream->wire, message);
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

static sim_event_function report_sent, chunk_sent, chunk_comes_in, chunk_delivered, chunk_acked;

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
		struct sim_chunk *chunk = sim_chunk_take(node->world);

		chunk->stream = stream;
		chunk->sent_ns = node->world->now_ns;
		chunk->lost = false;
		if (stream->tcp != NULL)
			sim_tcp_sends(stream, node->world->now_ns);
		chunk->bytes =
			fill_chunk(stream, u64_min(node->world->chunk_bytes, window_left(stream)));
		chunk->end_offset = stream->sent_offset;
		if (stream->tcp != NULL && chunk->bytes < SIM_FRAME_BYTES)
			link->extra_bytes += SIM_FRAME_HEADER_BYTES;
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
		node->world->now_ns + (link->chunks_first->bytes + link->extra_bytes) * NS_PER_S /
					      link->up_bytes_per_s,
		chunk_sent, node, node->life);
	link->extra_bytes = 0;
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

static void chunk_pass(struct sim_world *world, struct sim_chunk *chunk, struct sim_pipe *pipe)
{
	uint64_t wait_ns = sim_pipe_pass(pipe, chunk->bytes, &chunk->passage);

	if (chunk->stream->tcp != NULL)
		sim_tcp_waits(world, chunk, wait_ns);
}

static void chunk_sent(struct sim_world *world, void *context, uint64_t life)
{
	struct sim_node *node = context;
	struct sim_link *link = &node->link;

	if (node->life != life)
		return;
	struct sim_chunk *chunk = link->chunks_first;
	struct sim_stream *stream = chunk->stream;
	const struct sim_route *route = &stream->connection->routes[stream->from];
	uint64_t on_wire_ns = chunk->bytes * NS_PER_S / link->up_bytes_per_s;

	link->sent_bytes += chunk->bytes;
	link->chunks_bytes -= chunk->bytes;
	link->chunks_first = chunk->next;
	if (link->chunks_first == NULL)
		link->chunks_last = NULL;
	link->sending = false;
	/* Packets of a chunk are under way while later ones still leave. */
	chunk->passage = (struct sim_passage){
		world->now_ns - u64_min(world->now_ns, on_wire_ns), world->now_ns};
	if (sim_route_direct(route)) {
		chunk_comes_in(world, chunk, 0);
	} else {
		if (route->rack_out != NULL)
			chunk_pass(world, chunk, &route->rack_out->up);
		if (route->site_out != NULL)
			chunk_pass(world, chunk, &route->site_out->up);
		chunk->passage.first_ns += route->latency_ns;
		chunk->passage.last_ns += route->latency_ns;
		/* What comes from afar takes its turn on the way in when it is there. */
		sim_schedule(world, chunk->passage.first_ns, chunk_comes_in, chunk, 0);
	}
	uplink_next(node);
}

/* ---- the receiving side ---- */

static void chunk_acked(struct sim_world *world, void *context, uint64_t unused)
{
	struct sim_chunk *chunk = context;
	struct sim_stream *stream = chunk->stream;
	struct sim_link *back = &receiver_of(stream)->node->link;
	struct sim_link *here = &sender_of(stream)->node->link;
	uint64_t ack_bytes = chunk->bytes * world->tcp.ack_per_mille / 1000;

	(void)unused;
	here->down.free_ns = u64_max(here->down.free_ns, world->now_ns) +
			     ack_bytes * NS_PER_S / here->down.bytes_per_s;
	if (back->sending)
		back->extra_bytes += ack_bytes;
	sim_tcp_acked(stream, chunk, world->now_ns);
	sim_chunk_release(world, chunk);
	stream_ready(stream);
}

static void chunk_comes_in(struct sim_world *world, void *context, uint64_t unused)
{
	struct sim_chunk *chunk = context;
	struct sim_stream *stream = chunk->stream;
	const struct sim_route *route = &stream->connection->routes[stream->from];
	struct sim_link *up = &sender_of(stream)->node->link;
	struct sim_link *down = &receiver_of(stream)->node->link;

	(void)unused;
	if (route->site_in != NULL)
		chunk_pass(world, chunk, &route->site_in->down);
	if (route->rack_in != NULL)
		chunk_pass(world, chunk, &route->rack_in->down);
	chunk->passage.first_ns += up->latency_ns + down->latency_ns;
	chunk->passage.last_ns += up->latency_ns + down->latency_ns;
	chunk_pass(world, chunk, &down->down);
	if (stream->tcp == NULL) {
		sim_schedule(
			world, chunk->passage.last_ns, chunk_delivered, stream, chunk->end_offset);
		sim_chunk_release(world, chunk);
		return;
	}
	sim_tcp_random_loss(world, chunk, sender_of(stream)->node->traits.loss_per_million);
	sim_tcp_random_loss(world, chunk, receiver_of(stream)->node->traits.loss_per_million);
	uint64_t delivery_ns = sim_tcp_delivery_ns(stream, chunk);

	sim_schedule(world, delivery_ns, chunk_delivered, stream, chunk->end_offset);
	/* The acknowledgement takes its place among what comes to the sender. */
	sim_schedule(world,
		delivery_ns + stream->connection->latency_ns +
			(up->down.free_ns - u64_min(up->down.free_ns, world->now_ns)),
		chunk_acked, chunk, 0);
}

static void block_coming(
	struct sim_stream *stream, const struct sim_message *message, uint64_t offset)
{
	struct sim_end *receiver = receiver_of(stream);
	uint64_t now_ns = receiver->node->world->now_ns;

	if (message->kind != SIM_BLOCK || !message->head_seen ||
		message->place != SWARM_PLACE_BUFFER || now_ns < stream->coming_ns + NS_PER_S ||
		receiver->node->actor->block_coming == NULL)
		return;
	stream->coming_ns = now_ns;
	receiver->node->actor->block_coming(receiver->node, receiver,
		(uint32_t)(offset - message->begin_offset - head_bytes(message)));
}

static void chunk_delivered(struct sim_world *world, void *context, uint64_t offset)
{
	struct sim_stream *stream = context;
	struct sim_end *receiver = receiver_of(stream);

	if (!receiver->open)
		return;
	stream->delivered_offset = offset;
	stream_ready(stream);
	while (receiver->open && stream->wire.first != NULL) {
		struct sim_message *message = stream->wire.first;

		if (message->kind == SIM_BLOCK && !message->head_seen &&
			message->begin_offset + head_bytes(message) <= offset) {
			message->head_seen = true;
			stream->coming_ns = world->now_ns;
			receiver->node->actor->block_begins(receiver->node, receiver, message);
			continue;
		}
		if (message_end(message) > offset) {
			block_coming(stream, message, offset);
			break;
		}
		sim_list_pop(&stream->wire);
		if (message->kind == SIM_BLOCK)
			sim_route_count(
				&stream->connection->routes[stream->from], message->message.length);
		receiver->node->actor->received(receiver->node, receiver, message);
		sim_message_destroy(message);
	}
}

void sim_stream_purge(struct sim_stream *stream)
{
	struct sim_node *node = sender_of(stream)->node;

	if (node != NULL)
		queue_remove(&node->link, stream);
	sim_list_clear(&stream->control);
	sim_list_clear(&stream->blocks);
	sim_list_clear(&stream->socket);
	stream->socket_bytes = 0;
	stream->sending_left_bytes = 0;
	stream->unreported = NULL;
}

void sim_stream_clear_wire(struct sim_stream *stream)
{
	sim_list_clear(&stream->wire);
}

/* Its chunks stay with their slabs until the world ends. */
void sim_link_reset(struct sim_link *link)
{
	link->chunks_first = NULL;
	link->chunks_last = NULL;
	link->chunks_bytes = 0;
	link->sending = false;
	link->down.free_ns = 0;
}

/* ---- what nodes say ---- */

void sim_send(struct sim_connection *connection, uint32_t end, struct sim_message *message)
{
	struct sim_stream *stream = &connection->streams[end];

	if (!connection->ends[end].open) {
		sim_message_destroy(message);
		return;
	}
	if (message->kind != SIM_BLOCK && connection->ends[end].node->world->express) {
		sim_express_send_long(connection, end, message);
		return;
	}
	sim_list_push(message->kind == SIM_BLOCK ? &stream->blocks : &stream->control, message);
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
