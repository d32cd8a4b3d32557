/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection over a socket pair, for unit tests: what its owner was told, and a peer at the
 * other end that says and hears bytes.
 */
#ifndef TESTS_SUPPORT_SOCKET_PEER_H
#define TESTS_SUPPORT_SOCKET_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/connection.h"

#define PIECE_BYTES (512 * 1024)
#define IMAGE_BYTES (4 * PIECE_BYTES)

struct seen {
	unsigned handshakes;
	unsigned messages;
	unsigned blocks;
	unsigned discarded;
	uint32_t coming_bytes; /* as last told */
	unsigned results[3];   /* by enum output_result */
	char failed[64];
	struct peer_message last;
	uint8_t piece[PIECE_BYTES];
	uint64_t unwanted; /* 16 KiB parts of a block that are thrown away */
	bool discard;
	bool refuse;
	bool roomless;
};

struct fixture {
	struct event_base *base;
	struct workers *disks;
	struct connection_pool pool;
	struct block_device *device;
	struct connection *connection;
	int other; /* the peer's end */
	char path[64];
	uint8_t image[IMAGE_BYTES];
	struct seen seen;
};

static inline void on_handshake(
	struct connection *connection, const struct peer_handshake *handshake)
{
	struct fixture *fixture = connection->owner;
	struct connection_limits limits = {.message_bytes_max = 4096,
		.control_bytes_max = 64 * 1024,
		.blocks_max = 8,
		.piece_bytes = PIECE_BYTES,
		.device = fixture->device};

	assert_memory_equal(handshake->infohash, "abcdefghijklmnopqrst", SHA1_BYTES);
	fixture->seen.handshakes++;
	connection_adopt(connection, &limits, connection->ops, connection->owner);
}

static inline void on_message(struct connection *connection, const struct peer_message *message)
{
	struct fixture *fixture = connection->owner;

	fixture->seen.messages++;
	fixture->seen.last = *message;
}

static inline bool on_room(struct connection *connection, const struct peer_message *frame)
{
	struct fixture *fixture = connection->owner;

	assert_int_equal(frame->frame_bytes, 5000);
	if (fixture->seen.roomless)
		connection_pause(connection);
	return !fixture->seen.roomless;
}

static inline bool on_place(
	struct connection *connection, const struct peer_message *piece, struct block_place *place)
{
	struct fixture *fixture = connection->owner;

	place->bytes = fixture->seen.piece + piece->begin;
	place->unit_bytes = (uint32_t)PEER_BLOCK_BYTES;
	place->wanted = fixture->seen.discard ? 0 : ~fixture->seen.unwanted;
	return !fixture->seen.refuse;
}

static inline void on_coming(struct connection *connection, uint32_t bytes_count)
{
	struct fixture *fixture = connection->owner;

	fixture->seen.coming_bytes = bytes_count;
}

static inline void on_block(
	struct connection *connection, const struct peer_message *piece, bool discarded)
{
	struct fixture *fixture = connection->owner;

	(void)piece;
	fixture->seen.blocks += !discarded;
	fixture->seen.discarded += discarded;
}

static inline void on_block_done(
	struct connection *connection, const struct peer_message *piece, enum output_result result)
{
	struct fixture *fixture = connection->owner;

	(void)piece;
	fixture->seen.results[result]++;
}

static inline void on_failed(struct connection *connection, const char *reason)
{
	struct fixture *fixture = connection->owner;

	snprintf(fixture->seen.failed, sizeof(fixture->seen.failed), "%s", reason);
	fixture->connection = NULL;
}

static const struct connection_ops ops = {
	.handshake = on_handshake,
	.message = on_message,
	.room = on_room,
	.place = on_place,
	.coming = on_coming,
	.block = on_block,
	.block_done = on_block_done,
	.failed = on_failed,
};

