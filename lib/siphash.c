/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-2-4, as its paper describes it: two rounds a word, four at the end. */
#include "lib/siphash.h"

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t le64_read(const uint8_t *bytes)
{
	return (uint64_t)bytes[0] | (uint64_t)bytes[1] << 8 | (uint64_t)bytes[2] << 16 |
	       (uint64_t)bytes[3] << 24 | (uint64_t)bytes[4] << 32 | (uint64_t)bytes[5] << 40 |
	       (uint64_t)bytes[6] << 48 | (uint64_t)bytes[7] << 56;
}

static inline uint64_t rotate(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

static inline void sip_round(struct sip *sip)
{
	sip->v0 += sip->v1;
	sip->v1 = rotate(sip->v1, 13) ^ sip->v0;
	sip->v0 = rotate(sip->v0, 32);
	sip->v2 += sip->v3;
	sip->v3 = rotate(sip->v3, 16) ^ sip->v2;
	sip->v0 += sip->v3;
	sip->v3 = rotate(sip->v3, 21) ^ sip->v0;
	sip->v2 += sip->v1;
	sip->v1 = rotate(sip->v1, 17) ^ sip->v2;
	sip->v2 = rotate(sip->v2, 32);
}

static inline void sip_word(struct sip *sip, uint64_t word)
{
	sip->v3 ^= word;
	sip_round(sip);
	sip_round(sip);
	sip->v0 ^= word;
}

uint64_t siphash(
	const uint8_t key[static SIPHASH_KEY_BYTES], const void *message, size_t message_bytes)
{
	const uint8_t *bytes = message;
	const uint8_t *end = bytes + message_bytes / 8 * 8;
	uint64_t k0 = le64_read(key);
	uint64_t k1 = le64_read(key + 8);
	uint64_t last = (uint64_t)message_bytes << 56;
	struct sip sip = {.v0 = k0 ^ UINT64_C(0x736f6d6570736575),
		.v1 = k1 ^ UINT64_C(0x646f72616e646f6d),
		.v2 = k0 ^ UINT64_C(0x6c7967656e657261),
		.v3 = k1 ^ UINT64_C(0x7465646279746573)};

	for (; bytes < end; bytes += 8)
		sip_word(&sip, le64_read(bytes));
	for (unsigned i = 0; i < message_bytes % 8; i++)
		last |= (uint64_t)bytes[i] << 8 * i;
	sip_word(&sip, last);
	sip.v2 ^= 0xff;
	sip_round(&sip);
	sip_round(&sip);
	sip_round(&sip);
	sip_round(&sip);
	return sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
}
