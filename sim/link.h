/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network. A node has an uplink, a downlink and a latency to the switch it hangs on; between
 * switches lies the fabric (sim/fabric.h). A connection is two ordered byte streams, one each way.
 *
 * An uplink takes a chunk of each connection that has something to send in turn, into a queue that
 * is the same for all, as a network card's or a shaper's is; a downlink takes chunks as they come;
 * a window bounds what is in flight on one connection, so a slow receiver holds back only its own
 * senders. Within a stream, control messages pass blocks that have not begun. There is no loss:
 * rates are those of the payload that TCP gets through.
 */
#ifndef SIM_LINK_H
#define SIM_LINK_H

#include "sim/world.h"
#include "swarm/swarm.h"

enum sim_message_kind { SIM_HANDSHAKE, SIM_CONTROL, SIM_BLOCK };

struct sim_message {
	struct sim_message *next;
	enum sim_message_kind kind;
	bool ready;	 /* a block read from the disk is not, until the read is done */
	uint64_t number; /* of a block that is read from the disk, on its node */
	bool head_seen;	 /* the receiver decided where it goes */
	bool bad_frame;	 /* does not decode */
	enum swarm_place place;
	struct swarm_placement placement;
	uint32_t buffer; /* the sender's, or SWARM_BUFFER_NONE */
	uint64_t wire_bytes;
	uint64_t begin_offset;		  /* in the stream, once it is being sent */
	struct peer_handshake *handshake; /* SIM_HANDSHAKE only */
	struct peer_message message;	  /* its bytes are `payload` */
	uint32_t marks_count;
	uint32_t *marks;       /* of a block: what its bytes are, a mark a granule */
	uint32_t few_marks[2]; /* where they are when they are few */
	uint8_t *payload;
	uint8_t few_bytes[32]; /* likewise */
};

struct sim_message_list {
	struct sim_message *first;
	struct sim_message *last;
};

struct sim_stream {
	struct sim_connection *connection;
	uint32_t from; /* which end sends */
	struct sim_message_list control;
	struct sim_message_list blocks;
	struct sim_message_list socket; /* taken by the socket, and not yet begun */
	struct sim_message_list wire;	/* begun and not yet wholly delivered */
	struct sim_message *unreported; /* first in `wire` whose sender was not told it has left */
	uint64_t sending_left_bytes;	/* of the last message in `wire` */
	uint64_t socket_bytes;		/* of the messages in `socket` */
	struct sim_tcp *tcp;		/* NULL without world.tcp */
	uint64_t sent_offset;
	uint64_t delivered_offset;
	uint64_t coming_ns;    /* of the block in `wire`: when the receiver was last told of it */
	uint64_t stall_offset; /* nothing past it ever leaves: UINT64_MAX, but for bad peers */
	bool waiting;	       /* in its node's uplink queue */
	struct sim_stream *previous;
	struct sim_stream *next;
};

struct sim_end {
	struct sim_node *node;
	uint32_t slot; /* the number by which the node knows this connection */
	uint32_t generation;
	bool open;
};

struct sim_connection {
	struct sim_connection *next;
	struct sim_end ends[2]; /* 0: the one that connected */
	uint64_t latency_ns;	/* one way, all of it */
	struct sim_stream streams[2];
	struct sim_route routes[2]; /* of each stream */
};

struct sim_chunk {
	struct sim_chunk *next;
	struct sim_stream *stream;
	uint64_t end_offset;
	uint64_t bytes;
	struct sim_passage passage;
	uint64_t sent_ns; /* taken from its stream */
	bool lost;	  /* a frame of it */
};

struct sim_link {
	uint64_t up_bytes_per_s;
	struct sim_pipe down;
	uint64_t latency_ns;
	struct sim_stream *queue_first; /* streams that can send now */
	struct sim_stream *queue_last;
	uint64_t up_queue_bytes; /* the uplink's own queue holds so much beyond what it sends */
	struct sim_chunk *chunks_first; /* taken from streams, in the order they leave */
	struct sim_chunk *chunks_last;
	uint64_t chunks_bytes;
	bool sending;	      /* the first of them is on the wire */
	uint64_t extra_bytes; /* acknowledgements and headers that leave with the next */
	uint64_t sent_bytes;
};

/* How a node, whatever it is, hears of its connections. */
struct sim_actor {
	void (*connected)(struct sim_node *node, uint32_t slot, uint32_t generation);
	void (*connect_failed)(struct sim_node *node, uint32_t slot, uint32_t generation);
	/* False: refused. */
	bool (*accepted)(struct sim_node *node, struct sim_connection *connection,
		const struct peer_address *address);
	void (*disconnected)(struct sim_node *node, uint32_t slot, uint32_t generation);
	/* Where a block goes: the head of it has come. */
	void (*block_begins)(
		struct sim_node *node, const struct sim_end *end, struct sim_message *message);
	/* So much of it is here, once a second while it comes; NULL: nobody asks. */
	void (*block_coming)(
		struct sim_node *node, const struct sim_end *end, uint32_t bytes_count);
	/* Any whole message; blocks as well. */
	void (*received)(
		struct sim_node *node, const struct sim_end *end, struct sim_message *message);
	void (*block_sent)(
		struct sim_node *node, const struct sim_end *end, struct sim_message *message);
};

/* Tries to connect; the answer comes as connected or connect_failed for slot and generation. */
void sim_connect(struct sim_node *node, uint32_t slot, uint32_t generation,
	const struct peer_address *address);
void sim_close(struct sim_connection *connection, uint32_t end);
/* The node at this end vanishes without a word. */
void sim_cut(struct sim_connection *connection, uint32_t end);
void sim_link_reset(struct sim_link *link);

/* The message and all that hangs on it; payload_bytes and marks_count may be 0. */
struct sim_message *sim_message_create(
	enum sim_message_kind kind, size_t payload_bytes, uint32_t marks_count);
void sim_message_destroy(struct sim_message *message);

/* Takes the message over. */
void sim_send(struct sim_connection *connection, uint32_t end, struct sim_message *message);
/* A block of the list that has not begun; NULL when there is none. */
struct sim_message *sim_find_queued(
	struct sim_connection *connection, uint32_t end, const struct peer_message *block);
struct sim_message *sim_find_numbered(
	struct sim_connection *connection, uint32_t end, uint64_t number);
/* Takes it out of the queue without destroying it. */
void sim_unqueue(struct sim_connection *connection, uint32_t end, struct sim_message *message);
/* A queued block became ready. */
void sim_poke(struct sim_connection *connection, uint32_t end);

/* What its sender has not put on the wire; what is on it and was not delivered. */
void sim_stream_purge(struct sim_stream *stream);
void sim_stream_clear_wire(struct sim_stream *stream);

/* ---- message.c ---- */
void sim_list_push(struct sim_message_list *list, struct sim_message *message);
struct sim_message *sim_list_pop(struct sim_message_list *list); /* not when it is empty */
void sim_list_clear(struct sim_message_list *list);		 /* and destroys them */
struct sim_chunk *sim_chunk_take(struct sim_world *world);
void sim_chunk_release(struct sim_world *world, struct sim_chunk *chunk);
void sim_chunks_destroy(struct sim_world *world);

/* ---- connection.c ---- */
void sim_connections_destroy(struct sim_world *world);

#endif
