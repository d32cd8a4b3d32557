/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be said about a wave, once: each key is an option of `swarmboot simulate`, a line of a
 * scenario file and a what-if.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/metainfo_file.h"
#include "cli/simulate.h"
#include "lib/cleanup.h"
#include "lib/units.h"
#include "runtime/budget.h"
#include "runtime/hash.h"
#include "runtime/memory.h"
#include "sim/world.h"

#define LINE_MAX_BYTES	  1024
#define IMAGE_BYTES_MAX	  (64 * TIB)
#define PIECE_BYTES_MIN	  (16 * KIB)
#define COMPRESS_MAX	  1000
#define SAMPLE_PIECES_MIN 32
#define RATE_MIN	  1000 /* bytes a second */
#define RATE_MAX	  (1000 * GIB)
#define DELAY_MAX_NS	  (24 * 3600 * NS_PER_S)

/* ---- kinds of values ---- */

typedef struct simulate_description description;

static bool parse_count(const char *text, description *whole, void *value)
{
	char *end;

	(void)whole;
	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*(uint64_t *)value = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *(uint64_t *)value > 0;
}

static bool parse_size(const char *text, description *whole, void *value)
{
	(void)whole;
	return size_parse(text, value) && *(uint64_t *)value > 0;
}

static bool parse_rate(const char *text, description *whole, void *value)
{
	uint64_t *rate = value;

	(void)whole;
	return rate_parse(text, rate) && *rate >= RATE_MIN && *rate <= RATE_MAX;
}

static bool parse_delay(const char *text, description *whole, void *value)
{
	(void)whole;
	return delay_parse(text, value) && *(uint64_t *)value <= DELAY_MAX_NS;
}

static bool parse_yes_no(const char *text, description *whole, void *value)
{
	(void)whole;
	*(bool *)value = strcmp(text, "yes") == 0;
	return *(bool *)value || strcmp(text, "no") == 0;
}

static bool parse_zeros(const char *text, description *whole, void *value)
{
	char *end;
	double percent = strtod(text, &end);

	if (text[0] < '0' || text[0] > '9' || strcmp(end, "%") != 0 || !(percent < 100))
		return false;
	whole->zero_given = true;
	*(uint64_t *)value = (uint64_t)(percent * (MILLION / 100));
	return true;
}

static bool parse_image(const char *text, description *whole, void *value)
{
	(void)value;
	whole->image_bytes = 0;
	return text[0] != '\0' && (size_t)snprintf(whole->image_text, sizeof(whole->image_text),
					  "%s", text) < sizeof(whole->image_text);
}

static bool parse_detail(const char *text, description *whole, void *value)
{
	static const char *const names[] = {"auto", "fine", "coarse"};

	(void)value;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if (strcmp(text, names[i]) == 0) {
			whole->detail = (enum simulate_detail)i;
			return true;
		}
	return false;
}

static bool parse_sample(const char *text, description *whole, void *value)
{
	uint64_t *pieces = value;

	*pieces = strcmp(text, "all") == 0 ? SIMULATE_SAMPLE_ALL : SIMULATE_SAMPLE_AUTO;
	return strcmp(text, "all") == 0 || strcmp(text, "auto") == 0 ||
	       (parse_count(text, whole, pieces) && *pieces >= SAMPLE_PIECES_MIN);
}

/* ---- the keys ---- */

#define AT(member) offsetof(struct simulate_description, member)

