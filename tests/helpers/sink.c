/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that asks for a whole image in blocks of 16 KiB and throws it away: what a seed costs,
 * without the cost of a receiver that hashes and writes. Speaks BEP 3 alone, so every client serves
 * it alike.
 *
 *   sink ADDRESS PORT INFOHASH_HEX PIECE_BYTES IMAGE_BYTES   prints the bytes that came
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK_BYTES	16384u
#define OUTSTANDING_MAX 256u
#define PATIENCE_S	60
#define HANDSHAKE_BYTES 68

enum { CHOKE = 0, UNCHOKE = 1, INTERESTED = 2, REQUEST = 6, PIECE = 7 };

struct sink {
	int stream;
	uint64_t image_bytes;
	uint32_t piece_bytes;
	uint64_t asked_bytes; /* blocks are asked for and answered in order */
	uint64_t got_bytes;
	bool choked;
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void put_be32(uint8_t *out, uint32_t value)
{
	value = htonl(value);
	memcpy(out, &value, sizeof(value));
}

static uint32_t get_be32(const uint8_t *in)
{
	uint32_t value;

	memcpy(&value, in, sizeof(value));
	return ntohl(value);
}

static void read_all(int stream, uint8_t *out, size_t bytes)
{
	while (bytes > 0) {
		ssize_t got_bytes = recv(stream, out, bytes, 0);

		if (got_bytes <= 0)
			fail("receive");
		out += got_bytes;
		bytes -= (size_t)got_bytes;
	}
}

static void skip(int stream, size_t bytes)
{
	static uint8_t rubbish[1 << 18];

	while (bytes > 0) {
		size_t want_bytes = bytes < sizeof(rubbish) ? bytes : sizeof(rubbish);
		ssize_t got_bytes = recv(stream, rubbish, want_bytes, MSG_TRUNC);

		if (got_bytes <= 0)
			fail("receive");
		bytes -= (size_t)got_bytes;
	}
}

static void write_all(int stream, const uint8_t *bytes, size_t count)
{
	while (count > 0) {
		ssize_t sent_bytes = send(stream, bytes, count, MSG_NOSIGNAL);

		if (sent_bytes <= 0)
			fail("send");
		bytes += sent_bytes;
		count -= (size_t)sent_bytes;
	}
}

static uint32_t block_bytes(const struct sink *sink, uint64_t offset)
{
	uint64_t left_bytes = sink->image_bytes - offset;

	return left_bytes < BLOCK_BYTES ? (uint32_t)left_bytes : BLOCK_BYTES;
}

/* Requests in bundles: half of what may be outstanding at a time. */
static void ask(struct sink *sink)
{
	uint8_t requests[17 * OUTSTANDING_MAX];
	size_t count = 0;

	if (sink->choked || sink->asked_bytes == sink->image_bytes ||
		sink->asked_bytes - sink->got_bytes > OUTSTANDING_MAX / 2 * BLOCK_BYTES)
		return;
	while (sink->asked_bytes < sink->image_bytes &&
		sink->asked_bytes - sink->got_bytes < OUTSTANDING_MAX * BLOCK_BYTES) {
		uint8_t *request = requests + 17 * count++;
		uint32_t bytes = block_bytes(sink, sink->asked_bytes);

		put_be32(request, 13);
		request[4] = REQUEST;
		put_be32(request + 5, (uint32_t)(sink->asked_bytes / sink->piece_bytes));
		put_be32(request + 9, (uint32_t)(sink->asked_bytes % sink->piece_bytes));
		put_be32(request + 13, bytes);
		sink->asked_bytes += bytes;
	}
	write_all(sink->stream, requests, 17 * count);
}

static void take_message(struct sink *sink)
{
	uint8_t head[5];
	uint32_t bytes;

	read_all(sink->stream, head, 4);
	bytes = get_be32(head);
	if (bytes == 0)
		return;
	if (bytes > (1u << 24)) {
		fprintf(stderr, "sink: a message of %" PRIu32 " bytes\n", bytes);
		exit(1);
	}
	read_all(sink->stream, head + 4, 1);
	skip(sink->stream, bytes - 1);
	switch (head[4]) {
	case CHOKE:
		sink->choked = true;
		sink->asked_bytes = sink->got_bytes; /* what was asked is forgotten */
		break;
	case UNCHOKE:
		sink->choked = false;
		break;
	case PIECE:
		sink->got_bytes += bytes - 9;
		if (sink->got_bytes > sink->asked_bytes) /* was on its way when it choked */
			sink->asked_bytes = sink->got_bytes;
		break;
	default:
		break;
	}
}

static void shake_hands(const struct sink *sink, const uint8_t infohash[static 20])
{
	static const uint8_t interested[5] = {0, 0, 0, 1, INTERESTED};
	uint8_t handshake[HANDSHAKE_BYTES] = "\x13"
					     "BitTorrent protocol";
	uint8_t answer[HANDSHAKE_BYTES];

	memcpy(handshake + 28, infohash, 20);
	snprintf((char *)handshake + 48, 20, "-SK0001-%011d", (int)getpid());
	handshake[67] = '.';
	write_all(sink->stream, handshake, sizeof(handshake));
	read_all(sink->stream, answer, sizeof(answer));
	if (memcmp(answer + 28, infohash, 20) != 0) {
		fprintf(stderr, "sink: another image\n");
		exit(1);
	}
	write_all(sink->stream, interested, sizeof(interested));
}

static void connect_to(struct sink *sink, const char *host, const char *port)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};

	sink->stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sink->stream < 0 || inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
		setsockopt(sink->stream, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) !=
			0 ||
		connect(sink->stream, (const struct sockaddr *)&address, sizeof(address)) != 0)
		fail("connect");
}

int main(int argc, char **argv)
{
	struct sink sink = {.choked = true};
	uint8_t infohash[20];

	if (argc != 6 || strlen(argv[3]) != 40) {
		fprintf(stderr, "usage: sink ADDRESS PORT INFOHASH_HEX PIECE_BYTES IMAGE_BYTES\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(infohash); i++) {
		const char digits[3] = {argv[3][2 * i], argv[3][2 * i + 1], 0};

		infohash[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	sink.piece_bytes = (uint32_t)strtoul(argv[4], NULL, 10);
	sink.image_bytes = strtoull(argv[5], NULL, 10);
	if (sink.piece_bytes == 0 || sink.piece_bytes % BLOCK_BYTES != 0)
		return 2;
	connect_to(&sink, argv[1], argv[2]);
	shake_hands(&sink, infohash);
	while (sink.got_bytes < sink.image_bytes) {
		ask(&sink);
		take_message(&sink);
	}
	printf("%" PRIu64 "\n", sink.got_bytes);
	return 0;
}
