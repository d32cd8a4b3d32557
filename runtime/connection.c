/* SPDX-License-Identifier: Apache-2.0 */
/* One peer's connection: its life, and what comes in. What goes out is in output.c. */
#include "runtime/connection.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/memory.h"
#include "runtime/socket.h"

#define CONNECT_TIMEOUT_S   5
#define GREETING_TIMEOUT_S  10
#define IDLE_TIMEOUT_S	    150
#define INPUT_BYTES_USUAL   1024
#define LOOK_AHEAD_BYTES    64	/* read behind a block's end: the next message's head */
#define READ_BYTES_PER_TURN MIB /* then the other connections have their turn */
#define COMING_EVERY_NS	    NS_PER_S

static void on_readable(evutil_socket_t descriptor, short what, void *context);
static void on_writable(evutil_socket_t descriptor, short what, void *context);

static void bury(evutil_socket_t descriptor, short what, void *context)
{
	struct connection_pool *pool = context;

	(void)descriptor;
	(void)what;
	while (pool->dead != NULL) {
		struct connection *connection = pool->dead;

		pool->dead = connection->next_dead;
		free(connection);
	}
}

bool connection_pool_open(struct connection_pool *pool, struct event_base *base,
	struct workers *disks, uint64_t uploads_bytes, struct failure *failure)
{
	*pool = (struct connection_pool){.base = base};
	pool->bury_event = evtimer_new(base, bury, pool);
	if (pool->bury_event == NULL)
		return failure_set(failure, ERROR_MEMORY, "cannot make an event");
	pool->uploads = upload_pool_create(disks, uploads_bytes);
	pool->discard = memory_allocate(1, CONNECTION_DISCARD_BYTES);
	return true;
}

void connection_pool_close(struct connection_pool *pool)
{
	bury(-1, 0, pool);
	if (pool->bury_event != NULL)
		event_free(pool->bury_event);
	pool->uploads = upload_pool_destroy(pool->uploads);
	free(pool->discard);
	*pool = (struct connection_pool){0};
}

static struct connection *connection_create(struct connection_pool *pool, int descriptor,
	const struct peer_address *address, const struct connection_ops *ops, void *owner)
{
	struct connection *connection = memory_allocate(1, sizeof(*connection));

	connection->pool = pool;
	connection->descriptor = descriptor;
	connection->address = *address;
	connection->ops = ops;
	connection->owner = owner;
	connection->input_capacity = INPUT_BYTES_USUAL;
	connection->input = memory_allocate(1, INPUT_BYTES_USUAL);
	connection->limits.control_bytes_max = INPUT_BYTES_USUAL;
	event_assign(&connection->read_event, pool->base, descriptor, EV_READ | EV_PERSIST,
		on_readable, connection);
	event_assign(&connection->write_event, pool->base, descriptor, EV_WRITE, on_writable,
		connection);
	return connection;
}

static void watch(struct connection *connection, struct event *event, uint32_t timeout_s)
{
	struct timeval timeout = {.tv_sec = (time_t)timeout_s};

	if (event_add(event, &timeout) != 0)
		connection->broken = "the loop cannot watch its socket";
}

struct connection *connection_dial(struct connection_pool *pool, const struct peer_address *address,
	const struct connection_limits *limits, const struct connection_ops *ops, void *owner)
{
	int descriptor = socket_connect(address, &pool->source);

	if (descriptor < 0)
		return NULL;

	struct connection *connection = connection_create(pool, descriptor, address, ops, owner);

	connection->limits = *limits;
	connection->state = CONNECTION_CONNECTING;
	watch(connection, &connection->write_event, CONNECT_TIMEOUT_S);
	return connection;
}

struct connection *connection_accept(struct connection_pool *pool, int descriptor,
	const struct peer_address *address, const struct connection_ops *ops, void *owner)
{
	struct connection *connection = connection_create(pool, descriptor, address, ops, owner);

	socket_tune(descriptor);
	connection->up = true;
	connection->state = CONNECTION_GREETING;
	watch(connection, &connection->read_event, GREETING_TIMEOUT_S);
	return connection;
}

