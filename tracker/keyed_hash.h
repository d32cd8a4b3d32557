/* SPDX-License-Identifier: Apache-2.0 */
/* Keyed hashing of the tracker's tables: peers choose infohashes, addresses and names, and chains
 * must stay short all the same. Not a MAC. */
#ifndef TRACKER_KEYED_HASH_H
#define TRACKER_KEYED_HASH_H

#include "wire/peer_address.h"

/* One more word; the first `hash` is the key. */
static inline uint64_t keyed_hash(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	hash ^= hash >> 29;
	hash *= UINT64_C(0xbf58476d1ce4e5b9);
	return hash ^ hash >> 32;
}

/* Whose this IP is. */
static inline uint64_t keyed_hash_owner(uint64_t hash, const uint8_t ip[static 16])
{
	hash = keyed_hash(hash, be64_read(ip));
	return peer_ip_owner_bytes(ip) == 16 ? keyed_hash(hash, be64_read(ip + 8)) : hash;
}

/* In [0, bound), from the upper half. */
static inline uint32_t keyed_hash_below(uint64_t hash, uint32_t bound)
{
	return (uint32_t)((hash >> 32) * bound >> 32);
}

#endif
