/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated world: virtual time, events to come, one image, nodes, trackers, and what went
 * wrong. Everything random is drawn from the world's seed, so a seed replays exactly.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdio.h>

#include "lib/bitset.h"
#include "lib/rng.h"
#include "sim/events.h"
#include "sim/fabric.h"
#include "sim/tcp.h"
#include "wire/peer_address.h"

#define SIM_TRACKERS_MAX      4
#define SIM_SECTOR_BYTES      512
#define SIM_CONTENT_ZERO      0
#define SIM_CONTENT_WRONG_BIT 0x80000000U
#define SIM_HASH_BYTES	      32
#define SIM_TALLIES_MAX	      32
#define SIM_RACKS_MAX	      1024
#define SIM_SITES_MAX	      64

struct sim_world;
struct sim_node;
struct tracker_core;

/*
 * The image as content marks instead of bytes: one 32-bit mark for each granule (16 KiB, or what
 * world.granule_bytes said when it was made). Mark 0 is
 * zeros; marks with SIM_CONTENT_WRONG_BIT are bytes that no image holds.
 */
struct sim_image {
	uint64_t length_bytes;
	uint32_t piece_bytes;
	uint32_t pieces_count;
	uint32_t granule_bytes;
	uint32_t granules_per_piece;
	uint32_t granules_count;
	uint32_t *marks;
	uint8_t *piece_hashes; /* SIM_HASH_BYTES a piece; equal for equal pieces */
	struct bitset zero_pieces;
	uint64_t distinct_bytes; /* of pieces that must be transferred at least once */
	uint32_t frame_ratio; /* how many times smaller its blocks are as frames; 0: no smaller */
};

struct sim_tracker {
	bool alive;
	bool silent; /* when dead: true: no answer (time-out), false: refused at once */
	uint32_t interval_s;
	uint32_t tier;	  /* for those whose tracker it is; one later for others */
	uint32_t site;	  /* whose it is; SIM_SITE_NONE: everybody's */
	uint32_t cluster; /* those of one number tell each other; 0: of none */
	struct tracker_core *core;
	void *core_memory;
	bool *stays;	    /* by node: announces for ever */
	uint64_t stayed_ns; /* when they did last */
};

struct sim_violation {
	char checker[32];
	char text[256];
	uint64_t at_ns;
};

struct sim_world {
	uint64_t seed;
	uint64_t now_ns;
	struct rng rng;
	struct sim_events events;
	uint64_t events_fired_count;

	struct sim_image image;
	struct sim_node **nodes;
	uint32_t nodes_count;
	uint32_t nodes_max;
	struct sim_tracker trackers[SIM_TRACKERS_MAX];
	uint32_t trackers_count;
	struct sim_rack racks[SIM_RACKS_MAX];
	uint32_t racks_count;
	struct sim_site sites[SIM_SITES_MAX];
	uint32_t sites_count;
	struct sim_chunk *chunks_free;
	struct sim_chunk *chunks_slabs;
	struct sim_connection *connections; /* every one there ever was, freed with the world */

	uint32_t wrong_marks_count; /* the next mark of bytes that no image holds */
	uint32_t granule_bytes;	    /* of the image that is made next; default 16 KiB */
	uint32_t chunk_bytes;	    /* what an uplink sends of one connection before the next */
	uint64_t window_bytes;	    /* in flight on one connection */
	struct sim_tcp_traits tcp;  /* window_bytes is then the most a window can be */
	bool places_untold;	    /* trackers do not know of racks and sites */
	bool places_by_subnet;	    /* they know those of nodes that do not tell, too */
	bool express;	       /* control messages do not queue: for rooms too large for that */
	uint64_t patience_ns;  /* with it: HAVEs wait so long for others to the same node; or 0 */
	uint64_t dead_host_ns; /* until a connection to a host without power is given up */

	struct sim_violation violation; /* the first */
	uint64_t violations_count;
	const char *muted; /* names of checkers that must not speak, to prove the others; or NULL */
	FILE *trace;	   /* NULL: none */
	FILE *timeline;	   /* NULL: none; else a line each second of virtual time */
	bool settled_changed; /* a node finished or failed */
	void (*watch)(struct sim_world *world);
	uint64_t tally[SIM_TALLIES_MAX]; /* free for scenarios: what they did and judge by */
};

/* nodes_max: of all kinds. */
struct sim_world *sim_world_create(uint64_t seed, uint32_t nodes_max);
struct sim_world *sim_world_destroy(struct sim_world *world);

/* The image: length and piece size as given; one in `zero_one_in` pieces is all zeros and one in
 * `same_one_in` equals an earlier piece (0: none). */
void sim_image_make(struct sim_world *world, uint64_t length_bytes, uint32_t piece_bytes,
	uint32_t zero_one_in, uint32_t same_one_in);
uint32_t sim_piece_bytes(const struct sim_image *image, uint32_t piece);
uint32_t sim_piece_granules(const struct sim_image *image, uint32_t piece);
uint32_t sim_wrong_mark(struct sim_world *world);

/* Fires at at_ns (not before now); events of one instant fire in the order they were scheduled. */
void sim_schedule(struct sim_world *world, uint64_t at_ns, sim_event_function *fire, void *context,
	uint64_t argument);

/* Runs until the heap is empty, a violation, until_ns, or stop(world) says true. */
void sim_run(struct sim_world *world, uint64_t until_ns, bool (*stop)(struct sim_world *world));

/* Records a broken invariant; the run ends after the current event. */
void sim_violation(struct sim_world *world, const char *checker, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void sim_trace(struct sim_world *world, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Zeroed; ends the program with a message when there is no memory. */
void *sim_allocate(size_t count, size_t bytes);

#endif
