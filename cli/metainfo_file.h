/* SPDX-License-Identifier: Apache-2.0 */
/* A metainfo file in memory, and whether somebody trusted signed it. */
#ifndef CLI_METAINFO_FILE_H
#define CLI_METAINFO_FILE_H

#include "lib/failure.h"
#include "wire/metainfo.h"

struct metainfo_file {
	uint8_t *bytes;
	struct metainfo metainfo; /* borrows bytes */
};

/* Reads and checks; free with metainfo_file_close. */
MUST_USE bool metainfo_file_open(
	struct metainfo_file *file, const char *path, struct failure *failure);
void metainfo_file_close(struct metainfo_file *file);

/* trust_path: a public key or a directory of them; NULL fails with SIGNATURE_MISSING. */
MUST_USE bool metainfo_file_check_signature(
	const struct metainfo_file *file, const char *trust_path, struct failure *failure);

/* Lets go of what is not needed once the signature is checked (wire/metainfo.h). */
void metainfo_file_shrink(struct metainfo_file *file);

#endif