void connection_adopt(struct connection *connection, const struct connection_limits *limits,
	const struct connection_ops *ops, void *owner)
{
	connection->limits = *limits;
	connection->ops = ops;
	connection->owner = owner;
}

void connection_close(struct connection *connection)
{
	struct timeval at_once = {0};

	if (connection->state == CONNECTION_CLOSED)
		return;
	connection->state = CONNECTION_CLOSED;
	event_del(&connection->read_event);
	event_del(&connection->write_event);
	close(connection->descriptor);
	connection->descriptor = -1;
	upload_forget(connection->pool->uploads, connection);
	output_release(connection);
	free(connection->input);
	connection->input = NULL;
	connection->next_dead = connection->pool->dead;
	connection->pool->dead = connection;
	if (evtimer_add(connection->pool->bury_event, &at_once) != 0)
		log_error("cannot schedule the end of a connection");
}

void connection_fail(struct connection *connection, const char *reason)
{
	char text[SOCKET_TEXT_MAX];

	if (connection->state == CONNECTION_CLOSED)
		return;
	log_debug("peer %s: %s", socket_address_text(text, &connection->address), reason);
	connection_close(connection);
	connection->ops->failed(connection, reason);
}

void connection_flush_later(struct connection *connection)
{
	if (connection->state != CONNECTION_CLOSED)
		event_active(&connection->write_event, EV_WRITE, 0);
}

static void on_writable(evutil_socket_t descriptor, short what, void *context)
{
	struct connection *connection = context;

	(void)descriptor;
	if (connection->state != CONNECTION_CONNECTING) {
		if (what & EV_TIMEOUT)
			connection_fail(connection, "took nothing for too long");
		else
			connection_flush(connection);
		return;
	}
	if (what & EV_TIMEOUT) {
		connection_fail(connection, "connecting took too long");
		return;
	}

	int result = socket_connect_result(connection->descriptor);

	if (result != 0) {
		connection_fail(connection, strerror(result));
		return;
	}
	connection->up = true;
	connection->state = CONNECTION_GREETING;
	watch(connection, &connection->read_event, GREETING_TIMEOUT_S);
	connection->ops->connected(connection);
}

static void input_drop(struct connection *connection, size_t used_bytes)
{
	connection->input_bytes -= (uint32_t)used_bytes;
	memmove(connection->input, connection->input + used_bytes, connection->input_bytes);
	if (connection->input_bytes == 0 && connection->input_capacity > INPUT_BYTES_USUAL) {
		connection->input_capacity = INPUT_BYTES_USUAL;
		connection->input = memory_resize(connection->input, INPUT_BYTES_USUAL);
	}
}

static void block_finish(struct connection *connection)
{
	struct peer_message block = connection->block;
	bool discarded = connection->block_place.wanted == 0;

	connection->in_block = false;
	connection->ops->block(connection, &block, discarded);
}

static bool unit_wanted(const struct block_place *place, uint32_t unit)
{
	return unit < 64 && (place->wanted >> unit & 1) != 0;
}

/* The block's next bytes that go to one place; *bytes NULL: they are thrown away. */
static uint32_t block_span(const struct connection *connection, uint8_t **bytes)
{
	const struct block_place *place = &connection->block_place;
	uint32_t from = connection->block_received_bytes;
	uint32_t block_bytes = peer_block_wire_bytes(&connection->block);
	uint32_t left_bytes = block_bytes - from;

	*bytes = NULL;
	if (place->wanted == 0)
		return left_bytes;

	uint32_t unit = from / place->unit_bytes;
	bool wanted = unit_wanted(place, unit);
	uint64_t end = (uint64_t)(unit + 1) * place->unit_bytes;

	while (end < block_bytes && unit_wanted(place, ++unit) == wanted)
		end += place->unit_bytes;
	if (wanted)
		*bytes = place->bytes + from;
	return (uint32_t)u64_min(left_bytes, end - from);
}

