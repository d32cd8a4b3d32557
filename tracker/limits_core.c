/* SPDX-License-Identifier: Apache-2.0 */
/* Rates per address: one number an address, the time up to which it has had its share. */
#include "tracker/limits_core.h"

#define WAYS	 4
#define BURST_S	 2
#define US_PER_S UINT64_C(1000000)

size_t limits_bytes(uint64_t sets_count)
{
	return (size_t)sets_count * WAYS * sizeof(struct limits_entry);
}

void limits_init(
	struct limits *limits, void *memory, uint64_t sets_count, uint32_t per_s, uint64_t key)
{
	*limits = (struct limits){.entries = memory,
		.sets_count = sets_count,
		.burst_us = BURST_S * US_PER_S,
		.key = key};
	limits_set_rate(limits, per_s);
}

void limits_set_rate(struct limits *limits, uint32_t per_s)
{
	limits->step_us = US_PER_S / per_s;
}

/* The entry of this tag, or the one that has been idle longest. */
static struct limits_entry *find(struct limits_entry *set, uint64_t tag)
{
	struct limits_entry *idle = set;

	for (int i = 0; i < WAYS; i++) {
		if (set[i].tag == tag)
			return &set[i];
		if (set[i].paid_until_us < idle->paid_until_us)
			idle = &set[i];
	}
	*idle = (struct limits_entry){.tag = tag};
	return idle;
}

static struct limits_entry *set_of(const struct limits *limits, uint64_t address)
{
	return &limits->entries[WAYS * (address & (limits->sets_count - 1))];
}

uint64_t limits_look(const struct limits *limits, const uint8_t ip[static 16])
{
	uint64_t address = keyed_hash_owner(limits->key, ip);

	__builtin_prefetch(set_of(limits, address), 1);
	return address;
}

bool limits_take(struct limits *limits, uint64_t now_us, uint64_t address, uint32_t units)
{
	struct limits_entry *entry = find(set_of(limits, address), address | 1);
	uint64_t paid_until_us = u64_max(entry->paid_until_us, now_us);

	if (paid_until_us - now_us > limits->burst_us - limits->step_us)
		return false;
	entry->paid_until_us = paid_until_us + units * limits->step_us;
	return true;
}
