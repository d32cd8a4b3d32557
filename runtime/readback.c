/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After COMPLETE: does the medium return what was written? Every piece is read past the caches and
 * hashed. A bad one is fetched and written once more; once all of those are durable again they are
 * read a second time, and what is bad then is the disk's fault.
 */
#include "runtime/memory.h"
#include "runtime/transfer.h"

static void readback_more(struct transfer *transfer);

static void readback_end(struct transfer *transfer, const struct piece_check *bad)
{
	struct failure failure;

	transfer->readback.running = false;
	if (bad == NULL) {
		transfer_tell(transfer, TRANSFER_READBACK_DONE, NULL, NULL);
		return;
	}
	failure_set(&failure, ERROR_DISK_MEDIUM,
		"%s: piece %u at byte %llu reads back wrong after it was written twice%s%s",
		transfer->device->name, bad->piece,
		(unsigned long long)bad->piece * transfer->metainfo->piece_bytes,
		bad->readable ? "" : ": ", bad->readable ? "" : bad->failure.text);
	transfer_tell(transfer, TRANSFER_FAILED, &failure, NULL);
}

static void on_checked(struct work *work)
{
	struct piece_check *check = (struct piece_check *)work;
	struct transfer *transfer = check->owner;
	struct readback *readback = &transfer->readback;
	bool good = check->readable && check->matches;

	transfer->disk_jobs_count--;
	check->busy = false;
	if (!readback->running)
		return;
	if (!readback->second_pass)
		readback->bytes += metainfo_piece_length(transfer->metainfo, check->piece);
	if (!good && readback->second_pass) {
		readback_end(transfer, check);
		return;
	}
	if (!good) {
		log_warning("%s: piece %u reads back wrong: it is fetched and written once more",
			transfer->device->name, check->piece);
		readback->bad_pieces_count++;
		readback->mending_count++;
		bitset_set(&readback->bad, check->piece);
		bitset_set(&readback->mending, check->piece);
		transfer_input(transfer,
			&(struct swarm_input){.kind = SWARM_IN_PIECE_BAD, .piece = check->piece});
	}
	readback_more(transfer);
}

static bool checks_idle(const struct transfer *transfer)
{
	for (size_t i = 0; i < TRANSFER_CHECKS_MAX; i++)
		if (transfer->checks[i].busy)
			return false;
	return true;
}

static uint32_t next_piece(struct transfer *transfer)
{
	struct readback *readback = &transfer->readback;
	uint32_t piece = readback->next_piece;

	if (readback->second_pass)
		piece = bitset_next_set(&readback->bad, piece);
	if (piece == BITSET_NONE || piece >= transfer->metainfo->pieces_count)
		return BITSET_NONE;
	readback->next_piece = piece + 1;
	return piece;
}

static void readback_more(struct transfer *transfer)
{
	struct readback *readback = &transfer->readback;
	struct piece_check *check;

	while ((check = transfer_idle_check(transfer)) != NULL) {
		uint32_t piece = next_piece(transfer);

		if (piece != BITSET_NONE) {
			transfer_check(transfer, check, piece, true, on_checked);
			continue;
		}
		if (!checks_idle(transfer) || readback->mending_count > 0)
			return;
		if (readback->second_pass || readback->bad_pieces_count == 0) {
			readback_end(transfer, NULL);
			return;
		}
		readback->second_pass = true;
		readback->next_piece = 0;
	}
}

void transfer_readback(struct transfer *transfer)
{
	struct readback *readback = &transfer->readback;
	uint32_t pieces_count = transfer->metainfo->pieces_count;
	size_t words_count = BITSET_WORDS(pieces_count);

	if (readback->running || transfer->stopping)
		return;
	readback_close(transfer);
	*readback = (struct readback){.running = true};
	readback->words = memory_allocate(2 * words_count, sizeof(*readback->words));
	bitset_init(&readback->bad, readback->words, pieces_count);
	bitset_init(&readback->mending, readback->words + words_count, pieces_count);
	readback_more(transfer);
}

void readback_on_durable(struct transfer *transfer, uint32_t piece)
{
	struct readback *readback = &transfer->readback;

	if (!readback->running || !bitset_has(&readback->mending, piece))
		return;
	bitset_clear(&readback->mending, piece);
	readback->mending_count--;
	readback_more(transfer);
}

void readback_close(struct transfer *transfer)
{
	transfer->readback.running = false;
	free(transfer->readback.words);
	transfer->readback.words = NULL;
}
