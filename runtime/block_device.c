/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bottom of every stack: a real block device or a plain file behind struct block_device.
 *
 * Two descriptors stand for the same disk: one through the page cache, for reads that serve peers
 * and for odd ends, and one with O_DIRECT, so that what is written does not fill memory with dirty
 * pages and what is read back comes from the medium. The kernel keeps the two coherent (a direct
 * write drops the cached pages of its range). Where O_DIRECT is refused (tmpfs before Linux 6.6),
 * everything goes through the cache and the caller's frequent flushes bound what is dirty.
 */
#include "runtime/block_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "runtime/block_device_fd.h"
#include "runtime/block_device_map.h"

#define DIRECT_ALIGNMENT 4096
#define CHUNK_BYTES	 MIB

struct disk {
	struct block_device device;
	int fd;
	int fd_direct; /* -1: not available */
	bool is_block;
	struct disk_map map;
	/* The kernel says once that it could not write, to whoever asks first: a reader that asks
	 * leaves word for the next flush. */
	pthread_mutex_t sync_lock;
	bool sync_failed;
};

static struct disk *disk_of(struct block_device *device)
{
	return (struct disk *)device;
}

static bool range_ok(
	const struct block_device *device, uint64_t offset, uint64_t bytes, struct failure *failure)
{
	if (offset <= device->size_bytes && bytes <= device->size_bytes - offset)
		return true;
	return failure_set(failure, ERROR_LIMIT, "%s: bytes %llu+%llu lie past its end",
		device->name, (unsigned long long)offset, (unsigned long long)bytes);
}

/* Through the cache, of which nothing is left there before: the pages are written and dropped. */
static bool read_chunk_uncached(
	struct disk *disk, void *chunk, uint64_t offset, size_t bytes, struct failure *failure)
{
	pthread_mutex_lock(&disk->sync_lock);
	bool synced = fdatasync(disk->fd) == 0;

	disk->sync_failed |= !synced;
	pthread_mutex_unlock(&disk->sync_lock);
	if (!synced)
		return failure_errno(failure, ERROR_DISK_FLUSH, "flushing %s before reading it",
			disk->device.name);
	disk_map_release(&disk->map, offset, bytes);
	posix_fadvise(disk->fd, (off_t)offset, (off_t)bytes, POSIX_FADV_DONTNEED);
	if (!fd_read_all(disk->fd, chunk, offset, bytes))
		return failure_errno(failure, ERROR_DISK_READ, "reading %s back at byte %llu",
			disk->device.name, (unsigned long long)offset);
	return true;
}

/* One aligned chunk past the caches; `chunk` is aligned and holds CHUNK_BYTES. */
static bool read_chunk_medium(
	struct disk *disk, void *chunk, uint64_t offset, size_t bytes, struct failure *failure)
{
	if (disk->fd_direct < 0)
		return read_chunk_uncached(disk, chunk, offset, bytes, failure);
	if (fd_read_all(disk->fd_direct, chunk, offset, bytes))
		return true;
	/* A device or file whose end is not aligned: its last bytes only come through the cache. */
	if (errno == EINVAL)
		return read_chunk_uncached(disk, chunk, offset, bytes, failure);
	return failure_errno(failure, ERROR_DISK_READ, "reading %s back at byte %llu",
		disk->device.name, (unsigned long long)offset);
}

static bool read_medium(
	struct disk *disk, void *buffer, uint64_t offset, size_t bytes, struct failure *failure)
{
	struct block_device *device = &disk->device;
	SCOPED(free) void *chunk = NULL;
	uint8_t *out = buffer;

