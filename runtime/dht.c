/* SPDX-License-Identifier: Apache-2.0 */
/* The DHT node's sockets, clock and randomness. */
#include "runtime/dht.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "runtime/clock.h"
#include "runtime/crypto.h"
#include "runtime/memory.h"
#include "runtime/socket.h"

#define DATAGRAMS_PER_TURN 64
#define DATAGRAM_BYTES_MAX 2048

struct dht_socket {
	struct dht_client *client;
	int descriptor; /* -1: none */
	struct event *event;
};

struct dht_client {
	struct event_base *base;
	struct dht *dht;
	struct dht_socket sockets[2]; /* IPv4, IPv6 */
	struct event *tick_event;
	bool in_site;
	uint8_t site_digest[SHA1_BYTES];
	struct {
		uint32_t cookie; /* 0: free */
		struct dht_user user;
	} users[DHT_USERS_MAX];
	uint32_t cookies_count;
};

/* ---- effects ---- */

/* What cannot be sent is lost, as datagrams are: the query is repeated or given up. */
static void send_datagram(struct dht_client *client, const struct dht_effect *effect)
{
	const struct dht_socket *out = &client->sockets[peer_address_is4(&effect->address) ? 0 : 1];
	struct sockaddr_storage to;
	socklen_t to_bytes = socket_address_to_sockaddr(&to, &effect->address);
	char text[SOCKET_TEXT_MAX];

	if (out->descriptor >= 0 && sendto(out->descriptor, effect->bytes, effect->bytes_count, 0,
					    (const struct sockaddr *)&to, to_bytes) < 0)
		log_debug("dht: %s: %s", socket_address_text(text, &effect->address),
			strerror(errno));
}

static const struct dht_user *find_user(const struct dht_client *client, uint32_t cookie)
{
	for (uint32_t i = 0; i < DHT_USERS_MAX; i++)
		if (cookie != 0 && client->users[i].cookie == cookie)
			return &client->users[i].user;
	return NULL;
}

static void apply(struct dht_client *client, const struct dht_effect *effect)
{
	const struct dht_user *user = find_user(client, effect->cookie);

	switch (effect->kind) {
	case DHT_EFFECT_SEND:
		send_datagram(client, effect);
		break;
	case DHT_EFFECT_PEER:
		if (user != NULL)
			user->found(user->context, &effect->address);
		break;
	case DHT_EFFECT_SEARCHED:
		if (user != NULL)
			user->searched(user->context, effect);
		break;
	}
}

/* Takes all effects, and arms the clock for what is next. */
static void drain(struct dht_client *client)
{
	struct dht_effect effect;
	uint64_t now_ns = clock_now_ns();
	uint64_t deadline_ns;

	while (dht_next_effect(client->dht, &effect))
		apply(client, &effect);
	deadline_ns = dht_deadline_ns(client->dht);

	/* Rounded up to libevent's microsecond: never early. */
	struct timeval wait =
		clock_timeval(deadline_ns > now_ns ? deadline_ns - now_ns + NS_PER_US : 0);

	if (evtimer_add(client->tick_event, &wait) != 0)
		memory_exhausted(0);
}

/* ---- inputs ---- */

static void on_tick(evutil_socket_t descriptor, short what, void *context)
{
	struct dht_client *client = context;

	(void)descriptor;
	(void)what;
	dht_tick(client->dht, clock_now_ns());
	drain(client);
}

static void on_datagram(evutil_socket_t descriptor, short what, void *context)
{
	struct dht_socket *from = context;
	uint8_t bytes[DATAGRAM_BYTES_MAX];

	(void)what;
	for (int i = 0; i < DATAGRAMS_PER_TURN; i++) {
		struct sockaddr_storage storage;
		socklen_t storage_bytes = sizeof(storage);
		struct peer_address address;
		/* With MSG_TRUNC the length is the datagram's own. */
		ssize_t count = recvfrom(descriptor, bytes, sizeof(bytes), MSG_TRUNC,
			(struct sockaddr *)&storage, &storage_bytes);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			break;
		if ((size_t)count > sizeof(bytes) ||
			!socket_address_from_sockaddr(&address, (struct sockaddr *)&storage))
			continue;
		dht_received(from->client->dht, clock_now_ns(), &address, bytes, (size_t)count);
		drain(from->client);
	}
}

void dht_client_bootstrap(struct dht_client *client, const struct peer_address *address)
{
	dht_bootstrap(client->dht, clock_now_ns(), address);
	/* The query leaves when the loop comes round. */
	event_active(client->tick_event, EV_TIMEOUT, 0);
}

void dht_client_meet(struct dht_client *client, const struct peer_address *address)
{
	dht_meet(client->dht, clock_now_ns(), address);
	event_active(client->tick_event, EV_TIMEOUT, 0);
}

