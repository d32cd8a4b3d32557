/* SPDX-License-Identifier: Apache-2.0 */
/* The disk: costs, faults, what is durable, and what a power cut leaves. */
#include "sim/disk.h"

#include <stdlib.h>

#define WRITE_DEFAULT_BYTES_PER_S (400 * MIB)
#define READ_DEFAULT_BYTES_PER_S  (1 * GIB)
#define SEEK_DEFAULT_NS		  (100 * NS_PER_US)
#define FLUSH_DEFAULT_NS	  (5 * NS_PER_MS)

void sim_disk_traits_default(struct sim_disk_traits *traits)
{
	*traits = (struct sim_disk_traits){
		.write_bytes_per_s = WRITE_DEFAULT_BYTES_PER_S,
		.read_bytes_per_s = READ_DEFAULT_BYTES_PER_S,
		.seek_ns = SEEK_DEFAULT_NS,
		.flush_ns = FLUSH_DEFAULT_NS,
		.holdback = true,
	};
}

static void find_middle(struct sim_disk *disk);

void sim_disk_create(
	struct sim_disk *disk, struct sim_world *world, const struct sim_disk_traits *traits)
{
	uint32_t granules = world->image.granules_count;

	*disk = (struct sim_disk){.world = world, .traits = *traits};
	rng_seed(&disk->rng, rng_next(&world->rng));
	find_middle(disk);
	disk->view = sim_allocate(granules, sizeof(*disk->view));
	disk->durable = sim_allocate(granules, sizeof(*disk->durable));
	disk->held = sim_allocate(granules, sizeof(*disk->held));
	bitset_init(&disk->held_valid,
		sim_allocate(BITSET_WORDS(granules), sizeof(*disk->held_valid.words)), granules);
}

static void drop_writes(struct sim_disk *disk)
{
	struct sim_write *write = disk->writes;

	while (write != NULL) {
		struct sim_write *next = write->next;

		free(write->marks);
		free(write);
		write = next;
	}
	disk->writes = NULL;
	disk->writes_last = NULL;
}

void sim_disk_destroy(struct sim_disk *disk)
{
	drop_writes(disk);
	free(disk->view);
	free(disk->durable);
	free(disk->held);
	free(disk->held_valid.words);
}

void sim_disk_fill_image(struct sim_disk *disk)
{
	const struct sim_image *image = &disk->world->image;
	size_t bytes = image->granules_count * sizeof(*disk->view);

	memcpy(disk->view, image->marks, bytes);
	memcpy(disk->durable, image->marks, bytes);
}

void sim_disk_fill_old(struct sim_disk *disk)
{
	for (uint32_t i = 0; i < disk->world->image.granules_count; i++)
		disk->view[i] = disk->durable[i] = sim_wrong_mark(disk->world);
}

void sim_disk_spoil(struct sim_disk *disk, uint32_t granule)
{
	disk->view[granule] = disk->durable[granule] = sim_wrong_mark(disk->world);
}

uint32_t sim_disk_drift(struct sim_disk *disk, uint32_t one_in, uint32_t cluster_granules)
{
	const struct sim_image *image = &disk->world->image;
	uint32_t clusters_count = image->granules_count / one_in / cluster_granules;
	uint32_t changed_count = 0;

	for (uint32_t i = 0; i < clusters_count; i++) {
		uint32_t from = (uint32_t)rng_below(&disk->rng, image->granules_count);

		for (uint32_t at = from; at < from + cluster_granules; at++) {
			if (at >= image->granules_count || disk->view[at] != image->marks[at])
				continue;
			sim_disk_spoil(disk, at);
			changed_count++;
		}
	}
	return changed_count;
}

static uint64_t granule_offset(const struct sim_image *image, uint32_t granule)
{
	return (uint64_t)(granule / image->granules_per_piece) * image->piece_bytes +
	       granule % image->granules_per_piece * image->granule_bytes;
}

static bool in_head(const struct sim_disk *disk, uint32_t granule)
{
	return granule_offset(&disk->world->image, granule) < SIM_HOLDBACK_BYTES;
}

