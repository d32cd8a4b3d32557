/* SPDX-License-Identifier: Apache-2.0 */
/* Reads one piece from a device and says whether it is right. */
#include "runtime/piece_check.h"

#include <sys/mman.h>

#include "runtime/memory.h"

static bool read_run(struct piece_check *check, uint64_t offset, size_t bytes_count)
{
	return check->medium ? block_device_read_medium(check->device, check->bytes, offset,
				       bytes_count, &check->failure)
			     : block_device_read_once(check->device, check->bytes, offset,
				       bytes_count, &check->failure);
}

static void run_check(struct work *work)
{
	struct piece_check *check = (struct piece_check *)work;
	uint64_t offset = (uint64_t)check->piece * check->metainfo->piece_bytes;
	uint32_t left_bytes = metainfo_piece_length(check->metainfo, check->piece);

	check->matches = check->blank = false;
	check->readable = true;
	if (!check->known_zero)
		piece_hasher_begin(check->hasher, check->piece);
	while (left_bytes > 0) {
		uint32_t run_bytes = (uint32_t)u64_min(left_bytes, check->bytes_max);
		uint64_t hole_bytes = check->known_zero && !check->medium
					      ? block_device_hole(check->device, offset, left_bytes)
					      : 0;

		if (atomic_load_explicit(check->cancelled, memory_order_relaxed))
			return;
		if (hole_bytes > 0) {
			offset += hole_bytes;
			left_bytes -= (uint32_t)hole_bytes;
			continue;
		}
		if (!read_run(check, offset, run_bytes)) {
			check->readable = false;
			return;
		}
		if (!check->known_zero)
			piece_hasher_update(check->hasher, check->bytes, run_bytes);
		else if (!bytes_all_zero(check->bytes, run_bytes))
			return;
		offset += run_bytes;
		left_bytes -= run_bytes;
	}
	check->matches = check->known_zero || piece_hasher_matches(check->hasher);
	check->blank = check->known_zero || piece_hasher_only_zeros(check->hasher);
}

void piece_check_open(struct piece_check *check, const struct metainfo *metainfo,
	struct block_device *device, uint32_t bytes_max, const atomic_bool *cancelled)
{
	check->work.run = run_check;
	check->metainfo = metainfo;
	check->device = device;
	check->cancelled = cancelled;
	check->hasher = piece_hasher_create(metainfo);
	check->bytes_max = bytes_max;
	check->bytes =
		mmap(NULL, bytes_max, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (check->bytes == MAP_FAILED)
		memory_exhausted(bytes_max);
}

void piece_check_close(struct piece_check *check)
{
	if (check->bytes != NULL)
		munmap(check->bytes, check->bytes_max);
	check->bytes = NULL;
	check->hasher = piece_hasher_destroy(check->hasher);
}
