/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets and interfaces of local discovery, for runtime/lsd*.c. */
#ifndef RUNTIME_LSD_PRIVATE_H
#define RUNTIME_LSD_PRIVATE_H

#include "runtime/lsd.h"
#include "wire/lsd.h"

#define LSD_ADDRESSES_MAX 32

/* An address of ours, and the segment that it is on. */
struct lsd_address {
	struct peer_address address; /* its port is not used */
	uint8_t mask[16];
	unsigned interface;
};

/* One family: what it sends with and receives on. */
struct lsd_family {
	bool ipv6;
	int send_descriptor; /* -1: this family is not to be had */
	int receive_descriptor;
	struct event *event;
};

struct lsd_sockets {
	struct lsd_family families[2];
	struct peer_address source;
	uint32_t hops;
	struct lsd_address addresses[LSD_ADDRESSES_MAX];
	uint32_t addresses_count;
};

/* False when neither family can be had. */
MUST_USE bool lsd_sockets_open(struct lsd_sockets *sockets, const struct peer_address *source,
	uint32_t hops, struct failure *failure);
void lsd_sockets_close(struct lsd_sockets *sockets);
/* Finds interfaces and addresses anew and joins the groups there. */
void lsd_sockets_refresh(struct lsd_sockets *sockets);
/* To the family's group, from each interface. */
void lsd_sockets_send(struct lsd_sockets *sockets, const struct lsd_family *family,
	const uint8_t *bytes, size_t bytes_count);
/* Bytes of the next datagram, from whom; 0: none; capacity + 1: one that was too long. */
size_t lsd_sockets_receive(const struct lsd_family *family, uint8_t *bytes, size_t capacity,
	struct peer_address *from);
/* Datagrams pass no router: who sends is on one of our segments. */
MUST_USE bool lsd_sockets_near(const struct lsd_sockets *sockets, const struct peer_address *from);

#endif
