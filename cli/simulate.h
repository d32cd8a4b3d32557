/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A wave that is not run but simulated: what an operator says about it, how it is modelled, and
 * what came out. For cli/simulate_*.c; the simulator itself is sim/, with the engine that ships.
 */
#ifndef CLI_SIMULATE_H
#define CLI_SIMULATE_H

#include "lib/failure.h"
#include "sim/bound.h"
#include "swarm/swarm.h"

#define SIMULATE_NODES_MAX    20000
#define SIMULATE_SEEDS_MAX    1000
#define SIMULATE_VARIANTS_MAX 16
#define SIMULATE_NAME_MAX     96
/* What a core makes of zstd, at the level that nodes use. */
#define SIMULATE_DECODE_BYTES_PER_S (1000 * (uint64_t)MILLION)
#define SIMULATE_ENCODE_BYTES_PER_S (350 * (uint64_t)MILLION)
#define MILLION			    1000000

/* ---- simulate_keys.c: what the operator says ---- */

/* How much is told apart in the simulation. */
enum simulate_detail {
	SIMULATE_DETAIL_AUTO,
	SIMULATE_DETAIL_FINE,	/* blocks of 16 KiB, as they are */
	SIMULATE_DETAIL_COARSE, /* larger ones, which take less time to simulate */
};

#define SIMULATE_SAMPLE_AUTO 0
#define SIMULATE_SAMPLE_ALL  UINT64_MAX

/* Sizes are of the raw image unless said. 0: derived from the others by simulate_complete. */
struct simulate_description {
	uint64_t nodes_count;
	char image_text[512]; /* a size or a metainfo file */
	uint64_t image_bytes;
	uint64_t piece_bytes;
	uint64_t zero_millionths; /* of the image: known to be zeros, never sent */
	bool zero_given;
	uint64_t compress_times;     /* what is sent is so many times smaller; 1: as it is */
	uint64_t duplicate_bytes;    /* of pieces that equal another one; of a metainfo file */
	uint64_t link_bytes_per_s;   /* of a node, each way, headers included */
	uint64_t up_bytes_per_s;     /* instead of `link` */
	uint64_t down_bytes_per_s;   /* instead of `link` */
	uint64_t origin_bytes_per_s; /* the origin's link, each way */
	uint64_t racks_count;	     /* the nodes are spread over; 0: one switch for all */
	uint64_t rack_bytes_per_s;   /* of a rack's uplink, each way; 0: never in the way */
	uint64_t latency_ns;	     /* from a node's port to another's, one way */
	uint64_t queue_ns;	     /* of an uplink: what waits in it, as time on the wire */
	uint64_t disk_write_bytes_per_s;
	uint64_t disk_read_bytes_per_s;
	uint64_t seek_ns;
	uint64_t flush_ns;
	uint64_t hash_bytes_per_s;
	uint64_t memory_bytes; /* of a node's agent (runtime/budget.h) */
	bool rack_aware;       /* nodes know which rack they are in */
	uint64_t stagger_ns;   /* nodes boot evenly over so long */
	bool read_back;	       /* as the agent does before it has finished */
	enum simulate_detail detail;
	uint64_t sample_pieces_count; /* or SIMULATE_SAMPLE_... */
};

struct simulate_key {
	const char *name; /* of the option, of a line in a scenario file, of a what-if */
	const char *argument;
	const char *help;
	size_t offset;
	bool (*parse)(const char *text, struct simulate_description *description, void *value);
};
extern const struct simulate_key simulate_keys[];
extern const size_t simulate_keys_count;

void simulate_defaults(struct simulate_description *description);
/* Says in the failure which key is unknown, or what the key wants. */
MUST_USE bool simulate_set(struct simulate_description *description, const char *name,
	const char *text, struct failure *failure);
/* "KEY=VALUE[,KEY=VALUE...]" */
MUST_USE bool simulate_set_list(
	struct simulate_description *description, const char *list, struct failure *failure);
/* A scenario file: a `key = value` a line, `#` begins a comment. */
MUST_USE bool simulate_read_file(
	struct simulate_description *description, const char *path, struct failure *failure);
/* Derives what was not given, reads the metainfo file, and checks the whole. */
MUST_USE bool simulate_complete(struct simulate_description *description, struct failure *failure);

