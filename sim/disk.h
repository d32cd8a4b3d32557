/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that holds content marks instead of bytes.
 *
 * Operations are served one after the other and cost time. A write is in the device's volatile
 * cache once it is answered; only a flush that was issued after the answer makes it durable. A
 * power cut keeps, sector by sector, a seeded subset of what was not durable. After a failed flush
 * the device may have dropped what it was to make durable, though reads still return it.
 *
 * The first and last MiB are held back: they live in memory, are lost at a power cut, and reach the
 * medium only by a commit. Both are wiped just before the first other write.
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "sim/world.h"

#define SIM_HOLDBACK_BYTES (1 * MIB)

struct sim_disk_traits {
	uint64_t write_bytes_per_s;
	uint64_t read_bytes_per_s;
	uint64_t seek_ns; /* when an operation does not follow the one before it */
	uint64_t flush_ns;
	uint64_t stall_at_ns; /* it does nothing for stall_ns from then on; 0: never */
	uint64_t stall_ns;
	bool flush_does_nothing; /* answers, and makes nothing durable: for tests that must fail */
	bool holdback;
	/* Operations of a kind are numbered from 1 in order of issue; those in
	 * [fail_from, fail_from + fail_count) fail. fail_from 0: none. */
	uint64_t write_fail_from;
	uint64_t write_fail_count;
	uint64_t flush_fail_from;
	uint64_t flush_fail_count;
	uint64_t read_fail_from;
	uint64_t read_fail_count;
	uint32_t write_fail_one_in; /* seeded; 0: none */
	uint32_t flush_fail_one_in;
	uint64_t corrupt_write; /* the number of a write that is answered well and stored badly */
};

struct sim_write {
	struct sim_write *next;
	uint64_t number;
	uint32_t piece;
	bool answered;
	uint32_t *marks;
};

struct sim_disk {
	struct sim_world *world;
	struct sim_disk_traits traits;
	struct rng rng;
	uint32_t *view;	   /* what a read returns, but for the held back granules */
	uint32_t *durable; /* what survives a power cut */
	uint32_t *held;	   /* the held back granules, by granule; only those are used */
	struct bitset held_valid;
	bool wiped;
	bool committed;
	uint32_t middle_from; /* granules that are in neither head nor tail */
	uint32_t middle_to;
	struct sim_write *writes; /* not durable, oldest first */
	struct sim_write *writes_last;
	uint64_t free_ns; /* when the operations issued so far are done */
	uint64_t next_offset_bytes;
	uint64_t writes_count;
	uint64_t flushes_count;
	uint64_t reads_count;
	bool corrupted;	     /* a write was stored badly: not the engine's doing */
	uint32_t committing; /* 0, or which half is on its way: 1 tail, 2 head */
};

void sim_disk_create(
	struct sim_disk *disk, struct sim_world *world, const struct sim_disk_traits *traits);
void sim_disk_destroy(struct sim_disk *disk);
void sim_disk_traits_default(struct sim_disk_traits *traits);

/* The medium before anything: the image, zeros, or bytes of an old system. */
void sim_disk_fill_image(struct sim_disk *disk);
void sim_disk_fill_old(struct sim_disk *disk);
/* Other bytes in one granule. */
void sim_disk_spoil(struct sim_disk *disk, uint32_t granule);
/* Other bytes in one granule of `one_in`, in clusters: what an update leaves. Returns how many. */
uint32_t sim_disk_drift(struct sim_disk *disk, uint32_t one_in, uint32_t cluster_granules);

bool sim_disk_is_held(const struct sim_disk *disk, uint32_t granule);
uint32_t sim_disk_read_granule(const struct sim_disk *disk, uint32_t granule);

/* Each operation returns when its answer is due and puts in *ok what the answer is. */
/* marks: of the piece; NULL: zeros. The write is answered by sim_disk_write_done. */
struct sim_write *sim_disk_write(
	struct sim_disk *disk, uint32_t piece, const uint32_t *marks, uint64_t *due_ns, bool *ok);
void sim_disk_write_done(struct sim_write *write);
/* *through_number: pass it to sim_disk_flush_done when the answer is due. */
void sim_disk_flush(struct sim_disk *disk, uint64_t *through_number, uint64_t *due_ns, bool *ok);
void sim_disk_flush_done(struct sim_disk *disk, uint64_t through_number, bool ok);
void sim_disk_read(
	struct sim_disk *disk, uint64_t offset_bytes, uint64_t bytes, uint64_t *due_ns, bool *ok);

void sim_disk_power_cut(struct sim_disk *disk);
/* The page cache stays, held back memory is lost. */
void sim_disk_process_death(struct sim_disk *disk);
/* Half of a commit: the tail or the head, written and flushed. Returns when it is due; takes effect
 * when sim_disk_commit_done is called. */
uint64_t sim_disk_commit(struct sim_disk *disk, bool head);
void sim_disk_commit_done(struct sim_disk *disk, bool head);

/* Every granule of the piece is the image's: as reads return it; as a power cut leaves it (held
 * back granules: as they are in memory, when with_held). */
bool sim_disk_piece_readable(const struct sim_disk *disk, uint32_t piece);
bool sim_disk_piece_blank(const struct sim_disk *disk, uint32_t piece);
bool sim_disk_piece_durable(const struct sim_disk *disk, uint32_t piece, bool with_held);
/* The head is the image's on the medium: firmware would start it. */
bool sim_disk_head_boots(const struct sim_disk *disk);

#endif
