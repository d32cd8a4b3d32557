/* SPDX-License-Identifier: Apache-2.0 */
/*
 * announce_many PORT COUNT: announces COUNT peers to a UDP tracker at 127.0.0.1, 62,500 of each
 * swarm, and prints how many were answered. Some requests are under way at a time; what is not
 * answered soon is sent again.
 */
#include "wire/udp_tracker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEERS_PER_SWARM 62500
#define FIRST_PORT	1024
#define UNDER_WAY	256
#define PATIENCE_MS	200

static struct udp_tracker_request request;

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static bool send_request(int fd)
{
	uint8_t bytes[UDP_TRACKER_REQUEST_BYTES_MAX];
	size_t length = udp_tracker_request_write(&request, bytes, sizeof(bytes));

	return length > 0 && (send(fd, bytes, length, 0) == (ssize_t)length || errno == ENOBUFS);
}

static bool connect_tracker(int fd)
{
	static struct udp_tracker_reply reply;
	uint8_t bytes[UDP_TRACKER_REPLY_BYTES_MAX];

	request.action = UDP_TRACKER_CONNECT;
	if (!send_request(fd))
		return false;
	ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
	if (got < 0 || !udp_tracker_reply_parse(&reply, bytes, (size_t)got, false))
		return false;
	request.connection_id = reply.connection_id;
	request.action = UDP_TRACKER_ANNOUNCE;
	return true;
}

static bool announce(int fd, uint32_t peer)
{
	memset(request.announce.infohash, 0, SHA1_BYTES);
	be32_write(request.announce.infohash, 1 + peer / PEERS_PER_SWARM);
	be32_write(request.announce.peer_id, peer);
	request.announce.port = (uint16_t)(FIRST_PORT + peer % PEERS_PER_SWARM);
	request.announce.left_bytes = peer % 3;
	request.announce.event = ANNOUNCE_STARTED;
	request.announce.numwant = 0;
	request.transaction_id = peer;
	return send_request(fd);
}

/* Announces first .. first + count - 1 until all are answered. */
static bool announce_batch(int fd, uint32_t first, uint32_t count)
{
	bool answered[UNDER_WAY] = {false};
	uint32_t left = count;
	uint8_t bytes[UDP_TRACKER_REPLY_BYTES_MAX];
	struct pollfd waiting = {.fd = fd, .events = POLLIN};

	while (left > 0) {
		for (uint32_t i = 0; i < count; i++)
			if (!answered[i] && !announce(fd, first + i))
				return false;
		while (left > 0 && poll(&waiting, 1, PATIENCE_MS) > 0) {
			ssize_t got = recv(fd, bytes, sizeof(bytes), 0);

			if (got < 8 || be32_read(bytes) != UDP_TRACKER_ANNOUNCE)
				return false;
			uint32_t peer = be32_read(bytes + 4);
			if (peer - first < count && !answered[peer - first]) {
				answered[peer - first] = true;
				left--;
			}
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (argc != 3 || fd < 0)
		return fail("usage: announce_many PORT COUNT");
	to.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	uint32_t count = (uint32_t)strtoul(argv[2], NULL, 10);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		return fail("connect");
	for (uint32_t first = 0; first < count; first += UNDER_WAY) {
		/* Connection ids live for two minutes. */
		if (first % (UNDER_WAY * 256) == 0 && !connect_tracker(fd))
			return fail("no connection id");
		if (!announce_batch(fd, first, (uint32_t)u64_min(UNDER_WAY, count - first)))
			return fail("an announce was refused");
	}
	printf("%u\n", count);
	return close(fd) == 0 ? 0 : fail("close");
}