/* When a node starts; the rack it is in, from 0, UINT32_MAX: none. Nodes count from 0. */
uint64_t simulate_start_ns(const struct simulate_description *description, uint64_t node);
uint32_t simulate_rack(const struct simulate_description *description, uint64_t node);

/* ---- simulate_model.c: how it is modelled ---- */

/*
 * Zeros are left out of the simulation: they cost neither the network nor a fresh disk anything.
 * Of a large image only its first pieces are simulated, as a sample: what follows passes as fast as
 * the middle of the sample did (simulate_run.c).
 */
struct simulate_model {
	uint64_t wire_bytes;	/* that each node must receive: neither zeros nor duplicates */
	uint64_t written_bytes; /* that each node must write: no zeros */
	uint32_t pieces_count;	/* of those */
	uint32_t sample_pieces_count;
	uint64_t sample_bytes; /* of written_bytes, that are simulated */
	uint32_t piece_bytes;
	uint64_t window_bytes;	    /* in flight on a connection */
	struct swarm_limits limits; /* of a node's engine, with blocks as they are simulated */
	/* Bytes of the simulation for a byte on the wire: duplicates travel once. Links are so much
	 * faster in the simulation. */
	double wire_gain;
};

/* What of a link's rate is payload: Ethernet, IP and TCP take the rest (1448 of 1538 bytes). */
uint64_t simulate_payload_rate(uint64_t bytes_per_s);
void simulate_model_choose(
	struct simulate_model *model, const struct simulate_description *description);

/* ---- simulate_limits.c: what no schedule can beat (sim/bound.h), and what is in the way ---- */

struct simulate_limit {
	const char *name;
	double seconds; /* it alone needs so long */
};

struct simulate_bound {
	struct simulate_limit limits[BOUND_PARTS]; /* the longest first */
	size_t limits_count;
	double read_back_s; /* at each node, after its last piece */
	double seconds;	    /* the lower bound: the longest limit, and this */
};

void simulate_bound_find(struct simulate_bound *bound,
	const struct simulate_description *description, const struct simulate_model *model);

/* ---- simulate_run.c: what came out ---- */

struct simulate_node {
	double start_s;
	double complete_s; /* everything durable; negative: not reached */
	double finished_s; /* and read back, if it is */
	uint64_t received_bytes;
	uint64_t received_from_origin_bytes;
	uint64_t sent_bytes;
};

struct simulate_run {
	uint64_t seed;
	struct simulate_node *nodes; /* nodes_count of the description */
	uint64_t finished_count;
	double first_s; /* of those that finished */
	double median_s;
	double last_s;
	double end_s;	   /* of the simulation; beyond the sample, time is added to the others */
	double beyond_s;   /* what is added */
	bool unsteady;	   /* and may be wrong: the sample's middle was not of one speed */
	double share_done; /* of what was to be received in the simulation */
	/* On the wire, of the whole image. */
	uint64_t origin_sent_bytes;
	uint64_t racks_in_bytes; /* into racks from outside */
	uint64_t received_bytes;
	uint64_t wasted_bytes;
	uint64_t events_count;
	double cpu_s;
	/* How busy they were until the last byte came, 0 to 1; of nodes: the mean. */
	double origin_up_busy;
	double node_up_busy;
	double node_down_busy;
	bool interrupted;
	char fault[320]; /* an invariant that the run broke: a fault of ours; "": none */
};

/* One line of the table: the description, or a what-if. */
struct simulate_variant {
	char name[SIMULATE_NAME_MAX];
	struct simulate_description description;
	struct simulate_model model;
	struct simulate_bound bound;
	struct simulate_run *runs;
	size_t runs_count;
	size_t typical; /* the run whose last finish is the median */
};

/* Called now and then; false: stop. done is the share of this run that is behind it. */
typedef bool simulate_watch(void *context, double done);

/* Free the nodes with simulate_run_free. trace: NULL or a line for each thing that happens. */
void simulate_run_one(struct simulate_run *run, const struct simulate_variant *variant,
	uint64_t seed, void *trace, simulate_watch *watch, void *context);
void simulate_run_free(struct simulate_run *run);

#endif
