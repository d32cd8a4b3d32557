/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node of the DHT (BEP 5, 32, 43) without clock, sockets or memory of its own. The driver gives
 * it dht_bytes() bytes, feeds inputs (each with the time), and after every one of them takes
 * effects with dht_next_effect until it returns false. Same seed and inputs, same effects.
 *
 * One object speaks IPv4, IPv6 or both, with a routing table for each. All its memory is taken at
 * creation; what others send changes what is in it, never how much it is.
 *
 * What it lets others do: a reply is at most DHT_REPLY_FACTOR times as long as its query, unless
 * the asker is a node that has answered us, from that address, within 15 minutes; queries beyond a
 * rate are dropped, for each address and in all; peers are stored only with a token that was given
 * to that address in the last 5 to 10 minutes, and so many for each key and address at most.
 */
#ifndef DHT_DHT_H
#define DHT_DHT_H

#include "dht/id.h"
#include "lib/digest.h"

#define DHT_REPLY_FACTOR     4
#define DHT_SEARCHES_MAX     8
#define DHT_BOOTSTRAP_MAX    32
#define DHT_SECRET_BYTES     32
#define DHT_SEARCH_PEERS_MAX 192 /* different ones that one search names in each family */
#define DHT_USERS_MAX	     128 /* images of one node */
#define DHT_KEYS_ANNOUNCED_MAX                                                                     \
	(2 * DHT_USERS_MAX) /* each has its site's key and the global one                          \
			     */

struct dht;

struct dht_settings {
	uint8_t id[DHT_ID_BYTES];
	bool in_site; /* the id begins with the site's bytes (dht_id_into_site) */
	bool family4;
	bool family6;
	bool read_only;			  /* asks, does not answer (BEP 43) */
	uint8_t secret[DHT_SECRET_BYTES]; /* random; tokens are made with it */
	/* HMAC-SHA-256 or as good; for tokens. */
	void (*mac)(uint8_t mac[static SHA256_BYTES], const void *key, size_t key_bytes,
		const void *bytes, size_t bytes_count);
	uint64_t seed; /* of all random choices */
};

/* How much memory an object takes; it is aligned as malloc aligns. */
size_t dht_bytes(void);

/* The memory is the caller's, and stays where it is until the object is no longer used. */
struct dht *dht_create(void *memory, const struct dht_settings *settings, uint64_t now_ns);

/* ---- inputs ---- */

/* There may be a node at that address. It is asked now, and whenever it has not answered the last
 * time again: after a second at first, 30 s while few nodes answer, two minutes at most. */
void dht_bootstrap(struct dht *dht, uint64_t now_ns, const struct peer_address *address);

/* A stranger says that there is a node at its address: it is asked once, within the limits that its
 * own queries have. */
void dht_meet(struct dht *dht, uint64_t now_ns, const struct peer_address *address);

void dht_received(struct dht *dht, uint64_t now_ns, const struct peer_address *from,
	const uint8_t *bytes, size_t bytes_count);

/* The deadline has passed. */
void dht_tick(struct dht *dht, uint64_t now_ns);

struct dht_search {
	uint8_t key[DHT_ID_BYTES];
	/* Ask only nodes of our site, as long as one of them answers. */
	bool site_only;
	uint16_t announce_port; /* say under that key that we listen there; 0: only search */
	uint32_t cookie;	/* returned with effects */
};

/* Looks the key up in each family that knows nodes, then announces there. Returns how many look-ups
 * were started, each of which ends with a DHT_EFFECT_SEARCHED: 0 when no node is known yet, or too
 * many are under way. */
uint32_t dht_search(struct dht *dht, uint64_t now_ns, const struct dht_search *search);

/* Forgets that we hold something under these keys; look-ups with that cookie say nothing more. */
void dht_forget(struct dht *dht, uint32_t cookie);

/* ---- effects ---- */

enum dht_effect_kind {
	DHT_EFFECT_SEND,     /* address, bytes */
	DHT_EFFECT_PEER,     /* cookie, address: a peer that holds the key */
	DHT_EFFECT_SEARCHED, /* cookie, counts: a look-up has ended */
};

struct dht_effect {
	enum dht_effect_kind kind;
	struct peer_address address;
	const uint8_t *bytes; /* valid until the next call */
	size_t bytes_count;
	uint32_t cookie;
	uint32_t peers_count;	  /* different peers that it named */
	uint32_t answered_count;  /* nodes that answered */
	uint32_t announced_count; /* nodes that took our announce */
};

/* False when drained. */
MUST_USE bool dht_next_effect(struct dht *dht, struct dht_effect *effect);

/* When dht_tick is due at the latest. */
uint64_t dht_deadline_ns(const struct dht *dht);

/* ---- questions ---- */

struct dht_status {
	uint32_t nodes_count;	   /* in the routing tables */
	uint32_t nodes_good_count; /* that answered within 15 minutes */
	uint32_t nodes_site_count; /* of our site */
	uint32_t keys_count;	   /* stored for others */
	uint32_t peers_count;
	uint32_t searches_count; /* look-ups under way */
	uint64_t queries_in;
	uint64_t queries_limited; /* dropped: too many */
	uint64_t nonsense_in;	  /* no KRPC, replies that nobody asked for */
	uint64_t tokens_wrong;
	uint64_t queries_out;
	uint64_t bytes_in;
	uint64_t bytes_out;
};

void dht_status(const struct dht *dht, struct dht_status *status);

/* False while no node is known that has answered. */
bool dht_ready(const struct dht *dht);

#endif
