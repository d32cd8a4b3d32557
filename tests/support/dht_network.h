/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DHT nodes by the hundred in virtual time: datagrams take a while, get lost, and are counted where
 * they cross from one site to another. Node i of site s is 10.s.(i / 256).(i % 256), port 6881.
 */
#ifndef TESTS_SUPPORT_DHT_NETWORK_H
#define TESTS_SUPPORT_DHT_NETWORK_H

#include <stdlib.h>

#include "dht/finder.h"
#include "lib/heap.h"
#include "runtime/crypto.h"

#define NETWORK_DATAGRAMS_MAX 65536
#define NETWORK_EVENTS_MAX    (1 << 20)
#define NETWORK_PORT	      6881

enum hostility { HONEST, SENDS_GARBAGE, POISONS };

struct network_node {
	struct dht *dht; /* NULL: there is none, or it is dead */
	struct peer_address address;
	uint8_t id[DHT_ID_BYTES];
	unsigned site;
	enum hostility hostility;
	uint64_t tick_ns; /* the earliest that is in the heap */
	/* What its searches came to. */
	uint32_t found_count;
	struct peer_address found[DHT_SEARCH_PEERS_MAX];
	uint32_t ended_count;
	uint32_t announced_count;
};

struct network_datagram {
	struct peer_address from;
	struct peer_address to;
	size_t bytes_count;
	uint8_t bytes[KRPC_BYTES_MAX];
	uint32_t next_free;
};

struct network {
	struct network_node *nodes;
	uint32_t nodes_count;
	uint32_t nodes_max;
	struct network_datagram *datagrams;
	uint32_t free_datagram;
	struct heap heap;
	struct heap_item *items;
	struct rng rng;
	uint64_t now_ns;
	uint32_t loss_percent;
	bool cut; /* nothing crosses from one site to another */
	uint64_t datagrams_count;
	uint64_t crossing_count;	 /* queries and replies between sites */
	uint64_t crossing_lookups_count; /* of them, get_peers */
	uint64_t largest_bytes;
};

static inline void network_open(struct network *net, uint32_t nodes_max, uint64_t seed)
{
	*net = (struct network){.nodes_max = nodes_max, .now_ns = 1000 * NS_PER_S};
	net->nodes = calloc(nodes_max, sizeof(*net->nodes));
	net->datagrams = calloc(NETWORK_DATAGRAMS_MAX, sizeof(*net->datagrams));
	net->items = calloc(NETWORK_EVENTS_MAX, sizeof(*net->items));
	if (net->nodes == NULL || net->datagrams == NULL || net->items == NULL)
		abort();
	heap_init(&net->heap, net->items, NETWORK_EVENTS_MAX);
	rng_seed(&net->rng, seed);
	for (uint32_t i = 0; i < NETWORK_DATAGRAMS_MAX; i++)
		net->datagrams[i].next_free = i + 1;
}

static inline void network_close(struct network *net)
{
	for (uint32_t i = 0; i < net->nodes_count; i++)
		free(net->nodes[i].dht);
	free(net->nodes);
	free(net->datagrams);
	free(net->items);
}

static inline void network_push(struct network *net, uint64_t at_ns, uint64_t value)
{
	if (!heap_push(&net->heap, at_ns, value))
		abort();
}

/* Values of the heap: a datagram's number, or a node's beyond them. */
static inline void network_schedule(struct network *net, struct network_node *node)
{
	uint64_t due_ns = dht_deadline_ns(node->dht);

	if (node->tick_ns <= due_ns && node->tick_ns > net->now_ns)
		return;
	node->tick_ns = u64_max(due_ns, net->now_ns + 1);
	network_push(net, node->tick_ns, NETWORK_DATAGRAMS_MAX + (uint64_t)(node - net->nodes));
}

static inline bool network_is_lookup(const uint8_t *bytes, size_t bytes_count)
{
	static const char name[] = "9:get_peers";

	for (size_t at = 0; at + sizeof(name) - 1 <= bytes_count; at++)
		if (memcmp(bytes + at, name, sizeof(name) - 1) == 0)
			return true;
	return false;
}

