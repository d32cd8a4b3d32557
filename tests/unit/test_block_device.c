/* SPDX-License-Identifier: Apache-2.0 */
/* One conformance suite for every backend and layer, then what each layer adds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runtime/crypto.h"
#include "tests/unit/block_device_fixture.h"

/* Random reads, writes and zeroings at odd places against a copy in memory. */
static void conformance(struct block_device *device, uint64_t range_bytes)
{
	uint8_t *model = random_bytes(range_bytes, 1);
	uint8_t *out = NULL;
	struct rng rng;

	assert_int_equal(posix_memalign((void **)&out, 4096, range_bytes), 0);
	assert_true(block_device_write(device, model, 0, range_bytes, &failure));
	rng_seed(&rng, 2);
	for (int round = 0; round < 60; round++) {
		uint64_t offset = rng_below(&rng, range_bytes);
		size_t bytes = (size_t)rng_below(&rng, range_bytes - offset + 1);

		if (round % 2 == 0) {
			offset = offset / 4096 * 4096;
			bytes = bytes / 4096 * 4096;
		}
		if (round % 3 == 0) {
			memset(model + offset, 0, bytes);
			assert_true(block_device_write_zeroes(device, offset, bytes, &failure));
		} else {
			uint8_t *in = random_bytes(bytes + 1, (uint64_t)round);

			memcpy(model + offset, in, bytes);
			assert_true(block_device_write(device, in, offset, bytes, &failure));
			free(in);
		}
		offset = rng_below(&rng, range_bytes);
		bytes = (size_t)rng_below(&rng, range_bytes - offset + 1);
		assert_true(block_device_read(device, out, offset, bytes, &failure));
		assert_memory_equal(out, model + offset, bytes);
		assert_true(block_device_read_medium(device, out, offset, bytes, &failure));
		assert_memory_equal(out, model + offset, bytes);
		if (block_device_read_at_hand(device, out, offset, bytes))
			assert_memory_equal(out, model + offset, bytes);
		if (round % 2 == 0) {
			offset = offset / 4096 * 4096;
			bytes = bytes / 4096 * 4096;
		}
		assert_true(block_device_read_once(device, out, offset, bytes, &failure));
		assert_memory_equal(out, model + offset, bytes);
	}
	assert_true(block_device_flush(device, &failure));
	assert_false(block_device_read(device, out, device->size_bytes - 1, 2, &failure));
	free(model);
	free(out);
}

static void file_conforms(void **state)
{
	(void)state;
	struct block_device *device = open_file(IMAGE_BYTES);

	assert_int_equal(device->size_bytes, IMAGE_BYTES);
	conformance(device, IMAGE_BYTES);
	block_device_close(device);
}

/* What was just read lies in the page cache; what waits for a fault does not. */
static void what_is_cached_is_at_hand(void **state)
{
	(void)state;
	uint8_t *out = random_bytes(4096, 1);
	struct block_device *device = open_file(IMAGE_BYTES);

	assert_true(block_device_write(device, out, 4096, 100, &failure));
	assert_true(block_device_read(device, out, 0, 4096, &failure));
	assert_true(block_device_read_at_hand(device, out, 0, 4096));
	assert_false(block_device_read_at_hand(device, out, IMAGE_BYTES, 1));
	device = block_device_faults_open(device, "read-delay-us=1", &failure);
	assert_non_null(device);
	assert_false(block_device_read_at_hand(device, out, 0, 4096));
	block_device_close(device);
	free(out);
}

static void layers_conform(void **state)
{
	(void)state;
	struct block_device *device =
		block_device_faults_open(open_file(DISK_BYTES), "lose-unflushed", &failure);

	device = block_device_holdback_open(device, IMAGE_BYTES, &failure);
	assert_non_null(device);
	conformance(device, IMAGE_BYTES);
	block_device_close(device);
}

/* Attaches the file to a free loop device with that sector size; false when that is not to be had
 * here (no root, no loop devices). */
