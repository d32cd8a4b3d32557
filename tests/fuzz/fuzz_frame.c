/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a frame: nothing outside of the block is written, and what decodes declared its
 * size. Any bytes as a block: what becomes a frame comes back. */
#include <stdlib.h>
#include <zstd.h>

#include "runtime/frame_codec.h"
#include "tests/fuzz/check.h"
#include "wire/peer_wire.h"

static struct frame_codec *codec;

static void check_decode(const uint8_t *data, size_t size, uint32_t block_bytes)
{
	/* Exact, so that the sanitizer sees a byte too many. */
	uint8_t *block = malloc(block_bytes);

	CHECK(block != NULL);
	if (frame_decode(codec, block, block_bytes, data, (uint32_t)size))
		CHECK(ZSTD_getFrameContentSize(data, size) == block_bytes);
	free(block);
}

static void check_encode(const uint8_t *data, uint32_t size)
{
	uint32_t frame_bytes_max = frame_bytes_worth(size);
	uint8_t *frame = malloc(frame_bytes_max);
	uint8_t *block = malloc(size);

	CHECK(frame != NULL && block != NULL);
	(void)frame_promising(codec, data, size);
	uint32_t frame_bytes = frame_encode(codec, 1, frame, frame_bytes_max, data, size);

	if (frame_bytes > 0) {
		CHECK(frame_bytes <= frame_bytes_max);
		CHECK(frame_decode(codec, block, size, frame, frame_bytes));
		CHECK(memcmp(block, data, size) == 0);
	}
	free(block);
	free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (codec == NULL)
		codec = frame_codec_create();
	if (size < 4)
		return 0;
	uint32_t block_bytes = (be32_read(data) & (2 * PEER_REQUEST_BYTES_MAX - 1)) + 1;

	check_decode(data + 4, size - 4, block_bytes);
	/* As if the sender had said the truth. */
	unsigned long long declared = ZSTD_getFrameContentSize(data + 4, size - 4);

	if (declared > 0 && declared <= PEER_REQUEST_BYTES_MAX)
		check_decode(data + 4, size - 4, (uint32_t)declared);
	if (size >= 64)
		check_encode(data, (uint32_t)size);
	return 0;
}
