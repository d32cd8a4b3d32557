/* SPDX-License-Identifier: Apache-2.0 */
/* `swarmboot tracker`: a tracker of its own, in the foreground, until SIGTERM or SIGINT. */
#include "tracker/tracker.h"

#include "cli/command.h"
#include "cli/commands.h"
#include "lib/cleanup.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define INFOHASH_HEX_BYTES (2 * SHA1_BYTES)
#define SWARMS_MAX	   65536

struct tracker_options {
	struct option_texts listen;
	struct option_texts udp;
	uint64_t interval_s;
	uint64_t peers_max;
	const char *allow_path;
};

static void print_listener(const char *scheme, const struct sockaddr_storage *address)
{
	char ip[INET6_ADDRSTRLEN] = "";
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

	if (address->ss_family == AF_INET6)
		printf("listening on %s://[%s]:%u/announce\n", scheme,
			inet_ntop(AF_INET6, &v6->sin6_addr, ip, sizeof(ip)), ntohs(v6->sin6_port));
	else
		printf("listening on %s://%s:%u/announce\n", scheme,
			inet_ntop(AF_INET, &v4->sin_addr, ip, sizeof(ip)), ntohs(v4->sin_port));
}

static bool listen_one(struct tracker *tracker, bool http, struct sockaddr_storage *address,
	struct failure *failure)
{
	if (!(http ? tracker_listen_http(tracker, address, failure)
		   : tracker_listen_udp(tracker, address, failure)))
		return false;
	print_listener(http ? "http" : "udp", address);
	return true;
}

/* Without --udp, UDP uses the addresses and ports of HTTP. */
static bool listen_all(
	struct tracker *tracker, const struct tracker_options *options, struct failure *failure)
{
	struct sockaddr_storage address;
	unsigned address_bytes;

	for (size_t i = 0; i < options->listen.count; i++) {
		if (!address_parse(options->listen.texts[i], &address, &address_bytes, failure) ||
			!listen_one(tracker, true, &address, failure) ||
			(options->udp.count == 0 && !listen_one(tracker, false, &address, failure)))
			return false;
	}
	for (size_t i = 0; i < options->udp.count; i++)
		if (!address_parse(options->udp.texts[i], &address, &address_bytes, failure) ||
			!listen_one(tracker, false, &address, failure))
			return false;
	return true;
}

/* One infohash a line in hex; empty lines and lines that start with # are skipped. Counts only when
 * tracker is NULL. */
static bool allow_file(
	struct tracker *tracker, const char *path, size_t *count, struct failure *failure)
{
	SCOPED(file) FILE *file = fopen(path, "re");
	char line[256];
	uint8_t infohash[SHA1_BYTES];

	if (file == NULL)
		return failure_errno(failure, ERROR_SYSTEM, "cannot read %s", path);
	*count = 0;
	for (size_t number = 1; fgets(line, sizeof(line), file) != NULL; number++) {
		line[strcspn(line, " \t\r\n#")] = '\0';
		if (line[0] == '\0')
			continue;
		if (!hex_read(infohash, sizeof(infohash), line))
			return failure_set(failure, ERROR_FORMAT,
				"%s, line %zu: not an infohash of %d hex digits", path, number,
				INFOHASH_HEX_BYTES);
		if (++*count > SWARMS_MAX)
			return failure_set(failure, ERROR_LIMIT, "%s has more than %d infohashes",
				path, SWARMS_MAX);
		if (tracker != NULL && !tracker_allow(tracker, infohash))
			return failure_set(failure, ERROR_LIMIT, "no room for %s", line);
	}
	if (ferror(file))
		return failure_errno(failure, ERROR_SYSTEM, "cannot read %s", path);
	return true;
}

static void stop(evutil_socket_t signal_number, short events, void *context)
{
	(void)signal_number;
	(void)events;
	event_base_loopbreak(context);
}

static bool run(struct event_base *base, struct failure *failure)
{
	struct event *terminate = evsignal_new(base, SIGTERM, stop, base);
	struct event *interrupt = evsignal_new(base, SIGINT, stop, base);
	bool ran = terminate != NULL && interrupt != NULL && event_add(terminate, NULL) == 0 &&
		   event_add(interrupt, NULL) == 0;

	if (ran)
		ran = fflush(stdout) == 0 && event_base_dispatch(base) >= 0;
	if (!ran)
		failure_set(failure, ERROR_SYSTEM, "the event loop failed");
	if (terminate != NULL)
		event_free(terminate);
	if (interrupt != NULL)
		event_free(interrupt);
	return ran;
}

static bool serve(const struct tracker_options *options, struct failure *failure)
{
	size_t allowed = 0;
	struct tracker_settings settings = {.interval_s = (uint32_t)options->interval_s,
		.peers_max = (uint32_t)options->peers_max,
		.allow_only = options->allow_path != NULL};

	if (settings.allow_only && !allow_file(NULL, options->allow_path, &allowed, failure))
		return false;
	settings.swarms_max = allowed > 0 ? (uint32_t)allowed : 0;
	struct event_base *base = event_base_new();
	if (base == NULL)
		return failure_set(failure, ERROR_SYSTEM, "cannot make an event loop");
	struct tracker *tracker = tracker_create(base, &settings, failure);
	bool served = tracker != NULL &&
		      (!settings.allow_only ||
			      allow_file(tracker, options->allow_path, &allowed, failure)) &&
		      listen_all(tracker, options, failure) && run(base, failure);
	tracker_destroy(tracker);
	event_base_free(base);
	return served;
}

/* Every HTTP announce is a connection: take all the descriptors that we may have. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			perror("swarmboot tracker: raising the limit of open files");
	}
}

int tracker_main(int argc, char **argv)
{
	struct tracker_options options = {.interval_s = 5, .peers_max = 65536};
	struct failure failure = {0};
	const char *operands[1];
	size_t operands_count = 0;
	const struct option_description descriptions[] = {
		{"listen", OPTION_TEXTS, &options.listen, "ADDR:PORT",
			"where to serve HTTP; [::] or no address takes IPv4 and IPv6; may be "
			"repeated (default :6969)"},
		{"udp", OPTION_TEXTS, &options.udp, "ADDR:PORT",
			"where to serve UDP; may be repeated (default: as HTTP)"},
		{"interval", OPTION_DURATION, &options.interval_s, "TIME",
			"announce interval (default 5s)"},
		{"allow", OPTION_TEXT, &options.allow_path, "FILE",
			"serve only the infohashes in FILE, one a line in hex"},
		{"peers-max", OPTION_COUNT, &options.peers_max, "N",
			"remember at most N peers (default 65536)"},
		{0}};
	const struct command_description description = {
		.usage = "swarmboot tracker [--listen ADDR:PORT] [option...]",
		.about =
			"Tells BitTorrent clients of each other, over HTTP and UDP, until SIGTERM.",
		.options = descriptions};

	switch (command_parse(&description, argc, argv, operands, &operands_count)) {
	case PARSE_HELP:
		return EXIT_OK;
	case PARSE_WRONG:
		return EXIT_USAGE;
	case PARSE_OK:
		break;
	}
	if (options.listen.count == 0)
		options.listen.texts[options.listen.count++] = ":6969";
	if (options.interval_s < 1 || options.interval_s > 1800 || options.peers_max < 1 ||
		options.peers_max > 100000000) {
		failure_set(&failure, ERROR_USAGE,
			"--interval must be 1s to 30m, --peers-max 1 to 100000000");
		return command_fail("tracker", &failure);
	}
	raise_descriptor_limit();
	return serve(&options, &failure) ? EXIT_OK : command_fail("tracker", &failure);
}
