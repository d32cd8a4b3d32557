/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Catch-ups over TCP. Whoever connects is sent a greeting and must answer it with the key within
 * half a second, or as long as others do not need the place; then it gets the book, as fast as it
 * takes it, with little of it waiting in our memory.
 */
#include "tracker/cluster_sockets_private.h"

#include "lib/log.h"
#include "runtime/clock.h"
#include "runtime/crypto.h"
#include "runtime/socket.h"
#include "tracker/tracker_private.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OUTPUT_LOW_BYTES  (64 * 1024)
#define OUTPUT_HIGH_BYTES (256 * 1024)
#define INPUT_HIGH_BYTES  (256 * 1024)
#define SILENCE_MS	  500	/* of the other side, before another member is asked */
#define WHOLE_S		  60	/* for a catch-up */
#define LOG_AGAIN_MS	  10000 /* what strangers can make us say */

static bool log_due(uint64_t *due_ms)
{
	uint64_t now_ms = cluster_now_ms();

	if (now_ms < *due_ms)
		return false;
	*due_ms = now_ms + LOG_AGAIN_MS;
	return true;
}

/* Giving. */

static void giving_end(struct catchup_giving *giving)
{
	if (giving->connection != NULL)
		bufferevent_free(giving->connection);
	giving->connection = NULL;
	giving->accepted = false;
}

static void giving_fill(struct catchup_giving *giving)
{
	struct cluster *cluster = giving->cluster;
	struct evbuffer *output = bufferevent_get_output(giving->connection);

	while (evbuffer_get_length(output) < OUTPUT_HIGH_BYTES) {
		size_t bytes_count =
			catchup_source_frame(&giving->source, cluster_now_ms(), cluster->frame);

		if (bytes_count == 0)
			break;
		if (evbuffer_add(output, cluster->frame, bytes_count) != 0) {
			giving_end(giving);
			return;
		}
	}
	if (evbuffer_get_length(output) == 0)
		giving_end(giving);
}

static void giving_written(struct bufferevent *connection, void *context)
{
	struct catchup_giving *giving = context;

	(void)connection;
	if (giving->accepted)
		giving_fill(giving);
}

static void giving_refused(struct cluster *cluster)
{
	cluster->refused++;
	if (log_due(&cluster->refused_log_due_ms))
		log_warning("cluster: a catch-up was asked for without the key, or of another "
			    "boot; %llu so far",
			(unsigned long long)cluster->refused);
}

static void giving_read(struct bufferevent *connection, void *context)
{
	struct catchup_giving *giving = context;
	uint8_t request[SYNC_REQUEST_BYTES];

	if (giving->accepted ||
		evbuffer_get_length(bufferevent_get_input(connection)) < sizeof(request))
		return;
	if (bufferevent_read(connection, request, sizeof(request)) != sizeof(request) ||
		!catchup_source_accept(&giving->source, request)) {
		giving_refused(giving->cluster);
		giving_end(giving);
		return;
	}
	giving->accepted = true;
	/* It has nothing more to say. */
	if (bufferevent_disable(connection, EV_READ) != 0) {
		giving_end(giving);
		return;
	}
	giving_fill(giving);
}

static void giving_event(struct bufferevent *connection, short events, void *context)
{
	(void)connection;
	if ((events & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT)) != 0)
		giving_end(context);
}

static bool is_of_member(struct cluster *cluster, const struct sockaddr *from)
{
	struct cluster_member members[CLUSTER_MEMBERS_MAX];
	struct peer_address address;

	if (!socket_address_from_sockaddr(&address, from))
		return false;
	uint32_t count = cluster_core_members(cluster->core, cluster_now_ms(), members);
	for (uint32_t i = 0; i < count; i++)
		if (memcmp(members[i].address.ip, address.ip, sizeof(address.ip)) == 0)
			return true;
	return false;
}

/* Strangers keep nobody from a place: who has waited longest without the key makes room, and who is
 * at no member's address before one that is. NULL: no place. */
static struct catchup_giving *giving_place(struct cluster *cluster, bool of_member)
{
	struct catchup_giving *longest = NULL;

	for (uint32_t i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
		struct catchup_giving *giving = &cluster->giving[i];

		if (giving->connection == NULL)
			return giving;
		if (giving->accepted || (giving->of_member && !of_member))
			continue;
		if (longest == NULL || (longest->of_member && !giving->of_member) ||
			(longest->of_member == giving->of_member &&
				giving->began_ms < longest->began_ms))
			longest = giving;
	}
	if (longest != NULL)
		giving_end(longest);
	return longest;
}

