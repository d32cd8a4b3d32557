/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How TCP (Linux, CUBIC) shares a network, near enough for what an imaging room sees of it: slow
 * start that begins anew after idle times and ends when the delay grows (HyStart), a window that
 * shrinks to 0.7 at a loss and grows back as CUBIC's, acknowledgements that come back through the
 * queue of the other direction and take their share of it. A loss is a frame of a chunk: what lies
 * behind it waits for a round trip (or, when too little follows, for a timer).
 *
 * Off, unless a world's traits turn it on: then a stream has a fixed window and nothing is lost.
 */
#ifndef SIM_TCP_H
#define SIM_TCP_H

#include "lib/bytes.h"

#define SIM_FRAME_BYTES	       1448 /* payload of a full one */
#define SIM_FRAME_HEADER_BYTES 66

struct sim_chunk;
struct sim_stream;
struct sim_world;

struct sim_tcp_traits {
	bool on;
	uint64_t queue_ns;	/* before a node's downlink or a rack: what waits longer is lost */
	uint32_t ack_per_mille; /* bytes of acknowledgements beside those they acknowledge */
	uint32_t unsent_bytes;	/* a socket takes so much that has not left: control waits behind */
};

struct sim_tcp {
	uint64_t window_bytes;
	uint64_t threshold_bytes; /* slow start ends there */
	uint64_t most_bytes;	  /* the window at the last loss */
	uint64_t reno_bytes;	  /* what Reno's would be: CUBIC is never smaller */
	uint64_t epoch_ns;	  /* of CUBIC's curve; 0: begins with the next acknowledgement */
	uint64_t acked_offset;
	uint64_t recovery_offset; /* losses before it have been paid for */
	uint64_t rtt_ns;	  /* smoothed */
	uint64_t rtt_min_ns;
	uint64_t sent_ns; /* the last time */
	uint64_t delivered_ns;
	bool limited; /* the window, not the sender, held it up */
};

/* As a world that shapes its links like tc's tbf with 100 ms does. */
void sim_tcp_traits_default(struct sim_tcp_traits *traits);

struct sim_tcp *sim_tcp_create(void);
/* What may be sent now. */
uint64_t sim_tcp_window_left(const struct sim_stream *stream, uint64_t now_ns);
void sim_tcp_sends(struct sim_stream *stream, uint64_t now_ns);
/* A chunk waited for wait_ns before a pipe; or is on a link that loses frames. */
void sim_tcp_waits(struct sim_world *world, struct sim_chunk *chunk, uint64_t wait_ns);
void sim_tcp_random_loss(
	struct sim_world *world, struct sim_chunk *chunk, uint32_t loss_per_million);
/* When the chunk, passed on at chunk->passage, is in the receiver's hands: in order, and after the
 * repair of what was lost. */
uint64_t sim_tcp_delivery_ns(struct sim_stream *stream, const struct sim_chunk *chunk);
void sim_tcp_acked(struct sim_stream *stream, const struct sim_chunk *chunk, uint64_t now_ns);

#endif
