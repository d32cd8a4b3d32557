/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fault layer: a disk that errs, stalls, lies or loses power where a specification says so. For
 * tests, and for trying swarmboot on bad hardware without having any.
 *
 * For lose-unflushed the layer remembers, for every write since the last successful flush, what the
 * range held before; a power cut puts a seeded subset of those sectors back.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/rng.h"
#include "lib/units.h"
#include "runtime/block_device.h"

/* One write that no flush has covered yet. */
struct unflushed {
	struct unflushed *next; /* newer */
	uint64_t number;	/* grows */
	uint64_t offset;
	size_t bytes;
	uint8_t before[];
};

struct faults {
	struct block_device device;
	struct block_device *below;
	/* the specification; NEVER: not asked for */
	uint64_t seed;
	uint64_t write_error_after_bytes;
	uint64_t write_error_once_bytes;
	uint64_t flush_error_after;
	uint64_t flush_error_once;
	uint64_t read_error_at;
	uint64_t short_write_after_bytes;
	uint64_t write_delay_us;
	uint64_t read_delay_us;
	uint64_t flush_delay_us;
	uint64_t write_rate_bytes_per_s;
	uint64_t corrupt_at;
	uint64_t power_cut_after_bytes;
	bool lose_unflushed;
	bool drop_flush;
	/* state, under lock */
	pthread_mutex_t pace_lock; /* writes one after the other at write_rate_bytes_per_s */
	pthread_mutex_t lock;
	struct rng rng;
	uint64_t written_bytes;
	uint64_t flushes_count;
	bool power_is_cut;
	struct unflushed *oldest;
	struct unflushed **newest_link;
	uint64_t newest_number;
};

#define NEVER UINT64_MAX

static struct faults *faults_of(struct block_device *device)
{
	return (struct faults *)device;
}

static void delay_us(uint64_t us)
{
	struct timespec left = {
		.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000 * 1000)};

	while (us > 0 && nanosleep(&left, &left) != 0)
		;
}

static bool injected(struct faults *faults, enum error error, const char *what, uint64_t offset,
	struct failure *failure)
{
	return failure_set(failure, error, "%s: injected %s at byte %llu", faults->device.name,
		what, (unsigned long long)offset);
}

static bool touches(uint64_t offset, uint64_t bytes, uint64_t at)
{
	return at != NEVER && at >= offset && at - offset < bytes;
}

static bool read_allowed(
	struct faults *faults, uint64_t offset, size_t bytes, struct failure *failure)
{
	delay_us(faults->read_delay_us);
	if (faults->power_is_cut || touches(offset, bytes, faults->read_error_at))
		return injected(faults, ERROR_DISK_READ, "read error", offset, failure);
	return true;
}

static bool faults_read(struct block_device *device, void *buffer, uint64_t offset, size_t bytes,
	enum read_way way, struct failure *failure)
{
	struct faults *faults = faults_of(device);

	/* Delays and errors come on a thread that may wait. */
	return way != READ_AT_HAND && read_allowed(faults, offset, bytes, failure) &&
	       faults->below->ops->read(faults->below, buffer, offset, bytes, way, failure);
}

/* Remembers what the range holds before it is overwritten. Called with the lock held. */
static bool remember(struct faults *faults, uint64_t offset, size_t bytes, struct failure *failure)
{
	struct unflushed *entry = malloc(sizeof(*entry) + bytes);

	if (entry == NULL)
		return failure_set(failure, ERROR_MEMORY, "no memory to remember a write");
	*entry = (struct unflushed){.offset = offset, .bytes = bytes};
	entry->number = ++faults->newest_number;
	if (!block_device_read(faults->below, entry->before, offset, bytes, failure)) {
		free(entry);
		return false;
	}
	*faults->newest_link = entry;
	faults->newest_link = &entry->next;
	return true;
}

/* What happens to the next write of that many bytes. */
enum write_fate { WRITE_WELL, WRITE_ERROR, WRITE_SHORT, WRITE_CUT };

static enum write_fate write_fate(struct faults *faults, size_t bytes)
{
	uint64_t before = faults->written_bytes;
	uint64_t after = before + bytes;

	faults->written_bytes = after;
	if (faults->power_is_cut || after > faults->write_error_after_bytes)
		return WRITE_ERROR;
	if (faults->write_error_once_bytes != NEVER && after > faults->write_error_once_bytes) {
		faults->write_error_once_bytes = NEVER;
		return WRITE_ERROR;
	}
	if (faults->short_write_after_bytes != NEVER && after > faults->short_write_after_bytes) {
		faults->short_write_after_bytes = NEVER;
		return WRITE_SHORT;
	}
	return after > faults->power_cut_after_bytes ? WRITE_CUT : WRITE_WELL;
}

