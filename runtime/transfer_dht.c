/* SPDX-License-Identifier: Apache-2.0 */
/* A transfer's look-ups in the DHT, and the PORT messages by which peers tell each other's nodes.
 */
#include "runtime/transfer_dht.h"

#include "dht/finder.h"
#include "runtime/clock.h"
#include "runtime/dht.h"
#include "runtime/memory.h"
#include "runtime/transfer.h"

#define LOOK_INTERVAL_NS (NS_PER_S / 2)

struct transfer_dht {
	struct transfer *transfer;
	struct dht_client *client; /* the session's */
	struct dht_finder finder;
	struct event *event;
	uint32_t cookie;
};

static void on_found(void *context, const struct peer_address *peer)
{
	struct transfer_dht *own = context;

	if (!dht_finder_wants(&own->finder))
		return;
	transfer_input(own->transfer,
		&(struct swarm_input){
			.kind = SWARM_IN_ADDRESS, .source = SWARM_SOURCE_DHT, .address = *peer});
}

static void on_searched(void *context, const struct dht_effect *effect)
{
	struct transfer_dht *own = context;

	log_debug("dht: %u peers, %u nodes answered, %u took our announce", effect->peers_count,
		effect->answered_count, effect->announced_count);
	dht_finder_ended(&own->finder, clock_now_ns());
}

static void on_look(evutil_socket_t descriptor, short what, void *context)
{
	struct transfer_dht *own = context;
	struct transfer *transfer = own->transfer;
	struct timeval interval = clock_timeval(LOOK_INTERVAL_NS);
	struct swarm_status status;
	struct dht_search search;

	(void)descriptor;
	(void)what;
	if (transfer->stopping)
		return;
	swarm_status(transfer->swarm, &status);

	struct dht_finder_view view = {
		.peers_count = status.peers_count,
		.seeds_count = status.seeds_count,
		.received_bytes = status.received_bytes,
		.complete = status.complete,
		.trackers_ok = status.tracker != SWARM_TRACKER_NONE,
	};

	/* Where no node is known yet, those who ask us are told at least that it is here. */
	if (dht_finder_next(&own->finder, clock_now_ns(), &view, &search))
		dht_finder_started(
			&own->finder, clock_now_ns(), dht_client_search(own->client, &search));
	if (evtimer_add(own->event, &interval) != 0)
		memory_exhausted(0);
}

/* The session's node is made by the first transfer that wants it. */
static struct dht_client *client_of(struct session *session, const char *site)
{
	struct peer_address listen = session->connections.source;
	struct failure failure;

	if (session->dht == NULL && !session->dht_failed) {
		listen.port = session->port;
		session->dht = dht_client_create(session->base, &listen, site, &failure);
		session->dht_failed = session->dht == NULL;
		if (session->dht_failed)
			log_warning("%s: going on without", failure.text);
	}
	return session->dht;
}

uint64_t transfer_dht_bytes(const struct transfer_settings *settings)
{
	return settings->dht && !settings->metainfo->is_private ? dht_bytes() : 0;
}

void transfer_dht_open(struct transfer *transfer, const struct transfer_settings *settings)
{
	struct dht_client *client;
	struct transfer_dht *own;
	uint64_t seed;

	if (!settings->dht || settings->metainfo->is_private)
		return;
	client = client_of(transfer->session, settings->site);
	if (client == NULL)
		return;
	own = memory_allocate(1, sizeof(*own));
	own->transfer = transfer;
	own->client = client;
	own->cookie = dht_client_attach(client,
		&(struct dht_user){.found = on_found, .searched = on_searched, .context = own});
	own->event = evtimer_new(transfer->session->base, on_look, own);
	if (own->event == NULL)
		memory_exhausted(0);
	transfer->dht = own;
	if (own->cookie == 0) {
		log_warning("the DHT node is used by %d images already: one more goes without",
			DHT_USERS_MAX);
		return;
	}
	crypto_random(&seed, sizeof(seed));
	dht_finder_init(&own->finder, clock_now_ns(), transfer->metainfo->infohash,
		dht_client_site(client), transfer->session->port, own->cookie, seed);
	for (uint32_t i = 0; i < settings->dht_nodes_count; i++)
		dht_client_bootstrap(client, &settings->dht_nodes[i]);
	/* Our own nodes have their DHT on the port on which they take peers. */
	for (uint32_t i = 0; i < settings->peers_count; i++)
		dht_client_bootstrap(client, &settings->peers[i]);
	on_look(-1, 0, own);
}

void transfer_dht_close(struct transfer *transfer)
{
	struct transfer_dht *own = transfer->dht;

	if (own == NULL)
		return;
	dht_client_detach(own->client, own->cookie);
	event_free(own->event);
	free(own);
	transfer->dht = NULL;
}

void transfer_dht_reserved(const struct transfer *transfer, uint8_t reserved[static 8])
{
	if (transfer->dht != NULL)
		peer_reserved_set_dht(reserved);
}

void transfer_dht_greet(struct transfer *transfer, struct connection *connection,
	const struct peer_handshake *handshake)
{
	if (transfer->dht != NULL && PEER_RESERVED_DHT(handshake->reserved))
		connection_send(connection,
			&(struct peer_message){.id = PEER_PORT, .index = transfer->session->port});
}

void transfer_dht_port(
	struct transfer *transfer, const struct connection *connection, uint32_t port)
{
	struct peer_address address = connection->address;

	if (transfer->dht == NULL || port == 0 || port > UINT16_MAX)
		return;
	address.port = (uint16_t)port;
	dht_client_meet(transfer->dht->client, &address);
}

void transfer_dht_status(const struct transfer *transfer, struct transfer_status *status)
{
	struct dht_status dht;

	if (transfer->dht == NULL)
		return;
	dht_client_status(transfer->dht->client, &dht);
	status->dht_nodes_count = dht.nodes_good_count;
}
