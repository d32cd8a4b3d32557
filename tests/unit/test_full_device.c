/* SPDX-License-Identifier: Apache-2.0 */
/* A device that reads and cannot write: what it could not take is never taken for written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/block_device.h"

#define DISK_BYTES (8 * MIB)

static struct failure failure;
static uint8_t bytes[8192] __attribute__((aligned(4096)));

/* A loop device on a full tmpfs: it reads as zeros, and what is written to it fails when the kernel
 * writes it back. False when that is not to be had here (no root, no loop devices). */
static bool attach(char loop[static 64])
{
	static const char commands[] = "d=$(mktemp -d /tmp/swarmboot-full-XXXXXX) && "
				       "mount -t tmpfs -o nr_blocks=1 none $d && "
				       "echo x >$d/ballast && truncate -s 8M $d/disk && "
				       "losetup --find --show $d/disk; umount -l $d; rmdir $d";
	FILE *pipe = geteuid() == 0 ? popen(commands, "r") : NULL;
	bool attached = pipe != NULL && fgets(loop, 64, pipe) != NULL;

	if (pipe != NULL)
		pclose(pipe);
	if (attached)
		loop[strcspn(loop, "\n")] = '\0';
	return attached;
}

/* The loop device goes when this is closed. */
static struct block_device *open_full(bool direct)
{
	char loop[64];
	char command[128];
	struct rlimit usual;

	if (!attach(loop))
		skip();
	int next = dup(0);

	assert_true(next >= 0 && close(next) == 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
	if (!direct) { /* no descriptor is left for the way past the cache */
		struct rlimit one_more = {(rlim_t)next + 1, usual.rlim_max};

		assert_int_equal(setrlimit(RLIMIT_NOFILE, &one_more), 0);
	}
	struct block_device *device = block_device_open(loop, true, DISK_BYTES, &failure);

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
	snprintf(command, sizeof(command), "losetup --detach %s", loop);
	assert_int_equal(system(command), 0);
	if (device == NULL)
		fail_msg("%s", failure.text);
	memset(bytes, 0xa5, sizeof(bytes));
	return device;
}

static void what_could_not_be_written_is_not_read_from_the_cache(void **state)
{
	(void)state;
	struct block_device *device = open_full(true);

	/* Not aligned, so it goes through the cache. */
	assert_true(block_device_write(device, bytes, 4096, 100, &failure));
	assert_false(block_device_read_once(device, bytes, 4096, 4096, &failure));
	assert_int_equal(failure.error, ERROR_DISK_READ);
	assert_false(block_device_flush(device, &failure));
	assert_int_equal(failure.error, ERROR_DISK_FLUSH);
	block_device_close(device);
}

static void a_direct_write_fails_at_once(void **state)
{
	(void)state;
	struct block_device *device = open_full(true);

	assert_false(block_device_write(device, bytes, 4096, 4096, &failure));
	assert_int_equal(failure.error, ERROR_DISK_WRITE);
	block_device_close(device);
}

static void a_reader_does_not_swallow_what_the_flush_must_say(void **state)
{
	(void)state;
	struct block_device *device = open_full(false);

	assert_true(block_device_write(device, bytes, 4096, 4096, &failure));
	assert_false(block_device_read_medium(device, bytes, 4096, 4096, &failure));
	assert_int_equal(failure.error, ERROR_DISK_FLUSH);
	assert_false(block_device_flush(device, &failure));
	assert_int_equal(failure.error, ERROR_DISK_FLUSH);
	assert_true(block_device_flush(device, &failure)); /* nothing was written since */
	block_device_close(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_could_not_be_written_is_not_read_from_the_cache),
		cmocka_unit_test(a_direct_write_fails_at_once),
		cmocka_unit_test(a_reader_does_not_swallow_what_the_flush_must_say),
	};

	return cmocka_run_group_tests_name("full device", tests, NULL, NULL);
}
