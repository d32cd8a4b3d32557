/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Announces over UDP as fast as a tracker takes them, from as many addresses of 127/8 as there are
 * peers; and the bare echo that a tracker's cost is held against: it reads and sends datagrams of
 * the same sizes, many in one call, and does nothing else.
 *
 *   udp_load hashes SWARMS                     prints the infohashes, in hex
 *   udp_load echo ADDRESS PORT REPLY_BYTES     prints "ready", and echoes until it is killed
 *   udp_load tracker|bare ADDRESS PORT SWARMS PEERS PORTS_PER_ADDRESS ANNOUNCES NUMWANT
 *       announces each peer once, prints "ready" and stops; after SIGCONT it makes so many
 * announces of peers drawn at random, and prints what came of them as JSON
 */
#include "lib/bytes.h"
#include "lib/rng.h"
#include "tests/helpers/load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define BATCH		64
#define IN_FLIGHT_MAX	128 /* fewer than a socket of the usual size holds */
#define REPLY_BYTES_MAX 4096
#define REQUEST_BYTES	98
#define CONNECT_BYTES	16
#define BUFFER_BYTES	(8 * 1024 * 1024)
#define PATIENCE_US	500000
#define FIRST_ADDRESS	0x7f010000u /* 127.1.0.0 */
#define EVENT_NONE	0
#define EVENT_STARTED	2
#define ACTION_CONNECT	0
#define ACTION_ANNOUNCE 1
#define NUMBERS_COUNT	5
#define CONTROL_BYTES	CMSG_SPACE(sizeof(struct in_pktinfo))

struct load {
	int socket;
	struct sockaddr_in to;
	bool bare; /* the echo knows of no connection ids */
	uint32_t swarms, peers, ports_per_address, announces, numwant;
	uint32_t addresses;
	uint64_t *connections; /* of each address; 0: none yet */
	struct rng rng;
	uint32_t in_flight;
	struct load_outcome outcome;
};

struct batch {
	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];
	struct sockaddr_storage names[BATCH];
	_Alignas(struct cmsghdr) uint8_t control[BATCH][CONTROL_BYTES];
	uint8_t bytes[BATCH][REPLY_BYTES_MAX];
};

static struct batch outgoing;
static struct batch incoming;

static void infohash_of(uint32_t swarm, uint8_t infohash[static 20])
{
	struct rng rng;

	rng_seed(&rng, swarm);
	be64_write(infohash, rng_next(&rng));
	be64_write(infohash + 8, rng_next(&rng));
	be32_write(infohash + 16, (uint32_t)rng_next(&rng));
}

static int open_socket(const struct sockaddr_in *bound)
{
	int bytes = BUFFER_BYTES;
	struct timeval patience = {.tv_usec = PATIENCE_US};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0 ||
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
		bind(fd, (const struct sockaddr *)bound, sizeof(*bound)) != 0)
		fail("udp socket");
	return fd;
}

static void prepare(struct batch *batch, size_t bytes)
{
	for (unsigned i = 0; i < BATCH; i++) {
		batch->vectors[i] = (struct iovec){batch->bytes[i], bytes};
		batch->messages[i].msg_hdr = (struct msghdr){.msg_name = &batch->names[i],
			.msg_namelen = sizeof(batch->names[i]),
			.msg_iov = &batch->vectors[i],
			.msg_iovlen = 1};
	}
}

static void send_all(int fd, struct batch *batch, unsigned count)
{
	for (unsigned done = 0; done < count;) {
		int sent = sendmmsg(fd, batch->messages + done, count - done, 0);

		if (sent <= 0)
			fail("sendmmsg");
		done += (unsigned)sent;
	}
}

static void echo(const struct sockaddr_in *address, size_t reply_bytes)
{
	int fd = open_socket(address);

	puts("ready");
	fflush(stdout);
	for (;;) {
		prepare(&incoming, REPLY_BYTES_MAX);
		int count = recvmmsg(fd, incoming.messages, BATCH, MSG_WAITFORONE, NULL);

		for (int i = 0; i < count; i++) {
			memmove(incoming.bytes[i] + 4, incoming.bytes[i] + 12, 4);
			be32_write(incoming.bytes[i], ACTION_ANNOUNCE);
			incoming.vectors[i].iov_len = reply_bytes;
		}
		if (count > 0)
			send_all(fd, &incoming, (unsigned)count);
	}
}

/* The next request of the batch, from this address. */
static uint8_t *add_request(struct load *load, unsigned place, uint32_t address, size_t bytes)
{
	struct msghdr *message = &outgoing.messages[place].msg_hdr;

	outgoing.vectors[place] = (struct iovec){outgoing.bytes[place], bytes};
	*message = (struct msghdr){.msg_name = &load->to,
		.msg_namelen = sizeof(load->to),
		.msg_iov = &outgoing.vectors[place],
		.msg_iovlen = 1,
		.msg_control = outgoing.control[place],
		.msg_controllen = CONTROL_BYTES};
	struct cmsghdr *control = CMSG_FIRSTHDR(message);
	struct in_pktinfo information = {.ipi_spec_dst.s_addr = htonl(FIRST_ADDRESS + address)};

	control->cmsg_level = IPPROTO_IP;
	control->cmsg_type = IP_PKTINFO;
	control->cmsg_len = CMSG_LEN(sizeof(information));
	memcpy(CMSG_DATA(control), &information, sizeof(information));
	return outgoing.bytes[place];
}

static void add_connect(struct load *load, unsigned place, uint32_t address)
{
	uint8_t *request = add_request(load, place, address, CONNECT_BYTES);

	be64_write(request, UINT64_C(0x41727101980));
	be32_write(request + 8, ACTION_CONNECT);
	be32_write(request + 12, address);
}

