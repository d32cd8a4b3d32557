/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that others have announced. Each stays for half an hour unless it is announced again. A key
 * holds so many, an address so many, all together so many: where the limit is reached, the oldest
 * of that key or address makes room, and when everything is full, nothing does until something
 * expires.
 */
#include "dht/state.h"

void store_init(struct dht_store *store)
{
	for (uint32_t i = 0; i < STORED_MAX; i++)
		store->peers[i].key = NONE16;
}

static uint16_t key_find(const struct dht_store *store, const uint8_t key[static DHT_ID_BYTES])
{
	for (uint16_t i = 0; i < KEYS_MAX; i++)
		if (store->keys[i].peers_count > 0 &&
			memcmp(store->keys[i].key, key, DHT_ID_BYTES) == 0)
			return i;
	return NONE16;
}

static uint16_t key_make(struct dht_store *store, const uint8_t key[static DHT_ID_BYTES])
{
	for (uint16_t i = 0; i < KEYS_MAX; i++)
		if (store->keys[i].peers_count == 0) {
			memcpy(store->keys[i].key, key, DHT_ID_BYTES);
			return i;
		}
	return NONE16;
}

static void entry_free(struct dht_store *store, struct dht_stored *peer)
{
	struct dht_key *key = &store->keys[peer->key];

	peer->key = NONE16;
	store->peers_count--;
	if (--key->peers_count == 0)
		store->keys_count--;
}

/* What a new peer of this key and address stands beside. */
struct neighbours {
	struct dht_stored *same;
	struct dht_stored *free;
	struct dht_stored *oldest_of_key;
	struct dht_stored *oldest_of_ip;
	struct dht_stored *oldest_of_ip_key;
	uint32_t of_ip_count;
	uint32_t of_ip_key_count;
};

static struct dht_stored *older(struct dht_stored *a, struct dht_stored *b)
{
	return a == NULL || b->at_ns < a->at_ns ? b : a;
}

static void look(struct dht_store *store, uint16_t key, const struct peer_address *address,
	struct neighbours *near)
{
	*near = (struct neighbours){0};
	for (uint32_t i = 0; i < STORED_MAX; i++) {
		struct dht_stored *peer = &store->peers[i];

		if (peer->key == NONE16) {
			near->free = peer;
			continue;
		}
		bool same_ip = memcmp(peer->address.ip, address->ip, sizeof(address->ip)) == 0;

		if (peer->key == key)
			near->oldest_of_key = older(near->oldest_of_key, peer);
		if (!same_ip)
			continue;
		near->oldest_of_ip = older(near->oldest_of_ip, peer);
		near->of_ip_count++;
		if (peer->key != key)
			continue;
		near->oldest_of_ip_key = older(near->oldest_of_ip_key, peer);
		near->of_ip_key_count++;
		if (peer->address.port == address->port)
			near->same = peer;
	}
}

bool store_put(struct dht_store *store, uint64_t now_ns, const uint8_t key[static DHT_ID_BYTES],
	const struct peer_address *address)
{
	uint16_t index = key_find(store, key);
	struct neighbours near;
	struct dht_stored *out = NULL;

	look(store, index, address, &near);
	if (near.same != NULL) {
		near.same->at_ns = now_ns;
		return true;
	}
	if (near.of_ip_key_count >= STORED_PER_IP_KEY)
		out = near.oldest_of_ip_key;
	else if (near.of_ip_count >= STORED_PER_IP)
		out = near.oldest_of_ip;
	else if (index != NONE16 && store->keys[index].peers_count >= STORED_PER_KEY)
		out = near.oldest_of_key;
	if (out != NULL) {
		entry_free(store, out);
		near.free = out;
	}
	/* Whose last peer was put out is a key no more. */
	if (index == NONE16 || store->keys[index].peers_count == 0)
		index = near.free != NULL ? key_make(store, key) : NONE16;
	if (index == NONE16 || near.free == NULL)
		return false;
	*near.free = (struct dht_stored){.address = *address, .key = index, .at_ns = now_ns};
	store->peers_count++;
	if (store->keys[index].peers_count++ == 0)
		store->keys_count++;
	return true;
}

uint32_t store_sample(const struct dht_store *store, struct rng *rng,
	const uint8_t key[static DHT_ID_BYTES], unsigned family, struct peer_address *peers,
	uint32_t peers_max)
{
	uint16_t index = key_find(store, key);
	uint32_t met = 0;

	if (index == NONE16 || peers_max == 0)
		return 0;
	for (uint32_t i = 0; i < STORED_MAX; i++) {
		const struct dht_stored *peer = &store->peers[i];

		if (peer->key != index || family_of(&peer->address) != family)
			continue;
		uint64_t at = met < peers_max ? met : rng_below(rng, (uint64_t)met + 1);

		met++;
		if (at < peers_max)
			peers[at] = peer->address;
	}
	return met < peers_max ? met : peers_max;
}

void store_expire(struct dht_store *store, uint64_t now_ns)
{
	for (uint32_t i = 0; i < STORED_MAX; i++)
		if (store->peers[i].key != NONE16 && now_ns - store->peers[i].at_ns >= STORED_NS)
			entry_free(store, &store->peers[i]);
}
