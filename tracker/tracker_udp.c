/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The UDP side of the tracker (BEP 15). Nothing is remembered of a client but its announce, and
 * until it has shown a connection id, which only the owner of its address can have got, it is never
 * sent more than it sent. Replies leave from the address that the request came to, so that hosts
 * with several addresses can serve. Datagrams are read and sent many in one call.
 */
#include "tracker/tracker_private.h"

#include "lib/log.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BATCH		   64
#define BATCHES_PER_WAKE   4 /* so that a flood does not starve the rest of the loop */
#define SECONDS_PER_MINUTE 60
#define RECEIVE_BYTES	   (4 * 1024 * 1024) /* of the kernel: a hall that boots at once */
#define CONTROL_BYTES	   64

struct client {
	uint8_t ip[16];
	uint64_t address; /* for tracker_admits */
	bool known;	  /* it is an address that we know the family of */
};

struct tracker_udp_batch {
	struct mmsghdr requests[BATCH];
	struct mmsghdr replies[BATCH];
	struct iovec requests_iov[BATCH];
	struct iovec replies_iov[BATCH];
	struct sockaddr_storage from[BATCH];
	struct client clients[BATCH];
	_Alignas(struct cmsghdr) uint8_t control[BATCH][CONTROL_BYTES];
	uint8_t requests_bytes[BATCH][UDP_TRACKER_REQUEST_BYTES_MAX];
	uint8_t replies_bytes[BATCH * UDP_TRACKER_REPLY_BYTES_MAX]; /* one behind the other */
	size_t replies_used;
	unsigned replies_count;
};

uint64_t tracker_connection_id(const uint8_t secret[static TRACKER_SECRET_BYTES],
	const uint8_t ip[static 16], uint64_t minute)
{
	uint8_t text[16 + 8];

	memcpy(text, ip, 16);
	be64_write(text + 16, minute);
	return siphash(secret, text, sizeof(text));
}

bool tracker_connection_id_valid(const uint8_t secret[static TRACKER_SECRET_BYTES],
	const uint8_t ip[static 16], uint64_t now_s, uint64_t connection_id)
{
	uint64_t minute = now_s / SECONDS_PER_MINUTE;

	for (uint64_t age = 0; age <= 2 && age <= minute; age++)
		if (tracker_connection_id(secret, ip, minute - age) == connection_id)
			return true;
	return false;
}

static void udp_refuse(struct tracker *tracker, const char *text)
{
	struct udp_tracker_reply *reply = &tracker->udp_reply;

	reply->action = UDP_TRACKER_ERROR;
	snprintf(reply->announce.failure, sizeof(reply->announce.failure), "%s", text);
}

static void udp_refuse_malformed(struct tracker *tracker, const char *text, const uint8_t *ip)
{
	tracker_refused(tracker, TRACKER_REFUSED_MALFORMED, text, ip, NULL);
	udp_refuse(tracker, text);
}

static void udp_announce(struct tracker *tracker, uint64_t now_us, const uint8_t *ip)
{
	struct udp_tracker_reply *reply = &tracker->udp_reply;
	const struct announce *announce = &tracker->udp_request.announce;

	tracker_core_announce(tracker->core, now_us / 1000, announce, ip, &reply->announce);
	tracker_count_announce(
		tracker, announce, &reply->announce, ip, &tracker->statistics.announces_udp);
	if (reply->announce.failure[0] != '\0')
		reply->action = UDP_TRACKER_ERROR;
}

static void udp_scrape(struct tracker *tracker, uint64_t now_us, const uint8_t *ip)
{
	const struct udp_tracker_request *request = &tracker->udp_request;
	struct udp_tracker_reply *reply = &tracker->udp_reply;

	tracker->statistics.scrapes_udp++;
	reply->entries_count = request->hashes_count;
	for (uint32_t i = 0; i < request->hashes_count; i++)
		/* What is not allowed has zeros: entries are known by their place only. */
		if (!tracker_core_scrape(
			    tracker->core, now_us / 1000, request->hashes[i], &reply->entries[i]))
			tracker_refused(tracker, TRACKER_REFUSED_NOT_SERVED,
				"a scrape of what is not served", ip, request->hashes[i]);
}

