/* SPDX-License-Identifier: Apache-2.0 */
/* mmap, mincore, and letting go of what was touched. */
#include "runtime/block_device_map.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES   ((uint64_t)4096)
#define PAGES_A_LOOK 256

/* Of a file that belongs to others and may not be written, mincore says that all of it is there. */
static bool tells_truth(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
}

void disk_map_open(struct disk_map *map, int fd, uint64_t length_bytes)
{
	*map = (struct disk_map){0};
	if (length_bytes == 0 || length_bytes > SIZE_MAX || sysconf(_SC_PAGESIZE) != PAGE_BYTES ||
		!tells_truth(fd))
		return;
	void *bytes = mmap(NULL, (size_t)length_bytes, PROT_READ, MAP_SHARED, fd, 0);

	if (bytes == MAP_FAILED)
		return;
	map->bytes = bytes;
	map->length_bytes = length_bytes;
}

void disk_map_close(struct disk_map *map)
{
	if (map->bytes != NULL)
		munmap((void *)(uintptr_t)map->bytes, (size_t)map->length_bytes);
	*map = (struct disk_map){0};
}

uint64_t disk_map_at_hand(
	struct disk_map *map, uint64_t offset, uint64_t bytes, uint64_t touched_bytes_max)
{
	unsigned char there[PAGES_A_LOOK];
	uint64_t start = offset / PAGE_BYTES * PAGE_BYTES;
	uint64_t pages_count = 0;

	if (map->bytes == NULL || offset >= map->length_bytes)
		return 0;
	uint64_t look_bytes = u64_min(
		u64_min(offset + bytes, map->length_bytes) - start, PAGES_A_LOOK * PAGE_BYTES);

	if (mincore((void *)(uintptr_t)(map->bytes + start), (size_t)look_bytes, there) != 0)
		return 0;
	while (pages_count < u64_div_up(look_bytes, PAGE_BYTES) && (there[pages_count] & 1) != 0)
		pages_count++;
	if (pages_count == 0)
		return 0;
	uint64_t found_bytes = u64_min(pages_count * PAGE_BYTES, look_bytes) - (offset - start);

	map->handed_bytes += found_bytes;
	if (map->handed_bytes > touched_bytes_max) {
		disk_map_release(map, 0, map->length_bytes);
		map->handed_bytes = found_bytes;
	}
	return found_bytes;
}

void disk_map_release(const struct disk_map *map, uint64_t offset, uint64_t bytes)
{
	uint64_t start = offset / PAGE_BYTES * PAGE_BYTES;

	/* They stay where they are; only our view of them goes. A refusal changes nothing. */
	if (map->bytes != NULL && start < map->length_bytes)
		(void)madvise((void *)(uintptr_t)(map->bytes + start),
			(size_t)(u64_min(offset + bytes, map->length_bytes) - start),
			MADV_DONTNEED);
}
