/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One peer's TCP connection: frames what comes, puts payload straight where it belongs, and queues
 * what goes: control messages before blocks. Everything here runs on the loop's thread.
 *
 * The owner (a session until the handshake has come, then a transfer) is told through a table. A
 * connection that fails closes itself and then says so once; one that the owner closes says
 * nothing. The memory lives until the loop comes round, so that it may be closed inside its own
 * calls.
 */
#ifndef RUNTIME_CONNECTION_H
#define RUNTIME_CONNECTION_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "runtime/frame_store.h"
#include "runtime/upload.h"
#include "wire/peer_address.h"
#include "wire/peer_wire.h"

enum output_result { OUTPUT_SENT, OUTPUT_CANCELLED, OUTPUT_UNREADABLE };

/* Bit i of `wanted` says whether its i-th unit_bytes go to bytes + i * unit_bytes; the others are
 * thrown away. `wanted` 0: all of it is. */
struct block_place {
	uint8_t *bytes;
	uint32_t unit_bytes;
	uint64_t wanted;
};

struct connection_ops {
	void (*connected)(struct connection *connection);
	void (*handshake)(struct connection *connection, const struct peer_handshake *handshake);
	void (*message)(struct connection *connection, const struct peer_message *message);
	/* The head of a FRAME has come. False: the connection is paused until there is memory, or
	 * closed. */
	bool (*room)(struct connection *connection, const struct peer_message *frame);
	/* Where a block's bytes go. False: the peer broke the rules. */
	bool (*place)(struct connection *connection, const struct peer_message *piece,
		struct block_place *place);
	/* So much of it is here, every second while it comes; not of what is thrown away. */
	void (*coming)(struct connection *connection, uint32_t bytes_count);
	void (*block)(
		struct connection *connection, const struct peer_message *piece, bool discarded);
	/* What became of a queued block. */
	void (*block_done)(struct connection *connection, const struct peer_message *piece,
		enum output_result result);
	void (*failed)(struct connection *connection, const char *reason);
};

/* Shared by all connections of a session. */
struct connection_pool {
	struct event_base *base;
	struct peer_address source; /* where connections leave from; unspecified: any */
	struct upload_pool *uploads;
	uint8_t *discard;	 /* CONNECTION_DISCARD_BYTES */
	struct connection *dead; /* closed; freed when the loop comes round */
	struct event *bury_event;
};

#define CONNECTION_DISCARD_BYTES (64 * KIB)

enum connection_state {
	CONNECTION_CONNECTING,
	CONNECTION_GREETING, /* TCP is up; the peer's handshake has not come */
	CONNECTION_OPEN,
	CONNECTION_CLOSED,
};

/* A block on its way out. */
struct output_block {
	struct peer_message piece;
	uint32_t buffer;
	const uint8_t *bytes; /* in a piece buffer or frame; NULL: read from the device */
	struct frame *frame;  /* of a FRAME */
	uint32_t head_sent_bytes;
	uint32_t asked_bytes; /* given to reads so far (bytes == NULL) */
	uint32_t taken_bytes; /* sent, or skipped when dropped */
	bool dropped;	      /* cancelled or unreadable, before its first byte left */
	bool unreadable;
};

struct connection_output {
	uint8_t *control;
	uint32_t control_first;
	uint32_t control_bytes;
	uint32_t control_capacity;
	struct output_block *blocks; /* a ring */
	uint32_t blocks_first;
	uint32_t blocks_count;
	uint32_t blocks_capacity;
	struct upload_run *runs[UPLOAD_RUNS_PER_CONNECTION]; /* the blocks' bytes, in order */
	uint32_t runs_count;
	struct upload_run mapped[UPLOAD_RUNS_PER_CONNECTION]; /* theirs, of the page cache */
};

struct connection_limits {
	uint32_t message_bytes_max; /* incoming, other than blocks */
	uint32_t control_bytes_max; /* queued, not sent */
	uint32_t blocks_max;	    /* queued */
	uint32_t piece_bytes;
	struct block_device *device;
};

struct connection {
	struct connection_pool *pool;
	const struct connection_ops *ops;
	void *owner;
	struct connection_limits limits;
	enum connection_state state;
	int descriptor;
	bool up; /* TCP was up at some time */
	struct peer_address address;
	uint32_t peer; /* the engine's name for it */
	uint32_t generation;
	const char *broken; /* found where failing was not possible; the next flush fails with it */

	struct event read_event;
	struct event write_event;

	uint8_t *input;
	uint32_t input_bytes;
	uint32_t input_capacity;
	bool in_block;
	struct peer_message block;
	struct block_place block_place;
	uint32_t block_received_bytes;
	uint64_t coming_ns; /* when the owner was last told that it comes */
	bool paused;	    /* nothing more is read */

	/* Of transfer_frames.c. */
	struct frame *frame;		 /* being received */
	struct block_place frame_target; /* of what it holds */
	struct frame_decoding *decoding;
	uint32_t encodes_count; /* blocks that are to be compressed for it */
	bool roomless;		/* paused for want of memory for a frame */

	struct connection_output output;

	struct connection *next_dead;
	struct connection *next_waiting; /* for an upload run */
	bool waiting;
	struct connection *next_dirty; /* the owner's list of those to flush */
	bool dirty;
};

MUST_USE bool connection_pool_open(struct connection_pool *pool, struct event_base *base,
	struct workers *disks, uint64_t uploads_bytes, struct failure *failure);
/* Every connection must be closed. */
void connection_pool_close(struct connection_pool *pool);

/* NULL with errno set when no socket is to be had. `limits` may come later for an accepted one,
 * with connection_adopt. */
MUST_USE struct connection *connection_dial(struct connection_pool *pool,
	const struct peer_address *address, const struct connection_limits *limits,
	const struct connection_ops *ops, void *owner);
/* Takes the descriptor, waits for the handshake. */
MUST_USE struct connection *connection_accept(struct connection_pool *pool, int descriptor,
	const struct peer_address *address, const struct connection_ops *ops, void *owner);
/* Inside the handshake call: a new owner takes over. */
void connection_adopt(struct connection *connection, const struct connection_limits *limits,
	const struct connection_ops *ops, void *owner);

/* Queue; what cannot be queued is told by the next connection_flush. */
void connection_send_handshake(
	struct connection *connection, const struct peer_handshake *handshake);
void connection_send(struct connection *connection, const struct peer_message *message);
void connection_send_block(
	struct connection *connection, const struct peer_message *piece, const uint8_t *bytes);
/* Takes over one use of the frame. */
void connection_send_frame(
	struct connection *connection, const struct peer_message *message, struct frame *frame);
void connection_cancel_block(struct connection *connection, const struct peer_message *piece);

/* Writes what the socket takes; calls block_done and failed. */
void connection_flush(struct connection *connection);
/* The same, when the loop comes round. */
void connection_flush_later(struct connection *connection);

/* Reads nothing more; goes on with what has been read already. Resuming a connection that was
 * closed meanwhile does nothing. */
void connection_pause(struct connection *connection);
void connection_resume(struct connection *connection);

void connection_close(struct connection *connection);
/* Closes and tells the owner. */
void connection_fail(struct connection *connection, const char *reason);

/* runtime/output_queue.c, for connection.c. */
void output_release(struct connection *connection);

#endif
