/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of images/ by themselves: gzip checked to its trailer, hashing in parallel against hashing
 * in a row, names and the store's promises. */
#include "images/gzip_reader.h"
#include "images/image_hasher.h"
#include "images/import.h"
#include "lib/cleanup.h"
#include "lib/rng.h"
#include "wire/merkle.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static char directory[64];

static const char *in_directory(char path[static 128], const char *name)
{
	snprintf(path, 128, "%s/%s", directory, name);
	return path;
}

static void write_bytes(const char *path, const void *bytes, size_t bytes_count)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, bytes_count, file), bytes_count);
	assert_int_equal(fclose(file), 0);
}

/* Decompresses at most capacity bytes; SIZE_MAX when it is refused. */
static size_t gunzip(const uint8_t *bytes, size_t bytes_count, uint8_t *output, size_t capacity)
{
	char path[128];
	const char *reason = NULL;
	size_t used = 0;

	write_bytes(in_directory(path, "file.gz"), bytes, bytes_count);
	SCOPED(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	struct gzip_reader *reader = gzip_reader_create(fd);
	assert_non_null(reader);
	for (;;) {
		/* Odd sizes, so that members and reads do not end together. */
		ssize_t got = gzip_reader_read(
			reader, output + used, u64_min(capacity - used, 777), &reason);

		if (got < 0) {
			assert_non_null(reason);
			used = SIZE_MAX;
		}
		if (got <= 0 || used + (size_t)got >= capacity)
			break;
		used += (size_t)got;
	}
	assert_null(gzip_reader_destroy(reader));
	return used;
}

static size_t gzip(int level, const uint8_t *bytes, size_t bytes_count, uint8_t *output)
{
	z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes,
		.avail_in = (uInt)bytes_count,
		.next_out = output,
		.avail_out = 65536};

	assert_int_equal(deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8, 0), Z_OK);
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	size_t used = stream.total_out;
	assert_int_equal(deflateEnd(&stream), Z_OK);
	return used;
}

static uint8_t plain[4096];
static uint8_t packed[2 * 65536];
static uint8_t unpacked[65536];

static void gzip_comes_back_from_members_and_padding(void **state)
{
	struct rng rng;

	(void)state;
	rng_seed(&rng, 3);
	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)rng_below(&rng, 7);
	size_t first = gzip(6, plain, 1000, packed);
	assert_int_equal(gunzip(packed, first, unpacked, sizeof(unpacked)), 1000);
	size_t both = first + gzip(1, plain + 1000, sizeof(plain) - 1000, packed + first);
	assert_int_equal(gunzip(packed, both, unpacked, sizeof(unpacked)), sizeof(plain));
	assert_memory_equal(unpacked, plain, sizeof(plain));
	memset(packed + both, 0, 512);
	assert_int_equal(gunzip(packed, both + 512, unpacked, sizeof(unpacked)), sizeof(plain));
	packed[both + 100] = 1;
	assert_int_equal(gunzip(packed, both + 512, unpacked, sizeof(unpacked)), SIZE_MAX);
}

static void every_flipped_bit_and_every_cut_of_gzip_is_noticed(void **state)
{
	(void)state;
	for (int level = 0; level < 2; level++) {
		size_t bytes = gzip(level, plain, 200, packed);

		/* From the tenth byte on: before it are the time and system, which carry nothing.
		 */
		for (size_t bit = 8 * 10; bit < 8 * bytes; bit++) {
			packed[bit / 8] ^= (uint8_t)(1 << bit % 8);
			size_t got = gunzip(packed, bytes, unpacked, sizeof(unpacked));
			/* Some bits of deflate's padding mean nothing: then the content is right.
			 */
			assert_true(got == SIZE_MAX ||
				    (got == 200 && memcmp(unpacked, plain, 200) == 0));
			packed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t cut = 1; cut < bytes; cut++)
			assert_int_equal(gunzip(packed, cut, unpacked, sizeof(unpacked)), SIZE_MAX);
	}
}

enum { PIECE = 64 * 1024, PIECES = 40, LAST = 1536 };

