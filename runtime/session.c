/* SPDX-License-Identifier: Apache-2.0 */
/* The listening port: accepts, waits for the handshake, and gives the connection to its transfer.
 */
#include "runtime/session.h"

#include <errno.h>
#include <unistd.h>

#include "runtime/dht.h"
#include "runtime/memory.h"
#include "runtime/socket.h"
#include "runtime/transfer.h"

#define HASH_THREADS_MAX     4
#define DISK_THREADS_DEFAULT 4
#define ACCEPTS_PER_TURN     32
#define ACCEPT_PAUSE_S	     1

static void greeting_remove(struct session *session, const struct connection *connection)
{
	for (uint32_t i = 0; i < session->greeting_count; i++)
		if (session->greeting[i] == connection) {
			session->greeting_count--;
			memmove(&session->greeting[i], &session->greeting[i + 1],
				(session->greeting_count - i) * sizeof(session->greeting[0]));
			return;
		}
}

static void on_greeting_failed(struct connection *connection, const char *reason)
{
	(void)reason;
	greeting_remove(connection->owner, connection);
}

static void on_greeting(struct connection *connection, const struct peer_handshake *handshake)
{
	struct session *session = connection->owner;

	greeting_remove(session, connection);
	for (struct transfer *transfer = session->transfers; transfer != NULL;
		transfer = transfer->next)
		if (!transfer->stopping && memcmp(transfer->metainfo->infohash, handshake->infohash,
						   SHA1_BYTES) == 0) {
			transfer_take_connection(transfer, connection, handshake);
			return;
		}
	connection_close(connection);
}

/* Nothing but a handshake reaches a connection of the session. */
static const struct connection_ops greeting_ops = {
	.handshake = on_greeting,
	.failed = on_greeting_failed,
};

static void on_accept_again(evutil_socket_t descriptor, short what, void *context)
{
	struct session *session = context;

	(void)descriptor;
	(void)what;
	if (event_add(session->accept_event, NULL) != 0)
		log_error("the loop cannot watch the listening port");
}

/* No descriptors or no memory: the backlog waits until some are free again. */
static void accept_pause(struct session *session)
{
	struct timeval pause = {.tv_sec = ACCEPT_PAUSE_S};

	log_warning("cannot accept a connection: %s; trying again in a second", strerror(errno));
	event_del(session->accept_event);
	if (evtimer_add(session->accept_again_event, &pause) != 0)
		memory_exhausted(0);
}

static void accepted(struct session *session, int descriptor, const struct sockaddr *from)
{
	struct peer_address address;

	if (!socket_address_from_sockaddr(&address, from)) {
		close(descriptor);
		return;
	}
	/* Who has said nothing for longest makes room: no number of silent ones keeps a peer out.
	 */
	if (session->greeting_count == ARRAY_COUNT(session->greeting)) {
		connection_close(session->greeting[0]);
		greeting_remove(session, session->greeting[0]);
	}
	session->greeting[session->greeting_count++] = connection_accept(
		&session->connections, descriptor, &address, &greeting_ops, session);
}

static void on_accept(evutil_socket_t descriptor, short what, void *context)
{
	struct session *session = context;

	(void)what;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct sockaddr_storage from;
		socklen_t from_bytes = sizeof(from);
		int accepted_descriptor = accept4(descriptor, (struct sockaddr *)&from, &from_bytes,
			SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (accepted_descriptor >= 0) {
			accepted(session, accepted_descriptor, (const struct sockaddr *)&from);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			   errno == ENOMEM) {
			accept_pause(session);
			return;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			return;
		}
		/* Anything else is one connection that ended before it began. */
	}
}

static uint32_t cores_count(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores > 0 ? (uint32_t)u64_min((uint64_t)cores, HASH_THREADS_MAX) : 1;
}

struct session *session_create(const struct session_settings *settings, struct failure *failure)
{
	struct session *session = memory_allocate(1, sizeof(*session));
	uint32_t hash_threads = settings->hash_threads > 0 ? settings->hash_threads : cores_count();
	uint32_t disk_threads =
		settings->disk_threads > 0 ? settings->disk_threads : DISK_THREADS_DEFAULT;

	session->base = settings->base;
	session->lsd_hops = settings->lsd_hops;
	session->listen_descriptor =
		socket_listen(&settings->listen, settings->listen_bytes, &session->port, failure);
	if (session->listen_descriptor < 0)
		return session_destroy(session);
	session->hashes = workers_create(session->base, "hash", hash_threads, failure);
	if (session->hashes == NULL)
		return session_destroy(session);
	session->disks = workers_create(session->base, "disk", disk_threads, failure);
	if (session->disks == NULL)
		return session_destroy(session);
	if (!connection_pool_open(&session->connections, session->base, session->disks,
		    budget_uploads_bytes(settings->memory_bytes), failure))
		return session_destroy(session);
	if (!socket_address_from_sockaddr(
		    &session->connections.source, (const struct sockaddr *)&settings->listen)) {
		failure_set(failure, ERROR_USAGE, "cannot listen: not an IPv4 or IPv6 address");
		return session_destroy(session);
	}
	session->accept_event = event_new(session->base, session->listen_descriptor,
		EV_READ | EV_PERSIST, on_accept, session);
	session->accept_again_event = evtimer_new(session->base, on_accept_again, session);
	if (session->accept_event == NULL || session->accept_again_event == NULL ||
		event_add(session->accept_event, NULL) != 0) {
		failure_set(failure, ERROR_MEMORY, "the loop cannot watch the listening port");
		return session_destroy(session);
	}
	return session;
}

uint16_t session_port(const struct session *session)
{
	return session->port;
}

struct session *session_destroy(struct session *session)
{
	if (session == NULL)
		return NULL;
	while (session->transfers != NULL)
		transfer_destroy(session->transfers);
	session->lsd = lsd_close(session->lsd);
	session->dht = dht_client_destroy(session->dht);
	while (session->greeting_count > 0)
		connection_close(session->greeting[--session->greeting_count]);
	if (session->connections.base != NULL)
		connection_pool_close(&session->connections);
	session->hashes = workers_destroy(session->hashes);
	session->disks = workers_destroy(session->disks);
	if (session->accept_event != NULL)
		event_free(session->accept_event);
	if (session->accept_again_event != NULL)
		event_free(session->accept_again_event);
	if (session->listen_descriptor >= 0)
		close(session->listen_descriptor);
	free(session);
	return NULL;
}
