/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many queries are answered: of one address BURST at once and RATE_PER_S in the long run, of
 * all together ALL_*. The table of addresses is small; who is pushed out of it begins anew, which
 * is what the limit over all is for.
 */
#include "dht/state.h"

#define BURST	       256
#define RATE_PER_S     100
#define ALL_BURST      2000
#define ALL_RATE_PER_S 1000
#define WAYS	       4

/* An allowance that fills again: full_ns is when it will be whole. */
static bool take(uint64_t *full_ns, uint64_t now_ns, uint64_t burst, uint64_t rate_per_s)
{
	uint64_t step_ns = NS_PER_S / rate_per_s;
	uint64_t full = u64_max(*full_ns, now_ns);

	if (full + step_ns - now_ns > burst * step_ns)
		return false;
	*full_ns = full + step_ns;
	return true;
}

bool limits_allow(struct dht_limits *limits, uint64_t now_ns, const struct peer_address *address)
{
	uint64_t tag = hash_ip(limits->salt, address) | 1;
	struct dht_limited *set = &limits->addresses[(tag >> 32) % (LIMITED_MAX / WAYS) * WAYS];
	struct dht_limited *entry = &set[0];

	for (uint32_t i = 0; i < WAYS; i++) {
		if (set[i].tag == tag) {
			entry = &set[i];
			break;
		}
		/* Who has used least of its allowance is missed least. */
		if (set[i].full_ns < entry->full_ns)
			entry = &set[i];
	}
	if (entry->tag != tag)
		*entry = (struct dht_limited){.tag = tag};
	return take(&entry->full_ns, now_ns, BURST, RATE_PER_S) &&
	       take(&limits->all_full_ns, now_ns, ALL_BURST, ALL_RATE_PER_S);
}
