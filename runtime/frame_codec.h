/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks to frames and back: one zstd frame each (RFC 8878), made and read in one call. Any thread;
 * working memory is kept and used again, as much of it as there are calls at a time.
 */
#ifndef RUNTIME_FRAME_CODEC_H
#define RUNTIME_FRAME_CODEC_H

#include "lib/bytes.h"

struct frame_codec;

MUST_USE struct frame_codec *frame_codec_create(void);
/* Nothing may be in a call. Accepts NULL, returns NULL. */
struct frame_codec *frame_codec_destroy(struct frame_codec *codec);

/* What one call at a time keeps for itself, found by trying. */
uint64_t frame_encoder_bytes(int level, uint32_t block_bytes);
uint64_t frame_decoder_bytes(void);
/* What is kept now, by all that have ended. */
uint64_t frame_codec_bytes(struct frame_codec *codec);

/* The most that a frame of such a block may take to be worth its while. */
uint32_t frame_bytes_worth(uint32_t block_bytes);

/* The frame's bytes; 0 when it does not fit into frame_bytes_max. */
uint32_t frame_encode(struct frame_codec *codec, int level, uint8_t *frame,
	uint32_t frame_bytes_max, const uint8_t *block, uint32_t block_bytes);

/* True when samples of the block become so much smaller that the whole might. */
MUST_USE bool frame_promising(
	struct frame_codec *codec, const uint8_t *block, uint32_t block_bytes);

/* False when it is anything but one frame that declares this block's size and holds as much: then
 * the block's bytes are whatever they are, and nothing outside of it was touched. */
MUST_USE bool frame_decode(struct frame_codec *codec, uint8_t *block, uint32_t block_bytes,
	const uint8_t *frame, uint32_t frame_bytes);

#endif