static bool in_tail(const struct sim_disk *disk, uint32_t granule)
{
	const struct sim_image *image = &disk->world->image;

	return granule_offset(image, granule) + image->granule_bytes + SIM_HOLDBACK_BYTES >
	       image->length_bytes;
}

/* What is between head and tail, for sim_disk_is_held. */
static void find_middle(struct sim_disk *disk)
{
	uint32_t granules = disk->world->image.granules_count;

	while (disk->middle_from < granules && in_head(disk, disk->middle_from))
		disk->middle_from++;
	disk->middle_to = granules;
	while (disk->middle_to > disk->middle_from && in_tail(disk, disk->middle_to - 1))
		disk->middle_to--;
}

bool sim_disk_is_held(const struct sim_disk *disk, uint32_t granule)
{
	return disk->traits.holdback && !disk->committed &&
	       (granule < disk->middle_from || granule >= disk->middle_to);
}

uint32_t sim_disk_read_granule(const struct sim_disk *disk, uint32_t granule)
{
	if (sim_disk_is_held(disk, granule) && bitset_has(&disk->held_valid, granule))
		return disk->held[granule];
	return disk->view[granule];
}

static uint64_t operate(struct sim_disk *disk, uint64_t offset_bytes, uint64_t bytes,
	uint64_t bytes_per_s, uint64_t extra_ns)
{
	uint64_t start_ns = u64_max(disk->world->now_ns, disk->free_ns);
	uint64_t cost_ns = extra_ns;
	uint64_t stalls_until_ns = disk->traits.stall_at_ns + disk->traits.stall_ns;

	if (start_ns >= disk->traits.stall_at_ns && start_ns < stalls_until_ns)
		start_ns = stalls_until_ns;
	if (bytes > 0) {
		cost_ns += bytes * NS_PER_S / bytes_per_s;
		if (offset_bytes != disk->next_offset_bytes)
			cost_ns += disk->traits.seek_ns;
		disk->next_offset_bytes = offset_bytes + bytes;
	}
	disk->free_ns = start_ns + cost_ns;
	return disk->free_ns;
}

static bool fails(
	struct sim_disk *disk, uint64_t number, uint64_t from, uint64_t count, uint32_t one_in)
{
	if (from > 0 && number >= from && number - from < count)
		return true;
	return one_in > 0 && rng_below(&disk->rng, one_in) == 0;
}

/* The old first and last MiB, gone before anything else is written. */
static void wipe(struct sim_disk *disk)
{
	disk->wiped = true;
	for (uint32_t i = 0; i < disk->world->image.granules_count; i++) {
		if (!sim_disk_is_held(disk, i))
			continue;
		if (!bitset_has(&disk->held_valid, i))
			disk->held[i] = disk->view[i];
		bitset_set(&disk->held_valid, i);
		disk->view[i] = disk->durable[i] = SIM_CONTENT_ZERO;
	}
	operate(disk, 0, 2 * SIM_HOLDBACK_BYTES, disk->traits.write_bytes_per_s,
		disk->traits.flush_ns);
}

struct sim_write *sim_disk_write(
	struct sim_disk *disk, uint32_t piece, const uint32_t *marks, uint64_t *due_ns, bool *ok)
{
	const struct sim_image *image = &disk->world->image;
	uint32_t granules = sim_piece_granules(image, piece);
	uint32_t first = piece * image->granules_per_piece;
	struct sim_write *write = sim_allocate(1, sizeof(*write));

