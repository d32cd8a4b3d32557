/* SPDX-License-Identifier: Apache-2.0 */
/* Bit sets over the caller's words, and their BEP 3 bitfield form. */
#include "lib/bitset.h"

void bitset_init(struct bitset *set, uint64_t *words, uint32_t bits_count)
{
	set->words = words;
	set->bits_count = bits_count;
	bitset_clear_all(set);
}

void bitset_clear_all(struct bitset *set)
{
	memset(set->words, 0, BITSET_WORDS(set->bits_count) * sizeof(uint64_t));
}

void bitset_set_all(struct bitset *set)
{
	size_t words_count = BITSET_WORDS(set->bits_count);

	memset(set->words, 0xff, words_count * sizeof(uint64_t));
	if (set->bits_count % 64 != 0)
		set->words[words_count - 1] = ((uint64_t)1 << (set->bits_count % 64)) - 1;
}

void bitset_add(struct bitset *set, const struct bitset *other)
{
	for (size_t i = 0; i < BITSET_WORDS(set->bits_count); i++)
		set->words[i] |= other->words[i];
}

uint32_t bitset_count(const struct bitset *set)
{
	uint32_t count = 0;

	for (size_t i = 0; i < BITSET_WORDS(set->bits_count); i++)
		count += (uint32_t)__builtin_popcountll(set->words[i]);
	return count;
}

/* flip is 0 to look for set bits, all ones to look for clear ones. */
static uint32_t next_bit(const struct bitset *set, uint32_t from, uint64_t flip)
{
	if (from >= set->bits_count)
		return BITSET_NONE;
	size_t word_index = from / 64;
	uint64_t word = (set->words[word_index] ^ flip) & ~(uint64_t)0 << (from % 64);

	while (word == 0) {
		if (++word_index >= BITSET_WORDS(set->bits_count))
			return BITSET_NONE;
		word = set->words[word_index] ^ flip;
	}
	uint32_t bit = (uint32_t)(word_index * 64) + (uint32_t)__builtin_ctzll(word);

	return bit < set->bits_count ? bit : BITSET_NONE;
}

uint32_t bitset_next_set(const struct bitset *set, uint32_t from)
{
	return next_bit(set, from, 0);
}

uint32_t bitset_next_clear(const struct bitset *set, uint32_t from)
{
	return next_bit(set, from, ~(uint64_t)0);
}

/* The other end of the byte first. */
static uint8_t reversed(uint8_t byte)
{
	uint32_t bits = byte;

	bits = (bits & 0xf0) >> 4 | (bits & 0x0f) << 4;
	bits = (bits & 0xcc) >> 2 | (bits & 0x33) << 2;
	return (uint8_t)((bits & 0xaa) >> 1 | (bits & 0x55) << 1);
}

bool bitset_from_bitfield(struct bitset *set, const uint8_t *bytes, size_t bytes_count)
{
	bitset_clear_all(set);
	if (bytes_count != ((size_t)set->bits_count + 7) / 8)
		return false;
	if (set->bits_count % 8 != 0 &&
		(bytes[bytes_count - 1] & (0xff >> (set->bits_count % 8))) != 0)
		return false;
	for (size_t i = 0; i < bytes_count; i++)
		set->words[i / 8] |= (uint64_t)reversed(bytes[i]) << (i % 8 * 8);
	return true;
}

void bitset_to_bitfield(const struct bitset *set, uint8_t *bytes)
{
	for (size_t i = 0; i < ((size_t)set->bits_count + 7) / 8; i++)
		bytes[i] = reversed((uint8_t)(set->words[i / 8] >> (i % 8 * 8)));
}
