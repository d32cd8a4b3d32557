/* SPDX-License-Identifier: Apache-2.0 */
/* `swarmboot tracker status`: asks a running tracker for its view, and shows it. */
#include "tracker/status.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "lib/cleanup.h"
#include "lib/digest.h"
#include "lib/units.h"

#define ADDRESS_DEFAULT	 "127.0.0.1:6968"
#define ANSWER_BYTES_MAX (64 * MIB)
#define WAIT_MS_MAX	 10000
#define REQUEST_MAX	 256

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / (long)NS_PER_MS;
}

/* Waits until the socket is ready; false when the time is up. */
static bool wait_for(int fd, short what, int64_t until_ms)
{
	struct pollfd polled = {.fd = fd, .events = what};
	int64_t left_ms = until_ms - now_ms();
	int ready;

	do
		ready = poll(&polled, 1, left_ms > 0 ? (int)left_ms : 0);
	while (ready < 0 && errno == EINTR && (left_ms = until_ms - now_ms()) > 0);
	errno = ready == 0 ? ETIMEDOUT : errno;
	return ready > 0;
}

static int connect_to(const char *text, int64_t until_ms, struct failure *failure)
{
	struct sockaddr_storage address;
	unsigned address_bytes;
	int error = 0;
	socklen_t error_bytes = sizeof(error);

	if (!address_parse(text, &address, &address_bytes, failure))
		return -1;
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		failure_errno(failure, ERROR_SYSTEM, "cannot make a socket");
		return -1;
	}
	if (connect(fd, (const struct sockaddr *)&address, address_bytes) == 0)
		return fd;
	if (errno == EINPROGRESS && wait_for(fd, POLLOUT, until_ms) &&
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_bytes) == 0) {
		if (error == 0)
			return fd;
		errno = error;
	}
	failure_errno(failure, ERROR_SERVER,
		"no tracker shows its status on %s (see --status-listen of swarmboot tracker)",
		text);
	close(fd);
	return -1;
}

/* Everything until the other side closes, NUL at its end, on the heap; NULL with errno. */
static char *receive_all(int fd, int64_t until_ms)
{
	size_t capacity = 64 * KIB;
	size_t used = 0;
	char *bytes = malloc(capacity);

	while (bytes != NULL) {
		if (used + 1 == capacity) {
			char *larger =
				capacity < ANSWER_BYTES_MAX ? realloc(bytes, 2 * capacity) : NULL;

			if (larger == NULL) {
				errno = EMSGSIZE;
				break;
			}
			bytes = larger;
			capacity *= 2;
		}
		ssize_t got = recv(fd, bytes + used, capacity - 1 - used, 0);
		if (got == 0) {
			bytes[used] = '\0';
			return bytes;
		}
		if (got > 0)
			used += (size_t)got;
		else if (errno != EINTR && ((errno != EAGAIN && errno != EWOULDBLOCK) ||
						   !wait_for(fd, POLLIN, until_ms)))
			break;
	}
	free(bytes);
	return NULL;
}

static json_t *ask(const char *address, const char *infohash, struct failure *failure)
{
	int64_t until_ms = now_ms() + WAIT_MS_MAX;
	char request[REQUEST_MAX];
	SCOPED(fd) int fd = connect_to(address, until_ms, failure);

	if (fd < 0)
		return NULL;
	/* HTTP/1.0: the body ends with the connection. */
	int bytes = snprintf(request, sizeof(request), "GET /swarms%s%s HTTP/1.0\r\n\r\n",
		infohash != NULL ? "?infohash=" : "", infohash != NULL ? infohash : "");
	SCOPED(free) char *answer = NULL;
	/* A new connection's buffer takes so few bytes. */
	if (send(fd, request, (size_t)bytes, MSG_NOSIGNAL) == bytes)
		answer = receive_all(fd, until_ms);
	if (answer == NULL) {
		failure_errno(failure, ERROR_SERVER, "the tracker at %s did not answer", address);
		return NULL;
	}
	const char *body = strstr(answer, "\r\n\r\n");
	const char *code = strchr(answer, ' ');
	json_t *view = strncmp(answer, "HTTP/1.", 7) == 0 && body != NULL && code != NULL &&
				       strncmp(code, " 200 ", 5) == 0
			       ? json_loads(body + 4, 0, NULL)
			       : NULL;
	if (json_is_object(view))
		return view;
	json_decref(view);
	failure_set(failure, ERROR_FORMAT, "what answers at %s is no tracker's status", address);
	return NULL;
}

static unsigned long long number(const json_t *object, const char *name)
{
	return (unsigned long long)json_integer_value(json_object_get(object, name));
}

static unsigned long long sum(const json_t *object)
{
	unsigned long long total = 0;
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, name, value) total +=
		(unsigned long long)json_integer_value(value);
	return total;
}

