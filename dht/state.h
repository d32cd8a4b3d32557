/* SPDX-License-Identifier: Apache-2.0 */
/* What a DHT node is made of; for dht/ only. */
#ifndef DHT_STATE_H
#define DHT_STATE_H

#include "dht/dht.h"
#include "lib/rng.h"

#define NODES_PER_BUCKET  8 /* k of BEP 5 */
#define SPARES_PER_BUCKET 4
#define BUCKETS		  64 /* the last one holds all that share more bits with us */
#define FAMILIES	  2
#define FAMILY4		  0
#define FAMILY6		  1
#define QUERIES_MAX	  128
#define LOOKUPS_MAX	  (2 * DHT_SEARCHES_MAX)
#define CANDIDATES_MAX	  64
#define PINGS_MAX	  32
#define VOTES_MAX	  8
#define KEYS_MAX	  256
#define STORED_MAX	  2048
#define STORED_PER_KEY	  512
#define STORED_PER_IP	  64 /* under all keys; many nodes may stand behind one address */
#define STORED_PER_IP_KEY 16
#define LIMITED_MAX	  512
#define TOKEN_BYTES	  8
#define NONE16		  UINT16_MAX

#define GOOD_NS	     (15 * 60 * NS_PER_S) /* BEP 5 */
#define STORED_NS    (30 * 60 * NS_PER_S)
#define TOKEN_AGE_NS (5 * 60 * NS_PER_S)
#define FAILURES_BAD 2

/* ---- routing table (table.c) ---- */

struct dht_node {
	struct krpc_contact contact;
	uint64_t replied_ns; /* the last answer to a query of ours */
	uint64_t heard_ns;   /* the last datagram of any kind */
	uint64_t pinged_ns;
	uint8_t failures; /* queries without an answer, in a row */
};

struct dht_bucket {
	struct dht_node nodes[NODES_PER_BUCKET];
	struct krpc_contact spares[SPARES_PER_BUCKET]; /* the newest last; they have answered */
	uint32_t nodes_count;
	uint32_t spares_count;
	uint64_t changed_ns;
};

struct dht_table {
	struct dht_bucket buckets[BUCKETS];
};

/* ---- peers that others announced (store.c) ---- */

struct dht_key {
	uint8_t key[DHT_ID_BYTES];
	uint32_t peers_count; /* 0: the entry is free */
};

struct dht_stored {
	struct peer_address address;
	uint16_t key; /* NONE16: free */
	uint64_t at_ns;
};

struct dht_store {
	struct dht_key keys[KEYS_MAX];
	struct dht_stored peers[STORED_MAX];
	uint32_t peers_count;
	uint32_t keys_count;
};

/* ---- how much an address may ask (limits.c) ---- */

struct dht_limited {
	uint64_t tag;	  /* of the address; 0: free */
	uint64_t full_ns; /* when its allowance is whole again */
};

struct dht_limits {
	struct dht_limited addresses[LIMITED_MAX];
	uint64_t all_full_ns;
	uint64_t salt;
};

/* ---- queries under way (queries.c) ---- */

struct dht_query {
	bool used;
	bool resend; /* its first try was not answered in time */
	bool has_id; /* who should answer */
	uint8_t tries;
	uint8_t transaction[4];
	enum krpc_method method;
	struct krpc_contact contact;
	uint32_t lookup; /* LOOKUPS_MAX: of none */
	uint32_t lookup_serial;
	uint64_t due_ns;
};

/* ---- look-ups (lookup.c) ---- */

enum candidate_state {
	CANDIDATE_NEW,
	CANDIDATE_ASKED,
	CANDIDATE_SLOW, /* asked again; no longer counted as under way */
	CANDIDATE_ANSWERED,
	CANDIDATE_FAILED,
	CANDIDATE_CHOSEN,  /* to be announced to */
	CANDIDATE_TELLING, /* an announce is under way */
	CANDIDATE_TOLD,
};

