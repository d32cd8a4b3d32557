/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One member of a cluster of trackers, without sockets (docs/tracker-cluster.md). What is announced
 * to this member leaves it in numbered batches, its stream; what others send is put into the book
 * of tracker_core.h, where the youngest record wins, whatever order and however often it comes. So
 * nothing has to be agreed on: members tell each other how far they have each stream, send again
 * what another lacks, also of streams that are not theirs, and when nobody can, the one that lacks
 * it asks for everything over TCP (catchup_core.h).
 *
 * Pure: time is an argument in milliseconds that must not go backwards, datagrams leave by a
 * function that is called inside the calls below, memory is given at creation and never grows.
 */
#ifndef TRACKER_CLUSTER_CORE_H
#define TRACKER_CLUSTER_CORE_H

#include "tracker/tracker_core.h"
#include "wire/tracker_sync.h"

#define CLUSTER_MEMBERS_MAX	  8    /* this one included */
#define CLUSTER_RING_BATCHES	  256  /* of each stream are kept to be sent again */
#define CLUSTER_TICK_MS		  20   /* how often cluster_core_tick wants to be called */
#define CLUSTER_SYNC_INTERVAL_MS  1000 /* no two connected members differ for longer */
#define CLUSTER_STATE_INTERVAL_MS 200  /* between what one tells another of how far it is */
#define CLUSTER_SILENT_MS	  1500 /* who was not heard for longer is down */

struct cluster_core_settings {
	uint64_t boot_id; /* random, not 0 */
	uint8_t key[SYNC_KEY_BYTES];
	uint8_t secret[SYNC_KEY_BYTES]; /* random: what challenges are made of */
	sync_mac *mac;
	/* Sends a datagram, or drops it; NULL: to the multicast group. The bytes are borrowed. */
	void (*send)(void *context, const struct peer_address *to, const uint8_t *bytes,
		size_t bytes_count);
	void *context;
	bool group; /* there is a multicast group: batches go to it, once */
	/* The others; without a group, there are none but these. */
	struct peer_address members[CLUSTER_MEMBERS_MAX];
	uint32_t members_count;	 /* at most CLUSTER_MEMBERS_MAX - 1 */
	uint32_t ring_batches;	 /* 0: CLUSTER_RING_BATCHES; else at least 2 */
	uint32_t book_peers_max; /* of the book: when it is full, it need not equal others */
};

struct cluster_core;

/* Memory that cluster_core_create needs, aligned as malloc does; 0 when the settings are wrong. */
size_t cluster_core_bytes(const struct cluster_core_settings *settings);
/* The book is borrowed; it must be replicated (tracker_core_settings) and outlive the member. */
struct cluster_core *cluster_core_create(const struct cluster_core_settings *settings,
	struct tracker_core *book, void *memory, size_t memory_bytes);

/* A datagram came. `from` is only where an answer goes: it proves nothing. */
void cluster_core_receive(struct cluster_core *core, uint64_t now_ms,
	const struct peer_address *from, const uint8_t *bytes, size_t bytes_count);
/* Sends what was announced since, and everything else that is due. */
void cluster_core_tick(struct cluster_core *core, uint64_t now_ms);

/* True when a member should be asked for everything: then it is asked, and
 * cluster_core_caught_up (with what its stream began with) or cluster_core_not_caught_up says how
 * that went. `address` is where the member's datagrams come from. */
MUST_USE bool cluster_core_wants_catch_up(struct cluster_core *core, uint64_t now_ms,
	struct peer_address *address, uint64_t *boot_id);
/* What a catch-up begins with; its peers_count is tracker_core_peers_most of the other's book. */
void cluster_core_catching_up(struct cluster_core *core, const struct sync_state *includes);
void cluster_core_caught_up(
	struct cluster_core *core, uint64_t now_ms, const struct sync_state *includes);
void cluster_core_not_caught_up(struct cluster_core *core, uint64_t now_ms, uint64_t boot_id);

uint64_t cluster_core_boot_id(const struct cluster_core *core);
/* How far this member is: what a catch-up that begins now includes. It has so many peers now. */
void cluster_core_state(const struct cluster_core *core, uint64_t now_ms, struct sync_state *state);
/* Milliseconds for which something with this clock was under way from a member, as far as that can
 * be known: 0 when it took as long as the fastest. */
uint32_t cluster_core_delay_ms(
	struct cluster_core *core, uint64_t now_ms, uint64_t boot_id, uint64_t clock_ms);
/* Puts a record that another member sent into the book, that much older than it says. */
void cluster_core_apply(struct cluster_core *core, uint64_t now_ms,
	const struct sync_record *record, uint64_t older_ms);

/* Between the book's records and the wire's. */
void cluster_record_to_wire(struct sync_record *wire, const struct tracker_record *record);

struct cluster_statistics {
	uint64_t datagrams_received, datagrams_sent; /* a datagram to the group counts once */
	uint64_t bytes_received, bytes_sent;
	uint64_t records_received, records_sent; /* in batches; sent again is not counted */
	uint64_t forged;		 /* the MAC was wrong, or it was no datagram of ours */
	struct peer_address forged_from; /* as the last of them said */
	uint64_t replayed;		 /* rightly made, and came before or is too old to tell */
	uint64_t strange;		 /* to another boot, or of a boot that has proved nothing */
	uint64_t malformed;		 /* rightly made, and does not parse */
	uint64_t lost;			 /* batches that had to be asked for */
	uint64_t repaired;		 /* batches that came when asked for */
	uint64_t passed_on;		 /* batches of others that we sent to one that asked */
	uint64_t challenges_sent, members_met;
	uint64_t catch_ups, catch_ups_failed;
	uint64_t changes_lost; /* local changes that were too many for the book's memory of them */
};
void cluster_core_statistics(const struct cluster_core *core, struct cluster_statistics *into);

struct cluster_member {
	struct peer_address address;
	bool met; /* has proved that it has the key since we started */
	bool live;
	uint64_t silent_ms;   /* since it was last heard; when met */
	uint32_t peers_count; /* in its book, as it last said */
	uint64_t behind;      /* batches that we lack of its stream */
};
/* Up to CLUSTER_MEMBERS_MAX of them, in no order that stays; returns how many. */
uint32_t cluster_core_members(const struct cluster_core *core, uint64_t now_ms,
	struct cluster_member members[static CLUSTER_MEMBERS_MAX]);
/* One that has become live, or is so no more, since this last said so; false: no other. */
MUST_USE bool cluster_core_news(
	struct cluster_core *core, uint64_t now_ms, struct peer_address *address, bool *live);

#endif