	if (posix_memalign(&chunk, DIRECT_ALIGNMENT, CHUNK_BYTES) != 0)
		return failure_set(
			failure, ERROR_MEMORY, "no memory to read %s back", device->name);
	while (bytes > 0) {
		uint64_t start = offset / DIRECT_ALIGNMENT * DIRECT_ALIGNMENT;
		size_t skip = (size_t)(offset - start);
		size_t chunk_bytes = (size_t)u64_min(
			u64_min(CHUNK_BYTES,
				u64_div_up(skip + bytes, DIRECT_ALIGNMENT) * DIRECT_ALIGNMENT),
			device->size_bytes - start);
		size_t wanted = (size_t)u64_min(chunk_bytes - skip, bytes);

		if (!read_chunk_medium(disk, chunk, start, chunk_bytes, failure))
			return false;
		memcpy(out, (uint8_t *)chunk + skip, wanted);
		out += wanted;
		offset += wanted;
		bytes -= wanted;
	}
	return true;
}

/* Plain files know their holes. */
static uint64_t disk_hole(struct block_device *device, uint64_t offset, uint64_t bytes)
{
	const struct disk *disk = disk_of(device);

	if (disk->is_block)
		return 0;
	off_t data = lseek(disk->fd, (off_t)offset, SEEK_DATA);

	if (data < 0)
		return errno == ENXIO ? bytes : 0;
	return u64_min(bytes, (uint64_t)data - offset);
}

static bool is_aligned(const void *buffer, uint64_t offset, size_t bytes)
{
	return ((uintptr_t)buffer | offset | bytes) % DIRECT_ALIGNMENT == 0;
}

static bool read_once(struct disk *disk, void *buffer, uint64_t offset, size_t bytes)
{
	if (disk_hole(&disk->device, offset, bytes) == bytes) {
		memset(buffer, 0, bytes);
		return true;
	}
	/* Some layers refuse what they accepted at open. Any other answer is the device's: the
	 * cache may hold what could not be written. */
	if (disk->fd_direct >= 0 && is_aligned(buffer, offset, bytes)) {
		if (fd_read_all(disk->fd_direct, buffer, offset, bytes))
			return true;
		if (errno != EINVAL)
			return false;
	}
	return fd_read_all(disk->fd, buffer, offset, bytes);
}

static bool disk_read(struct block_device *device, void *buffer, uint64_t offset, size_t bytes,
	enum read_way way, struct failure *failure)
{
	struct disk *disk = disk_of(device);
	bool good = false;

	if (!range_ok(device, offset, bytes, failure))
		return false;
	switch (way) {
	case READ_MEDIUM:
		return read_medium(disk, buffer, offset, bytes, failure);
	case READ_AT_HAND:
		return fd_read_cached(disk->fd, buffer, offset, bytes);
	case READ_ONCE:
		good = read_once(disk, buffer, offset, bytes);
		break;
	case READ_CACHED:
		good = fd_read_all(disk->fd, buffer, offset, bytes);
		break;
	}
	if (!good)
		return failure_errno(failure, ERROR_DISK_READ, "reading %s at byte %llu",
			device->name, (unsigned long long)offset);
	return true;
}

static bool disk_write(struct block_device *device, const void *buffer, uint64_t offset,
	size_t bytes, struct failure *failure)
{
	struct disk *disk = disk_of(device);
	const uint8_t *at = buffer;
	size_t direct_bytes = 0;

	if (!range_ok(device, offset, bytes, failure))
		return false;
	if (disk->fd_direct >= 0 && is_aligned(buffer, offset, 0))
		direct_bytes = bytes / DIRECT_ALIGNMENT * DIRECT_ALIGNMENT;
	if (direct_bytes > 0 && !fd_write_all(disk->fd_direct, at, offset, direct_bytes)) {
		/* Some layers accept the flag at open and refuse it at the first write. */
		if (errno != EINVAL)
			return failure_errno(failure, ERROR_DISK_WRITE, "writing %s at byte %llu",
				device->name, (unsigned long long)offset);
		direct_bytes = 0;
	}
	if (!fd_write_all(disk->fd, at + direct_bytes, offset + direct_bytes, bytes - direct_bytes))
		return failure_errno(failure, ERROR_DISK_WRITE, "writing %s at byte %llu",
			device->name, (unsigned long long)(offset + direct_bytes));
	return true;
}

