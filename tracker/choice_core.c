/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of choice_core.h, in numbers. */
#include "tracker/choice_core.h"

#define SHARE_OF_OTHERS	    8 /* one in so many may be of another site */
#define SHARE_OF_SEEDERS    4
#define SHARE_IF_FAR_BEHIND 2

struct choosing {
	const struct choice_asker *asker;
	const struct choice_counts *there;
	struct choice_counts *take;
	struct rng *rng;
	uint32_t others_left; /* that may still be of another site */
	uint32_t taken_count;
};

uint32_t choice_share(struct rng *rng, uint32_t whole, uint32_t part, uint32_t all)
{
	uint64_t product = (uint64_t)whole * part;

	return (uint32_t)(product / all) + (rng_below(rng, all) < product % all);
}

static uint32_t left_of(
	const struct choosing *choosing, enum choice_kind kind, enum choice_place place)
{
	return choosing->there->peers[kind][place] - choosing->take->peers[kind][place];
}

static void add(
	struct choosing *choosing, enum choice_kind kind, enum choice_place place, uint32_t count)
{
	choosing->take->peers[kind][place] += count;
	choosing->taken_count += count;
}

/* How many of `wanted` are of other sites. */
static uint32_t share_of_others(
	struct choosing *choosing, uint32_t wanted, uint32_t near, uint32_t others)
{
	if (others == 0 || wanted == 0)
		return 0;
	if (!choosing->asker->site_known) {
		uint32_t share = choice_share(choosing->rng, wanted, others, near + others);

		return (uint32_t)u64_min(others, u64_max(share, wanted - u64_min(wanted, near)));
	}
	uint32_t share = choice_share(choosing->rng, wanted, 1, SHARE_OF_OTHERS);

	return (uint32_t)u64_min(u64_min(share, others), choosing->others_left);
}

static void take_kind(struct choosing *choosing, enum choice_kind kind, uint32_t wanted)
{
	uint32_t rack = left_of(choosing, kind, CHOICE_RACK);
	uint32_t near = left_of(choosing, kind, CHOICE_NEAR);
	uint32_t others = share_of_others(
		choosing, wanted, rack + near, left_of(choosing, kind, CHOICE_OTHER));
	uint32_t here = wanted - others;
	uint32_t kept = (uint32_t)u64_min(near, u64_min(here / 2, CHOICE_NEAR_ENOUGH));

	rack = (uint32_t)u64_min(rack, here - kept);
	near = (uint32_t)u64_min(near, here - rack);
	add(choosing, kind, CHOICE_OTHER, others);
	add(choosing, kind, CHOICE_NEAR, near);
	add(choosing, kind, CHOICE_RACK, rack);
	choosing->others_left -= (uint32_t)u64_min(others, choosing->others_left);
}

static void take_all_kinds(struct choosing *choosing, uint32_t wanted)
{
	const struct choice_asker *asker = choosing->asker;
	uint32_t one_in = asker->far_behind ? SHARE_IF_FAR_BEHIND : SHARE_OF_SEEDERS;
	uint32_t end = choosing->taken_count + wanted;

	if (asker->fetches) {
		uint32_t uploaders = choosing->taken_count + (uint32_t)u64_div_up(wanted, one_in);

		take_kind(choosing, CHOICE_SEEDER, uploaders - choosing->taken_count);
		take_kind(choosing, CHOICE_PAUSED, uploaders - choosing->taken_count);
	}
	take_kind(choosing, CHOICE_LEECHER, end - choosing->taken_count);
	if (asker->fetches) {
		take_kind(choosing, CHOICE_SEEDER, end - choosing->taken_count);
		take_kind(choosing, CHOICE_PAUSED, end - choosing->taken_count);
	}
}

void choice_make(const struct choice_asker *asker, const struct choice_counts *there,
	struct rng *rng, struct choice_counts *take)
{
	struct choosing choosing = {.asker = asker, .there = there, .take = take, .rng = rng};
	uint64_t peers_count = 1;

	*take = (struct choice_counts){0};
	for (uint32_t kind = 0; kind < CHOICE_KINDS; kind++)
		for (uint32_t place = 0; place < CHOICE_PLACES; place++)
			peers_count += there->peers[kind][place];
	uint32_t least = choice_neighbours_min((uint32_t)u64_min(peers_count, UINT32_MAX));

	least = (uint32_t)u64_min(least, asker->numwant);
	choosing.others_left = asker->site_known
				       ? (uint32_t)u64_div_up(asker->numwant, SHARE_OF_OTHERS)
				       : UINT32_MAX;
	take_all_kinds(&choosing, asker->numwant);
	if (choosing.taken_count >= least)
		return;
	/* Its own site cannot give it enough: others may, as they come. */
	struct choice_asker stranger = *asker;

	stranger.site_known = false;
	choosing.asker = &stranger;
	choosing.others_left = UINT32_MAX;
	take_all_kinds(&choosing, least - choosing.taken_count);
}

uint32_t choice_neighbours_min(uint32_t peers_count)
{
	uint32_t bits = 32 - (uint32_t)__builtin_clz(peers_count | 1);

	/* ln n = 0.693 log2 n, and n < 2^bits. */
	return (bits * 7 + 9) / 10;
}

bool choice_far_behind(uint64_t left_bytes, uint64_t left_most_bytes)
{
	return left_bytes != UINT64_MAX && left_bytes >= left_most_bytes - left_most_bytes / 8;
}
