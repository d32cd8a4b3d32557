/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much one address may ask for: a rate with a burst of two seconds' worth, in a table of fixed
 * size. Pure; memory is given, time is an argument in microseconds that must not go backwards. The
 * addresses of an IPv6 /64 are one.
 *
 * An address hashes (keyed) to a set of four entries. When more than four busy ones meet there, the
 * least busy is forgotten and may begin anew: under a flood from many addresses the limit becomes
 * weaker, but nobody is refused for what others did.
 */
#ifndef TRACKER_LIMITS_CORE_H
#define TRACKER_LIMITS_CORE_H

#include "tracker/keyed_hash.h"

#define LIMITS_PER_S_MAX 1000000

struct limits_entry {
	uint64_t paid_until_us; /* what was taken so far is worth time up to here */
	uint64_t tag;		/* of the address; 0: free */
};

struct limits {
	struct limits_entry *entries;
	uint64_t sets_count; /* a power of two */
	uint64_t step_us;    /* what a unit costs */
	uint64_t burst_us;
	uint64_t key;
};

/* memory: limits_bytes() of zeros, which must outlive the limits. sets_count is a power of two;
 * per_s: 1 to LIMITS_PER_S_MAX units a second for each address. key: unpredictable to clients. */
size_t limits_bytes(uint64_t sets_count);
void limits_init(
	struct limits *limits, void *memory, uint64_t sets_count, uint32_t per_s, uint64_t key);

/* The address as limits_take wants it; begins to fetch what is known of it from memory. */
uint64_t limits_look(const struct limits *limits, const uint8_t ip[static 16]);

/* Another rate from now on; what was taken stays taken. */
void limits_set_rate(struct limits *limits, uint32_t per_s);

/* Takes so many units for this address; false, and nothing is taken, when it has had its share. The
 * first is never too large, however many units it wants. */
MUST_USE bool limits_take(struct limits *limits, uint64_t now_us, uint64_t address, uint32_t units);

#endif