static bool attach_loop(char loop[static 64], unsigned sector_bytes)
{
	char command[256];

	snprintf(command, sizeof(command), "losetup --find --show --sector-size %u %s 2>/dev/null",
		sector_bytes, path);
	FILE *pipe = popen(command, "r");
	bool attached = pipe != NULL && fgets(loop, 64, pipe) != NULL;

	if (pipe != NULL)
		pclose(pipe);
	if (attached)
		loop[strcspn(loop, "\n")] = '\0';
	return attached;
}

static void real_block_devices_conform(void **state)
{
	(void)state;
	static const unsigned sector_sizes[] = {512, 4096};

	for (size_t i = 0; i < ARRAY_COUNT(sector_sizes); i++) {
		char loop[64];
		char command[128];

		block_device_close(open_file(DISK_BYTES));
		if (!attach_loop(loop, sector_sizes[i]))
			skip();
		struct block_device *device = block_device_open(loop, true, DISK_BYTES, &failure);

		if (device != NULL) {
			assert_null(block_device_open(loop, true, 0, &failure));
			assert_int_equal(failure.error, ERROR_DISK_BUSY);
			assert_null(block_device_open(loop, false, DISK_BYTES + 1, &failure));
			assert_int_equal(failure.error, ERROR_DISK_TOO_SMALL);
			assert_int_equal(device->sector_bytes, sector_sizes[i]);
			assert_int_equal(device->size_bytes, DISK_BYTES);
			conformance(device, DISK_BYTES);
			block_device_close(device);
		}
		snprintf(command, sizeof(command), "losetup --detach %s", loop);
		assert_int_equal(system(command), 0);
		if (device == NULL)
			fail_msg("%s", failure.text);
	}
}

static void two_writers_of_one_file_are_refused(void **state)
{
	(void)state;
	struct block_device *first = open_file(DISK_BYTES);

	assert_null(block_device_open(path, true, 0, &failure));
	assert_int_equal(failure.error, ERROR_DISK_BUSY);
	block_device_close(first);
}

static void a_file_that_is_too_small_is_refused_for_reading(void **state)
{
	(void)state;
	assert_null(block_device_open(path, false, 4096, &failure));
	assert_int_equal(failure.error, ERROR_DISK_TOO_SMALL);
	assert_null(block_device_open("/nonexistent/x", false, 0, &failure));
	assert_int_equal(failure.error, ERROR_NOT_FOUND);
	assert_null(block_device_open("/dev/null", false, 0, &failure));
	assert_int_equal(failure.error, ERROR_UNSUPPORTED);
}

static size_t cached_pages_count(int fd)
{
	static unsigned char resident[DISK_BYTES / 4096];
	void *map = mmap(NULL, DISK_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	size_t count = 0;

	assert_true(map != MAP_FAILED);
	assert_int_equal(mincore(map, DISK_BYTES, resident), 0);
	for (size_t i = 0; i < sizeof(resident); i++)
		count += resident[i] & 1;
	munmap(map, DISK_BYTES);
	return count;
}

/* After a failed write the cache may say what the medium does not. */
static void what_is_cached_is_forgotten_at_opening(void **state)
{
	uint8_t *bytes = random_bytes(DISK_BYTES, 3);
	struct statfs about;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0 && fstatfs(fd, &about) == 0);
	assert_int_equal(write(fd, bytes, DISK_BYTES), DISK_BYTES);
	free(bytes);
	assert_true(cached_pages_count(fd) > 0);
	if (about.f_type == TMPFS_MAGIC) {
		close(fd);
		skip(); /* its cache is its medium */
	}
	struct block_device *device = open_file(DISK_BYTES);

	assert_int_equal(cached_pages_count(fd), 0);
	block_device_close(device);
	close(fd);
}

static void zeroing_leaves_holes_alone(void **state)
{
	(void)state;
	struct stat status;
	struct block_device *device = open_file(DISK_BYTES);

	assert_true(block_device_write_zeroes(device, 0, DISK_BYTES, &failure));
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_blocks, 0);
	block_device_close(device);
}

/* The raw file behind a device, read by other means. */
static uint8_t *raw_content(void)
{
	uint8_t *content = malloc(DISK_BYTES);
	int fd = open(path, O_RDONLY);

	assert_int_equal(pread(fd, content, DISK_BYTES, 0), DISK_BYTES);
	close(fd);
	return content;
}