static void print_totals(const json_t *tracker)
{
	char uptime[UNITS_TEXT_MAX];
	const json_t *refusals = json_object_get(tracker, "refusals");
	const char *name;
	json_t *value;

	printf("up %s, interval %llu s\n", duration_format(uptime, number(tracker, "uptime_s")),
		number(tracker, "interval_s"));
	printf("%llu of %llu peers, %llu of %llu swarms\n", number(tracker, "peers"),
		number(tracker, "peers_max"), number(tracker, "swarms"),
		number(tracker, "swarms_max"));
	printf("announces: %llu over HTTP, %llu over UDP; scrapes: %llu\n",
		number(json_object_get(tracker, "announces"), "http"),
		number(json_object_get(tracker, "announces"), "udp"),
		sum(json_object_get(tracker, "scrapes")));
	printf("refused: %llu", sum(refusals));
	json_object_foreach(
		(json_t *)(uintptr_t)refusals, name, value) if (json_integer_value(value) > 0)
		printf(" %s=%lld", name, (long long)json_integer_value(value));
	putchar('\n');
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

/* "member 10.0.0.2:6970: live, 12 peers, 0 batches behind" */
static void print_member(const json_t *member)
{
	bool live = json_is_true(json_object_get(member, "live"));
	char silent[UNITS_TEXT_MAX];

	printf("member %s: ", text_of(member, "address"));
	if (!json_is_true(json_object_get(member, "met"))) {
		puts("not heard since this tracker started");
		return;
	}
	if (live)
		printf("live, %llu peers", number(member, "peers"));
	else
		printf("not heard for %s, %llu peers then",
			duration_format(silent, number(member, "silent_ms") / 1000),
			number(member, "peers"));
	if (number(member, "behind_batches") > 0)
		printf("; %llu batches of what was announced to it are not here",
			number(member, "behind_batches"));
	putchar('\n');
}

static void print_cluster(const json_t *cluster)
{
	const json_t *catching_up = json_object_get(cluster, "catching_up");
	const json_t *members = json_object_get(cluster, "members");
	size_t i;
	json_t *member;

	json_array_foreach(members, i, member) print_member(member);
	if (json_is_object(catching_up)) {
		printf("catching up from %s: %llu peers came in %llu ms",
			text_of(catching_up, "from"), number(catching_up, "records"),
			number(catching_up, "running_ms"));
		json_array_foreach(
			members, i, member) if (strcmp(text_of(member, "address"),
							text_of(catching_up, "from")) == 0)
			printf(", of %llu", number(member, "peers"));
		putchar('\n');
	}
	if (number(cluster, "dropped_forged") > 0)
		printf("dropped: %llu datagrams that were made with another key, or none\n",
			number(cluster, "dropped_forged"));
}

static void print_row(const char *infohash, const char *site, const char *rack, const json_t *row)
{
	printf("%-40s  %-12s  %-12s  %8llu  %8llu  %8llu\n", infohash, site[0] != '\0' ? site : "-",
		rack[0] != '\0' ? rack : "-", number(row, "seeders"), number(row, "leechers"),
		number(row, "paused"));
}

static void print_swarms(const json_t *view)
{
	size_t i;
	size_t j;
	size_t k;
	json_t *swarm;
	json_t *site;
	json_t *rack;

	if (json_array_size(json_object_get(view, "swarms")) == 0)
		return;
	printf("\n%-40s  %-12s  %-12s  %8s  %8s  %8s\n", "infohash", "site", "rack", "seeders",
		"leechers", "paused");
	json_array_foreach(json_object_get(view, "swarms"), i, swarm)
	{
		const char *infohash = text_of(swarm, "infohash");

		if (json_array_size(json_object_get(swarm, "sites")) == 0)
			print_row(infohash, "", "", swarm);
		json_array_foreach(json_object_get(swarm, "sites"), j, site)
			json_array_foreach(json_object_get(site, "racks"), k, rack)
		{
			print_row(infohash, text_of(site, "site"), text_of(rack, "rack"), rack);
			infohash = "";
		}
	}
	if (number(view, "swarms_omitted") > 0)
		printf("and %llu more swarms; --infohash shows one\n",
			number(view, "swarms_omitted"));
}

static bool show(const char *address, const char *infohash, bool as_json, struct failure *failure)
{
	json_t *view = ask(address, infohash, failure);

	if (view == NULL)
		return false;
	if (as_json) {
		json_dumpf(view, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print_totals(json_object_get(view, "tracker"));
		print_cluster(json_object_get(view, "cluster"));
		print_swarms(view);
	}
	bool known = infohash == NULL || json_array_size(json_object_get(view, "swarms")) > 0;

	json_decref(view);
	if (fflush(stdout) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot write to standard output");
	return known || failure_set(failure, ERROR_NOT_FOUND, "it knows no swarm %s", infohash);
}

int status_command(int argc, char **argv)
{
	const char *address = ADDRESS_DEFAULT;
	const char *infohash = NULL;
	bool as_json = false;
	uint8_t bytes[SHA1_BYTES];
	size_t operands_count;
	struct failure failure = {0};
	const struct option_description options[] = {
		{"address", OPTION_TEXT, &address, "ADDR:PORT",
			"the tracker's --status-listen (default " ADDRESS_DEFAULT ")"},
		{"infohash", OPTION_TEXT, &infohash, "HEX", "only this swarm"},
		{"json", OPTION_FLAG, &as_json, NULL, "as JSON (docs/tracker.md)"}, {0}};
	const struct command_description description = {
		.usage = "swarmboot tracker status [--json] [option...]",
		.about = "Shows what a running tracker does, and who is in which swarm, by site "
			 "and rack.",
		.options = options};

	switch (command_parse(&description, argc, argv, NULL, &operands_count)) {
	case PARSE_HELP:
		return EXIT_OK;
	case PARSE_WRONG:
		return EXIT_USAGE;
	case PARSE_OK:
		break;
	}
	if (infohash != NULL && !hex_read(bytes, sizeof(bytes), infohash))
		failure_set(&failure, ERROR_USAGE, "--infohash is 40 hex digits");
	else if (show(address, infohash, as_json, &failure))
		return EXIT_OK;
	return command_fail("tracker status", &failure);
}