/* The head of a PIECE has been parsed; some of its bytes may lie in the input already. */
static void block_begin(struct connection *connection, const struct peer_message *message)
{
	uint32_t block_bytes = peer_block_wire_bytes(message);
	uint32_t used_bytes = 0;

	connection->block_place = (struct block_place){0};
	if (!connection->ops->place(connection, message, &connection->block_place)) {
		connection_fail(connection, "sent a block that makes no sense");
		return;
	}
	connection->in_block = true;
	connection->block = *message;
	connection->block_received_bytes = 0;
	connection->coming_ns = clock_now_ns();
	while (used_bytes < connection->input_bytes &&
		connection->block_received_bytes < block_bytes) {
		uint8_t *bytes;
		uint32_t span_bytes = (uint32_t)u64_min(
			block_span(connection, &bytes), connection->input_bytes - used_bytes);

		if (bytes != NULL)
			memcpy(bytes, connection->input + used_bytes, span_bytes);
		used_bytes += span_bytes;
		connection->block_received_bytes += span_bytes;
	}
	input_drop(connection, used_bytes);
	if (connection->block_received_bytes == block_bytes)
		block_finish(connection);
}

/* Room for a message of which only the beginning is there. False when it would be too large. */
static bool input_reserve(struct connection *connection, size_t needed_bytes)
{
	size_t bytes_max = (size_t)connection->limits.message_bytes_max + PEER_PIECE_HEAD_BYTES;

	if (needed_bytes > bytes_max)
		return false;
	if (needed_bytes > connection->input_capacity) {
		connection->input_capacity = (uint32_t)needed_bytes;
		connection->input = memory_resize(connection->input, needed_bytes);
	}
	return true;
}

/* False when there is no whole handshake yet, or the connection has ended. */
static bool take_handshake(struct connection *connection)
{
	struct peer_handshake handshake;
	static const uint8_t beginning[] = "\x13"
					   "BitTorrent protocol";
	size_t look_bytes = u64_min(connection->input_bytes, sizeof(beginning) - 1);

	if (memcmp(connection->input, beginning, look_bytes) != 0) {
		connection_fail(connection, "does not speak BitTorrent (or only encrypted)");
		return false;
	}
	if (connection->input_bytes < PEER_HANDSHAKE_BYTES)
		return false;
	if (!peer_handshake_parse(&handshake, connection->input)) {
		connection_fail(connection, "sent a broken handshake");
		return false;
	}
	input_drop(connection, PEER_HANDSHAKE_BYTES);
	connection->state = CONNECTION_OPEN;
	watch(connection, &connection->read_event, IDLE_TIMEOUT_S);
	connection->ops->handshake(connection, &handshake);
	return connection->state != CONNECTION_CLOSED;
}

/* Takes one message from the input. False when there is no whole one. */
static bool take_message(struct connection *connection)
{
	struct peer_message message = {0};
	size_t used_bytes = 0;
	size_t needed_bytes = 0;

	switch (peer_message_parse(&message, connection->input, connection->input_bytes,
		connection->limits.message_bytes_max, PEER_REQUEST_BYTES_MAX, &used_bytes,
		&needed_bytes)) {
	case PEER_PARSE_MORE:
		if (!input_reserve(connection, needed_bytes))
			connection_fail(connection, "sent a message that is too long");
		return false;
	case PEER_PARSE_BAD:
		connection_fail(connection, "sent a message that makes no sense");
		return false;
	case PEER_PARSE_UNKNOWN:
		input_drop(connection, used_bytes);
		return true;
	case PEER_PARSE_MESSAGE:
		break;
	}
	if (message.id == PEER_FRAME && !connection->ops->room(connection, &message))
		return false;
	if (message.id == PEER_PIECE || message.id == PEER_FRAME) {
		input_drop(connection, used_bytes);
		block_begin(connection, &message);
		return connection->state != CONNECTION_CLOSED && !connection->in_block;
	}
	connection->ops->message(connection, &message);
	if (connection->state == CONNECTION_CLOSED)
		return false;
	input_drop(connection, used_bytes);
	return true;
}

