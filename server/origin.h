/* SPDX-License-Identifier: Apache-2.0 */
/* The seeder in the server: one session, a transfer for every image that some node is to get. */
#ifndef SERVER_ORIGIN_H
#define SERVER_ORIGIN_H

#include <event2/event.h>
#include <netinet/in.h>

#include "images/store.h"
#include "runtime/session.h"
#include "wire/plan.h"

#define ORIGINS_MAX 64

struct origins;

struct origins_settings {
	struct transfer_rates rates;	 /* of each image */
	struct event_base *base;	 /* borrowed */
	const struct image_store *store; /* borrowed */
	struct in_addr address;
	uint16_t port;
	const struct tracker_url *trackers; /* copied */
	uint32_t trackers_count;
	const char *rack; /* borrowed; "": in none */
	const char *site;
	struct discovery_off off;
	const struct peer_address *dht_nodes; /* borrowed */
	uint32_t dht_nodes_count;
	void (*on_trouble)(void *context, const char *text);
	void *context;
};

MUST_USE struct origins *origins_create(
	const struct origins_settings *settings, struct failure *failure);
struct origins *origins_destroy(struct origins *origins);

/* Serves the image with this infohash; harmless when it does already. */
MUST_USE bool origins_want(struct origins *origins, const uint8_t infohash[static SHA1_BYTES],
	struct failure *failure);
/* Between begin and end, every image still needed is named with origins_want; the others stop. */
void origins_sync_begin(struct origins *origins);
void origins_sync_end(struct origins *origins);

/* The metainfo with this site's trackers; borrowed while the image is served. False when it is not.
 */
MUST_USE bool origins_metainfo(const struct origins *origins,
	const uint8_t infohash[static SHA1_BYTES], const uint8_t **bytes, size_t *bytes_count);

struct origin_status {
	char name[IMAGE_NAME_MAX + 1];
	uint8_t infohash[SHA1_BYTES];
	uint64_t length_bytes;
	struct transfer_status transfer;
};
/* The i-th that runs; false past the last. */
MUST_USE bool origins_status(
	const struct origins *origins, size_t position, struct origin_status *status);
uint16_t origins_port(const struct origins *origins);

#endif