	if (disk->traits.holdback && !disk->wiped)
		wipe(disk);
	*write = (struct sim_write){.number = ++disk->writes_count, .piece = piece};
	write->marks = sim_allocate(granules, sizeof(*write->marks));
	if (marks != NULL)
		memcpy(write->marks, marks, granules * sizeof(*marks));
	if (disk->writes_last != NULL)
		disk->writes_last->next = write;
	else
		disk->writes = write;
	disk->writes_last = write;
	*ok = !fails(disk, write->number, disk->traits.write_fail_from,
		disk->traits.write_fail_count, disk->traits.write_fail_one_in);
	*due_ns = operate(disk, (uint64_t)piece * image->piece_bytes, sim_piece_bytes(image, piece),
		disk->traits.write_bytes_per_s, 0);
	if (write->number == disk->traits.corrupt_write) {
		write->marks[rng_below(&disk->rng, granules)] = sim_wrong_mark(disk->world);
		disk->corrupted = true;
	}
	for (uint32_t i = 0; i < granules; i++) {
		bool stored = *ok || rng_below(&disk->rng, 2) == 0;
		uint32_t mark = stored ? write->marks[i] : sim_wrong_mark(disk->world);

		write->marks[i] = mark;
		if (sim_disk_is_held(disk, first + i)) {
			disk->held[first + i] = mark;
			bitset_set(&disk->held_valid, first + i);
		} else {
			disk->view[first + i] = mark;
		}
	}
	return write;
}

void sim_disk_write_done(struct sim_write *write)
{
	write->answered = true;
}

/* What the medium holds of this write; the held back granules are not on it. */
static void settle(struct sim_disk *disk, const struct sim_write *write)
{
	const struct sim_image *image = &disk->world->image;
	uint32_t granules = sim_piece_granules(image, write->piece);
	uint32_t first = write->piece * image->granules_per_piece;

	for (uint32_t i = 0; i < granules; i++)
		if (!sim_disk_is_held(disk, first + i))
			disk->durable[first + i] = write->marks[i];
}

/* Sectors of a lost write: all, none, or some of each granule. Some of new and some of old bytes
 * in one granule are neither. */
static void settle_torn(struct sim_disk *disk, const struct sim_write *write)
{
	const struct sim_image *image = &disk->world->image;
	uint32_t granules = sim_piece_granules(image, write->piece);
	uint32_t first = write->piece * image->granules_per_piece;
	uint64_t fate = rng_below(&disk->rng, 3);

	if (fate == 0)
		settle(disk, write);
	if (fate != 1)
		return;
	for (uint32_t i = 0; i < granules; i++) {
		uint32_t *durable = &disk->durable[first + i];
		uint32_t sectors = (uint32_t)rng_next(&disk->rng);

		if (sim_disk_is_held(disk, first + i) || *durable == write->marks[i])
			continue;
		/* One bit a sector: 16 KiB are 32 of them. A third of the granules are whole. */
		if (rng_below(&disk->rng, 3) == 0)
			sectors = rng_below(&disk->rng, 2) == 0 ? 0 : UINT32_MAX;
		if (sectors == UINT32_MAX)
			*durable = write->marks[i];
		else if (sectors != 0)
			*durable = sim_wrong_mark(disk->world);
	}
}

void sim_disk_flush(struct sim_disk *disk, uint64_t *through_number, uint64_t *due_ns, bool *ok)
{
	*through_number = 0;
	for (const struct sim_write *write = disk->writes; write != NULL; write = write->next) {
		if (!write->answered)
			break;
		*through_number = write->number;
	}
	disk->flushes_count++;
	*ok = !fails(disk, disk->flushes_count, disk->traits.flush_fail_from,
		disk->traits.flush_fail_count, disk->traits.flush_fail_one_in);
	*due_ns = operate(disk, 0, 0, 0, disk->traits.flush_ns);
}

void sim_disk_flush_done(struct sim_disk *disk, uint64_t through_number, bool ok)
{
	if (disk->traits.flush_does_nothing)
		return;
	while (disk->writes != NULL && disk->writes->number <= through_number) {
		struct sim_write *write = disk->writes;

		/* After a failed flush nobody knows; and it is never written again by itself. */
		if (ok)
			settle(disk, write);
		else
			settle_torn(disk, write);
		disk->writes = write->next;
		if (disk->writes == NULL)
			disk->writes_last = NULL;
		free(write->marks);
		free(write);
	}
}

