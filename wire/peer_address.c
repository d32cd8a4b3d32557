/* SPDX-License-Identifier: Apache-2.0 */
/* Peer addresses and their compact forms. */
#include "wire/peer_address.h"

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

bool peer_address_is4(const struct peer_address *address)
{
	return memcmp(address->ip, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

bool peer_address_equal(const struct peer_address *a, const struct peer_address *b)
{
	return a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

void peer_address_from4(struct peer_address *address, const uint8_t ip[static 4], uint16_t port)
{
	memcpy(address->ip, mapped_prefix, sizeof(mapped_prefix));
	memcpy(address->ip + sizeof(mapped_prefix), ip, 4);
	address->port = port;
}

void peer_address_from_compact4(struct peer_address *address, const uint8_t *bytes)
{
	peer_address_from4(address, bytes, be16_read(bytes + 4));
}

void peer_address_from_compact6(struct peer_address *address, const uint8_t *bytes)
{
	memcpy(address->ip, bytes, sizeof(address->ip));
	address->port = be16_read(bytes + 16);
}

void peer_address_to_compact4(const struct peer_address *address, uint8_t *bytes)
{
	memcpy(bytes, address->ip + sizeof(mapped_prefix), 4);
	be16_write(bytes + 4, address->port);
}

void peer_address_to_compact6(const struct peer_address *address, uint8_t *bytes)
{
	memcpy(bytes, address->ip, sizeof(address->ip));
	be16_write(bytes + 16, address->port);
}
