/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Announces over HTTP as fast as a tracker takes them, over connections that are kept or made anew
 * for each, every connection from an address of its own in 127/8.
 *
 *   http_load keep|new ADDRESS PORT INFOHASH_HEX PEERS CONNECTIONS ANNOUNCES NUMWANT
 *       announces each peer once, prints "ready" and stops; after SIGCONT it makes so many
 * announces of peers drawn at random, and prints what came of them as JSON
 */
#include "lib/bytes.h"
#include "lib/rng.h"
#include "tests/helpers/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX	 1024
#define ANSWER_BYTES_MAX 8192
#define EVENTS		 64
#define PATIENCE_MS	 5000
#define FIRST_ADDRESS	 0x7f020000u /* 127.2.0.0 */
#define ADDRESSES_EACH	 32
#define NUMBERS_COUNT	 4

struct connection {
	int fd; /* -1: none */
	uint32_t number;
	uint32_t asked;
	size_t got_bytes;
	char answer[ANSWER_BYTES_MAX + 1];
};

struct load {
	int epoll;
	struct sockaddr_in to;
	bool keep;
	char infohash[61]; /* escaped */
	uint32_t peers, connections_count, announces, numwant;
	uint32_t addresses_each; /* connections of one announce each change theirs: ports run out */
	struct rng rng;
	uint32_t begun, wanted;
	bool each;
	struct load_outcome outcome; /* lost: the connection broke */
	struct connection *connections;
};

