/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of block devices share: a file of their own as the disk, and bytes to put there.
 * Included after cmocka. */
#ifndef TESTS_UNIT_BLOCK_DEVICE_FIXTURE_H
#define TESTS_UNIT_BLOCK_DEVICE_FIXTURE_H

#include <stdlib.h>
#include <unistd.h>

#include "lib/rng.h"
#include "runtime/block_device.h"

#define DISK_BYTES  (8 * MIB)
#define IMAGE_BYTES (6 * MIB + 512 * 3)

static char path[] = "/tmp/swarmboot-test-XXXXXX";
static struct failure failure;

static inline int make_file(void **state)
{
	(void)state;
	strcpy(path + strlen(path) - 6, "XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	return 0;
}

static inline int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static inline struct block_device *open_file(uint64_t size_bytes)
{
	struct block_device *device = block_device_open(path, true, size_bytes, &failure);

	if (device == NULL)
		fail_msg("%s", failure.text);
	return device;
}

static inline uint8_t *random_bytes(size_t bytes, uint64_t seed)
{
	uint64_t *buffer = NULL;
	struct rng rng;

	assert_int_equal(posix_memalign((void **)&buffer, 4096, (bytes + 7) / 8 * 8), 0);
	rng_seed(&rng, seed);
	for (size_t i = 0; i < (bytes + 7) / 8; i++)
		buffer[i] = rng_next(&rng);
	return (uint8_t *)buffer;
}

#endif
