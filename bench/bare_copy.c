/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that moving an image costs: one process reads it and sends it over TCP, the other
 * receives it, takes the SHA-256 of every MiB and writes it past the page cache, flushed at the
 * end. No protocol, no swarm, one thread each. What a transfer costs is measured against this.
 *
 *   bare_copy receive ADDRESS PORT TARGET   waits for one sender
 *   bare_copy send ADDRESS PORT IMAGE
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK_BYTES	((size_t)1 << 20)
#define ALIGNMENT	((size_t)4096)
#define CONNECT_TRIES	200
#define CONNECT_WAIT_US 50000

static void fail(const char *what)
{
	fprintf(stderr, "bare_copy: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_in address_of(const char *ip, const char *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};

	if (inet_pton(AF_INET, ip, &address.sin_addr) != 1)
		fail("the address");
	return address;
}

static uint8_t *allocate_chunk(void)
{
	uint8_t *chunk = aligned_alloc(ALIGNMENT, CHUNK_BYTES);

	if (chunk == NULL)
		fail("memory");
	return chunk;
}

static int accept_one(const struct sockaddr_in *address)
{
	const int one = 1;
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (listener < 0 ||
		setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
		bind(listener, (const struct sockaddr *)address, sizeof(*address)) != 0 ||
		listen(listener, 1) != 0)
		fail("listening");
	int connection = accept(listener, NULL, NULL);

	if (connection < 0)
		fail("accepting");
	close(listener);
	return connection;
}

static int connect_to(const struct sockaddr_in *address)
{
	for (int i = 0; i < CONNECT_TRIES; i++) {
		int connection = socket(AF_INET, SOCK_STREAM, 0);

		if (connection < 0)
			fail("a socket");
		if (connect(connection, (const struct sockaddr *)address, sizeof(*address)) == 0)
			return connection;
		close(connection);
		usleep(CONNECT_WAIT_US); /* the receiver may not listen yet */
	}
	fail("connecting");
	return -1;
}

static void write_all(int target, const uint8_t *bytes, size_t bytes_count, off_t offset)
{
	while (bytes_count > 0) {
		ssize_t put = pwrite(target, bytes, bytes_count, offset);

		if (put <= 0)
			fail("writing");
		bytes += put;
		offset += put;
		bytes_count -= (size_t)put;
	}
}

/* The end of the image need not be aligned: it goes through the page cache. */
static void receive(const struct sockaddr_in *address, const char *path)
{
	int target = open(path, O_WRONLY | O_CREAT | O_DIRECT, 0644);
	int rest = open(path, O_WRONLY | O_CREAT, 0644);
	int connection = accept_one(address);
	uint8_t *chunk = allocate_chunk();
	uint8_t digest[EVP_MAX_MD_SIZE], all[EVP_MAX_MD_SIZE] = {0};
	off_t offset = 0;

	if (target < 0 || rest < 0)
		fail(path);
	for (;;) {
		ssize_t got = recv(connection, chunk, CHUNK_BYTES, MSG_WAITALL);

		if (got < 0)
			fail("receiving");
		if (got == 0)
			break;
		if (EVP_Digest(chunk, (size_t)got, digest, NULL, EVP_sha256(), NULL) != 1)
			fail("the digest");
		for (size_t i = 0; i < sizeof(digest); i++)
			all[i] ^= digest[i];
		write_all((size_t)got % ALIGNMENT == 0 ? target : rest, chunk, (size_t)got, offset);
		offset += got;
	}
	if (fdatasync(target) != 0 || fdatasync(rest) != 0)
		fail("flushing");
	printf("%lld bytes, %02x%02x%02x%02x\n", (long long)offset, all[0], all[1], all[2], all[3]);
	free(chunk);
}

static void send_image(const struct sockaddr_in *address, const char *path)
{
	int image = open(path, O_RDONLY);
	int connection = connect_to(address);
	uint8_t *chunk = allocate_chunk();

	if (image < 0)
		fail(path);
	for (;;) {
		ssize_t got = read(image, chunk, CHUNK_BYTES);

		if (got < 0)
			fail("reading");
		if (got == 0)
			break;
		for (ssize_t sent = 0; sent < got;) {
			ssize_t put =
				send(connection, chunk + sent, (size_t)(got - sent), MSG_NOSIGNAL);

			if (put < 0)
				fail("sending");
			sent += put;
		}
	}
	free(chunk);
}

int main(int argc, char **argv)
{
	if (argc != 5 || (strcmp(argv[1], "send") != 0 && strcmp(argv[1], "receive") != 0)) {
		fprintf(stderr, "usage: bare_copy send|receive ADDRESS PORT FILE\n");
		return 2;
	}
	struct sockaddr_in address = address_of(argv[2], argv[3]);

	if (strcmp(argv[1], "send") == 0)
		send_image(&address, argv[4]);
	else
		receive(&address, argv[4]);
	return 0;
}
