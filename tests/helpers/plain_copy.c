/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One plain TCP copy, the measure that benchmarks are held against. Costs next to no CPU: the
 * sender uses sendfile, the receiver throws away what comes.
 *
 *   plain_copy receive ADDRESS PORT         prints "ready", then the bytes that came
 *   plain_copy store ADDRESS PORT TARGET    the same, but hashes (SHA-256) and writes what comes, a
 * MiB at a time, past the page cache, and flushes: the least that an imaging agent can do
 *   plain_copy send ADDRESS PORT FILE MAX   sends the file's first MAX bytes, prints seconds until
 * the receiver has confirmed the last of them
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S  600
#define CHUNK_BYTES (1u << 20)

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static double now_s(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		exit(fail("clock"));
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool parse_address(const char *host, const char *port, struct sockaddr_in *address)
{
	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	return inet_pton(AF_INET, host, &address->sin_addr) == 1;
}

/* Fills the chunk unless the stream ends before. */
static ssize_t receive_chunk(int stream, uint8_t *chunk)
{
	size_t filled_bytes = 0;

	while (filled_bytes < CHUNK_BYTES) {
		ssize_t got_bytes =
			recv(stream, chunk + filled_bytes, CHUNK_BYTES - filled_bytes, 0);

		if (got_bytes < 0)
			return -1;
		if (got_bytes == 0)
			break;
		filled_bytes += (size_t)got_bytes;
	}
	return (ssize_t)filled_bytes;
}

/* Images are whole MiB here, so that every write is one that O_DIRECT takes. */
static bool store(int stream, const char *target, uint64_t *total_bytes)
{
	int file = open(target, O_WRONLY | O_CLOEXEC | O_DIRECT);
	uint8_t digest[EVP_MAX_MD_SIZE];
	void *chunk = NULL;

	if (file < 0 || posix_memalign(&chunk, 4096, CHUNK_BYTES) != 0)
		return false;
	for (;;) {
		ssize_t bytes = receive_chunk(stream, chunk);

		if (bytes < 0)
			return false;
		if (bytes == 0)
			break;
		if (EVP_Digest(chunk, (size_t)bytes, digest, NULL, EVP_sha256(), NULL) != 1 ||
			pwrite(file, chunk, (size_t)bytes, (off_t)*total_bytes) != bytes)
			return false;
		*total_bytes += (uint64_t)bytes;
	}
	free(chunk);
	return fdatasync(file) == 0 && close(file) == 0;
}

/* MSG_TRUNC: TCP drops the bytes instead of copying them. */
static bool throw_away(int stream, uint64_t *total_bytes)
{
	static char buffer[CHUNK_BYTES];

	for (;;) {
		ssize_t got_bytes = recv(stream, buffer, sizeof(buffer), MSG_TRUNC);

		if (got_bytes <= 0)
			return got_bytes == 0;
		*total_bytes += (uint64_t)got_bytes;
	}
}

static int receive_all(const struct sockaddr_in *address, const char *target)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	const int one = 1;
	uint64_t total_bytes = 0;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int stream;

	if (listener < 0 ||
		setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
		setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
		bind(listener, (const struct sockaddr *)address, sizeof(*address)) != 0 ||
		listen(listener, 1) != 0)
		return fail("listen");
	if (puts("ready") < 0 || fflush(stdout) != 0)
		return fail("output");
	stream = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (stream < 0 ||
		setsockopt(stream, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0)
		return fail("accept");
	if (target != NULL ? !store(stream, target, &total_bytes)
			   : !throw_away(stream, &total_bytes))
		return fail("receive");
	if (send(stream, "k", 1, MSG_NOSIGNAL) != 1)
		return fail("confirm");
	printf("%" PRIu64 "\n", total_bytes);
	return 0;
}

static int send_all(const struct sockaddr_in *address, const char *path, uint64_t bytes_max)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	int file = open(path, O_RDONLY | O_CLOEXEC);
	int stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	double start_s = now_s();
	uint64_t sent_bytes = 0;
	struct stat about;
	char answer;

	if (file < 0 || fstat(file, &about) != 0)
		return fail(path);
	if (bytes_max > (uint64_t)about.st_size)
		bytes_max = (uint64_t)about.st_size;
	if (stream < 0 ||
		setsockopt(stream, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0 ||
		setsockopt(stream, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
		connect(stream, (const struct sockaddr *)address, sizeof(*address)) != 0)
		return fail("connect");
	while (sent_bytes < bytes_max) {
		ssize_t moved_bytes = sendfile(stream, file, NULL, bytes_max - sent_bytes);

		if (moved_bytes <= 0)
			return fail("send");
		sent_bytes += (uint64_t)moved_bytes;
	}
	if (shutdown(stream, SHUT_WR) != 0 || recv(stream, &answer, 1, 0) != 1)
		return fail("confirmation");
	printf("%.4f\n", now_s() - start_s);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address;

	if (argc == 4 && strcmp(argv[1], "receive") == 0 &&
		parse_address(argv[2], argv[3], &address))
		return receive_all(&address, NULL);
	if (argc == 5 && strcmp(argv[1], "store") == 0 && parse_address(argv[2], argv[3], &address))
		return receive_all(&address, argv[4]);
	if (argc == 6 && strcmp(argv[1], "send") == 0 && parse_address(argv[2], argv[3], &address))
		return send_all(&address, argv[4], strtoull(argv[5], NULL, 10));
	fprintf(stderr, "usage: plain_copy receive ADDRESS PORT | store ADDRESS PORT TARGET | send "
			"ADDRESS PORT FILE MAX\n");
	return 2;
}
