/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One number, the memory that a transfer may take, turned into the sizes of everything that is
 * sized: piece buffers, read buffers, the engine's tables and rings. What the process needs anyway
 * (program, libraries, stacks) and what grows with the image (a hash and a table entry a piece) is
 * taken off first; piece buffers get what is left, two of them whatever the number says.
 */
#ifndef RUNTIME_BUDGET_H
#define RUNTIME_BUDGET_H

#include "swarm/swarm.h"
#include "wire/metainfo.h"

#define BUDGET_BYTES_DEFAULT (64 * MIB)
#define BUDGET_PROCESS_BYTES (2 * MIB + MIB / 2) /* program, libraries, stacks, heap's slack */

struct budget {
	uint64_t wanted_bytes;
	uint64_t planned_bytes; /* more than wanted when two pieces do not fit */
	uint64_t buffer_stride_bytes;
	uint32_t check_bytes; /* read at a time by an assessment or a read-back */
};

/* Fills in limits->buffers_count and makes peers and rings fewer when memory is short. memory_bytes
 * 0: the default; taken_bytes of it are used by others. */
void budget_plan(struct budget *budget, uint64_t memory_bytes, uint64_t taken_bytes,
	const struct metainfo *metainfo, bool origin, struct swarm_limits *limits);

/* Buffers in which a session reads for its peers. */
uint64_t budget_uploads_bytes(uint64_t memory_bytes);

/* For compressed blocks: frames, and what making them and reading them takes. */
struct frames_budget {
	uint64_t store_bytes;
	uint64_t codec_bytes;
	uint32_t encoders_count; /* at work at a time */
};

/* False: there is not enough for them, and the budget is the least with which they work. A seed
 * does not fill its piece buffers, so more of its memory is for them. level: the hardest at which
 * it compresses. */
bool budget_frames(struct frames_budget *frames, uint64_t memory_bytes, uint32_t piece_bytes,
	bool seed, int level);

/* Once the signature is checked: keeps of the parsed bytes, which malloc gave, only the hashes that
 * pieces are checked with. Returns where they are now. */
MUST_USE uint8_t *budget_shrink_metainfo(struct metainfo *metainfo, uint8_t *bytes);

/* Resident bytes of this process, from /proc; 0 when it does not say. */
uint64_t budget_resident_bytes(void);

/* Threads share one heap, and what is freed goes back to the system. Once, at the program's start.
 */
void budget_tune_heap(void);

#endif