/* Stores the byte at corrupt_at flipped, once. Called after a write that touched it. */
static bool corrupt(struct faults *faults, const uint8_t *buffer, uint64_t offset, size_t bytes,
	struct failure *failure)
{
	if (!touches(offset, bytes, faults->corrupt_at))
		return true;
	uint64_t at = faults->corrupt_at;
	uint8_t flipped = (uint8_t)~buffer[at - offset];

	faults->corrupt_at = NEVER;
	return block_device_write(faults->below, &flipped, at, 1, failure);
}

static bool faults_write(struct block_device *device, const void *buffer, uint64_t offset,
	size_t bytes, struct failure *failure)
{
	struct faults *faults = faults_of(device);
	uint64_t rate = faults->write_rate_bytes_per_s;

	delay_us(faults->write_delay_us);
	if (rate != NEVER) {
		pthread_mutex_lock(&faults->pace_lock);
		delay_us(bytes * 1000000 / rate);
		pthread_mutex_unlock(&faults->pace_lock);
	}
	pthread_mutex_lock(&faults->lock);
	enum write_fate fate = write_fate(faults, bytes);
	size_t stored_bytes = fate == WRITE_SHORT ? bytes / 2 : bytes;
	bool ok = fate == WRITE_ERROR
			  ? injected(faults, ERROR_DISK_WRITE, "write error", offset, failure)
			  : (!faults->lose_unflushed ||
				    remember(faults, offset, stored_bytes, failure)) &&
				    block_device_write(
					    faults->below, buffer, offset, stored_bytes, failure) &&
				    corrupt(faults, buffer, offset, stored_bytes, failure);

	pthread_mutex_unlock(&faults->lock);
	if (ok && fate == WRITE_SHORT)
		return injected(faults, ERROR_DISK_WRITE, "short write", offset, failure);
	if (ok && fate == WRITE_CUT) {
		struct failure why;

		if (!block_device_faults_power_cut(device, &why))
			log_error("power cut: %s", why.text);
		_exit(FAULTS_POWER_CUT_STATUS);
	}
	return ok;
}

static bool faults_write_zeroes(
	struct block_device *device, uint64_t offset, uint64_t bytes, struct failure *failure)
{
	struct faults *faults = faults_of(device);

	delay_us(faults->write_delay_us);
	pthread_mutex_lock(&faults->lock);
	bool ok =
		faults->power_is_cut
			? injected(faults, ERROR_DISK_WRITE, "write error", offset, failure)
			: (!faults->lose_unflushed || remember(faults, offset, bytes, failure)) &&
				  block_device_write_zeroes(faults->below, offset, bytes, failure);

	pthread_mutex_unlock(&faults->lock);
	return ok;
}

/* Forgets writes up to that number: they are on stable storage. Lock held. */
static void forget_until(struct faults *faults, uint64_t number)
{
	while (faults->oldest != NULL && faults->oldest->number <= number) {
		struct unflushed *entry = faults->oldest;

		faults->oldest = entry->next;
		free(entry);
	}
	if (faults->oldest == NULL)
		faults->newest_link = &faults->oldest;
}

static bool faults_flush(struct block_device *device, struct failure *failure)
{
	struct faults *faults = faults_of(device);

	/* Nothing that is written from here on is promised by this flush, however long it takes. */
	pthread_mutex_lock(&faults->lock);
	uint64_t promised_number = faults->newest_number;

	pthread_mutex_unlock(&faults->lock);
	delay_us(faults->flush_delay_us);
	pthread_mutex_lock(&faults->lock);
	uint64_t number = ++faults->flushes_count;
	bool fails = faults->power_is_cut || number >= faults->flush_error_after ||
		     number == faults->flush_error_once;
	bool ok = fails ? injected(faults, ERROR_DISK_FLUSH, "flush error", 0, failure)
			: faults->drop_flush || block_device_flush(faults->below, failure);

	if (ok && !faults->drop_flush)
		forget_until(faults, promised_number);
	pthread_mutex_unlock(&faults->lock);
	return ok;
}