/* Fills tracker->udp_reply. Returns how long the reply may be; 0: none is deserved. */
static size_t udp_handle(struct tracker *tracker, uint64_t now_us, const uint8_t *bytes,
	size_t bytes_count, const struct client *client)
{
	const uint8_t *ip = client->ip;
	struct udp_tracker_request *request = &tracker->udp_request;
	struct udp_tracker_reply *reply = &tracker->udp_reply;
	const char *reason;
	bool well_formed = udp_tracker_request_parse(request, bytes, bytes_count, &reason);

	if (!well_formed && reason[0] == '\0') {
		tracker_refused(tracker, TRACKER_REFUSED_MALFORMED, "no request at all", ip, NULL);
		return 0;
	}
	reply->action = request->action;
	reply->transaction_id = request->transaction_id;
	reply->entries_count = 0;
	reply->announce.peers_count = 0;
	reply->announce.failure[0] = '\0';
	if (well_formed && request->action == UDP_TRACKER_CONNECT) {
		tracker->statistics.connects_udp++;
		reply->connection_id = tracker_connection_id(
			tracker->secret, ip, now_us / 1000000 / SECONDS_PER_MINUTE);
		return bytes_count;
	}
	if (!tracker_connection_id_valid(
		    tracker->secret, ip, now_us / 1000000, request->connection_id)) {
		tracker_refused(tracker, TRACKER_REFUSED_CONNECTION_ID, "connect again", ip, NULL);
		udp_refuse(tracker, "connect again");
		return bytes_count;
	}
	if (!tracker_admits(tracker, now_us, ip, client->address, 1))
		udp_refuse(tracker, "too many announces from your address");
	else if (!well_formed)
		udp_refuse_malformed(tracker, reason, ip);
	else if (request->action == UDP_TRACKER_ANNOUNCE)
		udp_announce(tracker, now_us, ip);
	else
		udp_scrape(tracker, now_us, ip);
	return UDP_TRACKER_REPLY_BYTES_MAX;
}

/* The kernel takes back the control message that it gave, with the destination as the source. The
 * interface is the routing table's business, but for link-local addresses, which mean nothing
 * without one. */
static void reply_from_same_address(struct msghdr *message)
{
	for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control != NULL;
		control = CMSG_NXTHDR(message, control)) {
		if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(control);

			info->ipi_spec_dst = info->ipi_addr;
			info->ipi_ifindex = 0;
		}
		if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo *info = (struct in6_pktinfo *)CMSG_DATA(control);

			if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr))
				info->ipi6_ifindex = 0;
		}
	}
}

/* Puts the reply, if there is to be one, behind those that are there. */
static void udp_answer(struct tracker *tracker, uint64_t now_us, unsigned place)
{
	struct tracker_udp_batch *batch = tracker->udp_batch;
	struct mmsghdr *request = &batch->requests[place];
	const struct client *client = &batch->clients[place];
	struct peer_address address = {0};

	if (!client->known)
		return;
	if ((request->msg_hdr.msg_flags & MSG_TRUNC) != 0) {
		tracker_refused(tracker, TRACKER_REFUSED_MALFORMED, "longer than any request",
			client->ip, NULL);
		return;
	}
	size_t capacity =
		udp_handle(tracker, now_us, batch->requests_bytes[place], request->msg_len, client);
	if (capacity == 0)
		return;
	memcpy(address.ip, client->ip, sizeof(address.ip));
	uint8_t *bytes = batch->replies_bytes + batch->replies_used;
	size_t bytes_count = udp_tracker_reply_write(&tracker->udp_reply,
		!peer_address_is4(&address), bytes, u64_min(capacity, UDP_TRACKER_REPLY_BYTES_MAX));
	if (bytes_count == 0)
		return;
	struct mmsghdr *reply = &batch->replies[batch->replies_count];

	batch->replies_iov[batch->replies_count] =
		(struct iovec){.iov_base = bytes, .iov_len = bytes_count};
	reply->msg_hdr = request->msg_hdr;
	reply->msg_hdr.msg_iov = &batch->replies_iov[batch->replies_count];
	reply->msg_hdr.msg_flags = 0;
	reply_from_same_address(&reply->msg_hdr);
	batch->replies_count++;
	batch->replies_used += bytes_count;
}

static void udp_send(struct tracker_udp *udp)
{
	struct tracker_udp_batch *batch = udp->tracker->udp_batch;
	unsigned done = 0;

	while (done < batch->replies_count) {
		int sent = sendmmsg(
			udp->fd, batch->replies + done, batch->replies_count - done, MSG_DONTWAIT);

		if (sent > 0) {
			done += (unsigned)sent;
			continue;
		}
		if (errno == EINTR)
			continue;
		/* Nobody can be reached like that, or there is no room: clients ask again. */
		log_debug("tracker: a UDP reply was not sent: %s", strerror(errno));
		udp->tracker->statistics.replies_lost++;
		done++;
	}
}

static int udp_receive(struct tracker_udp *udp)
{
	struct tracker_udp_batch *batch = udp->tracker->udp_batch;

	batch->replies_count = 0;
	batch->replies_used = 0;
	for (unsigned i = 0; i < BATCH; i++) {
		batch->requests_iov[i] = (struct iovec){.iov_base = batch->requests_bytes[i],
			.iov_len = UDP_TRACKER_REQUEST_BYTES_MAX};
		batch->requests[i].msg_hdr = (struct msghdr){.msg_name = &batch->from[i],
			.msg_namelen = sizeof(batch->from[i]),
			.msg_iov = &batch->requests_iov[i],
			.msg_iovlen = 1,
			.msg_control = batch->control[i],
			.msg_controllen = sizeof(batch->control[i])};
	}
	return recvmmsg(udp->fd, batch->requests, BATCH, MSG_DONTWAIT, NULL);
}