const struct simulate_key simulate_keys[] = {
	{"nodes", "N", "machines to image (default 16)", AT(nodes_count), parse_count},
	{"image", "SIZE|METAINFO", "the raw image: its size (50GB), or its metainfo file (4GB)",
		AT(image_text), parse_image},
	{"piece", "SIZE", "piece size (default: as `image import` chooses)", AT(piece_bytes),
		parse_size},
	{"zeros", "PERCENT%", "share of the image that is zeros and never sent (0%)",
		AT(zero_millionths), parse_zeros},
	{"compress", "N", "what is sent becomes N times smaller by zstd (1)", AT(compress_times),
		parse_count},
	{"link", "RATE", "a node's link, each way, as sold (1Gbit)", AT(link_bytes_per_s),
		parse_rate},
	{"up", "RATE", "a node's way out, when it is not --link", AT(up_bytes_per_s), parse_rate},
	{"down", "RATE", "a node's way in, when it is not --link", AT(down_bytes_per_s),
		parse_rate},
	{"origin-link", "RATE", "the server's link (default: as --link)", AT(origin_bytes_per_s),
		parse_rate},
	{"racks", "N", "racks that the nodes are spread over (none: one switch)", AT(racks_count),
		parse_count},
	{"rack-uplink", "RATE", "what joins a rack to the others and the server, each way",
		AT(rack_bytes_per_s), parse_rate},
	{"rack-aware", "yes|no", "nodes know their racks, as with --rack (yes)", AT(rack_aware),
		parse_yes_no},
	{"latency", "TIME", "one way, from node to node (200us)", AT(latency_ns), parse_delay},
	{"queue", "TIME", "what may wait in a link's queue, as time (0)", AT(queue_ns),
		parse_delay},
	{"disk", "RATE", "what a node's disk writes (400MB/s)", AT(disk_write_bytes_per_s),
		parse_rate},
	{"disk-read", "RATE", "what it reads (default: as --disk)", AT(disk_read_bytes_per_s),
		parse_rate},
	{"seek", "TIME", "what it needs to go elsewhere (100us; a hard disk: 8ms)", AT(seek_ns),
		parse_delay},
	{"flush", "TIME", "what a flush costs (5ms)", AT(flush_ns), parse_delay},
	{"hash", "RATE", "what a node verifies (1000MB/s)", AT(hash_bytes_per_s), parse_rate},
	{"memory", "SIZE", "what a node's agent may take, buffers and all (64MiB)",
		AT(memory_bytes), parse_size},
	{"stagger", "TIME", "nodes start evenly over so long (0: all at once)", AT(stagger_ns),
		parse_delay},
	{"read-back", "yes|no", "read the whole disk back at the end, as the agent does (yes)",
		AT(read_back), parse_yes_no},
	{"detail", "auto|fine|coarse", "blocks of 16 KiB, or larger ones (auto: by size)", 0,
		parse_detail},
	{"sample", "auto|all|PIECES", "simulate only so many pieces of the image (auto: by size)",
		AT(sample_pieces_count), parse_sample},
};
const size_t simulate_keys_count = ARRAY_COUNT(simulate_keys);

void simulate_defaults(struct simulate_description *d)
{
	*d = (struct simulate_description){
		.nodes_count = 16,
		.image_text = "4GB",
		.compress_times = 1,
		.link_bytes_per_s = 125 * MILLION,
		.latency_ns = 200 * NS_PER_US,
		.disk_write_bytes_per_s = 400 * MILLION,
		.seek_ns = 100 * NS_PER_US,
		.flush_ns = 5 * NS_PER_MS,
		.hash_bytes_per_s = 1000 * MILLION,
		.memory_bytes = BUDGET_BYTES_DEFAULT,
		.rack_aware = true,
		.read_back = true,
	};
}

bool simulate_set(
	struct simulate_description *d, const char *name, const char *text, struct failure *failure)
{
	for (size_t i = 0; i < simulate_keys_count; i++) {
		const struct simulate_key *key = &simulate_keys[i];

		if (strcmp(key->name, name) != 0)
			continue;
		if (key->parse(text, d, (char *)d + key->offset))
			return true;
		return failure_set(failure, ERROR_USAGE, "%s wants %s, not \"%.100s\"", name,
			key->argument, text);
	}
	return failure_set(
		failure, ERROR_USAGE, "there is no key \"%.60s\" (--help lists them)", name);
}

