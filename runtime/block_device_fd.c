/* SPDX-License-Identifier: Apache-2.0 */
/* pread and pwrite that transfer everything or fail. */
#include "runtime/block_device_fd.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

bool fd_read_all(int fd, void *buffer, uint64_t offset, size_t bytes)
{
	uint8_t *at = buffer;

	while (bytes > 0) {
		ssize_t got = pread(fd, at, bytes, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			if (got == 0)
				errno = EIO;
			return false;
		}
		at += got;
		offset += (uint64_t)got;
		bytes -= (size_t)got;
	}
	return true;
}

bool fd_write_all(int fd, const void *buffer, uint64_t offset, size_t bytes)
{
	const uint8_t *at = buffer;

	while (bytes > 0) {
		ssize_t put = pwrite(fd, at, bytes, (off_t)offset);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0) {
			if (put == 0)
				errno = EIO;
			return false;
		}
		at += put;
		offset += (uint64_t)put;
		bytes -= (size_t)put;
	}
	return true;
}

bool fd_read_cached(int fd, void *buffer, uint64_t offset, size_t bytes)
{
	struct iovec place = {buffer, bytes};

	return preadv2(fd, &place, 1, (off_t)offset, RWF_NOWAIT) == (ssize_t)bytes;
}
