/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of two messages at a time. Private to runtime/: the world sees crypto.h. */
#ifndef RUNTIME_SHA256_PAIR_H
#define RUNTIME_SHA256_PAIR_H

#include <stdlib.h>

#include "lib/digest.h"

/* Has this processor the instructions? */
MUST_USE bool sha256_pair_possible(void);

/* Only where that is possible. */
void sha256_pair(uint8_t digests[static 2][SHA256_BYTES], const uint8_t *first,
	const uint8_t *second, size_t bytes_count);

#endif
