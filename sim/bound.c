/* SPDX-License-Identifier: Apache-2.0 */
/* The lower bound of a distribution. */
#include "sim/bound.h"

/* bytes * 1e9 / rate without overflow, up to exabytes. */
static uint64_t time_ns(uint64_t bytes, uint64_t bytes_per_s)
{
	if (bytes_per_s == 0)
		return 0;
	return bytes / bytes_per_s * NS_PER_S +
	       (uint64_t)((double)(bytes % bytes_per_s) * (double)NS_PER_S / (double)bytes_per_s);
}

static uint32_t floor_log2(uint64_t number)
{
	uint32_t log = 0;

	while (number >>= 1)
		log++;
	return log;
}

static void raise_part(struct bound *bound, enum bound_part part, uint64_t at_ns)
{
	bound->part_ns[part] = u64_max(bound->part_ns[part], at_ns);
}

/* Everything leaves a source once; then the last piece has to reach everybody. */
static void bound_source(const struct bound_case *given, struct bound *bound)
{
	uint64_t sources = 0;
	uint64_t receivers = 0;
	uint64_t reads = 0;
	uint64_t fastest = 0;
	bool limitless = false;
	bool reads_limitless = false;

	for (uint32_t i = 0; i < given->nodes_count; i++) {
		const struct bound_node *node = &given->nodes[i];

		receivers += node->bytes > 0;
		limitless |= node->up_bytes_per_s == 0;
		fastest = u64_max(fastest, node->up_bytes_per_s);
		if (!node->source)
			continue;
		sources += node->up_bytes_per_s;
		reads += node->disk_bytes_per_s;
		reads_limitless |= node->disk_bytes_per_s == 0;
	}
	if (receivers == 0 || limitless)
		return;
	raise_part(bound, BOUND_SOURCE,
		time_ns(given->fetch_bytes, sources) +
			floor_log2(receivers) *
				time_ns(u64_min(given->piece_bytes, given->fetch_bytes), fastest));
	if (!reads_limitless)
		raise_part(bound, BOUND_READ, time_ns(given->fetch_bytes, reads));
}

static void bound_node(
	const struct bound_case *given, const struct bound_node *node, struct bound *bound)
{
	raise_part(bound, BOUND_DOWNLINK,
		node->start_ns + time_ns(node->bytes, node->down_bytes_per_s));
	raise_part(bound, BOUND_DIGEST,
		node->start_ns + time_ns(node->bytes, node->digest_bytes_per_s));
	/* What it found on its disk it need not write either. */
	uint64_t found_bytes = given->fetch_bytes - u64_min(given->fetch_bytes, node->bytes);

	raise_part(bound, BOUND_DISK,
		node->start_ns +
			time_ns(given->write_bytes - u64_min(given->write_bytes, found_bytes),
				node->disk_bytes_per_s) +
			time_ns(given->zero_bytes, node->zeroes_bytes_per_s));
}

static void bound_uplinks(const struct bound_case *given, struct bound *bound)
{
	uint64_t up = 0;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < given->nodes_count; i++) {
		bytes += given->nodes[i].bytes;
		up += given->nodes[i].up_bytes_per_s;
		if (given->nodes[i].up_bytes_per_s == 0)
			return;
	}
	raise_part(bound, BOUND_UPLINKS, time_ns(bytes, up));
}

static uint32_t place_of(const struct bound_node *node, bool sites)
{
	return sites ? node->site : node->rack;
}

/* One copy has to come in where there is no source, and one to leave where there is the only one.
 * What a place takes in, and what its own uplinks give, must be enough for all that are in it. */
static void bound_place(const struct bound_case *given, uint32_t place, bool sites,
	const struct bound_cut *cut, struct bound *bound)
{
	enum bound_part part = sites ? BOUND_SITE : BOUND_RACK;
	uint64_t needed_bytes = 0;
	uint64_t most_bytes = 0;
	uint64_t up = 0;
	bool source_here = false;
	bool source_elsewhere = false;
	bool needed_elsewhere = false;

	for (uint32_t i = 0; i < given->nodes_count; i++) {
		const struct bound_node *node = &given->nodes[i];

		if (place_of(node, sites) != place) {
			source_elsewhere |= node->source;
			needed_elsewhere |= node->bytes > 0;
			continue;
		}
		source_here |= node->source;
		needed_bytes += node->bytes;
		most_bytes = u64_max(most_bytes, node->bytes);
		up += node->up_bytes_per_s;
	}
	if (!source_here)
		raise_part(bound, part, time_ns(most_bytes, cut->in_bytes_per_s));
	if (source_here && !source_elsewhere && needed_elsewhere)
		raise_part(bound, part, time_ns(given->fetch_bytes, cut->out_bytes_per_s));
	if (cut->in_bytes_per_s > 0)
		raise_part(bound, part, time_ns(needed_bytes, cut->in_bytes_per_s + up));
}

void bound_compute(const struct bound_case *given, struct bound *bound)
{
	*bound = (struct bound){0};
	for (uint32_t i = 0; i < given->nodes_count; i++)
		if (given->nodes[i].bytes > 0)
			bound_node(given, &given->nodes[i], bound);
	bound_source(given, bound);
	bound_uplinks(given, bound);
	for (uint32_t i = 0; i < given->racks_count; i++)
		bound_place(given, i, false, &given->racks[i], bound);
	for (uint32_t i = 0; i < given->sites_count; i++)
		bound_place(given, i, true, &given->sites[i], bound);
	for (uint32_t i = 0; i < BOUND_PARTS; i++)
		if (bound->part_ns[i] > bound->total_ns) {
			bound->total_ns = bound->part_ns[i];
			bound->by = (enum bound_part)i;
		}
}

const char *bound_part_name(enum bound_part part)
{
	static const char *const names[BOUND_PARTS] = {
		[BOUND_SOURCE] = "the source's uplink",
		[BOUND_DOWNLINK] = "a node's downlink",
		[BOUND_UPLINKS] = "all uplinks together",
		[BOUND_RACK] = "a rack's uplink",
		[BOUND_SITE] = "a site's uplink",
		[BOUND_DISK] = "a node's disk",
		[BOUND_READ] = "the source's disk",
		[BOUND_DIGEST] = "a node's digests",
	};

	return names[part];
}
