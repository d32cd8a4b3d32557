/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How blocks are asked for where they come compressed. A frame holds one request's answer: the
 * larger it is, the better it compresses, and a node passes it on as it is only to who asks for the
 * very same blocks. So peers that send frames are asked for whole runs, at the same places by
 * everybody. Until one has come, and while they do not, requests are as ever.
 */
#include "swarm/engine.h"

#define RUN_BYTES     MIB
#define TELLING_BYTES (64 * KIB)     /* an answer this large that is no frame says something */
#define PATIENCE_NS   (2 * NS_PER_S) /* when nothing comes at all */
#define MISSES_MAX    4

void frame_learn(struct swarm *s, struct peer *p, const struct peer_message *message)
{
	if (message->id == PEER_FRAME) {
		s->frames_seen = true;
		p->frame_misses = 0;
	} else if (message->length >= TELLING_BYTES && p->frame_misses < MISSES_MAX) {
		p->frame_misses++;
	}
}

bool frames_expected(const struct swarm *s, const struct peer *p)
{
	return s->settings.frames && s->frames_seen && p->id_frame != 0 &&
	       p->frame_misses < MISSES_MAX && p->request_bytes_max >= RUN_BYTES;
}

/* Not counting an origin, whose bytes are everybody's: it is no reason to leave others idle. Where
 * those who send blocks as they are are more, they are needed. */
bool frames_elsewhere(const struct swarm *s, const struct peer *p)
{
	uint32_t with_count = 0;
	uint32_t without_count = 0;

	if (!s->settings.frames || !s->frames_seen || p->id_frame != 0 || p->origin ||
		s->now_ns >= s->received_ns + PATIENCE_NS)
		return false;
	for (uint32_t i = 0; i < s->peers_top; i++) {
		const struct peer *other = &s->peers[i];

		if (other->state != PEER_OPEN || other->origin || other->snubbed ||
			other->peer_choking || other->useful_count == 0)
			continue;
		with_count += frames_expected(s, other);
		without_count += other->id_frame == 0;
	}
	return with_count > 0 && with_count >= without_count;
}

uint32_t frame_run_blocks(const struct swarm *s, uint32_t block)
{
	uint32_t run_blocks = (uint32_t)u64_max(RUN_BYTES / s->limits.block_bytes, 1);

	run_blocks = (uint32_t)u64_min(run_blocks, SWARM_RUN_BLOCKS_MAX);
	return run_blocks - block % run_blocks;
}
