/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of cluster_core.h share: cluster_core.c (life, time), cluster_members_core.c (who
 * is met, what is believed), cluster_streams_core.c (batches: out and in), cluster_repair_core.c
 * (batches: again).
 */
#ifndef TRACKER_CLUSTER_PRIVATE_H
#define TRACKER_CLUSTER_PRIVATE_H

#include "tracker/cluster_core.h"

#define CLUSTER_NONE	  UINT32_MAX
#define WINDOW_BITS	  1024
#define STREAMS_MAX	  SYNC_STREAMS_MAX
#define HELLO_INTERVAL_MS 400
/* The fastest way is sought among the datagrams of the last one to two of these, so that clocks may
 * drift. */
#define OFFSET_PERIOD_MS 30000
#define RETIRED_MAX	 32
#define FORGET_MS	 60000 /* who is in no list and silent that long makes place */
#define ANSWER_PLACES	 256   /* for answers to strangers, of each kind; at most 256 */

/* Sequences that were seen: everything far below `top`, and below it what has a bit. */
struct window {
	uint64_t top;
	uint64_t seen[WINDOW_BITS / 64];
};

struct member {
	struct peer_address address;  /* where it proved itself, or is said to be */
	struct peer_address heard_at; /* where its last news came from */
	bool used;
	bool configured;  /* its place is kept */
	bool told_live;	  /* as cluster_core_news last said of this address */
	uint64_t boot_id; /* 0: not met */
	uint64_t sent;	  /* datagrams to it alone */
	struct window direct;
	struct window all;
	uint64_t heard_ms;
	uint64_t hello_due_ms;
	uint64_t state_due_ms;
	int64_t offsets_ms[2]; /* smallest of our clock minus its: this period, the last one */
	uint64_t offsets_since_ms;
	uint64_t avoid_until_ms;  /* no catch-up from it before */
	uint64_t fuller_since_ms; /* it has all that we have, and more; 0: it has not */
	uint64_t fuller_again_ms; /* that is no cause to catch up from it before */
	bool has_said;
	struct sync_state said;
};

/* A boot whose place another took. It is met again only by a nonce that was made later, and goes on
 * where it was: what was seen of it stays seen. */
struct retired {
	uint64_t boot_id; /* 0: none */
	uint64_t epoch;	  /* nonces of this one, and of those before, are too old */
	uint64_t sent;
	struct window direct;
	struct window all;
};

/* A batch that is kept to be sent again. */
struct held {
	uint64_t sequence; /* 0: none */
	uint64_t base_ms;  /* by our clock: what the ages of its records count from */
	uint32_t items_bytes;
};

struct stream {
	uint64_t boot_id;   /* 0: none */
	uint64_t have;	    /* everything up to here came, or is included in a catch-up */
	uint64_t known;	    /* somebody has that */
	uint64_t top;	    /* the last that is held */
	uint64_t kept_from; /* nothing before it is held */
	uint64_t asked_to;  /* what was asked for already */
	uint64_t active_ms; /* the last batch came */
	uint64_t spoken_ms; /* somebody last said to have some of it */
	uint64_t gap_ms;    /* since when known > have without progress */
	uint64_t ask_due_ms;
	uint32_t attempts; /* since there was progress */
	/* Boots whose whole book we took since nobody can fill the gap any more; a ring. */
	uint64_t merged[CLUSTER_MEMBERS_MAX];
	uint32_t merged_count;
	struct held *held; /* ring_batches of them, at sequence % ring_batches */
	uint8_t *items;	   /* SYNC_ITEMS_BYTES_MAX for each */
};

struct cluster_core {
	struct cluster_core_settings settings;
	struct tracker_core *book;
	struct member members[CLUSTER_MEMBERS_MAX - 1];
	struct stream streams[STREAMS_MAX]; /* 0: our own */
	uint64_t sent_to_all;
	uint64_t changes_lost; /* of the book, as last looked at */
	uint64_t group_hello_due_ms;
	struct retired retired[RETIRED_MAX]; /* a ring */
	uint32_t retired_count;
	uint64_t challenge_due_ms[ANSWER_PLACES]; /* not before */
	uint64_t proof_due_ms[ANSWER_PLACES];
	uint64_t catch_up_due_ms;
	bool catching_up;
	uint64_t catching_up_boot;
	bool joined;				   /* once caught up since the start */
	uint8_t datagram[SYNC_DATAGRAM_BYTES_MAX]; /* the one that is being made */
	struct sync_writer writer;
	struct cluster_statistics statistics;
};

