/* SPDX-License-Identifier: Apache-2.0 */
/* A peer's address: IPv6, or IPv4 as ::ffff:a.b.c.d; and the compact forms of BEP 23 and BEP 7. */
#ifndef WIRE_PEER_ADDRESS_H
#define WIRE_PEER_ADDRESS_H

#include "lib/bytes.h"

#define PEER_COMPACT4_BYTES 6
#define PEER_COMPACT6_BYTES 18

struct peer_address {
	uint8_t ip[16];
	uint16_t port; /* host order */
};

bool peer_address_is4(const struct peer_address *address);
bool peer_address_equal(const struct peer_address *a, const struct peer_address *b);
void peer_address_from4(struct peer_address *address, const uint8_t ip[static 4], uint16_t port);
void peer_address_from_compact4(struct peer_address *address, const uint8_t *bytes);
void peer_address_from_compact6(struct peer_address *address, const uint8_t *bytes);
void peer_address_to_compact6(const struct peer_address *address, uint8_t *bytes);

/* Here, because trackers do it for fifty peers a reply. */
static inline void peer_address_to_compact4(const struct peer_address *address, uint8_t *bytes)
{
	memcpy(bytes, address->ip + 12, 4);
	be16_write(bytes + 4, address->port);
}

/* How many bytes of an IP say whose it is, where limits are counted: all 16 of IPv4, of IPv6 the
 * first 8, since one machine can use a whole /64. */
static inline size_t peer_ip_owner_bytes(const uint8_t ip[static 16])
{
	return be64_read(ip) == 0 && be32_read(ip + 8) == 0xffff ? 16 : 8;
}

/* The IP as text, "10.0.0.1" or "fd00::1" (RFC 5952), without the port; and back, leaving the port
 * alone. Names of hosts are not addresses. */
#define PEER_IP_TEXT_MAX 46
void peer_address_ip_write(char text[static PEER_IP_TEXT_MAX], const struct peer_address *address);
MUST_USE bool peer_address_ip_read(
	struct peer_address *address, const char *text, size_t text_bytes);

#endif
