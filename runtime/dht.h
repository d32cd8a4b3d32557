/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DHT node of a session: dht/ on the loop, with a UDP socket for each family on the number of
 * the session's TCP port. All functions are called on the loop's thread; callbacks come on it.
 */
#ifndef RUNTIME_DHT_H
#define RUNTIME_DHT_H

#include <event2/event.h>

#include "dht/dht.h"
#include "lib/failure.h"

struct dht_client;

/* Who searches: one transfer. */
struct dht_user {
	void (*found)(void *context, const struct peer_address *peer);
	void (*searched)(void *context, const struct dht_effect *effect);
	void *context;
};

/* listen: the session's address; unspecified [::] means both families. site: "" or NULL: in none.
 * NULL when there is no socket to be had. */
MUST_USE struct dht_client *dht_client_create(struct event_base *base,
	const struct peer_address *listen, const char *site, struct failure *failure);
struct dht_client *dht_client_destroy(struct dht_client *client);

/* Returns the cookie of its searches; 0 when there are DHT_USERS_MAX already. The user is copied.
 */
MUST_USE uint32_t dht_client_attach(struct dht_client *client, const struct dht_user *user);
/* Its searches end without a word, and others are no longer told that it is here. */
void dht_client_detach(struct dht_client *client, uint32_t cookie);

/* dht_bootstrap, dht_meet */
void dht_client_bootstrap(struct dht_client *client, const struct peer_address *address);
void dht_client_meet(struct dht_client *client, const struct peer_address *address);
/* dht_search; callbacks come later, never from inside. */
uint32_t dht_client_search(struct dht_client *client, const struct dht_search *search);

void dht_client_status(const struct dht_client *client, struct dht_status *status);
/* SHA-1 of the site's name, or NULL. */
const uint8_t *dht_client_site(const struct dht_client *client);

#endif
