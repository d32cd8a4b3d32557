/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routing table: a bucket of eight for each length of prefix shared with our id, which is what
 * BEP 5's splitting comes to. Only who has answered us gets in. A good node is never put out; one
 * that is questionable is pinged when somebody new waits for its place.
 */
#include "dht/state.h"

#define IDLE_PING_NS	(3 * 60 * NS_PER_S)
#define PING_PAUSE_NS	(20 * NS_PER_S)
#define PINGS_PER_ROUND 4
#define FAILURES_GONE	5

static struct dht_bucket *bucket_of(struct dht *dht, const struct krpc_contact *contact)
{
	unsigned bits = dht_id_common_bits(dht->settings.id, contact->id);

	return &dht->tables[family_of(&contact->address)]
			.buckets[bits < BUCKETS ? bits : BUCKETS - 1];
}

static struct dht_node *find_id(struct dht_bucket *bucket, const uint8_t id[static DHT_ID_BYTES])
{
	for (uint32_t i = 0; i < bucket->nodes_count; i++)
		if (memcmp(bucket->nodes[i].contact.id, id, DHT_ID_BYTES) == 0)
			return &bucket->nodes[i];
	return NULL;
}

struct dht_node *table_find(struct dht *dht, const struct krpc_contact *contact)
{
	struct dht_node *node = find_id(bucket_of(dht, contact), contact->id);

	return node != NULL && peer_address_equal(&node->contact.address, &contact->address) ? node
											     : NULL;
}

const struct dht_node *table_at(const struct dht *dht, const struct peer_address *address)
{
	const struct dht_table *table = &dht->tables[family_of(address)];

	for (uint32_t b = 0; b < BUCKETS; b++)
		for (uint32_t i = 0; i < table->buckets[b].nodes_count; i++) {
			const struct dht_node *node = &table->buckets[b].nodes[i];

			if (peer_address_equal(&node->contact.address, address))
				return node;
		}
	return NULL;
}

bool table_node_good(const struct dht *dht, const struct dht_node *node)
{
	return node->replied_ns != 0 && node->failures < FAILURES_BAD &&
	       dht->now_ns - node->heard_ns < GOOD_NS;
}

static void node_remove(struct dht_bucket *bucket, const struct dht_node *node)
{
	size_t at = (size_t)(node - bucket->nodes);

	bucket->nodes_count--;
	memmove(&bucket->nodes[at], &bucket->nodes[at + 1],
		(bucket->nodes_count - at) * sizeof(bucket->nodes[0]));
}

/* A machine that booted again has another id at the same address. */
static void remove_former(struct dht *dht, const struct krpc_contact *contact)
{
	struct dht_table *table = &dht->tables[family_of(&contact->address)];

	for (uint32_t b = 0; b < BUCKETS; b++) {
		struct dht_bucket *bucket = &table->buckets[b];

		for (uint32_t i = bucket->nodes_count; i-- > 0;) {
			const struct dht_node *node = &bucket->nodes[i];

			if (peer_address_equal(&node->contact.address, &contact->address) &&
				memcmp(node->contact.id, contact->id, DHT_ID_BYTES) != 0)
				node_remove(bucket, node);
		}
	}
}

static void spare_keep(struct dht_bucket *bucket, const struct krpc_contact *contact)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < bucket->spares_count; i++)
		if (!peer_address_equal(&bucket->spares[i].address, &contact->address))
			bucket->spares[kept++] = bucket->spares[i];
	if (kept == SPARES_PER_BUCKET) {
		kept--;
		memmove(&bucket->spares[0], &bucket->spares[1], kept * sizeof(bucket->spares[0]));
	}
	bucket->spares[kept++] = *contact;
	bucket->spares_count = kept;
}

/* Pings the node of a full bucket that was heard of least lately, unless all are good. */
static void question_oldest(struct dht *dht, struct dht_bucket *bucket)
{
	struct dht_node *oldest = NULL;

	for (uint32_t i = 0; i < bucket->nodes_count; i++) {
		struct dht_node *node = &bucket->nodes[i];

		if (!table_node_good(dht, node) &&
			(oldest == NULL || node->heard_ns < oldest->heard_ns))
			oldest = node;
	}
	if (oldest != NULL)
		ping_later(dht, &oldest->contact);
}

static struct dht_node *place_for(struct dht *dht, struct dht_bucket *bucket)
{
	if (bucket->nodes_count < NODES_PER_BUCKET)
		return &bucket->nodes[bucket->nodes_count++];
	for (uint32_t i = 0; i < bucket->nodes_count; i++)
		if (bucket->nodes[i].failures >= FAILURES_BAD)
			return &bucket->nodes[i];
	question_oldest(dht, bucket);
	return NULL;
}

void table_answered(struct dht *dht, const struct krpc_contact *contact)
{
	struct dht_bucket *bucket = bucket_of(dht, contact);

	if (memcmp(contact->id, dht->settings.id, DHT_ID_BYTES) == 0)
		return;
	remove_former(dht, contact);

	struct dht_node *node = find_id(bucket, contact->id);

	/* Nobody takes a living node's id. */
	if (node != NULL && !peer_address_equal(&node->contact.address, &contact->address) &&
		table_node_good(dht, node))
		return;
	if (node == NULL) {
		node = place_for(dht, bucket);
		if (node == NULL) {
			spare_keep(bucket, contact);
			return;
		}
		bucket->changed_ns = dht->now_ns;
	}
	node->contact = *contact;
	node->replied_ns = node->heard_ns = node->pinged_ns = dht->now_ns;
	node->failures = 0;
}