static void accepted(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
	int address_bytes, void *context)
{
	struct cluster *cluster = context;
	bool of_member = is_of_member(cluster, address);
	struct catchup_giving *giving = giving_place(cluster, of_member);
	struct timeval silence = clock_timeval(SILENCE_MS * NS_PER_MS);
	uint8_t nonce[SYNC_NONCE_BYTES];
	uint8_t greeting[SYNC_GREETING_BYTES];

	(void)listener;
	(void)address_bytes;
	if (giving == NULL) {
		close(fd);
		return;
	}
	giving->cluster = cluster;
	giving->of_member = of_member;
	giving->began_ms = cluster_now_ms();
	giving->connection = bufferevent_socket_new(cluster->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (giving->connection == NULL) {
		close(fd);
		return;
	}
	crypto_random(nonce, sizeof(nonce));
	catchup_source_start(&giving->source, cluster->core, cluster->book, cluster->streams_key,
		crypto_hmac_sha256, nonce);
	catchup_source_greet(&giving->source, greeting);
	bufferevent_setcb(giving->connection, giving_read, giving_written, giving_event, giving);
	bufferevent_setwatermark(giving->connection, EV_READ, 0, SYNC_REQUEST_BYTES);
	bufferevent_setwatermark(giving->connection, EV_WRITE, OUTPUT_LOW_BYTES, 0);
	bufferevent_set_timeouts(giving->connection, &silence, &silence);
	if (bufferevent_write(giving->connection, greeting, sizeof(greeting)) != 0 ||
		bufferevent_enable(giving->connection, EV_READ | EV_WRITE) != 0)
		giving_end(giving);
}

/* Out of descriptors, a waiting connection would wake the loop without end: the tick listens
 * again. */
static void accept_failed(struct evconnlistener *listener, void *context)
{
	struct cluster *cluster = context;
	int error = errno;

	if (log_due(&cluster->deaf_log_due_ms))
		log_warning("cluster: cannot accept a connection: %s", strerror(error));
	if (evconnlistener_disable(listener) != 0)
		log_error("cluster: cannot pause listening");
}

/* Taking. */

static void taking_end(struct cluster *cluster, bool done, const char *why)
{
	struct catchup_taking *taking = &cluster->taking;
	uint64_t now_ms = cluster_now_ms();
	char from[SOCKET_TEXT_MAX];
	char records[24];
	char took_ms[24];

	bufferevent_free(taking->connection);
	taking->connection = NULL;
	if (event_del(taking->limit) != 0)
		log_error("cluster: a timer cannot be stopped");
	if (done)
		cluster_core_caught_up(cluster->core, now_ms, &taking->sink.includes);
	else
		cluster_core_not_caught_up(cluster->core, now_ms, taking->sink.source_boot);
	snprintf(records, sizeof(records), "%llu", (unsigned long long)taking->sink.records_count);
	snprintf(took_ms, sizeof(took_ms), "%llu", (unsigned long long)(now_ms - taking->began_ms));
	log_event(done ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, done ? "caught-up" : "catch-up-failed",
		(const struct log_field[]){{"from", socket_address_text(from, &taking->address)},
			{"records", records}, {"ms", took_ms}, {"reason", why}},
		done ? 3 : 4);
}

/* False when the catch-up is over. */
static bool taking_frame(struct cluster *cluster, struct evbuffer *input, size_t bytes_count)
{
	const uint8_t *frame = evbuffer_pullup(input, (ev_ssize_t)bytes_count);

	if (frame == NULL) {
		taking_end(cluster, false, "no memory");
		return false;
	}
	switch (catchup_sink_frame(&cluster->taking.sink, cluster_now_ms(), frame, bytes_count)) {
	case CATCHUP_MORE:
		break;
	case CATCHUP_DONE:
		taking_end(cluster, true, NULL);
		return false;
	case CATCHUP_WRONG:
		taking_end(cluster, false, "what it sent is wrong");
		return false;
	}
	if (evbuffer_drain(input, bytes_count) != 0) {
		taking_end(cluster, false, "no memory");
		return false;
	}
	return true;
}

static bool taking_greeting(struct cluster *cluster, struct evbuffer *input)
{
	struct catchup_taking *taking = &cluster->taking;
	uint8_t greeting[SYNC_GREETING_BYTES];
	uint8_t request[SYNC_REQUEST_BYTES];

	if (evbuffer_remove(input, greeting, sizeof(greeting)) != sizeof(greeting) ||
		!catchup_sink_request(&taking->sink, greeting, request) ||
		bufferevent_write(taking->connection, request, sizeof(request)) != 0) {
		taking_end(cluster, false, "it greeted wrongly");
		return false;
	}
	taking->greeted = true;
	return true;
}

static void taking_read(struct bufferevent *connection, void *context)
{
	struct cluster *cluster = context;
	struct evbuffer *input = bufferevent_get_input(connection);
	uint8_t length[4];

	if (!cluster->taking.greeted && (evbuffer_get_length(input) < SYNC_GREETING_BYTES ||
						!taking_greeting(cluster, input)))
		return;
	while (evbuffer_copyout(input, length, sizeof(length)) == sizeof(length)) {
		size_t bytes_count = sync_frame_length(length);

		if (bytes_count == 0) {
			taking_end(cluster, false, "what it sent is wrong");
			return;
		}
		if (evbuffer_get_length(input) < bytes_count ||
			!taking_frame(cluster, input, bytes_count))
			return;
	}
}

static void taking_event(struct bufferevent *connection, short events, void *context)
{
	(void)connection;
	if ((events & BEV_EVENT_TIMEOUT) != 0)
		taking_end(context, false, "it is silent");
	else if ((events & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0)
		taking_end(context, false, "the connection ended");
}

static void taking_too_long(evutil_socket_t fd, short events, void *context)
{
	(void)fd;
	(void)events;
	taking_end(context, false, "it takes too long");
}

void cluster_catchup_begin(
	struct cluster *cluster, const struct peer_address *address, uint64_t boot_id)
{
	struct catchup_taking *taking = &cluster->taking;
	struct timeval silence = clock_timeval(SILENCE_MS * NS_PER_MS);
	struct timeval whole = {.tv_sec = WHOLE_S};
	struct sockaddr_storage to;
	socklen_t to_bytes = cluster_sockaddr(cluster, &to, address);
	uint8_t nonce[SYNC_NONCE_BYTES];

	crypto_random(nonce, sizeof(nonce));
	catchup_sink_start(&taking->sink, cluster->core, boot_id, cluster->streams_key,
		crypto_hmac_sha256, nonce);
	taking->greeted = false;
	taking->began_ms = cluster_now_ms();
	taking->address = *address;
	taking->connection = bufferevent_socket_new(cluster->base, -1, BEV_OPT_CLOSE_ON_FREE);
	if (taking->connection == NULL) {
		cluster_core_not_caught_up(cluster->core, taking->began_ms, boot_id);
		return;
	}
	bufferevent_setcb(taking->connection, taking_read, NULL, taking_event, cluster);
	bufferevent_setwatermark(taking->connection, EV_READ, 0, INPUT_HIGH_BYTES);
	bufferevent_set_timeouts(taking->connection, &silence, &silence);
	if (event_add(taking->limit, &whole) != 0 ||
		bufferevent_enable(taking->connection, EV_READ | EV_WRITE) != 0)
		taking_end(cluster, false, "no memory");
	/* What fails at once is told by the event, perhaps before this returns. */
	else if (bufferevent_socket_connect(
			 taking->connection, (struct sockaddr *)&to, (int)to_bytes) != 0 &&
		 taking->connection != NULL)
		taking_end(cluster, false, "no connection");
}

bool tracker_cluster_catch_up(const struct tracker *tracker, struct cluster_catch_up *catch_up)
{
	const struct catchup_taking *taking =
		tracker->cluster != NULL ? &tracker->cluster->taking : NULL;

	if (taking == NULL || taking->connection == NULL)
		return false;
	*catch_up = (struct cluster_catch_up){.from = taking->address,
		.records_count = taking->sink.records_count,
		.running_ms = cluster_now_ms() - taking->began_ms};
	return true;
}

/* Life. */

bool cluster_catchup_open(struct cluster *cluster, int listen_fd, struct failure *failure)
{
	cluster->taking.limit = event_new(cluster->base, -1, 0, taking_too_long, cluster);
	cluster->listener = evconnlistener_new(cluster->base, accepted, cluster,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listen_fd);
	if (cluster->listener == NULL)
		close(listen_fd);
	if (cluster->listener == NULL || cluster->taking.limit == NULL)
		return failure_set(failure, ERROR_MEMORY, "cannot listen for the cluster");
	evconnlistener_set_error_cb(cluster->listener, accept_failed);
	return true;
}

void cluster_catchup_tick(struct cluster *cluster, uint64_t now_ms)
{
	for (uint32_t i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
		struct catchup_giving *giving = &cluster->giving[i];

		if (giving->connection != NULL && !giving->accepted &&
			now_ms - giving->began_ms >= SILENCE_MS)
			giving_end(giving);
	}
	if (evconnlistener_enable(cluster->listener) != 0)
		log_error("cluster: cannot listen again");
}

void cluster_catchup_close(struct cluster *cluster)
{
	if (cluster->listener != NULL)
		evconnlistener_free(cluster->listener);
	for (uint32_t i = 0; i < CLUSTER_MEMBERS_MAX; i++)
		giving_end(&cluster->giving[i]);
	if (cluster->taking.connection != NULL)
		bufferevent_free(cluster->taking.connection);
	if (cluster->taking.limit != NULL)
		event_free(cluster->taking.limit);
}
