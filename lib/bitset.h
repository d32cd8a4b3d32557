/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fixed-size set of small integers. The words are the caller's memory (BITSET_WORDS(n) of them),
 * zeroed by bitset_init. Bits at and past bits_count are never set. Pure.
 */
#ifndef LIB_BITSET_H
#define LIB_BITSET_H

#include "lib/bytes.h"

#define BITSET_WORDS(bits_count) (((size_t)(bits_count) + 63) / 64)
#define BITSET_NONE		 UINT32_MAX

struct bitset {
	uint64_t *words; /* borrowed from whoever called bitset_init */
	uint32_t bits_count;
};

void bitset_init(struct bitset *set, uint64_t *words, uint32_t bits_count);
void bitset_set_all(struct bitset *set);
void bitset_clear_all(struct bitset *set);
void bitset_add(struct bitset *set, const struct bitset *other); /* of the same size */
uint32_t bitset_count(const struct bitset *set);

/* First bit at or after `from` that is set / clear, or BITSET_NONE. */
uint32_t bitset_next_set(const struct bitset *set, uint32_t from);
uint32_t bitset_next_clear(const struct bitset *set, uint32_t from);

/* BEP 3 bitfield: bit 0 is the high bit of byte 0. bytes_count must be ceil(bits_count / 8), and
 * the spare bits of the last byte must be clear; false (and the set cleared) when they are not. */
MUST_USE bool bitset_from_bitfield(struct bitset *set, const uint8_t *bytes, size_t bytes_count);
void bitset_to_bitfield(const struct bitset *set, uint8_t *bytes);

static inline bool bitset_has(const struct bitset *set, uint32_t bit)
{
	return set->words[bit / 64] >> (bit % 64) & 1;
}

static inline void bitset_set(struct bitset *set, uint32_t bit)
{
	set->words[bit / 64] |= (uint64_t)1 << (bit % 64);
}

static inline void bitset_clear(struct bitset *set, uint32_t bit)
{
	set->words[bit / 64] &= ~((uint64_t)1 << (bit % 64));
}

#define BITSET_FOREACH(bit, set)                                                                   \
	for (uint32_t bit = bitset_next_set(set, 0); bit != BITSET_NONE;                           \
		bit = bitset_next_set(set, bit + 1))

#endif
