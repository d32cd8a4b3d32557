/* SPDX-License-Identifier: Apache-2.0 */
/* What was learned about links and content decides. */
#include "runtime/frame_choice.h"

#include "runtime/memory.h"

#define MISSES_PATIENCE 4 /* so many in a row, and most blocks go as they are */
#define MISSES_SKIPPED	7 /* after each further one */

void frame_choice_open(struct frame_choice *choice, enum frames_mode mode, uint32_t threads_count,
	uint32_t runs_count)
{
	*choice = (struct frame_choice){.mode = mode, .threads_count = threads_count};
	choice->dull_words = memory_allocate(BITSET_WORDS(runs_count), sizeof(uint64_t));
	bitset_init(&choice->dull, choice->dull_words, runs_count);
}

void frame_choice_close(struct frame_choice *choice)
{
	free(choice->dull_words);
	*choice = (struct frame_choice){0};
}

/* Raw blocks leave at the link's rate; compressed ones at the rate at which they are made, which
 * all peers that wait share. */
static bool link_outruns(
	const struct frame_choice *choice, uint64_t link_bytes_per_s, uint32_t waiting_count)
{
	return link_bytes_per_s * waiting_count > choice->rate_bytes_per_s * choice->threads_count;
}

bool frame_choice_compress(struct frame_choice *choice, uint32_t run, uint64_t link_bytes_per_s,
	uint32_t waiting_count)
{
	if (choice->mode == FRAMES_OFF || bitset_has(&choice->dull, run))
		return false;
	if (choice->mode == FRAMES_AUTO && choice->rate_bytes_per_s > 0 &&
		link_outruns(choice, link_bytes_per_s, waiting_count))
		return false;
	if (choice->skips_left > 0) {
		choice->skips_left--;
		return false;
	}
	return true;
}

void frame_choice_learn(struct frame_choice *choice, uint32_t run, uint32_t block_bytes,
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
	choice->rate_bytes_per_s = choice->rate_bytes_per_s == 0
					   ? u64_max(rate, 1)
					   : (7 * choice->rate_bytes_per_s + rate + 7) / 8;
}