bool table_asked(struct dht *dht, const struct krpc_contact *contact)
{
	struct dht_bucket *bucket = bucket_of(dht, contact);
	struct dht_node *node = table_find(dht, contact);

	if (memcmp(contact->id, dht->settings.id, DHT_ID_BYTES) == 0)
		return false;
	if (node != NULL) {
		node->heard_ns = dht->now_ns;
		return node->failures > 0;
	}
	if (bucket->nodes_count < NODES_PER_BUCKET)
		return true;
	for (uint32_t i = 0; i < bucket->nodes_count; i++)
		if (!table_node_good(dht, &bucket->nodes[i]))
			return true;
	return false;
}

void table_failed(struct dht *dht, const struct krpc_contact *contact)
{
	struct dht_bucket *bucket = bucket_of(dht, contact);
	struct dht_node *node = table_find(dht, contact);

	if (node == NULL)
		return;
	node->failures++;
	if (node->failures >= FAILURES_BAD && bucket->spares_count > 0) {
		*node = (struct dht_node){.contact = bucket->spares[--bucket->spares_count]};
		/* It has answered once; good it is when it does again. */
		ping_later(dht, &node->contact);
		bucket->changed_ns = dht->now_ns;
	} else if (node->failures >= FAILURES_GONE) {
		node_remove(bucket, node);
	}
}

uint32_t table_nearest(const struct dht *dht, unsigned family,
	const uint8_t target[static DHT_ID_BYTES], struct krpc_contact *nodes, uint32_t nodes_max)
{
	uint32_t count = 0;

	for (uint32_t b = 0; b < BUCKETS; b++) {
		const struct dht_bucket *bucket = &dht->tables[family].buckets[b];

		for (uint32_t i = 0; i < bucket->nodes_count; i++) {
			const struct dht_node *node = &bucket->nodes[i];
			uint32_t at = count < nodes_max ? count : nodes_max;

			if (node->failures >= FAILURES_BAD)
				continue;
			while (at > 0 && dht_id_nearer(target, node->contact.id, nodes[at - 1].id))
				at--;
			if (at == nodes_max)
				continue;
			count += count < nodes_max;
			memmove(&nodes[at + 1], &nodes[at], (count - 1 - at) * sizeof(nodes[0]));
			nodes[at] = node->contact;
		}
	}
	return count;
}

uint32_t table_count(const struct dht *dht, unsigned family, bool site_only, bool good_only)
{
	uint32_t count = 0;

	for (uint32_t b = 0; b < BUCKETS; b++) {
		const struct dht_bucket *bucket = &dht->tables[family].buckets[b];

		for (uint32_t i = 0; i < bucket->nodes_count; i++)
			count += (!site_only || in_our_site(dht, bucket->nodes[i].contact.id)) &&
				 (!good_only || table_node_good(dht, &bucket->nodes[i]));
	}
	return count;
}

/* Somewhere in the part of the ids that the bucket stands for. */
static void refresh(struct dht *dht, unsigned family, unsigned bits)
{
	struct dht_lookup wanted = {.method = KRPC_FIND_NODE, .family = family, .silent = true};
	const uint8_t *id = dht->settings.id;
	unsigned byte = bits / 8;
	uint8_t mask = (uint8_t)(0xff >> bits % 8); /* the differing bit and what follows it */

	for (unsigned i = 0; i < DHT_ID_BYTES; i++)
		wanted.target[i] = (uint8_t)rng_next(&dht->rng);
	memcpy(wanted.target, id, byte);
	wanted.target[byte] = (uint8_t)((id[byte] & ~mask) | (wanted.target[byte] & mask >> 1) |
					(~id[byte] & (mask ^ mask >> 1)));
	wanted.site_only = dht->settings.in_site;
	/* When there is no room for one more, the next round tries again. */
	if (lookup_begin(dht, &wanted))
		dht->tables[family].buckets[bits].changed_ns = dht->now_ns;
}

void table_upkeep(struct dht *dht, unsigned family)
{
	uint32_t pings = 0;
	bool refreshed = false;

	/* What lies outside of our site is not kept fresh across the link between them. */
	for (unsigned b = dht->settings.in_site ? DHT_SITE_BITS : 0; b < BUCKETS; b++) {
		struct dht_bucket *bucket = &dht->tables[family].buckets[b];

		for (uint32_t i = 0; i < bucket->nodes_count; i++) {
			struct dht_node *node = &bucket->nodes[i];

			if ((dht->now_ns - node->heard_ns < IDLE_PING_NS && node->failures == 0) ||
				dht->now_ns - node->pinged_ns < PING_PAUSE_NS ||
				pings == PINGS_PER_ROUND)
				continue;
			node->pinged_ns = dht->now_ns;
			ping_later(dht, &node->contact);
			pings++;
		}
		if (!refreshed && bucket->nodes_count > 0 &&
			dht->now_ns - bucket->changed_ns >= GOOD_NS) {
			refresh(dht, family, b);
			refreshed = true;
		}
	}
}
