/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine: link, disk, and either the real engine or the script of a bad peer (sim/peers.h).
 *
 * With the engine it does what the agent does: flushes and assesses its disk, joins, and when the
 * engine says COMPLETE reads the medium back if asked to, commits tail and head, and has finished.
 */
#ifndef SIM_NODE_H
#define SIM_NODE_H

#include "sim/disk.h"
#include "sim/express.h"
#include "sim/link.h"
#include "sim/world.h"
#include "swarm/swarm.h"

enum sim_node_state {
	SIM_OFF,
	SIM_RUNNING,
	SIM_COMPLETE, /* the engine said so; reading back or committing */
	SIM_FINISHED, /* head and tail are on the medium */
	SIM_FAILED,   /* reported an error */
};

enum sim_expect {
	SIM_EXPECT_FINISH,
	SIM_EXPECT_FINISH_OR_ERROR,
	SIM_EXPECT_ERROR,
	SIM_EXPECT_UNFINISHED, /* must not claim to be complete: the data is not there */
	SIM_EXPECT_NOTHING,
};

struct sim_node_traits {
	uint64_t up_bytes_per_s;
	uint64_t down_bytes_per_s;
	uint64_t latency_ns;
	uint32_t loss_per_million; /* frames that its link loses, in and out; with world.tcp */
	uint64_t up_queue_bytes; /* of the uplink: what is in it waits its turn, requests as well */
	uint32_t rack;		 /* of sim_rack_add, or SIM_RACK_NONE */
	uint32_t site;		 /* of a node in no rack */
	bool hides_place;	 /* its engine is told of neither */
	uint64_t hash_bytes_per_s;
	uint64_t decode_bytes_per_s; /* of frames, on the cores that hash; 0: takes no frames */
	uint64_t encode_bytes_per_s; /* likewise, of blocks that are not in a buffer any more */
	struct sim_disk_traits disk;
	struct swarm_limits limits;
	bool origin;
	bool old_system;  /* the disk holds another system's bytes */
	bool holds_image; /* the disk holds the image */
	bool read_back;	  /* before the commit, as the agent does */
	bool relay;	  /* of its site */
	bool no_leaves;	  /* speaks without leaf layers, like a foreign client */
	bool no_pex;	  /* neither tells of peers nor listens (BEP 11) */
	bool reassess;	  /* even a blank disk is assessed piece by piece */
	enum sim_expect expect;
	const struct sim_node
		*knows; /* is told of it at each boot, as by local discovery; or NULL */
};

/* One connection as the engine numbers it. */
struct sim_slot {
	struct sim_connection *connection;
	uint32_t end;
	uint32_t generation;
	bool connecting;
	uint32_t receiving_buffer; /* SWARM_BUFFER_NONE: none */
	uint32_t serving_count;	   /* SEND_BLOCKs not answered */
	uint16_t *sending;	   /* by buffer: queued SEND_BLOCKs that read it */
};

struct sim_buffer {
	uint32_t piece; /* what it holds or collects; UINT32_MAX: nothing yet */
	uint32_t receiving_count;
	uint32_t sending_count;
	uint32_t writing_count;
	bool hashing;
	uint32_t *marks;
};

/* An answer that the engine will get. */
struct sim_answer {
	struct sim_answer *previous;
	struct sim_answer *next;
	struct sim_node *node;
	uint64_t life;
	struct swarm_input input;
	struct peer_message message;
	struct sim_write *write;
	uint64_t flush_through;
	uint64_t block_number; /* of a block that is being read */
	bool read_ok;	       /* of a piece that is compared with its leaf layer */
	bool in_hand;	       /* it is not read */
};

struct sim_node {
	/* What every message needs, side by side. */
	struct sim_world *world;
	const struct sim_actor *actor;
	struct swarm *swarm;
	struct sim_slot *slots;
	uint32_t slots_count;
	uint32_t effects_most_count;
	uint64_t tick_ns; /* scheduled; UINT64_MAX: none */
	struct sim_inbox inbox;

	uint32_t number;
	char name[24];
	struct peer_address address;
	void *script; /* of a bad peer */
	struct sim_node_traits traits;
	struct sim_link link;
	struct sim_disk disk;
	enum sim_node_state state;
	bool powered;	/* the host; one without power never answers */
	bool listening; /* the program runs */
	uint64_t boots_count;
	uint64_t life; /* grows at each end of a life: what was under way then is void */

