/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local service discovery (BEP 14, docs/discovery.md) for all swarms of a session: multicast
 * sockets on every interface that has an address and can multicast. When to speak is decided in
 * lsd_core.h. Everything happens on the loop's thread.
 */
#ifndef RUNTIME_LSD_H
#define RUNTIME_LSD_H

#include <event2/event.h>

#include "lib/digest.h"
#include "lib/failure.h"
#include "runtime/lsd_core.h"

#define LSD_HOPS_DEFAULT 1

struct lsd;
struct lsd_member; /* one swarm */

struct lsd_settings {
	struct event_base *base;    /* borrowed */
	struct peer_address source; /* what we listen on: unspecified: all interfaces */
	uint16_t port;		    /* where peers reach us */
	uint32_t hops;		    /* routers that a datagram may pass, plus 1; 0: the default */
};

/* NULL when neither family can be had. Interfaces that come later are found within seconds. */
MUST_USE struct lsd *lsd_open(const struct lsd_settings *settings, struct failure *failure);
struct lsd *lsd_close(struct lsd *lsd); /* after its members; accepts NULL, returns NULL */

struct lsd_member_ops {
	void (*need)(void *context, struct lsd_need *need);
	void (*found)(void *context, const struct peer_address *address);
};

/* ops and context are borrowed until lsd_leave. */
struct lsd_member *lsd_join(struct lsd *lsd, const uint8_t infohash[static SHA1_BYTES],
	const struct lsd_member_ops *ops, void *context);
struct lsd_member *lsd_leave(struct lsd_member *member); /* accepts NULL, returns NULL */

#endif
