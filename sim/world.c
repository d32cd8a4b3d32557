/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual time and its events; the image; the record of what went wrong. */
#include "sim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "sim/link.h"
#include "sim/node.h"
#include "sim/tracker.h"

#define SMALL_BYTES_MAX	 1000
#define GRANULE_DEFAULT	 (16 * KIB)
#define WINDOW_DEFAULT	 (256 * KIB)
#define DEAD_HOST_NS	 (20 * NS_PER_S)
#define CHUNK_DEFAULT	 (16 * KIB)
#define HASH_SALT_PIECES UINT64_C(0x5eed0f)

void *sim_allocate(size_t count, size_t bytes)
{
	/* Of the size that messages have: a block that was freed a moment ago is still in the
	 * cache, and malloc gives it where calloc would not. */
	bool small = count == 1 && bytes <= SMALL_BYTES_MAX;
	void *memory =
		small ? malloc(u64_max(bytes, 1)) : calloc(u64_max(count, 1), u64_max(bytes, 1));

	if (memory == NULL) {
		fprintf(stderr, "sim: no memory for %zu x %zu bytes\n", count, bytes);
		abort();
	}
	if (small)
		memset(memory, 0, bytes);
	return memory;
}

struct sim_world *sim_world_create(uint64_t seed, uint32_t nodes_max)
{
	struct sim_world *world = sim_allocate(1, sizeof(*world));

	world->seed = seed;
	rng_seed(&world->rng, seed);
	world->granule_bytes = GRANULE_DEFAULT;
	world->chunk_bytes = CHUNK_DEFAULT;
	world->window_bytes = WINDOW_DEFAULT;
	world->dead_host_ns = DEAD_HOST_NS;
	world->nodes_max = nodes_max;
	world->nodes = sim_allocate(nodes_max, sizeof(struct sim_node *));
	sim_events_init(&world->events);
	return world;
}

struct sim_world *sim_world_destroy(struct sim_world *world)
{
	if (world == NULL)
		return NULL;
	sim_connections_destroy(world);
	for (uint32_t i = 0; i < world->nodes_count; i++)
		sim_node_destroy(world->nodes[i]);
	for (uint32_t i = 0; i < world->trackers_count; i++)
		sim_tracker_destroy(&world->trackers[i]);
	free(world->nodes);
	free(world->image.marks);
	free(world->image.piece_hashes);
	free(world->image.zero_pieces.words);
	sim_chunks_destroy(world);
	sim_events_destroy(&world->events);
	free(world);
	return NULL;
}

uint32_t sim_piece_bytes(const struct sim_image *image, uint32_t piece)
{
	uint64_t begin = (uint64_t)piece * image->piece_bytes;

	return (uint32_t)u64_min(image->piece_bytes, image->length_bytes - begin);
}

uint32_t sim_piece_granules(const struct sim_image *image, uint32_t piece)
{
	return (uint32_t)u64_div_up(sim_piece_bytes(image, piece), image->granule_bytes);
}

static void make_piece(struct sim_world *world, uint32_t piece, uint32_t first)
{
	struct sim_image *image = &world->image;
	uint32_t granules = sim_piece_granules(image, piece);
	struct rng hash;

	rng_seed(&hash, HASH_SALT_PIECES + first);
	for (uint32_t i = 0; i < SIM_HASH_BYTES; i++)
		image->piece_hashes[(size_t)piece * SIM_HASH_BYTES + i] = (uint8_t)rng_next(&hash);
	for (uint32_t i = 0; i < granules; i++)
		image->marks[(size_t)piece * image->granules_per_piece + i] =
			first * image->granules_per_piece + i + 1;
	if (first == piece)
		image->distinct_bytes += sim_piece_bytes(image, piece);
}

static void make_zero_piece(struct sim_image *image, uint32_t piece)
{
	bitset_set(&image->zero_pieces, piece);
	memset(image->piece_hashes + (size_t)piece * SIM_HASH_BYTES, 0xee, SIM_HASH_BYTES);
	/* A short last piece of zeros has another hash than a whole one. */
	if (sim_piece_bytes(image, piece) != image->piece_bytes)
		image->piece_hashes[(size_t)piece * SIM_HASH_BYTES] = 0xed;
}