/* Without the blanks around it; writes into text. */
static char *trimmed(char *text)
{
	size_t length = strlen(text);

	while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
		text[--length] = '\0';
	return text + strspn(text, " \t");
}

/* "key = value"; changes the text. */
static bool set_pair(struct simulate_description *d, char *pair, struct failure *failure)
{
	char *equals = strchr(pair, '=');

	if (equals == NULL)
		return failure_set(failure, ERROR_USAGE, "\"%.100s\" is not KEY=VALUE", pair);
	*equals = '\0';
	return simulate_set(d, trimmed(pair), trimmed(equals + 1), failure);
}

bool simulate_set_list(struct simulate_description *d, const char *list, struct failure *failure)
{
	SCOPED(free) char *copy = strdup(list);
	char *rest = copy;

	if (copy == NULL)
		memory_exhausted(strlen(list) + 1);
	for (char *pair; (pair = strsep(&rest, ",")) != NULL;)
		if (!set_pair(d, pair, failure))
			return false;
	return true;
}

bool simulate_read_file(struct simulate_description *d, const char *path, struct failure *failure)
{
	SCOPED(file) FILE *file = fopen(path, "re");
	char line[LINE_MAX_BYTES];
	unsigned number = 0;

	if (file == NULL)
		return failure_errno(failure, ERROR_SYSTEM, "cannot open %s", path);
	while (fgets(line, sizeof(line), file) != NULL) {
		struct failure cause;
		char *comment = strchr(line, '#');
		size_t length = strlen(line);

		number++;
		if (length + 1 == sizeof(line) && line[length - 1] != '\n')
			return failure_set(
				failure, ERROR_LIMIT, "%s:%u: the line is too long", path, number);
		if (comment != NULL)
			*comment = '\0';
		char *pair = trimmed(line);

		if (pair[0] != '\0' && !set_pair(d, pair, &cause))
			return failure_set(
				failure, cause.error, "%s:%u: %.180s", path, number, cause.text);
	}
	if (ferror(file))
		return failure_errno(failure, ERROR_SYSTEM, "cannot read %s", path);
	return true;
}

/* ---- the whole ---- */

static int compare_hashes(const void *a, const void *b)
{
	return memcmp(a, b, SHA1_BYTES);
}

/* Bytes of pieces that equal an earlier one and are not zeros. */
static uint64_t count_duplicates(const struct metainfo *metainfo, const struct bitset *zeros)
{
	const uint8_t *hashes = metainfo->pieces_sha256;
	size_t stride = SHA256_BYTES;
	SCOPED(free) uint8_t *sorted = memory_allocate(metainfo->pieces_count, SHA1_BYTES);
	size_t count = 0;
	uint64_t same = 0;

	if (hashes == NULL) {
		hashes = metainfo->pieces_sha1;
		stride = SHA1_BYTES;
	}
	for (uint32_t piece = 0; piece < metainfo->pieces_count; piece++)
		if (!bitset_has(zeros, piece))
			memcpy(sorted + SHA1_BYTES * count++, hashes + piece * stride, SHA1_BYTES);
	qsort(sorted, count, SHA1_BYTES, compare_hashes);
	for (size_t i = 1; i < count; i++)
		same += memcmp(sorted + SHA1_BYTES * (i - 1), sorted + SHA1_BYTES * i,
				SHA1_BYTES) == 0;
	return same * metainfo->piece_bytes;
}

static bool read_metainfo(struct simulate_description *d, struct failure *failure)
{
	struct metainfo_file file;
	struct bitset zeros;
	uint64_t zero_bytes = 0;

	if (!metainfo_file_open(&file, d->image_text, failure)) {
		failure->error = ERROR_USAGE;
		return false;
	}
	const struct metainfo *metainfo = &file.metainfo;
	SCOPED(free)
	uint64_t *words = memory_allocate(BITSET_WORDS(metainfo->pieces_count), sizeof(*words));

	bitset_init(&zeros, words, metainfo->pieces_count);
	hash_find_zero_pieces(metainfo, &zeros);
	BITSET_FOREACH (piece, &zeros)
		zero_bytes += metainfo_piece_length(metainfo, piece);
	d->image_bytes = metainfo->length_bytes;
	d->piece_bytes = metainfo->piece_bytes;
	d->duplicate_bytes = count_duplicates(metainfo, &zeros);
	if (!d->zero_given)
		d->zero_millionths =
			(uint64_t)((double)zero_bytes * MILLION / (double)d->image_bytes);
	metainfo_file_close(&file);
	return true;
}