struct dht_candidate {
	struct krpc_contact contact;
	enum candidate_state state;
	uint32_t source; /* who named it; 0: our own table */
	bool first;	 /* asked however far it is */
	uint8_t token[KRPC_TOKEN_MAX];
	uint8_t token_bytes;
};

enum lookup_phase { LOOKUP_FREE, LOOKUP_ASKING, LOOKUP_TELLING, LOOKUP_ENDED };

struct dht_lookup {
	enum lookup_phase phase;
	uint32_t serial;
	enum krpc_method method; /* FIND_NODE or GET_PEERS */
	uint8_t target[DHT_ID_BYTES];
	unsigned family;
	bool site_only;
	bool silent; /* nobody waits for what it finds */
	uint16_t announce_port;
	uint32_t cookie;
	uint64_t until_ns;
	uint32_t asked_count;
	uint32_t answered_count;
	uint32_t announced_count;
	uint32_t peers_count;
	uint32_t candidates_count;
	struct dht_candidate candidates[CANDIDATES_MAX]; /* the nearest first */
	uint32_t seen[2 * 128]; /* hashes of the peers that were named; 0: free */
};

/* What we announce: others who ask us are told of ourselves too. */
struct dht_announced {
	uint8_t key[DHT_ID_BYTES];
	uint16_t port; /* 0: free */
	uint32_t cookie;
};

struct dht_entry { /* an address to begin with */
	struct peer_address address;
	bool silent; /* it has never answered, or left the last query unanswered */
	uint64_t due_ns;
	uint64_t pause_ns;
};

struct dht {
	struct dht_settings settings;
	struct rng rng;
	uint64_t now_ns;
	uint32_t lookup_serial;
	struct dht_table tables[FAMILIES];
	struct dht_store store;
	struct dht_limits limits;
	struct dht_query queries[QUERIES_MAX];
	uint32_t queries_count;
	struct dht_lookup lookups[LOOKUPS_MAX];
	struct dht_announced announced[DHT_KEYS_ANNOUNCED_MAX];
	struct dht_entry entries[DHT_BOOTSTRAP_MAX];
	uint32_t entries_count;
	struct krpc_contact pings[PINGS_MAX]; /* to be sent; an id of zeros: not known */
	uint32_t pings_count;
	struct peer_address votes[FAMILIES][VOTES_MAX]; /* what others say is our address */
	uint32_t votes_count[FAMILIES];
	uint64_t upkeep_ns;	    /* when the next round of it is due */
	uint64_t join_ns[FAMILIES]; /* when our own id is looked up next; UINT64_MAX: not joined */
	uint64_t join_pause_ns[FAMILIES];

	struct krpc_message message; /* the one that was read, or is written */
	uint8_t output[KRPC_BYTES_MAX];
	size_t reply_bytes; /* in output, not sent yet */
	struct peer_address reply_to;
	struct peer_address found[KRPC_VALUES_MAX]; /* not told yet */
	uint32_t found_count;
	uint32_t found_cookie;
	struct dht_status counts;
};

static inline unsigned family_of(const struct peer_address *address)
{
	return peer_address_is4(address) ? FAMILY4 : FAMILY6;
}

static inline bool family_on(const struct dht *dht, unsigned family)
{
	return family == FAMILY4 ? dht->settings.family4 : dht->settings.family6;
}

static inline bool in_our_site(const struct dht *dht, const uint8_t id[static DHT_ID_BYTES])
{
	return dht->settings.in_site && memcmp(dht->settings.id, id, DHT_SITE_BYTES) == 0;
}