static void input_process(struct connection *connection)
{
	if (connection->state == CONNECTION_GREETING &&
		(connection->input_bytes == 0 || !take_handshake(connection)))
		return;
	while (connection->state == CONNECTION_OPEN && !connection->in_block &&
		!connection->paused && connection->input_bytes > 0 && take_message(connection))
		;
}

static uint32_t block_left_bytes(const struct connection *connection)
{
	return peer_block_wire_bytes(&connection->block) - connection->block_received_bytes;
}

/* One readv: the block's bytes to their place and what follows to the input. *all: whether that was
 * all there was. */
static ssize_t receive(struct connection *connection, bool *all)
{
	size_t asked_bytes = 0;
	struct iovec places[2];
	int places_count = 0;
	uint32_t room_bytes = connection->input_capacity - connection->input_bytes;

	if (connection->in_block) {
		uint8_t *bytes;
		uint32_t span_bytes = block_span(connection, &bytes);
		bool last = span_bytes == block_left_bytes(connection);

		if (bytes == NULL) {
			last = last && span_bytes <= CONNECTION_DISCARD_BYTES;
			bytes = connection->pool->discard;
			span_bytes = (uint32_t)u64_min(span_bytes, CONNECTION_DISCARD_BYTES);
		}
		places[places_count++] = (struct iovec){bytes, span_bytes};
		room_bytes = last ? (uint32_t)u64_min(room_bytes, LOOK_AHEAD_BYTES) : 0;
	}
	if (room_bytes > 0)
		places[places_count++] =
			(struct iovec){connection->input + connection->input_bytes, room_bytes};
	for (int i = 0; i < places_count; i++)
		asked_bytes += places[i].iov_len;

	ssize_t bytes_count = readv(connection->descriptor, places, places_count);

	*all = bytes_count >= 0 && (size_t)bytes_count < asked_bytes;
	return bytes_count;
}

static void received(struct connection *connection, uint32_t bytes_count)
{
	if (!connection->in_block) {
		connection->input_bytes += bytes_count;
		return;
	}

	uint32_t left_bytes = block_left_bytes(connection);
	uint32_t block_bytes = (uint32_t)u64_min(left_bytes, bytes_count);

	connection->block_received_bytes += block_bytes;
	connection->input_bytes += bytes_count - block_bytes;
	if (block_bytes == left_bytes) {
		block_finish(connection);
		return;
	}

	uint64_t now_ns = clock_now_ns();

	if (connection->block_place.wanted == 0 || now_ns < connection->coming_ns + COMING_EVERY_NS)
		return;
	connection->coming_ns = now_ns;
	connection->ops->coming(connection, connection->block_received_bytes);
}

void connection_pause(struct connection *connection)
{
	connection->paused = true;
	event_del(&connection->read_event);
}

void connection_resume(struct connection *connection)
{
	if (connection->state == CONNECTION_CLOSED || !connection->paused)
		return;
	connection->paused = false;
	watch(connection, &connection->read_event, IDLE_TIMEOUT_S);
	input_process(connection);
	connection_flush_later(connection);
}

static void on_readable(evutil_socket_t descriptor, short what, void *context)
{
	struct connection *connection = context;
	uint64_t turn_bytes = 0;
	bool all = false;

	(void)descriptor;
	if (what & EV_TIMEOUT) {
		connection_fail(connection, "was silent for too long");
		return;
	}
	while (connection->state != CONNECTION_CLOSED && !connection->paused && !all &&
		turn_bytes < READ_BYTES_PER_TURN) {
		ssize_t bytes_count = receive(connection, &all);

		if (bytes_count < 0 && errno == EINTR)
			continue;
		if (bytes_count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (bytes_count <= 0) {
			connection_fail(connection, bytes_count < 0 ? strerror(errno) : "closed");
			return;
		}
		turn_bytes += (uint64_t)bytes_count;
		received(connection, (uint32_t)bytes_count);
		input_process(connection);
	}
}