void sim_image_make(struct sim_world *world, uint64_t length_bytes, uint32_t piece_bytes,
	uint32_t zero_one_in, uint32_t same_one_in)
{
	struct sim_image *image = &world->image;
	uint32_t pieces = (uint32_t)u64_div_up(length_bytes, piece_bytes);

	*image = (struct sim_image){.length_bytes = length_bytes, .piece_bytes = piece_bytes};
	image->pieces_count = pieces;
	image->granule_bytes = world->granule_bytes;
	image->granules_per_piece = (uint32_t)u64_div_up(piece_bytes, image->granule_bytes);
	image->granules_count = pieces * image->granules_per_piece;
	image->marks = sim_allocate(image->granules_count, sizeof(*image->marks));
	image->piece_hashes = sim_allocate(pieces, SIM_HASH_BYTES);
	bitset_init(&image->zero_pieces,
		sim_allocate(BITSET_WORDS(pieces), sizeof(*image->zero_pieces.words)), pieces);
	for (uint32_t piece = 0; piece < pieces; piece++) {
		bool whole = sim_piece_bytes(image, piece) == piece_bytes;

		if (zero_one_in > 0 && rng_below(&world->rng, zero_one_in) == 0) {
			make_zero_piece(image, piece);
			continue;
		}
		uint32_t first = piece;

		if (same_one_in > 0 && whole && piece > 0 &&
			rng_below(&world->rng, same_one_in) == 0) {
			uint32_t earlier = (uint32_t)rng_below(&world->rng, piece);

			if (!bitset_has(&image->zero_pieces, earlier))
				first = (image->marks[(size_t)earlier * image->granules_per_piece] -
						1) /
					image->granules_per_piece;
		}
		make_piece(world, piece, first);
	}
}

uint32_t sim_wrong_mark(struct sim_world *world)
{
	return SIM_CONTENT_WRONG_BIT | (world->wrong_marks_count++ & ~SIM_CONTENT_WRONG_BIT);
}

void sim_schedule(struct sim_world *world, uint64_t at_ns, sim_event_function *fire, void *context,
	uint64_t argument)
{
	struct sim_event event = {.fire = fire,
		.context = context,
		.argument = argument,
		.at_ns = u64_max(at_ns, world->now_ns)};

	sim_events_push(&world->events, &event);
}

void sim_run(struct sim_world *world, uint64_t until_ns, bool (*stop)(struct sim_world *world))
{
	struct sim_event event;

	while (world->violations_count == 0 && !stop(world) &&
		sim_events_pop(&world->events, until_ns, &event)) {
		world->now_ns = event.at_ns;
		world->events_fired_count++;
		event.fire(world, event.context, event.argument);
	}
}

void sim_violation(struct sim_world *world, const char *checker, const char *format, ...)
{
	va_list arguments;

	if (world->muted != NULL && strstr(world->muted, checker) != NULL)
		return;
	if (world->violations_count++ > 0)
		return;
	va_start(arguments, format);
	vsnprintf(world->violation.text, sizeof(world->violation.text), format, arguments);
	va_end(arguments);
	snprintf(world->violation.checker, sizeof(world->violation.checker), "%s", checker);
	world->violation.at_ns = world->now_ns;
	sim_trace(world, "VIOLATION %s: %s", checker, world->violation.text);
}

void sim_trace(struct sim_world *world, const char *format, ...)
{
	va_list arguments;

	if (world->trace == NULL)
		return;
	fprintf(world->trace, "%4" PRIu64 ".%06" PRIu64 " ", world->now_ns / NS_PER_S,
		world->now_ns % NS_PER_S / NS_PER_US);
	va_start(arguments, format);
	vfprintf(world->trace, format, arguments);
	va_end(arguments);
	fputc('\n', world->trace);
}
