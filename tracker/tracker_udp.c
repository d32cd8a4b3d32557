/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The UDP side of the tracker (BEP 15). Nothing is remembered of a client but its announce. Replies
 * leave from the address that the request came to, so that hosts with several addresses can serve.
 */
#include "tracker/tracker_private.h"

#include "lib/log.h"
#include "runtime/crypto.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

/* Datagrams taken per wake-up, so that a flood does not starve the rest of the loop. */
#define DATAGRAMS_PER_WAKE 256
#define SECONDS_PER_MINUTE 60

struct datagram {
	struct sockaddr_storage from;
	struct msghdr message;
	struct iovec iovec;
	_Alignas(struct cmsghdr) uint8_t control[256];
	uint8_t bytes[UDP_TRACKER_REQUEST_BYTES_MAX];
};

uint64_t tracker_connection_id(const uint8_t secret[static TRACKER_SECRET_BYTES],
	const uint8_t ip[static 16], uint64_t minute)
{
	uint8_t text[16 + 8];
	uint8_t mac[SHA256_BYTES];

	memcpy(text, ip, 16);
	be64_write(text + 16, minute);
	crypto_hmac_sha256(mac, secret, TRACKER_SECRET_BYTES, text, sizeof(text));
	return be64_read(mac);
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

	tracker->statistics.refused++;
	reply->action = UDP_TRACKER_ERROR;
	snprintf(reply->announce.failure, sizeof(reply->announce.failure), "%s", text);
}

static void udp_announce(struct tracker *tracker, const uint8_t *ip)
{
	struct udp_tracker_reply *reply = &tracker->udp_reply;

	tracker_core_announce(tracker->core, tracker_now_s(), &tracker->udp_request.announce, ip,
		&reply->announce);
	if (reply->announce.failure[0] == '\0') {
		tracker->statistics.announces_udp++;
	} else {
		tracker->statistics.refused++;
		reply->action = UDP_TRACKER_ERROR;
	}
}

static void udp_scrape(struct tracker *tracker)
{
	const struct udp_tracker_request *request = &tracker->udp_request;
	struct udp_tracker_reply *reply = &tracker->udp_reply;

	reply->entries_count = request->hashes_count;
	for (uint32_t i = 0; i < request->hashes_count; i++)
		/* What is not allowed has zeros: entries are known by their place only. */
		if (!tracker_core_scrape(
			    tracker->core, tracker_now_s(), request->hashes[i], &reply->entries[i]))
			tracker->statistics.refused++;
}

/* Fills tracker->udp_reply; false when the request deserves no answer. */
static bool udp_handle(
	struct tracker *tracker, const uint8_t *bytes, size_t bytes_count, const uint8_t *ip)
{
	struct udp_tracker_request *request = &tracker->udp_request;
	struct udp_tracker_reply *reply = &tracker->udp_reply;

	if (!udp_tracker_request_parse(request, bytes, bytes_count)) {
		tracker->statistics.refused++;
		return false;
	}
	reply->action = request->action;
	reply->transaction_id = request->transaction_id;
	reply->entries_count = 0;
	reply->announce.failure[0] = '\0';
	if (request->action == UDP_TRACKER_CONNECT) {
		reply->connection_id = tracker_connection_id(
			tracker->secret, ip, tracker_now_s() / SECONDS_PER_MINUTE);
		return true;
	}
	if (!tracker_connection_id_valid(
		    tracker->secret, ip, tracker_now_s(), request->connection_id))
		udp_refuse(tracker, "connect again");
	else if (request->action == UDP_TRACKER_ANNOUNCE)
		udp_announce(tracker, ip);
	else
		udp_scrape(tracker);
	return true;
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

static void udp_answer(struct tracker_udp *udp, struct datagram *datagram, size_t bytes_count)
{
	uint8_t ip[16];
	uint8_t bytes[UDP_TRACKER_REPLY_BYTES_MAX];
	struct peer_address address = {0};

	if (datagram->message.msg_flags & MSG_TRUNC || !tracker_peer_ip(&datagram->from, ip) ||
		!udp_handle(udp->tracker, datagram->bytes, bytes_count, ip))
		return;
	memcpy(address.ip, ip, sizeof(ip));
	size_t reply_bytes = udp_tracker_reply_write(
		&udp->tracker->udp_reply, !peer_address_is4(&address), bytes, sizeof(bytes));
	if (reply_bytes == 0)
		return;
	datagram->iovec = (struct iovec){.iov_base = bytes, .iov_len = reply_bytes};
	reply_from_same_address(&datagram->message);
	if (sendmsg(udp->fd, &datagram->message, MSG_DONTWAIT) < 0)
		log_debug("tracker: a UDP reply was not sent: %s", strerror(errno));
}

static void udp_readable(evutil_socket_t fd, short events, void *context)
{
	struct tracker_udp *udp = context;
	struct datagram datagram;

	(void)events;
	for (int i = 0; i < DATAGRAMS_PER_WAKE; i++) {
		datagram.iovec = (struct iovec){datagram.bytes, sizeof(datagram.bytes)};
		datagram.message = (struct msghdr){.msg_name = &datagram.from,
			.msg_namelen = sizeof(datagram.from),
			.msg_iov = &datagram.iovec,
			.msg_iovlen = 1,
			.msg_control = datagram.control,
			.msg_controllen = sizeof(datagram.control)};
		ssize_t got = recvmsg(fd, &datagram.message, MSG_DONTWAIT);

		/* ICMP errors of earlier replies come up here once: read on. */
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (got >= 0)
			udp_answer(udp, &datagram, (size_t)got);
	}
}

bool tracker_listen_udp(
	struct tracker *tracker, struct sockaddr_storage *address, struct failure *failure)
{
	int on = 1;

	if (tracker->udp_count == TRACKER_LISTENERS_MAX)
		return failure_set(
			failure, ERROR_LIMIT, "more than %d UDP listeners", TRACKER_LISTENERS_MAX);
	struct tracker_udp *udp = &tracker->udp[tracker->udp_count];
	int fd = tracker_bind(address, SOCK_DGRAM, failure);
	if (fd < 0)
		return false;
	bool ipv6 = address->ss_family == AF_INET6;
	if (setsockopt(fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_RECVPKTINFO : IP_PKTINFO,
		    &on, sizeof(on)) != 0) {
		close(fd);
		return failure_errno(failure, ERROR_SYSTEM, "cannot set up the UDP socket");
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