static void holdback_wipes_first_and_commits_last(void **state)
{
	(void)state;
	struct block_device *raw = open_file(DISK_BYTES);
	uint8_t *old = random_bytes(DISK_BYTES, 7);
	uint8_t *image = random_bytes(IMAGE_BYTES, 8);
	uint8_t digest[SHA256_BYTES];
	uint8_t after[SHA256_BYTES];

	assert_true(block_device_write(raw, old, 0, DISK_BYTES, &failure));
	struct block_device *device = block_device_holdback_open(raw, IMAGE_BYTES, &failure);

	/* The head alone reaches nothing, not even the wipe. */
	assert_true(block_device_write(device, image, 0, MIB, &failure));
	uint8_t *content = raw_content();
	assert_memory_equal(content, old, DISK_BYTES);
	free(content);

	assert_true(block_device_write(device, image + MIB, MIB, IMAGE_BYTES - MIB, &failure));
	content = raw_content();
	assert_true(bytes_all_zero(content, MIB));
	assert_true(bytes_all_zero(content + DISK_BYTES - MIB, MIB));
	assert_memory_equal(content + MIB, image + MIB, IMAGE_BYTES - 2 * MIB);
	assert_memory_equal(content + IMAGE_BYTES - MIB, old + IMAGE_BYTES - MIB,
		DISK_BYTES - MIB - (IMAGE_BYTES - MIB));
	free(content);

	uint8_t *seen = malloc(IMAGE_BYTES);
	assert_true(block_device_read(device, seen, 0, IMAGE_BYTES, &failure));
	assert_memory_equal(seen, image, IMAGE_BYTES);
	assert_true(holdback_digest(device, &crypto_digest_ops, digest, &failure));
	assert_true(holdback_commit(device, &failure));
	content = raw_content();
	assert_memory_equal(content, image, IMAGE_BYTES);
	assert_true(block_device_head_tail_digest(
		raw, IMAGE_BYTES, &crypto_digest_ops, after, &failure));
	assert_memory_equal(digest, after, SHA256_BYTES);
	free(content);
	free(seen);
	free(old);
	free(image);
	block_device_close(device);
}

static void small_images_are_held_back_whole(void **state)
{
	(void)state;
	uint64_t image_bytes = MIB + 4096;
	uint8_t *image = random_bytes(image_bytes, 3);
	struct block_device *raw = open_file(DISK_BYTES);
	struct block_device *device = block_device_holdback_open(raw, image_bytes, &failure);

	assert_true(block_device_write(device, image, 0, image_bytes, &failure));
	uint8_t *content = raw_content();
	assert_true(bytes_all_zero(content, DISK_BYTES));
	free(content);
	assert_true(holdback_commit(device, &failure));
	content = raw_content();
	assert_memory_equal(content, image, image_bytes);
	free(content);
	free(image);
	block_device_close(device);
	device = open_file(DISK_BYTES);
	assert_null(block_device_holdback_open(device, DISK_BYTES + 1, &failure));
	assert_int_equal(failure.error, ERROR_DISK_TOO_SMALL);
	block_device_close(device);
}

static void faults_are_injected_where_asked(void **state)
{
	(void)state;
	uint8_t *bytes = random_bytes(MIB, 4);
	struct block_device *device = block_device_faults_open(open_file(DISK_BYTES),
		"write-error-once=1MiB,flush-error-once=2,read-error-at=4096,corrupt-at=100",
		&failure);

	assert_true(block_device_write(device, bytes, 0, MIB, &failure));
	assert_true(block_device_flush(device, &failure));
	assert_false(block_device_write(device, bytes, MIB, MIB, &failure));
	assert_int_equal(failure.error, ERROR_DISK_WRITE);
	assert_true(block_device_write(device, bytes, MIB, MIB, &failure));
	assert_false(block_device_flush(device, &failure));
	assert_int_equal(failure.error, ERROR_DISK_FLUSH);
	assert_true(block_device_flush(device, &failure));
	assert_false(block_device_read(device, bytes, 0, 8192, &failure));
	uint8_t stored;
	assert_true(block_device_read(device, &stored, 100, 1, &failure));
	assert_int_equal(stored, (uint8_t)~bytes[100]);
	block_device_close(device);
	free(bytes);
}

