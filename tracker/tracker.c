/* SPDX-License-Identifier: Apache-2.0 */
/* The tracker's life on the loop. */
#include "tracker/tracker_private.h"

#include "runtime/crypto.h"
#include "runtime/socket.h"
#include "tracker/cluster.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PEERS_MAX_DEFAULT		    65536
#define SWARMS_MAX_DEFAULT		    1024
#define CONNECTIONS_MAX_DEFAULT		    4096
#define CONNECTIONS_PER_ADDRESS_MAX_DEFAULT 512
#define REQUESTS_PER_S_MAX_DEFAULT	    1000
#define ADDRESSES_MAX			    16384
#define SUBNETS_MAX			    1024
#define HUGE_PAGE_BYTES			    ((size_t)2 << 20)
#define LARGE_CORE_BYTES		    (8 * HUGE_PAGE_BYTES)
#define LIMIT_SETS			    (UINT64_C(1) << 14) /* 65,536 addresses, 1 MiB */
#define CACHE_LINE_BYTES		    64
#define ANNOUNCE_BODY_BYTES_MAX		    (32 * KIB) /* 200 peers in dictionary form */
#define SCRAPE_ENTRY_BYTES_MAX		    96
#define LISTEN_BACKLOG			    1024

uint64_t tracker_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

