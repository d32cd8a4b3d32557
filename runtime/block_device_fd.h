/* SPDX-License-Identifier: Apache-2.0 */
/* Whole transfers over a file descriptor. Private to runtime/. */
#ifndef RUNTIME_BLOCK_DEVICE_FD_H
#define RUNTIME_BLOCK_DEVICE_FD_H

#include "lib/bytes.h"

/* pread and pwrite until everything is transferred. False with errno set; an end of file inside the
 * range is EIO. */
MUST_USE bool fd_read_all(int fd, void *buffer, uint64_t offset, size_t bytes);
MUST_USE bool fd_write_all(int fd, const void *buffer, uint64_t offset, size_t bytes);

/* As fd_read_all, but false when not all of it lies in the page cache. */
MUST_USE bool fd_read_cached(int fd, void *buffer, uint64_t offset, size_t bytes);

#endif