static inline int setup_with(void **state, const char *faults)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct peer_address address = {0};
	struct failure failure;
	int ends[2];

	assert_non_null(fixture);
	*state = fixture;
	snprintf(fixture->path, sizeof(fixture->path), "/tmp/swarmboot-connection-XXXXXX");
	int fd = mkstemp(fixture->path);

	assert_true(fd >= 0);
	for (size_t i = 0; i < IMAGE_BYTES; i++)
		fixture->image[i] = (uint8_t)(i * 31 >> 7);
	assert_int_equal(write(fd, fixture->image, IMAGE_BYTES), IMAGE_BYTES);
	close(fd);
	fixture->device = block_device_open(fixture->path, true, 0, &failure);
	assert_non_null(fixture->device);
	if (faults != NULL) {
		fixture->device = block_device_faults_open(fixture->device, faults, &failure);
		assert_non_null(fixture->device);
	}
	fixture->base = event_base_new();
	fixture->disks = workers_create(fixture->base, "disk", 2, &failure);
	assert_true(connection_pool_open(
		&fixture->pool, fixture->base, fixture->disks, 8 * MIB, &failure));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	fixture->other = ends[1];
	fixture->connection = connection_accept(&fixture->pool, ends[0], &address, &ops, fixture);
	return 0;
}

static inline int setup(void **state)
{
	return setup_with(state, NULL);
}

static inline int setup_unreadable(void **state)
{
	return setup_with(state, "read-error-at=524288");
}

static inline int teardown(void **state)
{
	struct fixture *fixture = *state;

	if (fixture->connection != NULL)
		connection_close(fixture->connection);
	while (upload_reading_count(fixture->pool.uploads, fixture->device) > 0)
		workers_collect(fixture->disks);
	connection_pool_close(&fixture->pool);
	workers_destroy(fixture->disks);
	event_base_free(fixture->base);
	block_device_close(fixture->device);
	close(fixture->other);
	unlink(fixture->path);
	free(fixture);
	return 0;
}

static inline void turn(struct fixture *fixture)
{
	event_base_loop(fixture->base, EVLOOP_NONBLOCK);
}

/* Sends bytes from the peer, at most run_bytes between two turns of the loop. */
static inline void peer_says(
	struct fixture *fixture, const uint8_t *bytes, size_t bytes_count, size_t run_bytes)
{
	while (bytes_count > 0) {
		ssize_t sent =
			send(fixture->other, bytes, u64_min(bytes_count, run_bytes), MSG_NOSIGNAL);

		if (sent > 0) {
			bytes += sent;
			bytes_count -= (size_t)sent;
		}
		turn(fixture);
	}
	turn(fixture);
}

static inline void peer_greets(struct fixture *fixture, size_t run_bytes)
{
	uint8_t bytes[PEER_HANDSHAKE_BYTES];
	struct peer_handshake handshake = {.infohash = "abcdefghijklmnopqrst"};

	peer_handshake_write(bytes, &handshake);
	peer_says(fixture, bytes, sizeof(bytes), run_bytes);
}

static inline size_t add(uint8_t *bytes, size_t at, const struct peer_message *message)
{
	size_t used = peer_message_write(message, bytes + at, 64);

	assert_true(used > 0);
	return at + used;
}

/* Turns the loop until the peer has received so many bytes, or the connection is gone. */
static inline size_t peer_hears(struct fixture *fixture, uint8_t *bytes, size_t bytes_count)
{
	size_t got = 0;

	while (got < bytes_count) {
		ssize_t part = recv(fixture->other, bytes + got, bytes_count - got, 0);

		if (part > 0)
			got += (size_t)part;
		else if (part == 0 || fixture->connection == NULL)
			break;
		turn(fixture);
	}
	turn(fixture);
	return got;
}

static inline struct peer_message piece_message(uint32_t index, uint32_t begin, uint32_t length)
{
	return (struct peer_message){
		.id = PEER_PIECE, .index = index, .begin = begin, .length = length};
}

#endif
