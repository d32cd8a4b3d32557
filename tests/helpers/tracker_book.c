/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer costs the tracker's core: memory, as it is resident and as it was taken, and CPU time
 * of an announce that is answered with 50 peers. A line for each case; every peer has a rack and a
 * site, and records for other trackers are kept.
 */
#include "lib/rng.h"
#include "tracker/tracker_core.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define HUGE_PAGE_BYTES ((size_t)2 << 20)

enum { SITES = 4, RACKS = 1000, RACK_PEERS = 40, ROUNDS = 400000 };

struct book_case {
	const char *name;
	uint32_t peers_count;
	uint32_t swarms_count;
	bool ipv6;
	bool places;
};

static char sites[SITES][16];
static char racks[RACKS][16];

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t resident_bytes(void)
{
	unsigned long long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file == NULL || fscanf(file, "%*u %llu", &pages) != 1) {
		fputs("tracker_book: cannot read /proc/self/statm\n", stderr);
		exit(EXIT_FAILURE);
	}
	fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Peer `number` of the case, one in a swarm after one in the next. */
static void announce(
	struct tracker_core *core, const struct book_case *given, uint32_t number, uint64_t now_ms)
{
	static struct announce_reply reply;
	struct peer_address address = {.ip = {0xfd}, .port = 6881};
	struct announce announce = {.left_bytes = 1 + number % 7, .port = 6881, .numwant = 50};
	uint8_t v4[4];

	be32_write(announce.infohash, number % given->swarms_count);
	be32_write(v4, UINT32_C(10) << 24 | number);
	if (given->ipv6)
		memcpy(address.ip + 4, v4, sizeof(v4)); /* a /64 each */
	else
		peer_address_from4(&address, v4, 6881);
	if (given->places) {
		uint32_t rack = number / given->swarms_count / RACK_PEERS % RACKS;

		memcpy(announce.site, sites[rack % SITES], sizeof(sites[0]));
		memcpy(announce.rack, racks[rack], sizeof(racks[0]));
	}
	tracker_core_announce(core, now_ms, &announce, address.ip, &reply);
	if (reply.failure[0] != '\0') {
		fprintf(stderr, "tracker_book: peer %u: %s\n", number, reply.failure);
		exit(EXIT_FAILURE);
	}
}

static void run(const struct book_case *given)
{
	struct tracker_core_settings settings = {.swarms_max = given->swarms_count,
		.peers_max = given->peers_count,
		.interval_s = 5,
		.places_max = 2048,
		.replicated = true,
		.seed = 1};
	size_t bytes = tracker_core_bytes(&settings);
	uint64_t before_bytes = resident_bytes();
	/* As tracker.c does it. */
	size_t rounded_bytes = u64_div_up(bytes, HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES;
	bool large = bytes >= 8 * HUGE_PAGE_BYTES;
	void *memory = large ? aligned_alloc(HUGE_PAGE_BYTES, rounded_bytes) : malloc(bytes);

	if (large && memory != NULL)
		(void)madvise(memory, rounded_bytes, MADV_HUGEPAGE);
	struct tracker_core *core =
		memory == NULL ? NULL : tracker_core_create(&settings, memory, bytes);
	struct rng rng;

	if (core == NULL) {
		fputs("tracker_book: no memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	for (uint32_t i = 0; i < given->peers_count; i++)
		announce(core, given, i, 1000);
	uint64_t filled_bytes = resident_bytes() - before_bytes;
	uint64_t begin_ns = cpu_ns();

	rng_seed(&rng, 1);
	for (uint32_t i = 0; i < ROUNDS; i++)
		announce(
			core, given, (uint32_t)rng_below(&rng, given->peers_count), 1000 + i / 100);
	uint64_t spent_ns = cpu_ns() - begin_ns;

	printf("%-44s %6" PRIu64 " B/peer resident %6" PRIu64 " B/peer taken %6" PRIu64
	       " ns/announce\n",
		given->name, u64_div_up(filled_bytes, given->peers_count),
		u64_div_up(bytes, given->peers_count), spent_ns / ROUNDS);
	free(memory);
}

int main(int argc, char **argv)
{
	static const struct book_case cases[] = {
		{"50,000 peers, 1 swarm, no places", 50000, 1, false, false},
		{"50,000 peers, 1 swarm, 4 sites of racks of 40", 50000, 1, false, true},
		{"1,000,000 peers, 1 swarm", 1000000, 1, false, true},
		{"1,000,000 peers, 1,000 swarms", 1000000, 1000, false, true},
		{"1,000,000 peers of IPv6, 1 swarm", 1000000, 1, true, true},
		{"1,000,000 peers of IPv6, 1,000 swarms", 1000000, 1000, true, true},
	};

	if (argc != 1) {
		fprintf(stderr, "usage: %s    prints what a peer costs the tracker\n", argv[0]);
		return 2;
	}
	for (uint32_t i = 0; i < SITES; i++)
		snprintf(sites[i], sizeof(sites[i]), "site%u", i);
	for (uint32_t i = 0; i < RACKS; i++)
		snprintf(racks[i], sizeof(racks[i]), "rack%u", i);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		run(&cases[i]);
	return EXIT_SUCCESS;
}
