/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One image being fetched or served: the engine, its connections, its disk and hash work, its
 * trackers. For runtime/transfer*.c, assess.c, readback.c and session.c; the world sees session.h.
 *
 * Rule: applying an effect never feeds an input. What goes wrong there is put on a list and told
 * once the effects are drained (transfer_settle).
 */
#ifndef RUNTIME_TRANSFER_H
#define RUNTIME_TRANSFER_H

#include <stdatomic.h>

#include "runtime/budget.h"
#include "runtime/connection.h"
#include "runtime/lsd.h"
#include "runtime/piece_check.h"
#include "runtime/session.h"
#include "runtime/socket.h"
#include "runtime/tracker_client.h"
#include "runtime/transfer_frames.h"

#define TRANSFER_CHECKS_MAX  2
#define TRANSFER_NEWS_MAX    32
#define TRANSFER_SAMPLES_MAX 10

/* What session.c shares with its transfers. */
struct session {
	struct event_base *base;
	struct workers *hashes;
	struct workers *disks;
	struct connection_pool connections;
	int listen_descriptor;
	uint16_t port;
	struct event *accept_event;
	struct event *accept_again_event;
	uint32_t greeting_count;	 /* accepted, whose handshake has not come */
	struct connection *greeting[64]; /* the oldest first */
	uint32_t lsd_hops;
	struct lsd *lsd; /* NULL until a transfer wants it */
	struct transfer *transfers;
	struct dht_client *dht; /* made when a transfer wants it */
	bool dht_failed;
};

struct transfer_news {
	enum transfer_event_kind kind;
	struct failure failure;
	char text[160];
};

struct transfer_sample {
	uint64_t at_ns;
	uint64_t received_bytes;
	uint64_t sent_bytes;
	uint64_t durable_bytes;
};

struct failed_dial {
	uint32_t peer;
	uint32_t generation;
};

struct hash_job;
struct leaves;

struct assessment {
	bool running;
	bool done;
	uint32_t *runs; /* in the order in which they are read */
	uint32_t runs_count;
	uint32_t run_pieces_count;
	uint32_t run;
	uint32_t run_piece; /* within the run */
	uint32_t pieces_done_count;
	uint64_t bytes;
};

struct readback {
	bool running;
	bool second_pass; /* over the pieces that were bad */
	uint32_t next_piece;
	uint64_t bytes;
	uint64_t bad_pieces_count;
	uint32_t mending_count; /* bad and not yet durable again */
	struct bitset bad;
	struct bitset mending;
	uint64_t *words;
};

struct transfer {
	struct session *session;
	struct transfer *next;
	const struct metainfo *metainfo;
	struct block_device *device;
	void (*on_event)(void *context, const struct transfer_event *event);
	void *context;
	struct swarm *swarm;
	struct swarm_limits limits;
	struct budget budget;
	struct connection_limits connection_limits;
	uint8_t peer_id[PEER_ID_BYTES];
	uint32_t announce_key;
	char rack[PEER_PLACE_MAX + 1]; /* ours, told to trackers */
	char site[PEER_PLACE_MAX + 1];
	uint64_t seed_of_choices;
	struct bitset zero_pieces;
	uint64_t *zero_words;

	struct connection **peers; /* by the engine's number */
	struct connection *dirty;  /* with something to flush */
	struct failed_dial *failed_dials;
	uint32_t failed_dials_count;
	bool settling;

	uint8_t *buffers;
	size_t buffer_stride_bytes;
	size_t buffers_bytes;
	struct hash_job *hash_jobs; /* one a buffer */
	struct hasher_pool *hashers;
	uint32_t hash_jobs_count; /* under way */
	uint32_t disk_jobs_count;
	atomic_bool cancelled;	     /* checks need not go on */
	struct failure disk_failure; /* the last one */

	struct transfer_frames *frames;

	struct piece_check checks[TRANSFER_CHECKS_MAX];
	struct assessment assessment;
	struct readback readback;
	struct leaves *leaves;
	struct event *leaves_event;

	struct lsd_member *lsd;	  /* NULL: without local discovery */
	struct transfer_dht *dht; /* NULL: without */
	struct tracker_client *trackers;
	uint32_t trackers_count;
	char tracker_text[128];
	uint32_t tracker_text_of; /* whose trouble that is */

	struct event *tick_event;
	struct event *news_event;
	struct event *flush_event; /* active while there are dirty connections */
	struct event *sample_event;
	struct event *stop_event;
	bool stopping;
	bool stopped;
	bool closing; /* inputs are no longer fed: only work under way is waited for */
	struct transfer_news news[TRANSFER_NEWS_MAX];
	uint32_t news_first;
	uint32_t news_count;
	struct transfer_sample samples[TRANSFER_SAMPLES_MAX];
	uint32_t samples_next;
	uint32_t samples_count;
};

/* transfer.c */
void transfer_input(struct transfer *transfer, const struct swarm_input *input);
void transfer_drain(struct transfer *transfer);
void transfer_settle(struct transfer *transfer);
void transfer_tell(struct transfer *transfer, enum transfer_event_kind kind,
	const struct failure *failure, const char *text);

/* transfer_peers.c: connections. */
void transfer_apply_peer(struct transfer *transfer, const struct swarm_effect *effect);
void transfer_take_connection(struct transfer *transfer, struct connection *connection,
	const struct peer_handshake *handshake);
void transfer_flush_dirty(struct transfer *transfer);
void transfer_close_peers(struct transfer *transfer);

/* transfer_disk.c: piece buffers, hash and disk work. */
void transfer_disk_open(struct transfer *transfer);
void transfer_disk_close(struct transfer *transfer);
uint8_t *transfer_buffer(struct transfer *transfer, uint32_t buffer);
void transfer_apply_disk(struct transfer *transfer, const struct swarm_effect *effect);
/* An idle check, or NULL. */
struct piece_check *transfer_idle_check(struct transfer *transfer);
void transfer_check(struct transfer *transfer, struct piece_check *check, uint32_t piece,
	bool medium, void (*done)(struct work *work));

/* assess.c, readback.c */
void assess_start(struct transfer *transfer);
void assess_close(struct transfer *transfer);
void readback_on_durable(struct transfer *transfer, uint32_t piece);
void readback_close(struct transfer *transfer);

/* leaves.c */
void leaves_open(struct transfer *transfer);
void leaves_close(struct transfer *transfer);
void leaves_apply(struct transfer *transfer, const struct swarm_effect *effect);

/* transfer_near.c: other ways to find peers than trackers. */
void transfer_near_open(struct transfer *transfer, const struct transfer_settings *settings);
void transfer_near_close(struct transfer *transfer);

/* transfer_announce.c */
void transfer_trackers_open(
	struct transfer *transfer, const struct transfer_settings *settings, uint32_t *tiers);
void transfer_apply_announce(struct transfer *transfer, const struct swarm_effect *effect);

#endif