static void a_short_write_stores_half_and_fails(void **state)
{
	(void)state;
	uint8_t *bytes = random_bytes(MIB, 4);
	uint8_t *seen = malloc(MIB);
	struct block_device *device =
		block_device_faults_open(open_file(DISK_BYTES), "short-write-after=0", &failure);

	assert_false(block_device_write(device, bytes, 0, MIB, &failure));
	assert_true(block_device_read(device, seen, 0, MIB, &failure));
	assert_memory_equal(seen, bytes, MIB / 2);
	assert_true(bytes_all_zero(seen + MIB / 2, MIB / 2));
	block_device_close(device);
	free(bytes);
	free(seen);
}

/* Sectors of [0, bytes) that do not hold what was written. */
static unsigned lost_sectors(const uint8_t *written, uint64_t bytes)
{
	uint8_t *content = raw_content();
	unsigned lost = 0;

	for (uint64_t at = 0; at < bytes; at += 512)
		lost += memcmp(content + at, written + at, 512) != 0;
	free(content);
	return lost;
}

static void power_cut(const char *specification, unsigned *lost_flushed, unsigned *lost_unflushed)
{
	uint8_t *bytes = random_bytes(2 * MIB, 5);
	struct block_device *device =
		block_device_faults_open(open_file(DISK_BYTES), specification, &failure);

	assert_true(block_device_write(device, bytes, 0, MIB, &failure));
	assert_true(block_device_flush(device, &failure));
	assert_true(block_device_write(device, bytes + MIB, MIB, MIB, &failure));
	assert_true(block_device_faults_power_cut(device, &failure));
	assert_false(block_device_write(device, bytes, 0, 512, &failure));
	assert_false(block_device_flush(device, &failure));
	block_device_close(device);
	*lost_flushed = lost_sectors(bytes, MIB);
	*lost_unflushed = lost_sectors(bytes, 2 * MIB) - *lost_flushed;
	free(bytes);
}

static void a_power_cut_loses_only_what_was_not_flushed(void **state)
{
	(void)state;
	unsigned flushed;
	unsigned unflushed;

	power_cut("lose-unflushed,seed=9", &flushed, &unflushed);
	assert_int_equal(flushed, 0);
	assert_in_range(unflushed, 100, MIB / 512 - 100);
}

static void without_the_flush_a_power_cut_loses_more(void **state)
{
	(void)state;
	unsigned flushed;
	unsigned unflushed;

	power_cut("lose-unflushed,drop-flush,seed=9", &flushed, &unflushed);
	assert_in_range(flushed, 100, MIB / 512);
}

static void unknown_faults_are_refused(void **state)
{
	(void)state;
	struct block_device *device = open_file(DISK_BYTES);

	assert_null(block_device_faults_open(device, "write-errors=1", &failure));
	assert_int_equal(failure.error, ERROR_USAGE);
	assert_null(block_device_faults_open(device, "write-rate=x", &failure));
	assert_null(block_device_faults_open(device, "write-rate=0", &failure));
	block_device_close(device);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_file, remove_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(file_conforms),
		TEST(layers_conform),
		TEST(what_is_cached_is_at_hand),
		TEST(real_block_devices_conform),
		TEST(two_writers_of_one_file_are_refused),
		TEST(a_file_that_is_too_small_is_refused_for_reading),
		TEST(what_is_cached_is_forgotten_at_opening),
		TEST(zeroing_leaves_holes_alone),
		TEST(holdback_wipes_first_and_commits_last),
		TEST(small_images_are_held_back_whole),
		TEST(faults_are_injected_where_asked),
		TEST(a_short_write_stores_half_and_fails),
		TEST(a_power_cut_loses_only_what_was_not_flushed),
		TEST(without_the_flush_a_power_cut_loses_more),
		TEST(unknown_faults_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
