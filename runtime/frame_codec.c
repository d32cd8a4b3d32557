/* SPDX-License-Identifier: Apache-2.0 */
/* libzstd's one-call functions, with a stack of contexts that threads take from. */
#include "runtime/frame_codec.h"

#include <pthread.h>
#include <zstd.h>

#include "runtime/memory.h"

#define CONTEXTS_MAX 64
#define SAMPLES	     3
#define SAMPLE_BYTES 8192
#define WORTH_SHARE  16 /* a frame must save at least one such share of the block */

struct contexts {
	void *idle[CONTEXTS_MAX];
	uint32_t idle_count;
};

struct frame_codec {
	pthread_mutex_t mutex; /* guards the rest */
	struct contexts encoders;
	struct contexts decoders;
};

struct frame_codec *frame_codec_create(void)
{
	struct frame_codec *codec = memory_allocate(1, sizeof(*codec));

	pthread_mutex_init(&codec->mutex, NULL);
	return codec;
}

struct frame_codec *frame_codec_destroy(struct frame_codec *codec)
{
	if (codec == NULL)
		return NULL;
	for (uint32_t i = 0; i < codec->encoders.idle_count; i++)
		ZSTD_freeCCtx(codec->encoders.idle[i]);
	for (uint32_t i = 0; i < codec->decoders.idle_count; i++)
		ZSTD_freeDCtx(codec->decoders.idle[i]);
	pthread_mutex_destroy(&codec->mutex);
	free(codec);
	return NULL;
}

static void *context_take(struct frame_codec *codec, struct contexts *contexts)
{
	void *context = NULL;

	pthread_mutex_lock(&codec->mutex);
	if (contexts->idle_count > 0)
		context = contexts->idle[--contexts->idle_count];
	pthread_mutex_unlock(&codec->mutex);
	return context;
}

/* False when there are enough of them. */
static bool context_put(struct frame_codec *codec, struct contexts *contexts, void *context)
{
	bool kept;

	pthread_mutex_lock(&codec->mutex);
	kept = contexts->idle_count < CONTEXTS_MAX;
	if (kept)
		contexts->idle[contexts->idle_count++] = context;
	pthread_mutex_unlock(&codec->mutex);
	return kept;
}

uint64_t frame_encoder_bytes(int level, uint32_t block_bytes)
{
	struct frame_codec *codec = frame_codec_create();
	uint8_t *block = memory_allocate(1, block_bytes);
	uint8_t *frame = memory_allocate(1, block_bytes);

	if (frame_encode(codec, level, frame, block_bytes, block, block_bytes) == 0)
		abort(); /* zeros become smaller */
	uint64_t bytes = frame_codec_bytes(codec);

	free(frame);
	free(block);
	frame_codec_destroy(codec);
	return bytes;
}

uint64_t frame_decoder_bytes(void)
{
	ZSTD_DCtx *context = ZSTD_createDCtx();

	if (context == NULL)
		memory_exhausted(0);
	uint64_t bytes = ZSTD_sizeof_DCtx(context);

	ZSTD_freeDCtx(context);
	return bytes;
}

uint64_t frame_codec_bytes(struct frame_codec *codec)
{
	uint64_t bytes = 0;

	pthread_mutex_lock(&codec->mutex);
	for (uint32_t i = 0; i < codec->encoders.idle_count; i++)
		bytes += ZSTD_sizeof_CCtx(codec->encoders.idle[i]);
	for (uint32_t i = 0; i < codec->decoders.idle_count; i++)
		bytes += ZSTD_sizeof_DCtx(codec->decoders.idle[i]);
	pthread_mutex_unlock(&codec->mutex);
	return bytes;
}

uint32_t frame_bytes_worth(uint32_t block_bytes)
{
	return block_bytes - block_bytes / WORTH_SHARE - 1;
}

uint32_t frame_encode(struct frame_codec *codec, int level, uint8_t *frame,
	uint32_t frame_bytes_max, const uint8_t *block, uint32_t block_bytes)
{
	ZSTD_CCtx *context = context_take(codec, &codec->encoders);

	if (context == NULL)
		context = ZSTD_createCCtx();
	if (context == NULL)
		memory_exhausted(0);

	size_t bytes_count =
		ZSTD_compressCCtx(context, frame, frame_bytes_max, block, block_bytes, level);

	if (!context_put(codec, &codec->encoders, context))
		ZSTD_freeCCtx(context);
	return ZSTD_isError(bytes_count) ? 0 : (uint32_t)bytes_count;
}

bool frame_promising(struct frame_codec *codec, const uint8_t *block, uint32_t block_bytes)
{
	uint8_t frame[SAMPLE_BYTES];

	if (block_bytes < 2 * SAMPLES * SAMPLE_BYTES)
		return true;
	for (uint32_t i = 0; i < SAMPLES; i++)
		if (frame_encode(codec, 1, frame, frame_bytes_worth(SAMPLE_BYTES),
			    block + (block_bytes - SAMPLE_BYTES) / (SAMPLES - 1) * i,
			    SAMPLE_BYTES) > 0)
			return true;
	return false;
}

bool frame_decode(struct frame_codec *codec, uint8_t *block, uint32_t block_bytes,
	const uint8_t *frame, uint32_t frame_bytes)
{
	/* Two frames one behind the other, or one with a tail, would decode as well. */
	if (ZSTD_getFrameContentSize(frame, frame_bytes) != block_bytes ||
		ZSTD_findFrameCompressedSize(frame, frame_bytes) != frame_bytes)
		return false;

	ZSTD_DCtx *context = context_take(codec, &codec->decoders);

	if (context == NULL)
		context = ZSTD_createDCtx();
	if (context == NULL)
		memory_exhausted(0);

	size_t bytes_count = ZSTD_decompressDCtx(context, block, block_bytes, frame, frame_bytes);

	if (!context_put(codec, &codec->decoders, context))
		ZSTD_freeDCtx(context);
	return bytes_count == block_bytes;
}