/* Writes zeros over one range that does not read as zeros: by the device's own command or a hole,
 * and by plain writes where neither is possible. */
static bool zero_range(struct disk *disk, uint64_t offset, uint64_t bytes, struct failure *failure)
{
	static const uint8_t zeros[64 * 1024] __attribute__((aligned(DIRECT_ALIGNMENT)));
	uint64_t range[2] = {offset, bytes};

	if (disk->is_block && offset % disk->device.sector_bytes == 0 &&
		bytes % disk->device.sector_bytes == 0 && ioctl(disk->fd, BLKZEROOUT, range) == 0)
		return true;
	if (!disk->is_block && fallocate(disk->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				       (off_t)offset, (off_t)bytes) == 0)
		return true;
	while (bytes > 0) {
		size_t part = (size_t)u64_min(sizeof(zeros), bytes);

		if (!disk_write(&disk->device, zeros, offset, part, failure))
			return false;
		offset += part;
		bytes -= part;
	}
	return true;
}

static bool disk_write_zeroes(
	struct block_device *device, uint64_t offset, uint64_t bytes, struct failure *failure)
{
	struct disk *disk = disk_of(device);
	SCOPED(free) void *chunk = NULL;

	if (!range_ok(device, offset, bytes, failure))
		return false;
	if (posix_memalign(&chunk, DIRECT_ALIGNMENT, CHUNK_BYTES) != 0)
		return failure_set(failure, ERROR_MEMORY, "no memory to zero %s", device->name);
	while (bytes > 0) {
		uint64_t hole = disk_hole(device, offset, bytes);

		offset += hole;
		bytes -= hole;
		if (bytes == 0)
			break;
		size_t part = (size_t)u64_min(CHUNK_BYTES - offset % DIRECT_ALIGNMENT, bytes);

		if (!read_medium(disk, chunk, offset, part, failure))
			return false;
		if (!bytes_all_zero(chunk, part) && !zero_range(disk, offset, part, failure))
			return false;
		offset += part;
		bytes -= part;
	}
	return true;
}

static uint64_t disk_at_hand(struct block_device *device, uint64_t offset, uint64_t bytes,
	uint64_t touched_bytes_max, const uint8_t **where)
{
	struct disk *disk = disk_of(device);
	uint64_t found_bytes = disk_map_at_hand(&disk->map, offset, bytes, touched_bytes_max);

	if (found_bytes > 0)
		*where = disk->map.bytes + offset;
	return found_bytes;
}

static bool disk_flush(struct block_device *device, struct failure *failure)
{
	struct disk *disk = disk_of(device);

	pthread_mutex_lock(&disk->sync_lock);
	bool synced = fdatasync(disk->fd) == 0;

	if (synced && disk->sync_failed) {
		synced = false;
		errno = EIO;
	}
	disk->sync_failed = false;
	pthread_mutex_unlock(&disk->sync_lock);
	if (!synced)
		return failure_errno(failure, ERROR_DISK_FLUSH, "flushing %s", device->name);
	return true;
}

static void disk_close(struct block_device *device)
{
	struct disk *disk = disk_of(device);

	disk_map_close(&disk->map);
	if (disk->fd_direct >= 0)
		close(disk->fd_direct);
	if (disk->fd >= 0)
		close(disk->fd); /* whoever cares about its content has flushed it */
	pthread_mutex_destroy(&disk->sync_lock);
	free(disk);
}

static const struct block_device_ops disk_ops = {
	.read = disk_read,
	.write = disk_write,
	.write_zeroes = disk_write_zeroes,
	.hole = disk_hole,
	.at_hand = disk_at_hand,
	.flush = disk_flush,
	.close = disk_close,
};

