/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is it worth while to compress a block for a peer, and how hard? As hard as still keeps its link
 * full; not at all while the link takes blocks as they are faster than they can be compressed, and
 * not where that did not make them smaller. What is compressed already needs no such question.
 */
#ifndef RUNTIME_FRAME_CHOICE_H
#define RUNTIME_FRAME_CHOICE_H

#include "lib/bitset.h"

#define FRAME_LEVELS_COUNT 3

enum frames_mode {
	FRAMES_AUTO,
	FRAMES_OFF,    /* none are taken or sent */
	FRAMES_ALWAYS, /* however fast the link is */
};

struct frame_choice {
	enum frames_mode mode;
	bool hardest;			    /* not only what is cheap */
	uint32_t threads_count;		    /* that compress */
	uint64_t rates[FRAME_LEVELS_COUNT]; /* bytes per second of one of them, as measured */
	struct bitset dull;		    /* runs in which a block did not shrink */
	uint64_t *dull_words;
	uint32_t misses_row;
	uint32_t skips_left;
};

/* hardest: an origin's blocks are compressed once, and everybody passes them on. */
void frame_choice_open(struct frame_choice *choice, enum frames_mode mode, bool hardest,
	uint32_t threads_count, uint32_t runs_count);
void frame_choice_close(struct frame_choice *choice);

/* The link to the peer takes so much (0: not known), and so many peers wait for their blocks to be
 * compressed, this one among them. The level; 0: send it as it is. */
MUST_USE int frame_choice_level(struct frame_choice *choice, uint32_t run,
	uint64_t link_bytes_per_s, uint32_t waiting_count);
/* The hardest level that is ever chosen. */
int frame_level_hardest(bool hardest);
/* The level for which there is time while a thread has nothing else to do. */
int frame_choice_hardest(const struct frame_choice *choice);
/* After some blocks that did not shrink: a sample of the next one is worth a look first. */
static inline bool frame_choice_doubts(const struct frame_choice *choice)
{
	return choice->misses_row > 0;
}
/* A block was compressed in so much time, or did not become smaller. */
void frame_choice_learn(struct frame_choice *choice, int level, uint32_t run, uint32_t block_bytes,
	uint64_t took_ns, bool smaller);

#endif
