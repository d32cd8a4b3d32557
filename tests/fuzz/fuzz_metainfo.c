/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a metainfo file. Digests are constant here, or no input would ever match its own. */
#include "tests/fuzz/check.h"
#include "wire/metainfo.h"

static void sha1_constant(uint8_t digest[static SHA1_BYTES], const void *bytes, size_t bytes_count)
{
	(void)bytes;
	(void)bytes_count;
	memset(digest, 'r', SHA1_BYTES);
}

static void sha256_constant(
	uint8_t digest[static SHA256_BYTES], const void *bytes, size_t bytes_count)
{
	(void)bytes;
	(void)bytes_count;
	memset(digest, 'r', SHA256_BYTES);
}

static void sha256_row_constant(uint8_t (*digests)[SHA256_BYTES], const void *bytes,
	size_t message_bytes, size_t messages_count)
{
	for (size_t i = 0; i < messages_count; i++)
		sha256_constant(digests[i], bytes, message_bytes);
}

static const struct digest_ops constant_digests = {
	.sha1 = sha1_constant, .sha256 = sha256_constant, .sha256_row = sha256_row_constant};

static void check(const struct metainfo *metainfo, const uint8_t *data, size_t size)
{
	volatile uint8_t last;

	CHECK(metainfo->info > data && metainfo->info + metainfo->info_bytes <= data + size);
	CHECK(metainfo->has_v1 || metainfo->has_v2);
	CHECK(metainfo->length_bytes > 0 && metainfo->pieces_count > 0);
	CHECK(metainfo->pieces_count == u64_div_up(metainfo->length_bytes, metainfo->piece_bytes));
	CHECK(metainfo->pieces_sha1 != NULL || metainfo->pieces_sha256 != NULL);
	if (metainfo->pieces_sha1 != NULL)
		last = metainfo->pieces_sha1[(size_t)metainfo->pieces_count * SHA1_BYTES - 1];
	if (metainfo->pieces_sha256 != NULL)
		last = metainfo->pieces_sha256[(size_t)metainfo->pieces_count * SHA256_BYTES - 1];
	(void)last;
	CHECK(metainfo_piece_length(metainfo, metainfo->pieces_count - 1) > 0);
	CHECK(strlen(metainfo->name) < sizeof(metainfo->name));
	for (uint32_t i = 0; i < metainfo->trackers_count; i++)
		CHECK(strlen(metainfo->trackers[i].url) < METAINFO_URL_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct metainfo metainfo;
	static struct metainfo again;
	struct failure failure = {.error = ERROR_NONE};

	if (!metainfo_parse(&metainfo, data, size, &constant_digests, &failure)) {
		CHECK(failure.error != ERROR_NONE && failure.text[0] != '\0');
		return 0;
	}
	check(&metainfo, data, size);
	size_t capacity = metainfo.info_bytes + metainfo_bytes_max(metainfo.pieces_count);
	uint8_t *copy = malloc(capacity);

	CHECK(copy != NULL);
	size_t written = metainfo_write_with_trackers(
		&metainfo, metainfo.trackers, metainfo.trackers_count, copy, capacity);

	CHECK(written > 0);
	CHECK(metainfo_parse(&again, copy, written, &constant_digests, &failure));
	CHECK(again.info_bytes == metainfo.info_bytes);
	CHECK(memcmp(again.info, metainfo.info, metainfo.info_bytes) == 0);
	CHECK(again.length_bytes == metainfo.length_bytes);
	CHECK(again.trackers_count == metainfo.trackers_count);
	CHECK(memcmp(again.trackers, metainfo.trackers, sizeof(again.trackers)) == 0);
	CHECK(again.signatures_count == metainfo.signatures_count);
	CHECK(memcmp(again.signatures, metainfo.signatures,
		      metainfo.signatures_count * sizeof(struct signature)) == 0);
	CHECK((again.pieces_sha256 == NULL) == (metainfo.pieces_sha256 == NULL));
	free(copy);
	return 0;
}
