/* SPDX-License-Identifier: Apache-2.0 */
/* Importing a disk image into the store, or making a metainfo for a file as it lies. */
#ifndef IMAGES_IMPORT_H
#define IMAGES_IMPORT_H

#include "images/store.h"

#include <signal.h>

struct import_request {
	const char *file;      /* raw disk, compressed, or in an archive */
	const char *member;    /* of an archive with several files; NULL: the only one */
	const char *name;      /* NULL: from the file's name */
	uint32_t piece_bytes;  /* 0: metainfo_default_piece_bytes */
	uint32_t sector_bytes; /* 512 or 4096; 0: what the image's GPT says, else 512 */
	const struct tracker_url *trackers;
	uint32_t trackers_count;
	bool is_private; /* peers come from the trackers alone (BEP 27) */
	/* Called now and then with bytes of the file that were read and how many there are. May be
	 * NULL. */
	void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes);
	void *progress_context;
	/* Set from elsewhere (a signal): stop, leave nothing, fail with ABORTED. May be NULL. */
	const volatile sig_atomic_t *stop;
};

struct import_result {
	char name[IMAGE_NAME_MAX + 1];
	uint8_t infohash[SHA1_BYTES];
	uint64_t length_bytes;
	uint32_t piece_bytes;
	uint32_t pieces_count;
	uint32_t sector_bytes;
};

/* Into the store, sparse, signed with the site's key (made on first use). */
MUST_USE bool image_import(const struct image_store *store, const struct import_request *request,
	struct import_result *result, struct failure *failure);

/* Only a metainfo at `out` for a raw file as it lies; signed when `key` is not NULL. The torrent's
 * name is the file's, so that other clients can seed it in place, unless the request gives one. */
MUST_USE bool image_metainfo_for_file(const struct import_request *request, const char *out,
	const struct site_key *key, struct import_result *result, struct failure *failure);

/* Checks the image's content: SHA-256 and SHA-1 of every piece. bad_pieces gets one byte per piece,
 * 1 where it is wrong; false only when it could not be read or was stopped. */
MUST_USE bool image_verify_content(const struct image *image, uint8_t *bad_pieces,
	uint32_t *bad_count, void (*progress)(void *context, uint64_t done, uint64_t total),
	void *progress_context, const volatile sig_atomic_t *stop, struct failure *failure);

#endif