static void parallel_hashes_are_those_of_one_thread(void **state)
{
	static uint8_t image[PIECE * PIECES + LAST];
	static uint8_t leaves[PIECE / MERKLE_LEAF_BYTES][SHA256_BYTES];
	char path[128];
	struct stat status;
	struct failure failure = {0};
	struct rng rng;

	(void)state;
	rng_seed(&rng, 5);
	for (size_t i = 0; i < sizeof(image); i++)
		if (i / PIECE % 3 != 0)
			image[i] = (uint8_t)rng_next(&rng);
	SCOPED(fd) int fd = open(in_directory(path, "target"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	struct image_hasher *hasher = image_hasher_create(PIECE, fd, &failure);
	assert_non_null(hasher);
	for (size_t at = 0; at < sizeof(image); at += PIECE) {
		size_t bytes = u64_min(PIECE, sizeof(image) - at);

		if (at / PIECE % 6 == 0) {
			assert_true(image_hasher_submit_zero(hasher, &failure));
			continue;
		}
		uint8_t *buffer = image_hasher_buffer(hasher);
		memcpy(buffer, image + at, bytes);
		assert_true(image_hasher_submit(hasher, buffer, bytes, &failure));
	}
	assert_true(image_hasher_finish(hasher, &failure));
	assert_int_equal(image_hasher_pieces_count(hasher), PIECES + 1);
	for (size_t i = 0; i <= PIECES; i++) {
		uint8_t sha1[SHA1_BYTES];
		uint8_t sha256[SHA256_BYTES];
		size_t bytes = i < PIECES ? PIECE : LAST;

		crypto_digest_ops.sha1(sha1, image + i * PIECE, bytes);
		merkle_piece(
			&crypto_digest_ops, sha256, image + i * PIECE, bytes, PIECE, false, leaves);
		assert_memory_equal(image_hasher_sha1(hasher) + i * SHA1_BYTES, sha1, SHA1_BYTES);
		assert_memory_equal(
			image_hasher_sha256(hasher) + i * SHA256_BYTES, sha256, SHA256_BYTES);
	}
	assert_null(image_hasher_destroy(hasher));
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_size, sizeof(image));
	assert_true(status.st_blocks * 512 < (off_t)sizeof(image) * 3 / 4);
	uint8_t *written = malloc(sizeof(image));
	assert_non_null(written);
	assert_int_equal(pread(fd, written, sizeof(image), 0), sizeof(image));
	assert_memory_equal(written, image, sizeof(image));
	free(written);
}

/* A target that cannot be written: the feeder is told, is never stuck, and all threads end. */
static void a_failing_target_stops_the_hasher(void **state)
{
	struct failure failure = {0};
	bool fed = true;

	(void)state;
	SCOPED(fd) int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	struct image_hasher *hasher = image_hasher_create(PIECE, fd, &failure);
	assert_non_null(hasher);
	for (int i = 0; i < 1000 && fed; i++) {
		uint8_t *buffer = image_hasher_buffer(hasher);

		memset(buffer, 1, PIECE);
		fed = image_hasher_submit(hasher, buffer, PIECE, &failure);
	}
	assert_false(image_hasher_finish(hasher, &failure));
	assert_int_equal(failure.error, ERROR_NO_SPACE);
	assert_null(image_hasher_destroy(hasher));
}

static void names_are_plain_file_names(void **state)
{
	static const char *const good[] = {"a", "debian-12", "A.b_c+d", "0"};
	static const char *const bad[] = {
		"", ".", "..", ".hidden", "-x", "+x", "a/b", "a b", "a\n", "a\x80", "../x"};
	char longest[IMAGE_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(good); i++)
		assert_true(image_name_valid(good[i]));
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_false(image_name_valid(bad[i]));
	memset(longest, 'x', sizeof(longest));
	longest[IMAGE_NAME_MAX + 1] = '\0';
	assert_false(image_name_valid(longest));
	longest[IMAGE_NAME_MAX] = '\0';
	assert_true(image_name_valid(longest));
}

static void an_import_is_found_by_name_and_infohash(void **state)
{
	char state_path[128];
	char file[128];
	uint8_t unknown[SHA1_BYTES] = {1};
	struct image_store store;
	struct import_result result;
	struct failure failure = {0};
	struct image_names names;
	static uint8_t disk[3 * 512] = {1, 2, 3};

	(void)state;
	write_bytes(in_directory(file, "small.raw"), disk, sizeof(disk));
	assert_true(store_open(&store, in_directory(state_path, "state"), true, &failure));
	struct import_request request = {.file = file};
	assert_true(image_import(&store, &request, &result, &failure));
	assert_string_equal(result.name, "small");
	assert_int_equal(result.pieces_count, 1);
	struct image *image = image_find(&store, result.infohash, &failure);
	assert_non_null(image);
	assert_string_equal(image->name, "small");
	assert_string_equal(image->metainfo.name, "small");
	assert_int_equal(image->metainfo.length_bytes, sizeof(disk));
	assert_int_equal(image->metainfo.sector_bytes, 512);
	assert_null(image_close(image));
	assert_null(image_find(&store, unknown, &failure));
	assert_int_equal(failure.error, ERROR_NOT_FOUND);
	assert_false(image_import(&store, &request, &result, &failure));
	assert_int_equal(failure.error, ERROR_EXISTS);
	assert_true(image_names_list(&store, &names, &failure));
	assert_int_equal(names.count, 1);
	image_names_free(&names);
	assert_true(image_remove(&store, "small", &failure));
	assert_null(image_open(&store, "small", &failure));
	assert_int_equal(failure.error, ERROR_NOT_FOUND);
	assert_null(image_open(&store, "../images/small", &failure));
	assert_int_equal(failure.error, ERROR_NOT_FOUND);
}

static void a_stop_leaves_nothing(void **state)
{
	char state_path[128];
	char file[128];
	struct image_store store;
	struct import_result result;
	struct failure failure = {0};
	struct image_names names;
	volatile sig_atomic_t stop = 1;
	static uint8_t disk[512];

	(void)state;
	write_bytes(in_directory(file, "stop.raw"), disk, sizeof(disk));
	assert_true(store_open(&store, in_directory(state_path, "state"), true, &failure));
	struct import_request request = {.file = file, .stop = &stop};
	assert_false(image_import(&store, &request, &result, &failure));
	assert_int_equal(failure.error, ERROR_ABORTED);
	assert_true(image_names_list(&store, &names, &failure));
	assert_int_equal(names.count, 0);
	image_names_free(&names);
}

static int make_directory(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/test_images.XXXXXX");
	return mkdtemp(directory) == NULL ? -1 : 0;
}

static int remove_directory(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r -- %s", directory);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gzip_comes_back_from_members_and_padding),
		cmocka_unit_test(every_flipped_bit_and_every_cut_of_gzip_is_noticed),
		cmocka_unit_test(parallel_hashes_are_those_of_one_thread),
		cmocka_unit_test(a_failing_target_stops_the_hasher),
		cmocka_unit_test(names_are_plain_file_names),
		cmocka_unit_test(an_import_is_found_by_name_and_infohash),
		cmocka_unit_test(a_stop_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
