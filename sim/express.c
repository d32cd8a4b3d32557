/* SPDX-License-Identifier: Apache-2.0 */
/* What is under way to each node, and its arrival. */
#include "sim/express.h"

#include <stdlib.h>

#include "sim/link.h"
#include "sim/node.h"

#define PARCELS_START 64

static void grow(struct sim_inbox *inbox)
{
	uint32_t parcels_max = inbox->parcels_max == 0 ? PARCELS_START : 2 * inbox->parcels_max;
	struct sim_parcel *parcels = malloc(parcels_max * sizeof(*parcels));

	if (parcels == NULL) {
		fprintf(stderr, "sim: no memory for %u messages\n", parcels_max);
		abort();
	}
	for (uint32_t i = 0; i < inbox->count; i++)
		parcels[i] = inbox->parcels[(inbox->first + i) % inbox->parcels_max];
	free(inbox->parcels);
	inbox->parcels = parcels;
	inbox->parcels_max = parcels_max;
	inbox->first = 0;
}

static struct sim_parcel *parcel_at(const struct sim_inbox *inbox, uint32_t at)
{
	return &inbox->parcels[(inbox->first + at) & (inbox->parcels_max - 1)];
}

static uint64_t due_ns(const struct sim_world *world, const struct sim_parcel *parcel)
{
	if (!parcel->patient || world->patience_ns == 0)
		return parcel->arrives_ns;
	return u64_div_up(parcel->arrives_ns, world->patience_ns) * world->patience_ns;
}

static sim_event_function inbox_due;

static void wake(struct sim_node *node, uint64_t at_ns)
{
	if (at_ns >= node->inbox.wake_ns)
		return;
	node->inbox.wake_ns = at_ns;
	sim_schedule(node->world, at_ns, inbox_due, node, 0);
}

static void deliver(struct sim_parcel *parcel)
{
	struct sim_end *end = &parcel->connection->ends[parcel->end];
	struct sim_node *node = end->node;

	if (!end->open)
		return;
	if (parcel->message != NULL) {
		node->actor->received(node, end, parcel->message);
		return;
	}
	struct sim_message message = {.kind = SIM_CONTROL,
		.message = {.id = parcel->id,
			.extended_id = parcel->extended_id,
			.index = parcel->index,
			.begin = parcel->begin,
			.length = parcel->length,
			.bytes = parcel->bytes,
			.bytes_count = parcel->bytes_count}};

	node->actor->received(node, end, &message);
}

static void inbox_due(struct sim_world *world, void *context, uint64_t unused)
{
	struct sim_node *node = context;
	struct sim_inbox *inbox = &node->inbox;

	(void)unused;
	if (inbox->wake_ns != world->now_ns)
		return; /* it has looked earlier */
	inbox->wake_ns = UINT64_MAX;
	while (inbox->count > 0 && parcel_at(inbox, 0)->arrives_ns <= world->now_ns) {
		struct sim_parcel parcel = *parcel_at(inbox, 0);

		inbox->first = (inbox->first + 1) & (inbox->parcels_max - 1);
		inbox->count--;
		deliver(&parcel);
		if (parcel.message != NULL)
			sim_message_destroy(parcel.message);
	}
	if (inbox->count == 0) /* its beginning is in the cache */
		inbox->first = 0;
	for (uint32_t i = 0; i < inbox->count; i++)
		wake(node, due_ns(world, parcel_at(inbox, i)));
}

/* A place in the other's inbox, behind what arrives no later. */
static struct sim_parcel *put(struct sim_connection *connection, uint32_t end, uint64_t arrives_ns)
{
	struct sim_node *to = connection->ends[1 - end].node;
	struct sim_inbox *inbox = &to->inbox;

	if (inbox->count == inbox->parcels_max)
		grow(inbox);
	uint32_t at = inbox->count++;

	for (; at > 0 && parcel_at(inbox, at - 1)->arrives_ns > arrives_ns; at--)
		*parcel_at(inbox, at) = *parcel_at(inbox, at - 1);
	struct sim_parcel *parcel = parcel_at(inbox, at);

	parcel->arrives_ns = arrives_ns;
	parcel->connection = connection;
	parcel->end = 1 - end;
	return parcel;
}

static bool is_news(const struct peer_message *message)
{
	return message->id == PEER_HAVE ||
	       (message->id == PEER_EXTENDED && message->begin == PEER_EXTENSION_HAVES);
}

void sim_express_send(struct sim_connection *connection, uint32_t end,
	const struct peer_message *message, uint64_t wire_bytes)
{
	struct sim_node *from = connection->ends[end].node;
	struct sim_node *to = connection->ends[1 - end].node;

	if (!connection->ends[end].open)
		return;
	from->link.sent_bytes += wire_bytes;
	struct sim_parcel *parcel =
		put(connection, end, from->world->now_ns + connection->latency_ns);

	parcel->patient = is_news(message);
	parcel->message = NULL;
	parcel->id = (uint8_t)message->id;
	parcel->extended_id = message->extended_id;
	parcel->bytes_count = (uint8_t)message->bytes_count;
	parcel->index = message->index;
	parcel->begin = message->begin;
	parcel->length = message->length;
	if (message->bytes_count > 0)
		memcpy(parcel->bytes, message->bytes, message->bytes_count);
	wake(to, due_ns(to->world, parcel));
}

void sim_express_send_long(
	struct sim_connection *connection, uint32_t end, struct sim_message *message)
{
	struct sim_node *from = connection->ends[end].node;
	struct sim_node *to = connection->ends[1 - end].node;
	/* The first word never comes before the connection that it is for. */
	uint64_t behind_ns = message->kind == SIM_HANDSHAKE && end == 0 ? 1 : 0;

	from->link.sent_bytes += message->wire_bytes;
	struct sim_parcel *parcel =
		put(connection, end, from->world->now_ns + connection->latency_ns + behind_ns);

	parcel->patient = false;
	parcel->message = message;
	wake(to, parcel->arrives_ns);
}

void sim_inbox_destroy(struct sim_inbox *inbox)
{
	for (uint32_t i = 0; i < inbox->count; i++)
		if (parcel_at(inbox, i)->message != NULL)
			sim_message_destroy(parcel_at(inbox, i)->message);
	free(inbox->parcels);
}