bool tracker_peer_ip(const struct sockaddr_storage *address, uint8_t ip[static 16])
{
	struct peer_address mapped = {0};

	if (address->ss_family == AF_INET6) {
		memcpy(ip, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
		return true;
	}
	if (address->ss_family != AF_INET)
		return false;
	peer_address_from4(
		&mapped, (const uint8_t *)&((const struct sockaddr_in *)address)->sin_addr, 0);
	memcpy(ip, mapped.ip, 16);
	return true;
}

static bool is_any6(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET6 &&
	       IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

/* With errno of what failed. */
static void say_unbound(const struct sockaddr_storage *address, int type, struct failure *failure)
{
	struct peer_address named;
	char text[SOCKET_TEXT_MAX] = "?";
	int code = errno;
	const char *way_out = code == EADDRINUSE ? " (ss -lntup says who does)"
			      : code == EADDRNOTAVAIL
				      ? " (ip address says which are this machine's)"
			      : code == EACCES ? " (ports below 1024 take CAP_NET_BIND_SERVICE)"
					       : "";

	if (socket_address_from_sockaddr(&named, (const struct sockaddr *)address))
		socket_address_text(text, &named);
	errno = code;
	failure_errno(failure, ERROR_SYSTEM, "cannot listen on %s over %s%s", text,
		type == SOCK_STREAM ? "TCP" : "UDP", way_out);
}

int tracker_bind(struct sockaddr_storage *address, int type, struct failure *failure)
{
	int on = 1;
	int off = 0;
	int flags = type | SOCK_NONBLOCK | SOCK_CLOEXEC;
	socklen_t bytes = sizeof(*address);
	int fd = socket(address->ss_family, flags, 0);

	if (fd < 0 && errno == EAFNOSUPPORT && is_any6(address)) {
		/* A kernel without IPv6: any address means any IPv4 address. */
		struct sockaddr_in any4 = {.sin_family = AF_INET,
			.sin_port = ((struct sockaddr_in6 *)address)->sin6_port};

		memcpy(address, &any4, sizeof(any4));
		fd = socket(AF_INET, flags, 0);
	}
	bytes = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					       : sizeof(struct sockaddr_in);
	if (fd >= 0 &&
		(!is_any6(address) ||
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0) &&
		(type != SOCK_STREAM ||
			setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0) &&
		bind(fd, (struct sockaddr *)address, bytes) == 0 &&
		(type != SOCK_STREAM || listen(fd, LISTEN_BACKLOG) == 0) &&
		getsockname(fd, (struct sockaddr *)address, &bytes) == 0)
		return fd;
	say_unbound(address, type, failure);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Life. */

static void tick(evutil_socket_t fd, short events, void *context)
{
	struct tracker *tracker = context;

	(void)fd;
	(void)events;
	tracker_core_expire(tracker->core, tracker_now_us() / 1000);
	if (tracker->http != NULL)
		tracker_http_tick(tracker->http);
}

/* With hundreds of thousands of peers half of an announce's time is the processor's search for
 * pages: fewer, larger ones then, if there are any. */
static void *core_memory(size_t bytes)
{
	if (bytes < LARGE_CORE_BYTES)
		return malloc(bytes);
	size_t rounded_bytes = u64_div_up(bytes, HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES;
	void *memory = aligned_alloc(HUGE_PAGE_BYTES, rounded_bytes);

	if (memory != NULL)
		(void)madvise(memory, rounded_bytes, MADV_HUGEPAGE);
	return memory;
}

static bool core_create(struct tracker *tracker, const struct tracker_settings *settings)
{
	struct tracker_core_settings core = {
		.swarms_max = settings->swarms_max ? settings->swarms_max : SWARMS_MAX_DEFAULT,
		.peers_max = settings->peers_max ? settings->peers_max : PEERS_MAX_DEFAULT,
		.interval_s =
			settings->interval_s ? settings->interval_s : TRACKER_INTERVAL_S_DEFAULT,
		.addresses_max = ADDRESSES_MAX,
		.subnets_max = SUBNETS_MAX,
		.share_percent = settings->share_percent,
		.allow_only = settings->allow_only,
		.replicated = settings->replicated};
	size_t core_bytes = tracker_core_bytes(&core);
	void *memory = core_bytes > 0 ? core_memory(core_bytes) : NULL;

	if (memory == NULL)
		return false;
	tracker->peers_max = core.peers_max;
	tracker->swarms_max = core.swarms_max;
	crypto_random(&core.seed, sizeof(core.seed));
	tracker->core = tracker_core_create(&core, memory, core_bytes);
	if (tracker->core == NULL)
		free(memory);
	/* Pages that no answer needs are never touched. */
	tracker->entries_max = u64_max(core.swarms_max, SCRAPE_HASHES_MAX);
	tracker->entries = malloc(tracker->entries_max * sizeof(*tracker->entries));
	tracker->body_bytes_max = u64_max(
		ANNOUNCE_BODY_BYTES_MAX, 64 + tracker->entries_max * SCRAPE_ENTRY_BYTES_MAX);
	tracker->body = malloc(TRACKER_HEAD_BYTES_MAX + tracker->body_bytes_max);
	return tracker->core != NULL && tracker->entries != NULL && tracker->body != NULL;
}

static bool limits_create(struct tracker *tracker, uint32_t requests_per_s_max)
{
	uint64_t key;
	void *memory;

	if (requests_per_s_max == TRACKER_NO_LIMIT)
		return true;
	memory = aligned_alloc(CACHE_LINE_BYTES, limits_bytes(LIMIT_SETS));
	if (memory == NULL)
		return false;
	memset(memory, 0, limits_bytes(LIMIT_SETS));
	crypto_random(&key, sizeof(key));
	limits_init(&tracker->limits, memory, LIMIT_SETS, REQUESTS_PER_S_MAX_DEFAULT, key);
	return true;
}

void tracker_set_limits(struct tracker *tracker, const struct tracker_settings *settings)
{
	uint32_t per_s = settings->requests_per_s_max ? settings->requests_per_s_max
						      : REQUESTS_PER_S_MAX_DEFAULT;

	tracker->connections_per_address_max = settings->connections_per_address_max
						       ? settings->connections_per_address_max
						       : CONNECTIONS_PER_ADDRESS_MAX_DEFAULT;
	if (tracker->limits.entries != NULL)
		limits_set_rate(&tracker->limits, (uint32_t)u64_min(per_s, LIMITS_PER_S_MAX));
}

struct tracker *tracker_create(
	struct event_base *base, const struct tracker_settings *settings, struct failure *failure)
{
	struct timeval second = {.tv_sec = 1};
	struct tracker *tracker = calloc(1, sizeof(*tracker));

	if (tracker == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for a tracker");
		return NULL;
	}
	tracker->base = base;
	tracker->created_s = tracker_now_us() / 1000000;
	tracker->connections_max =
		settings->connections_max ? settings->connections_max : CONNECTIONS_MAX_DEFAULT;
	crypto_random(tracker->secret, sizeof(tracker->secret));
	if (!core_create(tracker, settings) ||
		!limits_create(tracker, settings->requests_per_s_max)) {
		failure_set(failure, ERROR_MEMORY, "no memory for a tracker of %u peers",
			settings->peers_max ? settings->peers_max : PEERS_MAX_DEFAULT);
		return tracker_destroy(tracker);
	}
	tracker_set_limits(tracker, settings);
	tracker->tick = event_new(base, -1, EV_PERSIST, tick, tracker);
	if (tracker->tick == NULL || event_add(tracker->tick, &second) != 0) {
		failure_set(failure, ERROR_MEMORY, "cannot start the tracker");
		return tracker_destroy(tracker);
	}
	return tracker;
}

struct tracker *tracker_destroy(struct tracker *tracker)
{
	if (tracker == NULL)
		return NULL;
	tracker->cluster = cluster_destroy(tracker->cluster);
	if (tracker->tick != NULL)
		event_free(tracker->tick);
	tracker_http_destroy(tracker->http);
	tracker_udp_destroy(tracker);
	free(tracker->limits.entries);
	free(tracker->entries);
	free(tracker->body);
	free(tracker->core);
	free(tracker);
	return NULL;
}

void tracker_stop(struct tracker *tracker)
{
	if (tracker->http != NULL)
		tracker_http_stop_listening(tracker->http);
}

bool tracker_allow(struct tracker *tracker, const uint8_t infohash[SHA1_BYTES])
{
	return tracker_core_allow(tracker->core, infohash);
}

void tracker_disallow(struct tracker *tracker, const uint8_t infohash[SHA1_BYTES])
{
	tracker_core_disallow(tracker->core, infohash);
}

uint32_t tracker_name_peers(struct tracker *tracker, const uint8_t infohash[SHA1_BYTES],
	const uint8_t ip[16], struct peer_address *peers, uint32_t peers_max)
{
	/* Without a port it is answered, not recorded. */
	struct announce announce = {.left_bytes = UINT64_MAX, .numwant = peers_max};
	struct announce_reply *reply = &tracker->reply;

	memcpy(announce.infohash, infohash, SHA1_BYTES);
	tracker_core_announce(tracker->core, tracker_now_us() / 1000, &announce, ip, reply);
	uint32_t count = (uint32_t)u64_min(reply->peers_count, peers_max);

	memcpy(peers, reply->peers, count * sizeof(peers[0]));
	return count;
}

bool tracker_place_address(
	struct tracker *tracker, const uint8_t ip[16], const char *site, const char *rack)
{
	return tracker_core_place_address(tracker->core, ip, site, rack);
}

bool tracker_place_subnet(struct tracker *tracker, const uint8_t ip[16], uint32_t prefix_bits,
	const char *site, const char *rack)
{
	return tracker_core_place_subnet(tracker->core, ip, prefix_bits, site, rack);
}

void tracker_forget_subnets(struct tracker *tracker)
{
	tracker_core_forget_subnets(tracker->core);
}