static inline void network_send(struct network *net, const struct peer_address *from,
	const struct peer_address *to, const uint8_t *bytes, size_t bytes_count)
{
	bool crossing = from->ip[13] != to->ip[13];
	uint32_t index = net->free_datagram;

	net->datagrams_count++;
	net->crossing_count += crossing;
	net->crossing_lookups_count += crossing && network_is_lookup(bytes, bytes_count);
	net->largest_bytes = u64_max(net->largest_bytes, bytes_count);
	if (rng_below(&net->rng, 100) < net->loss_percent || (crossing && net->cut) ||
		bytes_count > KRPC_BYTES_MAX)
		return;
	if (index == NETWORK_DATAGRAMS_MAX)
		abort();

	struct network_datagram *datagram = &net->datagrams[index];

	net->free_datagram = datagram->next_free;
	datagram->from = *from;
	datagram->to = *to;
	datagram->bytes_count = bytes_count;
	memcpy(datagram->bytes, bytes, bytes_count);
	network_push(net,
		net->now_ns + (crossing ? 5 * NS_PER_MS : 100 * NS_PER_US) +
			rng_below(&net->rng, NS_PER_MS),
		index);
}

static inline void network_drain(struct network *net, struct network_node *node)
{
	struct dht_effect effect;

	while (dht_next_effect(node->dht, &effect)) {
		switch (effect.kind) {
		case DHT_EFFECT_SEND:
			network_send(net, &node->address, &effect.address, effect.bytes,
				effect.bytes_count);
			break;
		case DHT_EFFECT_PEER:
			if (node->found_count < DHT_SEARCH_PEERS_MAX)
				node->found[node->found_count++] = effect.address;
			break;
		case DHT_EFFECT_SEARCHED:
			node->ended_count++;
			node->announced_count += effect.announced_count;
			break;
		}
	}
	network_schedule(net, node);
}

/* What a node that means no good answers. */
static inline void network_hostile(struct network *net, const struct network_node *node,
	const struct network_datagram *datagram)
{
	struct krpc_message query;
	struct krpc_message reply = {.kind = KRPC_REPLY};
	uint8_t bytes[KRPC_BYTES_MAX];
	size_t bytes_count = 200;

	if (node->hostility == SENDS_GARBAGE) {
		memcpy(bytes, datagram->bytes, bytes_count);
		for (size_t i = 0; i < bytes_count; i += 1 + rng_below(&net->rng, 40))
			bytes[i] = (uint8_t)rng_next(&net->rng);
		network_send(net, &node->address, &datagram->from, bytes, bytes_count);
		return;
	}
	if (krpc_parse(&query, datagram->bytes, datagram->bytes_count) != KRPC_GOOD ||
		query.kind != KRPC_QUERY)
		return;
	memcpy(reply.transaction, query.transaction, query.transaction_bytes);
	reply.transaction_bytes = query.transaction_bytes;
	memcpy(reply.id, node->id, DHT_ID_BYTES);
	memset(reply.token, 7, 8);
	reply.token_bytes = 8;
	/* Nodes that are nowhere, nearer to the target than any. */
	reply.nodes4_count = KRPC_NODES_MAX;
	for (uint32_t i = 0; i < KRPC_NODES_MAX; i++) {
		uint8_t ip[4] = {10, (uint8_t)node->site, 200, (uint8_t)rng_next(&net->rng)};

		memcpy(reply.nodes4[i].id, query.target, DHT_ID_BYTES);
		be32_write(reply.nodes4[i].id + 16, (uint32_t)rng_next(&net->rng));
		peer_address_from4(&reply.nodes4[i].address, ip, NETWORK_PORT);
	}
	bytes_count = krpc_write(&reply, bytes, sizeof(bytes));
	network_send(net, &node->address, &datagram->from, bytes, bytes_count);
}