static bool resolve_image(struct simulate_description *d, struct failure *failure)
{
	struct failure cause;

	if (!size_parse(d->image_text, &d->image_bytes)) {
		if (!read_metainfo(d, &cause))
			return failure_set(failure, ERROR_USAGE,
				"image wants a size (50GB) or a metainfo file: %.160s", cause.text);
		if (d->zero_millionths >= MILLION)
			return failure_set(
				failure, ERROR_USAGE, "%.100s is all zeros", d->image_text);
	}
	if (d->image_bytes < PIECE_BYTES_MIN || d->image_bytes > IMAGE_BYTES_MAX)
		return failure_set(failure, ERROR_USAGE,
			"image wants 16 KiB to 64 TiB, not \"%.100s\"", d->image_text);
	if (d->piece_bytes == 0)
		d->piece_bytes = metainfo_default_piece_bytes(d->image_bytes);
	return true;
}

bool simulate_complete(struct simulate_description *d, struct failure *failure)
{
	if (!resolve_image(d, failure))
		return false;
	if (d->nodes_count > SIMULATE_NODES_MAX)
		return failure_set(failure, ERROR_USAGE, "nodes wants at most %u, not %" PRIu64,
			SIMULATE_NODES_MAX, d->nodes_count);
	if (d->piece_bytes < PIECE_BYTES_MIN || d->piece_bytes > METAINFO_PIECE_BYTES_MAX ||
		d->piece_bytes % PIECE_BYTES_MIN != 0)
		return failure_set(failure, ERROR_USAGE,
			"piece wants a multiple of 16 KiB, up to 64 MiB, not %" PRIu64,
			d->piece_bytes);
	if (d->image_bytes / d->piece_bytes >= METAINFO_PIECES_MAX)
		return failure_set(failure, ERROR_USAGE,
			"piece wants more: the image would have over %u pieces",
			METAINFO_PIECES_MAX);
	if (d->compress_times > COMPRESS_MAX)
		return failure_set(failure, ERROR_USAGE, "compress wants at most %u", COMPRESS_MAX);
	if (d->racks_count > d->nodes_count || d->racks_count > SIM_RACKS_MAX)
		return failure_set(failure, ERROR_USAGE,
			"racks wants at most as many as there are nodes, and %u", SIM_RACKS_MAX);
	if (d->rack_bytes_per_s > 0 && d->racks_count == 0)
		return failure_set(failure, ERROR_USAGE, "rack-uplink wants racks as well");
	if (d->up_bytes_per_s == 0)
		d->up_bytes_per_s = d->link_bytes_per_s;
	if (d->down_bytes_per_s == 0)
		d->down_bytes_per_s = d->link_bytes_per_s;
	if (d->origin_bytes_per_s == 0)
		d->origin_bytes_per_s = d->link_bytes_per_s;
	if (d->disk_read_bytes_per_s == 0)
		d->disk_read_bytes_per_s = d->disk_write_bytes_per_s;
	return true;
}

uint64_t simulate_start_ns(const struct simulate_description *d, uint64_t node)
{
	if (d->nodes_count < 2)
		return 0;
	return (uint64_t)((double)d->stagger_ns * (double)node / (double)(d->nodes_count - 1));
}

/* In turn, so that racks are as full as each other. */
uint32_t simulate_rack(const struct simulate_description *d, uint64_t node)
{
	return d->racks_count > 0 ? (uint32_t)(node % d->racks_count) : UINT32_MAX;
}
