/* SPDX-License-Identifier: Apache-2.0 */
/* What was learned about links and content decides. */
#include "runtime/frame_choice.h"

#include "runtime/memory.h"

#define MISSES_PATIENCE 4 /* so many in a row, and most blocks go as they are */
#define MISSES_SKIPPED	7 /* after each further one */
#define RATIO_USUAL	3 /* by which blocks of file systems shrink */
#define LEVEL_UNKNOWN	1 /* of the table: while nothing is known about the link */

/* The hardest first. The rates are those of an ordinary core, until there are better ones. */
static const struct {
	int level;
	uint64_t rate_bytes_per_s;
} levels[FRAME_LEVELS_COUNT] = {{6, 60 * MIB}, {3, 200 * MIB}, {1, 300 * MIB}};

void frame_choice_open(struct frame_choice *choice, enum frames_mode mode, bool hardest,
	uint32_t threads_count, uint32_t runs_count)
{
	*choice = (struct frame_choice){
		.mode = mode, .hardest = hardest, .threads_count = threads_count};
	for (size_t i = 0; i < FRAME_LEVELS_COUNT; i++)
		choice->rates[i] = levels[i].rate_bytes_per_s;
	choice->dull_words = memory_allocate(BITSET_WORDS(runs_count), sizeof(uint64_t));
	bitset_init(&choice->dull, choice->dull_words, runs_count);
}

void frame_choice_close(struct frame_choice *choice)
{
	free(choice->dull_words);
	*choice = (struct frame_choice){0};
}

int frame_level_hardest(bool hardest)
{
	return levels[hardest ? 0 : LEVEL_UNKNOWN].level;
}

int frame_choice_hardest(const struct frame_choice *choice)
{
	return frame_level_hardest(choice->hardest);
}

/* Blocks as they are leave at the link's rate; frames at the rate at which they are made, which all
 * peers that wait share, and which fills the link when it is larger by what blocks shrink. */
static int level_for(const struct frame_choice *choice, uint64_t link_bytes_per_s)
{
	size_t first = choice->hardest ? 0 : LEVEL_UNKNOWN;

	if (choice->mode == FRAMES_ALWAYS)
		return frame_choice_hardest(choice);
	if (link_bytes_per_s == 0)
		return levels[LEVEL_UNKNOWN].level;
	for (size_t i = first; i < FRAME_LEVELS_COUNT; i++)
		if (link_bytes_per_s * RATIO_USUAL <= choice->rates[i] * choice->threads_count)
			return levels[i].level;
	if (link_bytes_per_s <= choice->rates[FRAME_LEVELS_COUNT - 1] * choice->threads_count)
		return levels[FRAME_LEVELS_COUNT - 1].level;
	return 0;
}

int frame_choice_level(struct frame_choice *choice, uint32_t run, uint64_t link_bytes_per_s,
	uint32_t waiting_count)
{
	int level;

	if (choice->mode == FRAMES_OFF || bitset_has(&choice->dull, run))
		return 0;
	level = level_for(choice, link_bytes_per_s * waiting_count);
	if (level != 0 && choice->skips_left > 0) {
		choice->skips_left--;
		return 0;
	}
	return level;
}

void frame_choice_learn(struct frame_choice *choice, int level, uint32_t run, uint32_t block_bytes,
	uint64_t took_ns, bool smaller)
{
	uint64_t rate = block_bytes * NS_PER_S / u64_max(took_ns, 1);

	if (!smaller) {
		bitset_set(&choice->dull, run);
		if (++choice->misses_row >= MISSES_PATIENCE)
			choice->skips_left = MISSES_SKIPPED;
		return;
	}
	choice->misses_row = 0;
	for (size_t i = 0; i < FRAME_LEVELS_COUNT; i++)
		if (levels[i].level == level)
			choice->rates[i] = (7 * choice->rates[i] + rate + 7) / 8;
}