bool block_device_faults_power_cut(struct block_device *device, struct failure *failure)
{
	struct faults *faults = faults_of(device);
	uint32_t sector_bytes = device->sector_bytes;
	bool ok = true;

	pthread_mutex_lock(&faults->lock);
	faults->power_is_cut = true;
	/* In order of age, so that a sector written twice ends as it was before the newest write
	 * that was lost: what a disk that lost that write and all later ones would show. */
	for (struct unflushed *entry = faults->oldest; entry != NULL && ok; entry = entry->next)
		for (size_t at = 0; at < entry->bytes && ok; at += sector_bytes)
			if (rng_next(&faults->rng) % 2 == 0)
				ok = block_device_write(faults->below, entry->before + at,
					entry->offset + at,
					(size_t)u64_min(sector_bytes, entry->bytes - at), failure);
	if (ok)
		ok = block_device_flush(faults->below, failure);
	pthread_mutex_unlock(&faults->lock);
	return ok;
}

static void faults_close(struct block_device *device)
{
	struct faults *faults = faults_of(device);

	forget_until(faults, UINT64_MAX);
	pthread_mutex_destroy(&faults->pace_lock);
	pthread_mutex_destroy(&faults->lock);
	block_device_close(faults->below);
	free(faults);
}

static const struct block_device_ops faults_ops = {
	.read = faults_read,
	.write = faults_write,
	.write_zeroes = faults_write_zeroes,
	.flush = faults_flush,
	.close = faults_close,
};

static bool parse_one(struct faults *faults, char *key, struct failure *failure)
{
	const struct {
		const char *key;
		uint64_t *value;
	} numbers[] = {{"seed", &faults->seed},
		{"write-error-after", &faults->write_error_after_bytes},
		{"write-error-once", &faults->write_error_once_bytes},
		{"flush-error-after", &faults->flush_error_after},
		{"flush-error-once", &faults->flush_error_once},
		{"read-error-at", &faults->read_error_at},
		{"short-write-after", &faults->short_write_after_bytes},
		{"write-delay-us", &faults->write_delay_us},
		{"read-delay-us", &faults->read_delay_us},
		{"flush-delay-us", &faults->flush_delay_us},
		{"write-rate", &faults->write_rate_bytes_per_s},
		{"corrupt-at", &faults->corrupt_at},
		{"power-cut-after", &faults->power_cut_after_bytes}};
	char *value = strchr(key, '=');

	if (value == NULL && strcmp(key, "lose-unflushed") == 0)
		return faults->lose_unflushed = true;
	if (value == NULL && strcmp(key, "drop-flush") == 0)
		return faults->drop_flush = true;
	if (value != NULL)
		*value++ = '\0';
	for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
		if (strcmp(key, numbers[i].key) != 0)
			continue;
		if (value != NULL && size_parse(value, numbers[i].value))
			return true;
		return failure_set(failure, ERROR_USAGE,
			"faults: %s wants a number, as in %s=64MiB", key, key);
	}
	return failure_set(failure, ERROR_USAGE, "faults: unknown fault \"%s\"", key);
}

static bool parse(struct faults *faults, const char *specification, struct failure *failure)
{
	char *text = strdup(specification);
	char *rest = NULL;
	bool ok = text != NULL || failure_set(failure, ERROR_MEMORY, "no memory for faults");

	for (char *key = ok ? strtok_r(text, ",", &rest) : NULL; ok && key != NULL;
		key = strtok_r(NULL, ",", &rest))
		ok = parse_one(faults, key, failure);
	free(text);
	if (ok && faults->write_rate_bytes_per_s == 0)
		ok = failure_set(failure, ERROR_USAGE, "faults: write-rate must not be 0");
	return ok;
}

struct block_device *block_device_faults_open(
	struct block_device *below, const char *specification, struct failure *failure)
{
	struct faults *faults = calloc(1, sizeof(*faults));

	if (faults == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for faults");
		return NULL;
	}
	faults->device = (struct block_device){.ops = &faults_ops,
		.size_bytes = below->size_bytes,
		.sector_bytes = below->sector_bytes};
	memcpy(faults->device.name, below->name, sizeof(below->name));
	faults->below = below;
	faults->write_error_after_bytes = faults->write_error_once_bytes = NEVER;
	faults->flush_error_after = faults->flush_error_once = NEVER;
	faults->read_error_at = faults->corrupt_at = NEVER;
	faults->short_write_after_bytes = faults->write_rate_bytes_per_s = NEVER;
	faults->power_cut_after_bytes = NEVER;
	faults->newest_link = &faults->oldest;
	if (!parse(faults, specification, failure)) {
		free(faults);
		return NULL;
	}
	rng_seed(&faults->rng, faults->seed);
	pthread_mutex_init(&faults->pace_lock, NULL);
	pthread_mutex_init(&faults->lock, NULL);
	return &faults->device;
}