static void open_connection(struct load *load, struct connection *connection)
{
	int on = 1;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
	uint32_t turn = connection->asked % load->addresses_each;
	struct sockaddr_in from = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(
			FIRST_ADDRESS + 1 + turn * load->connections_count + connection->number)};

	connection->got_bytes = 0;
	connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connection->fd < 0 ||
		setsockopt(connection->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) !=
			0 ||
		bind(connection->fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
		connect(connection->fd, (struct sockaddr *)&load->to, sizeof(load->to)) != 0 ||
		epoll_ctl(load->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
		fail("connect");
}

/* A peer is one of the connection's addresses and a port. */
static void ask(struct load *load, struct connection *connection)
{
	char request[512];
	uint32_t ports = load->peers / load->connections_count / load->addresses_each;
	uint32_t turn = load->each ? connection->asked / load->addresses_each % ports
				   : (uint32_t)rng_below(&load->rng, ports);

	if (connection->fd < 0)
		open_connection(load, connection);
	int bytes = snprintf(request, sizeof(request),
		"GET /announce?info_hash=%s&peer_id=-HL0001-%012" PRIu32 "&port=%" PRIu32
		"&uploaded=0&downloaded=0&left=%d&compact=1&numwant=%" PRIu32
		"%s HTTP/1.1\r\nHost: tracker\r\nUser-Agent: http_load\r\n%s\r\n",
		load->infohash, turn, FIRST_PORT + turn, turn % SEEDERS_ONE_IN == 0 ? 0 : 1 << 20,
		load->numwant, load->each ? "&event=started" : "",
		load->keep ? "" : "Connection: close\r\n");

	if (send(connection->fd, request, (size_t)bytes, MSG_NOSIGNAL) != bytes)
		fail("send");
	load->begun++;
	connection->asked++;
}

static void end(struct load *load, struct connection *connection)
{
	const char *answer = connection->answer;

	connection->answer[connection->got_bytes] = '\0';
	if (strncmp(answer, "HTTP/1.", 7) == 0 && strncmp(answer + 8, " 200", 4) == 0 &&
		memmem(answer, connection->got_bytes, "8:interval", 10) != NULL) {
		load->outcome.answered++;
		load->outcome.reply_bytes += connection->got_bytes;
	} else if (load->outcome.refused++ == 0) {
		fprintf(stderr, "http_load: %.200s\n", answer);
	}
	if (!load->keep) {
		close(connection->fd);
		connection->fd = -1;
	}
	connection->got_bytes = 0;
	if (load->begun < load->wanted)
		ask(load, connection);
}

static bool whole(struct connection *connection)
{
	connection->answer[connection->got_bytes] = '\0';
	const char *body = memmem(connection->answer, connection->got_bytes, "\r\n\r\n", 4);
	const char *length = strcasestr(connection->answer, "\ncontent-length:");

	return body != NULL && length != NULL && length < body &&
	       connection->got_bytes >=
		       (size_t)(body + 4 - connection->answer) + strtoul(length + 16, NULL, 10);
}

static void readable(struct load *load, struct connection *connection)
{
	ssize_t got = recv(connection->fd, connection->answer + connection->got_bytes,
		ANSWER_BYTES_MAX - connection->got_bytes, 0);

	if (got > 0) {
		connection->got_bytes += (size_t)got;
		if (load->keep && whole(connection))
			end(load, connection);
		return;
	}
	if (load->keep || got < 0) {
		load->outcome.lost++;
		close(connection->fd);
		connection->fd = -1;
		if (load->begun < load->wanted)
			ask(load, connection);
		return;
	}
	end(load, connection);
}

static void announce(struct load *load, uint32_t wanted, bool each)
{
	struct epoll_event events[EVENTS];

	load->outcome = (struct load_outcome){0};
	load->begun = 0;
	load->wanted = wanted;
	load->each = each;
	for (uint32_t i = 0; i < load->connections_count && load->begun < wanted; i++)
		ask(load, &load->connections[i]);
	while (load->outcome.answered + load->outcome.refused + load->outcome.lost < wanted) {
		int count = epoll_wait(load->epoll, events, EVENTS, PATIENCE_MS);

		if (count <= 0) {
			fprintf(stderr, "http_load: no answer for %d ms\n", PATIENCE_MS);
			exit(1);
		}
		for (int i = 0; i < count; i++)
			readable(load, events[i].data.ptr);
	}
}

static void run(struct load *load)
{
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	load->connections = calloc(load->connections_count, sizeof(*load->connections));
	if (load->epoll < 0 || load->connections == NULL)
		fail("epoll");
	for (uint32_t i = 0; i < load->connections_count; i++) {
		load->connections[i].fd = -1;
		load->connections[i].number = i;
	}
	rng_seed(&load->rng, 1);
	announce(load, load->peers, true);
	double start_s = load_start_s();

	announce(load, load->announces, false);
	load_print(&load->outcome, start_s);
}

int main(int argc, char **argv)
{
	uint32_t numbers[NUMBERS_COUNT];
	struct load load = {.to = {.sin_family = AF_INET}};

	if (argc != 9 || strlen(argv[4]) != 40 ||
		inet_pton(AF_INET, argv[2], &load.to.sin_addr) != 1) {
		fprintf(stderr, "usage: http_load keep|new ADDRESS PORT INFOHASH_HEX PEERS "
				"CONNECTIONS ANNOUNCES NUMWANT\n");
		return 2;
	}
	load.keep = strcmp(argv[1], "keep") == 0;
	load.to.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
	for (size_t i = 0; i < 20; i++)
		snprintf(load.infohash + 3 * i, 4, "%%%.2s", argv[4] + 2 * i);
	for (int i = 0; i < NUMBERS_COUNT; i++)
		numbers[i] = (uint32_t)strtoul(argv[5 + i], NULL, 10);
	load.peers = numbers[0];
	load.connections_count = numbers[1];
	load.announces = numbers[2];
	load.numwant = numbers[3];
	load.addresses_each = load.keep ? 1 : ADDRESSES_EACH;
	if (load.connections_count == 0 || load.connections_count > CONNECTIONS_MAX ||
		load.peers < load.connections_count * load.addresses_each ||
		load.peers / load.connections_count > UINT16_MAX - FIRST_PORT)
		return 2;
	run(&load);
	return 0;
}
