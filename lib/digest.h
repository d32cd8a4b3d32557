/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests as a table of functions, so that pure parts can hash without knowing a library. The real
 * table is in runtime/crypto.h (OpenSSL).
 */
#ifndef LIB_DIGEST_H
#define LIB_DIGEST_H

#include "lib/bytes.h"

#define SHA1_BYTES   20
#define SHA256_BYTES 32

struct digest_ops {
	void (*sha1)(uint8_t digest[static SHA1_BYTES], const void *bytes, size_t bytes_count);
	void (*sha256)(uint8_t digest[static SHA256_BYTES], const void *bytes, size_t bytes_count);
	/* Of messages of one length, one behind the other: cheaper than one by one. */
	void (*sha256_row)(uint8_t (*digests)[SHA256_BYTES], const void *bytes,
		size_t message_bytes, size_t messages_count);
};

#endif