static inline uint64_t hash_ip(uint64_t salt, const struct peer_address *address)
{
	uint64_t hash = salt ^ be64_read(address->ip) * UINT64_C(0x9e3779b97f4a7c15);

	hash = (hash ^ hash >> 32) * UINT64_C(0xd6e8feb86659fd93);
	hash ^= be64_read(address->ip + 8);
	hash = (hash ^ hash >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return hash ^ hash >> 32;
}

/* dht.c */
/* A query to that address was answered, or given up: it may be one to begin with. */
void entry_heard(struct dht *dht, const struct peer_address *address, bool answered);

/* table.c */
struct dht_node *table_find(struct dht *dht, const struct krpc_contact *contact);
/* The one at that address, whatever its id; or NULL. */
const struct dht_node *table_at(const struct dht *dht, const struct peer_address *address);
/* It answered us, under this id, from this address. */
void table_answered(struct dht *dht, const struct krpc_contact *contact);
/* It asked us something: true when it should be pinged, since there may be room for it, or it was
 * taken for dead. */
MUST_USE bool table_asked(struct dht *dht, const struct krpc_contact *contact);
void table_failed(struct dht *dht, const struct krpc_contact *contact);
bool table_node_good(const struct dht *dht, const struct dht_node *node);
/* The nodes nearest to the target, the nearest first. Returns how many. */
uint32_t table_nearest(const struct dht *dht, unsigned family,
	const uint8_t target[static DHT_ID_BYTES], struct krpc_contact *nodes, uint32_t nodes_max);
uint32_t table_count(const struct dht *dht, unsigned family, bool site_only, bool good_only);
/* Pings what has not been heard of for long; looks up buckets that nothing has changed for long. */
void table_upkeep(struct dht *dht, unsigned family);

/* store.c */
void store_init(struct dht_store *store);
MUST_USE bool store_put(struct dht_store *store, uint64_t now_ns,
	const uint8_t key[static DHT_ID_BYTES], const struct peer_address *address);
/* A random choice of those that are stored under the key, in that family. */
uint32_t store_sample(const struct dht_store *store, struct rng *rng,
	const uint8_t key[static DHT_ID_BYTES], unsigned family, struct peer_address *peers,
	uint32_t peers_max);
void store_expire(struct dht_store *store, uint64_t now_ns);

/* limits.c */
MUST_USE bool limits_allow(
	struct dht_limits *limits, uint64_t now_ns, const struct peer_address *address);

/* queries.c */
/* Writes a query into dht->output; false when too many are under way. */
MUST_USE bool query_begin(struct dht *dht, const struct krpc_contact *contact, bool has_id,
	enum krpc_method method, uint32_t lookup, struct dht_effect *effect);
struct dht_query *query_find(struct dht *dht, const struct peer_address *from,
	const uint8_t *transaction, size_t transaction_bytes);
void query_end(struct dht *dht, struct dht_query *query);
bool query_pending(const struct dht *dht, const struct peer_address *address);
void queries_tick(struct dht *dht);
MUST_USE bool queries_resend(struct dht *dht, struct dht_effect *effect);
uint64_t queries_deadline_ns(const struct dht *dht);
void ping_later(struct dht *dht, const struct krpc_contact *contact);

/* lookup.c */
/* False when there is no room or nobody to ask. */
MUST_USE bool lookup_begin(struct dht *dht, const struct dht_lookup *wanted);
void lookup_answered(struct dht *dht, const struct dht_query *query);
void lookup_failed(struct dht *dht, const struct dht_query *query);
void lookup_slow(struct dht *dht, const struct dht_query *query);
MUST_USE bool lookups_work(struct dht *dht, struct dht_effect *effect);
uint64_t lookups_deadline_ns(const struct dht *dht);
struct dht_candidate *lookup_candidate(
	struct dht_lookup *lookup, const struct peer_address *address);

/* answers.c: queries of others */
void answer_query(struct dht *dht, const struct peer_address *from, enum krpc_parse parse,
	size_t query_bytes);
/* What most others say is our address, with that port; false when nobody has said. */
MUST_USE bool self_address(
	const struct dht *dht, unsigned family, uint16_t port, struct peer_address *address);

#endif