static inline bool member_live(const struct member *member, uint64_t now_ms)
{
	return member->boot_id != 0 && now_ms - member->heard_ms <= CLUSTER_SILENT_MS;
}

/* What it last said of itself may still be so: worth asking. */
static inline bool member_fresh(const struct member *member, uint64_t now_ms)
{
	return member->boot_id != 0 &&
	       now_ms - member->heard_ms <= 2 * CLUSTER_STATE_INTERVAL_MS + CLUSTER_TICK_MS;
}

/* Seals what lies in core->datagram behind the header, and sends it. */
void cluster_send(struct cluster_core *core, uint64_t now_ms, const struct peer_address *to,
	const struct sync_header *header, size_t payload_bytes);

/* Members. */

/* To one that is met: counts its sequence on. */
void member_send(struct cluster_core *core, uint64_t now_ms, struct member *member,
	enum sync_type type, size_t payload_bytes);
/* To all, by the group or one by one. */
void members_send(
	struct cluster_core *core, uint64_t now_ms, enum sync_type type, size_t payload_bytes);
struct member *member_by_boot(struct cluster_core *core, uint64_t boot_id);
/* It said something new, from there. */
void member_heard(struct cluster_core *core, uint64_t now_ms, struct member *member,
	const struct peer_address *from);
/* HELLO, CHALLENGE and PROOF. */
void members_greeted(struct cluster_core *core, uint64_t now_ms, const struct peer_address *from,
	const struct sync_header *header, const uint8_t *payload, size_t payload_bytes);
void members_challenge(struct cluster_core *core, uint64_t now_ms, const struct peer_address *to,
	uint64_t boot_id);
/* False: seen already, or too old to tell. */
bool window_take(struct window *window, uint64_t sequence);
void member_clock(struct member *member, uint64_t now_ms, uint64_t clock_ms);
void members_tick(struct cluster_core *core, uint64_t now_ms);

/* Streams. */

struct stream *stream_find(struct cluster_core *core, uint64_t boot_id);
/* NULL when all places are taken by streams that are in use. */
struct stream *stream_find_or_add(struct cluster_core *core, uint64_t now_ms, uint64_t boot_id);
bool stream_over(const struct cluster_core *core, uint64_t now_ms, const struct stream *stream);
bool stream_holds(const struct cluster_core *core, const struct stream *stream, uint64_t sequence);
/* A batch that is held; to all when member is NULL. */
void stream_send(struct cluster_core *core, uint64_t now_ms, struct member *member,
	const struct stream *stream, uint64_t sequence);
void streams_drain(struct cluster_core *core, uint64_t now_ms);
void streams_batch(struct cluster_core *core, uint64_t now_ms, const struct member *from,
	const struct sync_header *header, const uint8_t *payload, size_t payload_bytes);
void streams_state(struct cluster_core *core, uint64_t now_ms, struct member *member,
	const uint8_t *payload, size_t payload_bytes);
void streams_includes(
	struct cluster_core *core, uint64_t now_ms, const struct sync_state *includes);

/* Repair. */

void streams_want(struct cluster_core *core, uint64_t now_ms, struct member *member,
	const uint8_t *payload, size_t payload_bytes);
void streams_tick(struct cluster_core *core, uint64_t now_ms);
/* Some stream is not whole here, and may still become so. */
bool streams_lack(const struct cluster_core *core, uint64_t now_ms);
/* A whole book of that boot was taken. */
void streams_merged(struct cluster_core *core, uint64_t boot_id);
/* The place of the member to catch up from, when nothing else helps; or CLUSTER_NONE. */
uint32_t streams_catch_up_from(struct cluster_core *core, uint64_t now_ms);

#endif
