/* SPDX-License-Identifier: Apache-2.0 */
/* A UDP announce (BEP 15) at one address: connect, announce, and again when nothing comes. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/crypto.h"
#include "runtime/memory.h"
#include "runtime/socket.h"
#include "runtime/tracker_private.h"

#define FIRST_WAIT_NS	    (2 * NS_PER_S)
#define CONNECTION_VALID_NS (60 * NS_PER_S)
#define SENDS_MAX	    3 /* 2 + 4 + 8 s */
#define SENDS_MAX_NOT_LAST  2 /* more addresses to try */

void tracker_udp_stop(struct tracker *tracker)
{
	if (tracker->udp_event != NULL)
		event_free(tracker->udp_event);
	tracker->udp_event = NULL;
	if (tracker->udp_descriptor >= 0)
		close(tracker->udp_descriptor);
	tracker->udp_descriptor = -1;
}

static bool connected(const struct tracker *tracker)
{
	return clock_now_ns() < tracker->connection_until_ns &&
	       peer_address_equal(
		       &tracker->connection_address, &tracker->addresses[tracker->address]);
}

/* The request that is due, with a new transaction id; the next one if nothing comes. */
static void send_request(struct tracker *tracker)
{
	uint8_t bytes[UDP_TRACKER_REQUEST_BYTES_MAX];
	struct udp_tracker_request request = {.action = UDP_TRACKER_CONNECT};
	struct timeval wait = clock_timeval(FIRST_WAIT_NS << tracker->sent_count);

	crypto_random(&tracker->transaction_id, sizeof(tracker->transaction_id));
	request.transaction_id = tracker->transaction_id;
	if (connected(tracker)) {
		request.action = UDP_TRACKER_ANNOUNCE;
		request.connection_id = tracker->connection_id;
		request.announce = tracker->announce;
	}

	size_t bytes_count = udp_tracker_request_write(&request, bytes, sizeof(bytes));

	/* A datagram that is not taken is as good as lost: it is sent again. */
	if (bytes_count > 0 && send(tracker->udp_descriptor, bytes, bytes_count, 0) < 0)
		log_debug("tracker %s: %s", tracker->url, strerror(errno));
	tracker->sent_count++;
	if (evtimer_add(tracker->retry_event, &wait) != 0)
		memory_exhausted(0);
}

void tracker_udp_retry(struct tracker *tracker)
{
	bool last = tracker->address + 1 >= tracker->addresses_count;

	if (tracker->sent_count >= (last ? SENDS_MAX : SENDS_MAX_NOT_LAST)) {
		tracker->connection_until_ns = 0;
		tracker_try_failed(tracker, "no answer");
		return;
	}
	send_request(tracker);
}

/* True when the datagram was an answer to what was sent last; the tracker may be done with then. */
static bool take_reply(struct tracker *tracker, const uint8_t *bytes, size_t bytes_count)
{
	struct udp_tracker_reply *reply = memory_allocate(1, sizeof(*reply));
	bool ipv6 = !peer_address_is4(&tracker->addresses[tracker->address]);
	bool taken = udp_tracker_reply_parse(reply, bytes, bytes_count, ipv6) &&
		     reply->transaction_id == tracker->transaction_id;

	if (taken && reply->action == UDP_TRACKER_CONNECT && !connected(tracker)) {
		tracker->connection_id = reply->connection_id;
		tracker->connection_until_ns = clock_now_ns() + CONNECTION_VALID_NS;
		tracker->connection_address = tracker->addresses[tracker->address];
		tracker->sent_count = 0;
		send_request(tracker);
	} else if (taken && reply->action == UDP_TRACKER_ANNOUNCE) {
		tracker_answer(tracker, &reply->announce);
	} else if (taken && reply->action == UDP_TRACKER_ERROR) {
		tracker->connection_until_ns = 0;
		tracker_try_failed(tracker, reply->announce.failure);
	} else {
		taken = false;
	}
	free(reply);
	return taken;
}

static void on_datagram(evutil_socket_t descriptor, short what, void *context)
{
	struct tracker *tracker = context;
	uint8_t bytes[UDP_TRACKER_REPLY_BYTES_MAX];

	(void)what;
	for (;;) {
		ssize_t bytes_count = recv(descriptor, bytes, sizeof(bytes), 0);

		if (bytes_count >= 0) {
			if (take_reply(tracker, bytes, (size_t)bytes_count))
				return;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			return;
		} else if (errno != EINTR) {
			/* Nobody listens there, says the network. */
			tracker_try_failed(tracker, strerror(errno));
			return;
		}
	}
}

void tracker_udp_try(struct tracker *tracker)
{
	struct timeval at_once = {0};
	struct sockaddr_storage storage;
	socklen_t storage_bytes =
		socket_address_to_sockaddr(&storage, &tracker->addresses[tracker->address]);

	tracker->sent_count = 0;
	tracker->udp_descriptor =
		socket(storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (tracker->udp_descriptor < 0 ||
		!socket_bind_source(tracker->udp_descriptor, &tracker->source,
			&tracker->addresses[tracker->address]) ||
		connect(tracker->udp_descriptor, (const struct sockaddr *)&storage,
			storage_bytes) != 0) {
		/* No way there: as if it had not answered. */
		log_debug("tracker %s: %s", tracker->url, strerror(errno));
		tracker->sent_count = SENDS_MAX;
		if (evtimer_add(tracker->retry_event, &at_once) != 0)
			memory_exhausted(0);
		return;
	}
	tracker->udp_event = event_new(event_get_base(tracker->retry_event),
		tracker->udp_descriptor, EV_READ | EV_PERSIST, on_datagram, tracker);
	if (tracker->udp_event == NULL || event_add(tracker->udp_event, NULL) != 0)
		memory_exhausted(0);
	send_request(tracker);
}
