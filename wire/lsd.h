/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local service discovery (BEP 14): one datagram to a multicast group.
 *
 *   BT-SEARCH * HTTP/1.1\r\n
 *   Host: 239.192.152.143:6771\r\n        the group, or [ff15::efc0:988f]:6771
 *   Port: 6881\r\n                        where the sender listens
 *   Infohash: <40 hex digits>\r\n         once for each swarm
 *   cookie: 1f2e3d4c\r\n                  the sender's, to know its own by
 *   Sb-Wants: 8\r\n                       ours: so many answers would help; 0: none are wanted
 *   \r\n
 *   \r\n
 *
 * The address is that of the datagram. Header names are read in any case, lines may end in LF only,
 * and headers that are not known are ignored. Without `Sb-Wants` it is another client's.
 */
#ifndef WIRE_LSD_H
#define WIRE_LSD_H

#include "lib/digest.h"

#define LSD_PORT	   6771
#define LSD_GROUP4	   "239.192.152.143"
#define LSD_GROUP6	   "ff15::efc0:988f"
#define LSD_BYTES_MAX	   1400 /* of a datagram (BEP 14) */
#define LSD_INFOHASHES_MAX 24	/* as many as fit */
#define LSD_COOKIE_MAX	   16
#define LSD_WANTS_UNKNOWN  UINT32_MAX /* not said */

struct lsd_search {
	uint16_t port;			 /* not 0 */
	char cookie[LSD_COOKIE_MAX + 1]; /* "": none, or too long to be ours */
	uint32_t wants;
	uint32_t
		infohashes_count; /* 1 to LSD_INFOHASHES_MAX; others in the datagram are left out */
	uint8_t infohashes[LSD_INFOHASHES_MAX][SHA1_BYTES];
};

/* False when it is not a search, or lacks a port or an infohash that can be read. */
MUST_USE bool lsd_parse(struct lsd_search *search, const uint8_t *bytes, size_t bytes_count);

/* With ipv6, to the IPv6 group. Returns the bytes written, without a final NUL; 0 when capacity is
 * too small, there are too many infohashes or none, or the cookie is not of letters and digits. */
size_t lsd_write(const struct lsd_search *search, bool ipv6, uint8_t *bytes, size_t capacity);

#endif