static bool measure_block_device(struct disk *disk, uint64_t wanted_bytes, struct failure *failure)
{
	struct block_device *device = &disk->device;
	int sector_bytes = 0;

	disk->is_block = true;
	if (ioctl(disk->fd, BLKGETSIZE64, &device->size_bytes) != 0 ||
		ioctl(disk->fd, BLKSSZGET, &sector_bytes) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "asking %s for its size", device->name);
	device->sector_bytes = (uint32_t)sector_bytes;
	if (device->size_bytes < wanted_bytes)
		return failure_set(failure, ERROR_DISK_TOO_SMALL,
			"%s has %llu bytes, %llu are needed", device->name,
			(unsigned long long)device->size_bytes, (unsigned long long)wanted_bytes);
	return true;
}

static bool measure_file(struct disk *disk, const struct stat *status, bool writable,
	uint64_t wanted_bytes, struct failure *failure)
{
	struct block_device *device = &disk->device;

	device->size_bytes = (uint64_t)status->st_size;
	device->sector_bytes = 512;
	if (writable && flock(disk->fd, LOCK_EX | LOCK_NB) != 0)
		return failure_set(failure, ERROR_DISK_BUSY,
			"%s is being written by another process; wait for it or stop it",
			device->name);
	if (device->size_bytes >= wanted_bytes)
		return true;
	if (!writable)
		return failure_set(failure, ERROR_DISK_TOO_SMALL,
			"%s has %llu bytes, %llu are needed", device->name,
			(unsigned long long)device->size_bytes, (unsigned long long)wanted_bytes);
	if (ftruncate(disk->fd, (off_t)wanted_bytes) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "growing %s to %llu bytes",
			device->name, (unsigned long long)wanted_bytes);
	device->size_bytes = wanted_bytes;
	return true;
}

/* What an earlier process failed to write may still lie in the page cache, looking as if it were on
 * the medium: whoever asks what the disk holds must not be told from there. */
static void forget_cached(const struct disk *disk)
{
	/* Pages that cannot be written are clean afterwards, and dropped with the others: the
	 * medium speaks for itself. */
	(void)fdatasync(disk->fd);
	posix_fadvise(disk->fd, 0, 0, POSIX_FADV_DONTNEED);
}

static bool disk_open(struct disk *disk, const char *path, bool writable, uint64_t wanted_bytes,
	struct failure *failure)
{
	struct stat status;
	int flags = (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC;
	bool exists = stat(path, &status) == 0;

	if (exists && !S_ISBLK(status.st_mode) && !S_ISREG(status.st_mode))
		return failure_set(failure, ERROR_UNSUPPORTED,
			"%s is neither a block device nor a plain file", path);
	if (exists && S_ISBLK(status.st_mode))
		flags |= writable ? O_EXCL : 0;
	else if (writable && wanted_bytes > 0)
		flags |= O_CREAT;
	disk->fd = open(path, flags, 0644);
	if (disk->fd < 0 && errno == EBUSY)
		return failure_set(failure, ERROR_DISK_BUSY,
			"%s is in use (mounted, or part of another device)", path);
	if (disk->fd < 0)
		return failure_errno(failure, ERROR_SYSTEM, "opening %s", path);
	if (fstat(disk->fd, &status) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "looking at %s", path);
	disk->fd_direct = open(path, (writable ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC);
	bool good = S_ISBLK(status.st_mode)
			    ? measure_block_device(disk, wanted_bytes, failure)
			    : measure_file(disk, &status, writable, wanted_bytes, failure);

	if (good && writable)
		forget_cached(disk);
	if (good)
		disk_map_open(&disk->map, disk->fd, disk->device.size_bytes);
	return good;
}

struct block_device *block_device_open(
	const char *path, bool writable, uint64_t size_bytes, struct failure *failure)
{
	struct disk *disk = calloc(1, sizeof(*disk));

	if (disk == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory to open %s", path);
		return NULL;
	}
	disk->device.ops = &disk_ops;
	disk->fd = disk->fd_direct = -1;
	pthread_mutex_init(&disk->sync_lock, NULL);
	snprintf(disk->device.name, sizeof(disk->device.name), "%s", path);
	if (disk_open(disk, path, writable, size_bytes, failure))
		return &disk->device;
	disk_close(&disk->device);
	return NULL;
}