static void add_announce(struct load *load, unsigned place, uint32_t peer, uint32_t event)
{
	uint32_t address = peer % load->addresses;
	uint8_t *request = add_request(load, place, address, REQUEST_BYTES);

	memset(request, 0, REQUEST_BYTES);
	be64_write(request, load->connections[address]);
	be32_write(request + 8, ACTION_ANNOUNCE);
	be32_write(request + 12, peer);
	infohash_of(peer % load->swarms, request + 16);
	memcpy(request + 36, "-UL0001-", 8);
	be32_write(request + 44, peer);
	be64_write(request + 64, peer / load->swarms % SEEDERS_ONE_IN == 0 ? 0 : 1 << 20);
	be32_write(request + 80, event);
	be32_write(request + 88, peer);
	be32_write(request + 92, load->numwant);
	be16_write(request + 96, (uint16_t)(FIRST_PORT + peer / load->addresses));
}

static void take_replies(struct load *load)
{
	prepare(&incoming, REPLY_BYTES_MAX);
	int count = recvmmsg(load->socket, incoming.messages, BATCH, MSG_WAITFORONE, NULL);

	if (count <= 0) { /* nothing came for long: what is still out is lost */
		load->outcome.lost += load->in_flight;
		load->in_flight = 0;
		return;
	}
	for (int i = 0; i < count; i++) {
		const uint8_t *reply = incoming.bytes[i];
		uint32_t number = be32_read(reply + 4);

		load->in_flight -= load->in_flight > 0;
		load->outcome.reply_bytes += incoming.messages[i].msg_len;
		if (be32_read(reply) == ACTION_CONNECT && number < load->addresses) {
			load->connections[number] = be64_read(reply + 8);
		} else if (be32_read(reply) == ACTION_ANNOUNCE) {
			load->outcome.answered++;
		} else if (load->outcome.refused++ == 0) {
			fprintf(stderr, "udp_load: %.*s\n", (int)(incoming.messages[i].msg_len - 8),
				reply + 8);
		}
	}
}

static void flush(struct load *load, unsigned *count, uint32_t in_flight_max)
{
	send_all(load->socket, &outgoing, *count);
	load->in_flight += *count;
	*count = 0;
	while (load->in_flight > in_flight_max)
		take_replies(load);
}

static void connect_all(struct load *load)
{
	for (int round = 0; round < 10; round++) {
		unsigned count = 0;

		for (uint32_t address = 0; address < load->addresses; address++) {
			if (load->connections[address] != 0)
				continue;
			add_connect(load, count++, address);
			if (count == BATCH)
				flush(load, &count, IN_FLIGHT_MAX - BATCH);
		}
		flush(load, &count, 0);
	}
	for (uint32_t address = 0; address < load->addresses; address++)
		if (load->connections[address] == 0) {
			fprintf(stderr, "udp_load: address %" PRIu32 " got no connection id\n",
				address);
			exit(1);
		}
}

/* Each peer once, or so many drawn at random. */
static void announce(struct load *load, uint32_t announces, bool each)
{
	unsigned count = 0;

	load->outcome = (struct load_outcome){0};
	for (uint32_t i = 0; i < announces; i++) {
		uint32_t peer = each ? i : (uint32_t)rng_below(&load->rng, load->peers);

		add_announce(load, count++, peer, each ? EVENT_STARTED : EVENT_NONE);
		if (count == BATCH)
			flush(load, &count, IN_FLIGHT_MAX - BATCH);
	}
	flush(load, &count, 0);
}

static void run(struct load *load)
{
	load->addresses = (load->peers + load->ports_per_address - 1) / load->ports_per_address;
	load->connections = calloc(load->addresses, sizeof(*load->connections));
	if (load->connections == NULL)
		fail("memory");
	rng_seed(&load->rng, 1);
	load->socket = open_socket(&(struct sockaddr_in){.sin_family = AF_INET});
	if (!load->bare) {
		connect_all(load);
		announce(load, load->peers, true);
		if (load->outcome.answered < load->peers - load->peers / 100) {
			fprintf(stderr, "udp_load: only %" PRIu64 " peers were taken\n",
				load->outcome.answered);
			exit(1);
		}
	}
	double start_s = load_start_s();

	announce(load, load->announces, false);
	load_print(&load->outcome, start_s);
}

int main(int argc, char **argv)
{
	uint32_t numbers[NUMBERS_COUNT] = {0};
	struct sockaddr_in address = {.sin_family = AF_INET};

	if (argc == 3 && strcmp(argv[1], "hashes") == 0) {
		for (uint32_t swarm = 0; swarm < strtoul(argv[2], NULL, 10); swarm++) {
			uint8_t infohash[20];
			char hex[41];

			infohash_of(swarm, infohash);
			hex_write(hex, infohash, sizeof(infohash));
			puts(hex);
		}
		return 0;
	}
	if (argc < 5 || inet_pton(AF_INET, argv[2], &address.sin_addr) != 1)
		return 2;
	address.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
	for (int i = 0; i < NUMBERS_COUNT && 4 + i < argc; i++)
		numbers[i] = (uint32_t)strtoul(argv[4 + i], NULL, 10);
	if (strcmp(argv[1], "echo") == 0 && numbers[0] <= REPLY_BYTES_MAX)
		echo(&address, numbers[0]);
	if (argc != 9 || numbers[0] == 0 || numbers[1] == 0 || numbers[2] == 0)
		return 2;
	run(&(struct load){.to = address,
		.bare = strcmp(argv[1], "bare") == 0,
		.swarms = numbers[0],
		.peers = numbers[1],
		.ports_per_address = numbers[2],
		.announces = numbers[3],
		.numwant = numbers[4]});
	return 0;
}
