/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed function of short messages whose values
 * nobody without the key can foretell. For tables that strangers fill and for tokens that are
 * checked instead of stored; 64 bits are too few for a signature. Pure.
 */
#ifndef LIB_SIPHASH_H
#define LIB_SIPHASH_H

#include "lib/bytes.h"

#define SIPHASH_KEY_BYTES 16

uint64_t siphash(
	const uint8_t key[static SIPHASH_KEY_BYTES], const void *message, size_t message_bytes);

#endif
