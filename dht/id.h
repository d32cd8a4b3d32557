/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids of the DHT: of nodes, and the keys under which peers are kept. Both begin, inside a site,
 * with the first DHT_SITE_BYTES of the SHA-1 of the site's name, so that the nodes nearest to a
 * site's key are the site's own (docs/dht.md). Pure.
 */
#ifndef DHT_ID_H
#define DHT_ID_H

#include "wire/krpc.h"

#define DHT_ID_BYTES   KRPC_ID_BYTES
#define DHT_ID_BITS    (8 * DHT_ID_BYTES)
#define DHT_SITE_BYTES 4
#define DHT_SITE_BITS  (8 * DHT_SITE_BYTES)

/* How many bits two ids share from the first one on; DHT_ID_BITS when they are equal. */
unsigned dht_id_common_bits(
	const uint8_t a[static DHT_ID_BYTES], const uint8_t b[static DHT_ID_BYTES]);

/* True when a is nearer to the target than b is, by the XOR metric. */
bool dht_id_nearer(const uint8_t target[static DHT_ID_BYTES], const uint8_t a[static DHT_ID_BYTES],
	const uint8_t b[static DHT_ID_BYTES]);

/* The site's part of an id or key goes over its first bytes. site_digest: SHA-1 of the name. */
void dht_id_into_site(
	uint8_t id[static DHT_ID_BYTES], const uint8_t site_digest[static DHT_ID_BYTES]);

/* BEP 42: makes a random id one that goes with this address (not the port). */
void dht_id_secure(uint8_t id[static DHT_ID_BYTES], const struct peer_address *address);

/* Not of a private, link-local, shared (RFC 6598), loopback or multicast range. */
bool dht_address_is_public(const struct peer_address *address);

#endif