uint32_t dht_client_search(struct dht_client *client, const struct dht_search *search)
{
	uint32_t started = dht_search(client->dht, clock_now_ns(), search);

	event_active(client->tick_event, EV_TIMEOUT, 0);
	return started;
}

uint32_t dht_client_attach(struct dht_client *client, const struct dht_user *user)
{
	for (uint32_t i = 0; i < DHT_USERS_MAX; i++)
		if (client->users[i].cookie == 0) {
			client->users[i].cookie = ++client->cookies_count;
			client->users[i].user = *user;
			return client->users[i].cookie;
		}
	return 0;
}

void dht_client_detach(struct dht_client *client, uint32_t cookie)
{
	if (cookie == 0)
		return;
	dht_forget(client->dht, cookie);
	for (uint32_t i = 0; i < DHT_USERS_MAX; i++)
		if (client->users[i].cookie == cookie)
			client->users[i].cookie = 0;
}

void dht_client_status(const struct dht_client *client, struct dht_status *status)
{
	dht_status(client->dht, status);
}

const uint8_t *dht_client_site(const struct dht_client *client)
{
	return client->in_site ? client->site_digest : NULL;
}

/* ---- life ---- */

static int bind_socket(const struct peer_address *address)
{
	struct sockaddr_storage storage;
	socklen_t storage_bytes = socket_address_to_sockaddr(&storage, address);
	int on = 1;
	SCOPED(fd)
	int fd = socket(storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (storage.ss_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)&storage, storage_bytes) != 0)
		return -1;

	int taken = fd;

	fd = -1;
	return taken;
}

static void open_socket(
	struct dht_client *client, struct dht_socket *socket, const struct peer_address *address)
{
	socket->client = client;
	socket->descriptor = bind_socket(address);
	if (socket->descriptor < 0)
		return;
	socket->event = event_new(
		client->base, socket->descriptor, EV_READ | EV_PERSIST, on_datagram, socket);
	if (socket->event == NULL || event_add(socket->event, NULL) != 0)
		memory_exhausted(0);
}

/* [::] stands for both families, each with a socket of its own (BEP 32). */
static bool open_sockets(
	struct dht_client *client, const struct peer_address *listen, struct failure *failure)
{
	static const uint8_t any4_ip[4] = {0};
	bool is4 = peer_address_is4(listen);
	struct peer_address any4;
	char text[SOCKET_TEXT_MAX];

	peer_address_from4(&any4, any4_ip, listen->port);
	client->sockets[0].descriptor = client->sockets[1].descriptor = -1;
	if (is4)
		open_socket(client, &client->sockets[0], listen);
	else
		open_socket(client, &client->sockets[1], listen);
	if (!is4 && socket_address_is_unspecified(listen))
		open_socket(client, &client->sockets[0], &any4);
	if (client->sockets[0].descriptor >= 0 || client->sockets[1].descriptor >= 0)
		return true;
	return failure_errno(
		failure, ERROR_SYSTEM, "no DHT on UDP %s", socket_address_text(text, listen));
}

static void choose_id(
	struct dht_client *client, const struct peer_address *listen, struct dht_settings *settings)
{
	crypto_random(settings->id, sizeof(settings->id));
	settings->in_site = client->in_site;
	if (client->in_site)
		dht_id_into_site(settings->id, client->site_digest);
	else if (dht_address_is_public(listen))
		dht_id_secure(settings->id, listen);
}

struct dht_client *dht_client_create(struct event_base *base, const struct peer_address *listen,
	const char *site, struct failure *failure)
{
	struct dht_client *client = memory_allocate(1, sizeof(*client));
	struct dht_settings settings = {.mac = crypto_hmac_sha256};

	client->base = base;
	if (!open_sockets(client, listen, failure))
		return dht_client_destroy(client);
	client->in_site = site != NULL && site[0] != '\0';
	if (client->in_site)
		crypto_digest_ops.sha1(client->site_digest, site, strlen(site));
	choose_id(client, listen, &settings);
	settings.family4 = client->sockets[0].descriptor >= 0;
	settings.family6 = client->sockets[1].descriptor >= 0;
	crypto_random(settings.secret, sizeof(settings.secret));
	crypto_random(&settings.seed, sizeof(settings.seed));
	client->dht = dht_create(memory_allocate(1, dht_bytes()), &settings, clock_now_ns());
	client->tick_event = evtimer_new(base, on_tick, client);
	if (client->tick_event == NULL)
		memory_exhausted(0);
	drain(client);
	return client;
}

struct dht_client *dht_client_destroy(struct dht_client *client)
{
	if (client == NULL)
		return NULL;
	for (size_t i = 0; i < ARRAY_COUNT(client->sockets); i++) {
		if (client->sockets[i].event != NULL)
			event_free(client->sockets[i].event);
		if (client->sockets[i].descriptor >= 0)
			close(client->sockets[i].descriptor);
	}
	if (client->tick_event != NULL)
		event_free(client->tick_event);
	free(client->dht);
	free(client);
	return NULL;
}