	bool swarm_sealed; /* created: no allocation from now on */
	uint64_t swarm_bytes;
	struct sim_buffer *buffers;
	struct sim_answer *answers; /* not yet due */
	uint64_t last_tick_ns;
	uint32_t ticks_in_place_count;
	uint64_t undurable_seen_count; /* writes when the checker last looked */
	uint64_t hash_free_ns;
	uint64_t blocks_read_count;
	uint32_t assess_next_piece;
	uint32_t read_back_next_piece;
	bool read_back_bad;
	bool verified_something; /* in this life */

	uint64_t started_ns;
	uint64_t completed_ns;
	uint64_t finished_ns;
	uint8_t trackers[SIM_TRACKERS_MAX]; /* the world's number of each that its engine knows */
	uint64_t heard_ns;		    /* when a tracker answered last, in this life */
	uint64_t unheard_most_ns;	    /* the longest from one answer to the next */
	uint64_t needed_bytes; /* distinct bytes that the first assessment did not find */
	uint64_t payload_received_bytes;
	uint64_t payload_from_origin_bytes;
	uint64_t payload_sent_bytes;
	uint64_t timeline_sent_bytes; /* of the link, at the last line of the timeline */
	uint64_t timeline_received_bytes;
	uint64_t wasted_bytes; /* as the engine counts, over all lives */
	uint64_t pieces_hashed_wrong_count;
	uint32_t bans_count;
	uint32_t have_checked_piece;
	uint64_t have_checked_ns;
	struct bitset written; /* pieces that were answered WRITTEN and not lost since */
};

/* Defaults: 50 Mbit/s both ways, 0.1 ms, a good disk, held back, expected to finish. */
void sim_node_traits_default(struct sim_node_traits *traits);
/* A machine with the engine; off. Its name is "<what>-<number>". */
struct sim_node *sim_node_add(
	struct sim_world *world, const char *what, const struct sim_node_traits *traits);
/* Any machine: for sim/peers.c. */
struct sim_node *sim_node_add_actor(struct sim_world *world, const char *what,
	const struct sim_node_traits *traits, const struct sim_actor *actor);
void sim_node_destroy(struct sim_node *node);

void sim_node_boot(struct sim_node *node);
void sim_node_boot_at(struct sim_node *node, uint64_t at_ns);
/* Power goes: nobody is told, the disk's volatile cache and held back memory are lost. */
void sim_node_power_cut(struct sim_node *node);
void sim_node_power_cut_at(struct sim_node *node, uint64_t at_ns);
/* The process dies: peers are told, the page cache stays, held back memory is lost. */
void sim_node_kill(struct sim_node *node);

/* ---- for link.c, tracker.c ---- */
struct sim_node *sim_node_at(struct sim_world *world, const struct peer_address *address);
bool sim_node_expects(const struct sim_node *node, uint32_t slot, uint32_t generation);
void sim_node_bind(
	struct sim_node *node, uint32_t slot, struct sim_connection *connection, uint32_t end);
void sim_node_unbind(struct sim_node *node, uint32_t slot, struct sim_connection *connection);

/* Feeds the engine, applies its effects, and sets the next tick. */
void sim_node_input(struct sim_node *node, const struct swarm_input *input);
/* The engine gets answer->input at due_ns, if this life lasts. */
struct sim_answer *sim_node_answer(struct sim_node *node, enum swarm_input_kind kind);
void sim_node_answer_at(struct sim_answer *answer, uint64_t due_ns);
void sim_node_answer_drop(struct sim_answer *answer);

/* Of this life. */
void sim_peer_id_write(uint8_t peer_id[static PEER_ID_BYTES], const struct sim_node *node);
/* A new engine for a new life. */
void sim_node_create_engine(struct sim_node *node);
/* The engine said COMPLETE. */
void sim_node_completed(struct sim_node *node);

/* ---- node_peers.c ---- */
extern const struct sim_actor sim_engine_actor;
/* A block is off the sender's hands, sent or not. */
void sim_node_answer_sent(struct sim_node *node, const struct sim_end *end,
	enum swarm_input_kind kind, bool ok, const struct sim_message *message);

/* ---- node_leaves.c ---- */
void sim_node_make_leaves(struct sim_node *node, const struct swarm_effect *effect);
void sim_node_read_twin(struct sim_node *node, const struct swarm_effect *effect);
void sim_node_compare(struct sim_node *node, const struct swarm_effect *effect);

/* ---- node_effects.c ---- */
void sim_node_apply(struct sim_node *node, const struct swarm_effect *effect);
/* So much work more for the cores that hash; returns when it is done. */
uint64_t sim_node_burn(struct sim_node *node, uint64_t bytes, uint64_t bytes_per_s);

#endif
