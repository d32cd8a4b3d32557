/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file or block device mapped for reading: to learn what of it lies in the page cache, and to
 * send that from where it is. Nobody but the kernel reads through the mapping (a system call that
 * meets a page that cannot be had says EFAULT, a load would be a SIGBUS). Private to runtime/.
 */
#ifndef RUNTIME_BLOCK_DEVICE_MAP_H
#define RUNTIME_BLOCK_DEVICE_MAP_H

#include "lib/bytes.h"

struct disk_map {
	const uint8_t *bytes; /* NULL: not mapped */
	uint64_t length_bytes;
	uint64_t handed_bytes; /* since the pages that they touched were let go */
};

/* Leaves the map empty when the kernel would not tell us what is in the page cache. */
void disk_map_open(struct disk_map *map, int fd, uint64_t length_bytes);
void disk_map_close(struct disk_map *map);

/* How much from the offset on lies in the page cache, up to so much. What was sent from there
 * counts as this process's memory: it is let go when it may be more than touched_bytes_max. The
 * loop's thread only. */
uint64_t disk_map_at_hand(
	struct disk_map *map, uint64_t offset, uint64_t bytes, uint64_t touched_bytes_max);

/* The page cache can drop the pages of that range. Any thread. */
void disk_map_release(const struct disk_map *map, uint64_t offset, uint64_t bytes);

#endif
