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

#define FIRST_WAIT_NS	    (500 * NS_PER_MS)
#define FIRST_WAIT_MIN_NS   (100 * NS_PER_MS)
#define WAIT_SHIFT_MAX	    6
#define FIRST_WAIT_TIMES    4 /* what the tracker took to answer before */
#define CONNECTION_VALID_NS (60 * NS_PER_S)
#define SENDS_MAX_NOT_LAST  2 /* more addresses to try */

void tracker_udp_stop(struct tracker *tracker)
{
	if (tracker->udp_event != NULL)
		event_free(tracker->udp_event);
	tracker->udp_event = NULL;
	if (tracker->udp_descriptor >= 0)
		close(tracker->udp_descriptor);
	tracker->udp_descriptor = -1;
	tracker->way_missing = false;
}

static bool connected(const struct tracker *tracker)
{
	return clock_now_ns() < tracker->connection_until_ns &&
	       peer_address_equal(
		       &tracker->connection_address, &tracker->addresses[tracker->address]);
}

/* The first time; then twice as long each time. The announce's own time ends it. */
static uint64_t wait_ns(const struct tracker *tracker)
{
	uint64_t first_ns = FIRST_WAIT_NS;

	if (tracker->took_ns > 0)
		first_ns = u64_min(
			first_ns, u64_max(FIRST_WAIT_TIMES * tracker->took_ns, FIRST_WAIT_MIN_NS));
	return first_ns << u64_min(tracker->sent_count, WAIT_SHIFT_MAX);
}

/* The request that is due, with a new transaction id; the next one if nothing comes. */
static void send_request(struct tracker *tracker)
{
	uint8_t bytes[UDP_TRACKER_REQUEST_BYTES_MAX];
	struct udp_tracker_request request = {.action = UDP_TRACKER_CONNECT};
	struct timeval wait = clock_timeval(wait_ns(tracker));

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

	if (tracker->way_missing || (!last && tracker->sent_count >= SENDS_MAX_NOT_LAST)) {
		tracker->connection_until_ns = 0;
		tracker_try_failed(tracker, "no answer");
		return;
	}
	/* A tracker that was started again does not answer to the id that it gave before. */
	if (!tracker->connection_fresh)
		tracker->connection_until_ns = 0;
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
		tracker->connection_fresh = true;
		tracker->sent_count = 0;
		send_request(tracker);
	} else if (taken && reply->action == UDP_TRACKER_ANNOUNCE) {
		tracker_answer(tracker, &reply->announce);
	} else if (taken && reply->action == UDP_TRACKER_ERROR && connected(tracker) &&
		   !tracker->connection_fresh) {
		tracker->connection_until_ns = 0;
		tracker->sent_count = 0;
		send_request(tracker);
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
	tracker->connection_fresh = false;
	tracker->udp_descriptor =
		socket(storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (tracker->udp_descriptor < 0 ||
		!socket_bind_source(tracker->udp_descriptor, &tracker->source,
			&tracker->addresses[tracker->address]) ||
		connect(tracker->udp_descriptor, (const struct sockaddr *)&storage,
			storage_bytes) != 0) {
		/* No way there: said when the loop comes round, as every answer is. */
		log_debug("tracker %s: %s", tracker->url, strerror(errno));
		tracker->way_missing = true;
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