/* What a batch's announces will read of memory is on its way while the first are answered. */
static void udp_expect(struct tracker *tracker, int count)
{
	struct tracker_udp_batch *batch = tracker->udp_batch;
	uint32_t expected[BATCH];
	unsigned expected_count = 0;

	for (int n = 0; n < count; n++) {
		struct client *client = &batch->clients[n];
		const uint8_t *infohash;
		uint16_t port;

		client->known = tracker_peer_ip(&batch->from[n], client->ip);
		if (!client->known)
			continue;
		client->address = tracker_look(tracker, client->ip);
		if (udp_tracker_announce_peek(
			    batch->requests_bytes[n], batch->requests[n].msg_len, &infohash, &port))
			expected[expected_count++] =
				tracker_core_expect(tracker->core, infohash, client->ip, port);
	}
	for (unsigned n = 0; n < expected_count; n++)
		tracker_core_expected(tracker->core, expected[n]);
}

static void udp_readable(evutil_socket_t fd, short events, void *context)
{
	struct tracker_udp *udp = context;

	(void)fd;
	(void)events;
	for (int i = 0; i < BATCHES_PER_WAKE; i++) {
		int count = udp_receive(udp);

		if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		uint64_t now_us = tracker_now_us();

		/* ICMP errors of earlier replies come up as a failure once: read on. */
		udp_expect(udp->tracker, count);
		for (int n = 0; n < count; n++)
			udp_answer(udp->tracker, now_us, (unsigned)n);
		udp_send(udp);
		if (count >= 0 && count < BATCH)
			return;
	}
}

/* A socket that is bound to one address answers from it anyway. */
static bool wants_packet_information(const struct sockaddr_storage *address)
{
	static const uint8_t any[16];
	uint8_t ip[16];
	struct peer_address mapped = {0};

	if (!tracker_peer_ip(address, ip))
		return false;
	memcpy(mapped.ip, ip, sizeof(ip));
	return peer_address_is4(&mapped) ? memcmp(ip + 12, any, 4) == 0
					 : memcmp(ip, any, sizeof(ip)) == 0;
}

static bool set_options(int fd, const struct sockaddr_storage *address)
{
	int on = 1;
	int bytes = RECEIVE_BYTES;
	int probe = IP_PMTUDISC_PROBE;
	bool ipv6 = address->ss_family == AF_INET6;

	/* No reply over IPv4 is larger than 1,240 bytes: with "do not fragment" it needs no
	 * identification either, which the kernel takes longer to draw than we to find 50 peers. */
	if (setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof(probe)) != 0)
		return false;
	/* Only root may have more than the system's limit. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0 &&
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) != 0)
		return false;
	return !wants_packet_information(address) ||
	       setsockopt(fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
		       ipv6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &on, sizeof(on)) == 0;
}

bool tracker_listen_udp(
	struct tracker *tracker, struct sockaddr_storage *address, struct failure *failure)
{
	if (tracker->udp_count == TRACKER_LISTENERS_MAX)
		return failure_set(
			failure, ERROR_LIMIT, "more than %d UDP listeners", TRACKER_LISTENERS_MAX);
	if (tracker->udp_batch == NULL)
		tracker->udp_batch = calloc(1, sizeof(*tracker->udp_batch));
	if (tracker->udp_batch == NULL)
		return failure_set(failure, ERROR_MEMORY, "no memory for datagrams");
	struct tracker_udp *udp = &tracker->udp[tracker->udp_count];
	int fd = tracker_bind(address, SOCK_DGRAM, failure);
	if (fd < 0)
		return false;
	if (!set_options(fd, address)) {
		failure_errno(failure, ERROR_SYSTEM, "cannot set up the UDP socket");
		close(fd);
		return false;
	}
	*udp = (struct tracker_udp){.tracker = tracker, .fd = fd};
	udp->readable = event_new(tracker->base, fd, EV_READ | EV_PERSIST, udp_readable, udp);
	if (udp->readable == NULL || event_add(udp->readable, NULL) != 0) {
		if (udp->readable != NULL)
			event_free(udp->readable);
		close(fd);
		return failure_set(failure, ERROR_MEMORY, "cannot watch the UDP socket");
	}
	tracker->udp_count++;
	return true;
}

uint64_t tracker_udp_lost(const struct tracker *tracker)
{
	uint64_t lost = 0;

	for (size_t i = 0; i < tracker->udp_count; i++) {
		uint32_t about[SK_MEMINFO_VARS];
		socklen_t bytes = sizeof(about);

		if (getsockopt(tracker->udp[i].fd, SOL_SOCKET, SO_MEMINFO, about, &bytes) == 0 &&
			bytes == sizeof(about))
			lost += about[SK_MEMINFO_DROPS];
	}
	return lost;
}

void tracker_udp_destroy(struct tracker *tracker)
{
	for (size_t i = 0; i < tracker->udp_count; i++) {
		event_free(tracker->udp[i].readable);
		close(tracker->udp[i].fd);
	}
	free(tracker->udp_batch);
}