void sim_disk_read(
	struct sim_disk *disk, uint64_t offset_bytes, uint64_t bytes, uint64_t *due_ns, bool *ok)
{
	disk->reads_count++;
	*ok = !fails(disk, disk->reads_count, disk->traits.read_fail_from,
		disk->traits.read_fail_count, 0);
	*due_ns = operate(disk, offset_bytes, bytes, disk->traits.read_bytes_per_s, 0);
}

void sim_disk_process_death(struct sim_disk *disk)
{
	for (struct sim_write *write = disk->writes; write != NULL; write = write->next)
		write->answered = true;
	bitset_clear_all(&disk->held_valid);
	disk->wiped = false;
	disk->committing = 0;
}

static bool in_half(const struct sim_disk *disk, uint32_t granule, bool head)
{
	return sim_disk_is_held(disk, granule) && bitset_has(&disk->held_valid, granule) &&
	       in_head(disk, granule) == head;
}

void sim_disk_power_cut(struct sim_disk *disk)
{
	uint32_t granules = disk->world->image.granules_count;

	for (const struct sim_write *write = disk->writes; write != NULL; write = write->next)
		settle_torn(disk, write);
	drop_writes(disk);
	/* A commit that was under way is torn like any other write. */
	for (uint32_t i = 0; i < granules && disk->committing != 0; i++) {
		uint64_t fate = rng_below(&disk->rng, 3);

		if (!in_half(disk, i, disk->committing == 2) || fate == 0)
			continue;
		disk->durable[i] = fate == 1 ? disk->held[i] : sim_wrong_mark(disk->world);
	}
	memcpy(disk->view, disk->durable, granules * sizeof(*disk->view));
	disk->free_ns = 0;
	sim_disk_process_death(disk);
}

uint64_t sim_disk_commit(struct sim_disk *disk, bool head)
{
	disk->committing = head ? 2 : 1;
	return operate(
		disk, 0, SIM_HOLDBACK_BYTES, disk->traits.write_bytes_per_s, disk->traits.flush_ns);
}

void sim_disk_commit_done(struct sim_disk *disk, bool head)
{
	for (uint32_t i = 0; i < disk->world->image.granules_count; i++)
		if (in_half(disk, i, head))
			disk->view[i] = disk->durable[i] = disk->held[i];
	disk->committing = 0;
	if (head)
		disk->committed = true;
}

bool sim_disk_piece_readable(const struct sim_disk *disk, uint32_t piece)
{
	const struct sim_image *image = &disk->world->image;
	uint32_t first = piece * image->granules_per_piece;

	for (uint32_t i = 0; i < sim_piece_granules(image, piece); i++)
		if (sim_disk_read_granule(disk, first + i) != image->marks[first + i])
			return false;
	return true;
}

bool sim_disk_piece_blank(const struct sim_disk *disk, uint32_t piece)
{
	uint32_t first = piece * disk->world->image.granules_per_piece;

	for (uint32_t i = 0; i < sim_piece_granules(&disk->world->image, piece); i++)
		if (sim_disk_read_granule(disk, first + i) != SIM_CONTENT_ZERO)
			return false;
	return true;
}

bool sim_disk_piece_durable(const struct sim_disk *disk, uint32_t piece, bool with_held)
{
	const struct sim_image *image = &disk->world->image;
	uint32_t first = piece * image->granules_per_piece;

	for (uint32_t i = 0; i < sim_piece_granules(image, piece); i++) {
		bool held = with_held && sim_disk_is_held(disk, first + i) &&
			    bitset_has(&disk->held_valid, first + i);
		uint32_t mark = held ? disk->held[first + i] : disk->durable[first + i];

		if (mark != image->marks[first + i])
			return false;
	}
	return true;
}

bool sim_disk_head_boots(const struct sim_disk *disk)
{
	const struct sim_image *image = &disk->world->image;
	bool anything = false;

	for (uint32_t i = 0; i < image->granules_count && in_head(disk, i); i++) {
		if (disk->durable[i] != image->marks[i])
			return false;
		anything = anything || image->marks[i] != SIM_CONTENT_ZERO;
	}
	return anything;
}