static inline struct network_node *network_at(struct network *net, const struct peer_address *at)
{
	uint32_t index = be16_read(at->ip + 14);

	return index < net->nodes_count && net->nodes[index].dht != NULL &&
			       peer_address_equal(&net->nodes[index].address, at)
		       ? &net->nodes[index]
		       : NULL;
}

static inline void network_deliver(struct network *net, uint32_t index)
{
	struct network_datagram *datagram = &net->datagrams[index];
	struct network_node *node = network_at(net, &datagram->to);

	if (node != NULL && node->hostility != HONEST) {
		network_hostile(net, node, datagram);
	} else if (node != NULL) {
		dht_received(node->dht, net->now_ns, &datagram->from, datagram->bytes,
			datagram->bytes_count);
		network_drain(net, node);
	}
	datagram->next_free = net->free_datagram;
	net->free_datagram = index;
}

static inline void network_run(struct network *net, uint64_t duration_ns)
{
	uint64_t until_ns = net->now_ns + duration_ns;
	const struct heap_item *top;
	struct heap_item item;

	while ((top = heap_top(&net->heap)) != NULL && top->key <= until_ns) {
		if (!heap_pop(&net->heap, &item))
			abort();
		net->now_ns = item.key;
		if (item.value < NETWORK_DATAGRAMS_MAX) {
			network_deliver(net, (uint32_t)item.value);
			continue;
		}
		struct network_node *node = &net->nodes[item.value - NETWORK_DATAGRAMS_MAX];

		if (node->dht == NULL || node->tick_ns != item.key)
			continue;
		node->tick_ns = 0;
		dht_tick(node->dht, net->now_ns);
		network_drain(net, node);
	}
	net->now_ns = until_ns;
}

static inline void network_site_digest(uint8_t digest[static SHA1_BYTES], unsigned site)
{
	char name[] = "hall0";

	name[4] = (char)('0' + site);
	crypto_digest_ops.sha1(digest, name, strlen(name));
}

/* Site 0 stands for none: ids are random. */
static inline struct network_node *network_add(struct network *net, unsigned site,
	enum hostility hostility, const struct network_node *known)
{
	struct network_node *node = &net->nodes[net->nodes_count];
	struct dht_settings settings = {
		.family4 = true, .mac = crypto_hmac_sha256, .in_site = site > 0};
	uint8_t ip[4] = {
		10, (uint8_t)site, (uint8_t)(net->nodes_count >> 8), (uint8_t)net->nodes_count};
	uint8_t digest[SHA1_BYTES];

	if (net->nodes_count++ == net->nodes_max)
		abort();
	for (size_t i = 0; i < DHT_ID_BYTES; i++)
		settings.id[i] = (uint8_t)rng_next(&net->rng);
	be64_write(settings.secret, rng_next(&net->rng));
	settings.seed = rng_next(&net->rng);
	network_site_digest(digest, site);
	if (site > 0)
		dht_id_into_site(settings.id, digest);
	*node = (struct network_node){.site = site, .hostility = hostility};
	memcpy(node->id, settings.id, DHT_ID_BYTES);
	peer_address_from4(&node->address, ip, NETWORK_PORT);
	node->dht = dht_create(malloc(dht_bytes()), &settings, net->now_ns);
	if (known != NULL)
		dht_bootstrap(node->dht, net->now_ns, &known->address);
	network_drain(net, node);
	return node;
}

static inline void network_kill(struct network_node *node)
{
	free(node->dht);
	node->dht = NULL;
}

/* Starts a search from scratch; returns how many look-ups there are. */
static inline uint32_t network_search(struct network *net, struct network_node *node,
	const uint8_t key[static DHT_ID_BYTES], uint16_t announce_port, bool site_only)
{
	struct dht_search search = {
		.site_only = site_only, .announce_port = announce_port, .cookie = 1};
	uint32_t started;

	memcpy(search.key, key, DHT_ID_BYTES);
	node->found_count = node->ended_count = node->announced_count = 0;
	started = dht_search(node->dht, net->now_ns, &search);
	network_drain(net, node);
	return started;
}

#endif
