/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4) of two messages of one length at a time, with the SHA instructions of x86.
 * One message keeps the processor waiting for each round's result; a second one fills the gaps, so
 * two cost little more than one. The leaves of a piece are such messages.
 */
#include "runtime/sha256_pair.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#define BLOCK_BYTES  64
#define LENGTH_BYTES 8
#define SHA_TARGET   __attribute__((target("sha,sse4.1,ssse3")))

/* Round constants, in the order in which four rounds take them. */
static const uint32_t rounds[64] __attribute__((aligned(16))) = {
	0x428a2f98,
	0x71374491,
	0xb5c0fbcf,
	0xe9b5dba5,
	0x3956c25b,
	0x59f111f1,
	0x923f82a4,
	0xab1c5ed5,
	0xd807aa98,
	0x12835b01,
	0x243185be,
	0x550c7dc3,
	0x72be5d74,
	0x80deb1fe,
	0x9bdc06a7,
	0xc19bf174,
	0xe49b69c1,
	0xefbe4786,
	0x0fc19dc6,
	0x240ca1cc,
	0x2de92c6f,
	0x4a7484aa,
	0x5cb0a9dc,
	0x76f988da,
	0x983e5152,
	0xa831c66d,
	0xb00327c8,
	0xbf597fc7,
	0xc6e00bf3,
	0xd5a79147,
	0x06ca6351,
	0x14292967,
	0x27b70a85,
	0x2e1b2138,
	0x4d2c6dfc,
	0x53380d13,
	0x650a7354,
	0x766a0abb,
	0x81c2c92e,
	0x92722c85,
	0xa2bfe8a1,
	0xa81a664b,
	0xc24b8b70,
	0xc76c51a3,
	0xd192e819,
	0xd6990624,
	0xf40e3585,
	0x106aa070,
	0x19a4c116,
	0x1e376c08,
	0x2748774c,
	0x34b0bcb5,
	0x391c0cb3,
	0x4ed8aa4a,
	0x5b9cca4f,
	0x682e6ff3,
	0x748f82ee,
	0x78a5636f,
	0x84c87814,
	0x8cc70208,
	0x90befffa,
	0xa4506ceb,
	0xbef9a3f7,
	0xc67178f2,
};

static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
	0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/* One message on its way: its state as the instructions want it (A B E F and C D G H, the most
 * significant first) and four words of its schedule in each of m. */
struct lane {
	__m128i abef;
	__m128i cdgh;
	__m128i m[4];
};

bool sha256_pair_possible(void)
{
	unsigned eax, ebx, ecx, edx;

	if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & bit_SSE4_1) == 0 ||
		(ecx & bit_SSSE3) == 0)
		return false;
	return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (ebx & bit_SHA) != 0;
}

SHA_TARGET static inline __attribute__((always_inline)) void lane_begin(struct lane *lane)
{
	lane->abef =
		_mm_set_epi32((int)initial[0], (int)initial[1], (int)initial[4], (int)initial[5]);
	lane->cdgh =
		_mm_set_epi32((int)initial[2], (int)initial[3], (int)initial[6], (int)initial[7]);
}

SHA_TARGET static inline __attribute__((always_inline)) __m128i load_words(const uint8_t *bytes)
{
	const __m128i big_endian =
		_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);

	return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)bytes), big_endian);
}

/* Four rounds, with the `group`th four words of the schedule, which replace those before. */
SHA_TARGET static inline __attribute__((always_inline)) void four_rounds(
	struct lane *lane, const uint8_t *block, unsigned group)
{
	__m128i *words = &lane->m[group % 4];

	if (group < 4) {
		*words = load_words(block + group * sizeof(__m128i));
	} else {
		__m128i before = lane->m[(group + 3) % 4];
		__m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(*words, lane->m[(group + 1) % 4]),
			_mm_alignr_epi8(before, lane->m[(group + 2) % 4], 4));

		*words = _mm_sha256msg2_epu32(sum, before);
	}
	__m128i input = _mm_add_epi32(*words, _mm_load_si128((const __m128i *)&rounds[group * 4]));

	lane->cdgh = _mm_sha256rnds2_epu32(lane->cdgh, lane->abef, input);
	lane->abef = _mm_sha256rnds2_epu32(lane->abef, lane->cdgh, _mm_shuffle_epi32(input, 0x0e));
}

SHA_TARGET static inline __attribute__((always_inline)) void compress_pair(
	struct lane lanes[static 2], const uint8_t *first, const uint8_t *second)
{
	__m128i abef[2] = {lanes[0].abef, lanes[1].abef};
	__m128i cdgh[2] = {lanes[0].cdgh, lanes[1].cdgh};

#pragma GCC unroll 16
	for (unsigned group = 0; group < 16; group++) {
		four_rounds(&lanes[0], first, group);
		four_rounds(&lanes[1], second, group);
	}
	for (unsigned i = 0; i < 2; i++) {
		lanes[i].abef = _mm_add_epi32(lanes[i].abef, abef[i]);
		lanes[i].cdgh = _mm_add_epi32(lanes[i].cdgh, cdgh[i]);
	}
}

SHA_TARGET static void lane_end(const struct lane *lane, uint8_t digest[static SHA256_BYTES])
{
	uint32_t abef[4], cdgh[4];

	_mm_storeu_si128((__m128i *)abef, lane->abef);
	_mm_storeu_si128((__m128i *)cdgh, lane->cdgh);
	const uint32_t words[8] = {
		abef[3], abef[2], cdgh[3], cdgh[2], abef[1], abef[0], cdgh[1], cdgh[0]};

	for (size_t i = 0; i < 8; i++)
		be32_write(digest + 4 * i, words[i]);
}

SHA_TARGET void sha256_pair(uint8_t digests[static 2][SHA256_BYTES], const uint8_t *first,
	const uint8_t *second, size_t bytes_count)
{
	struct lane lanes[2];
	size_t rest_bytes = bytes_count % BLOCK_BYTES;
	size_t whole_bytes = bytes_count - rest_bytes;
	/* What is left of each, the bit that ends it, and its length in bits. */
	uint8_t last[2][2 * BLOCK_BYTES] = {0};
	size_t last_bytes =
		rest_bytes + 1 + LENGTH_BYTES <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES;

	lane_begin(&lanes[0]);
	lane_begin(&lanes[1]);
	for (size_t at = 0; at < whole_bytes; at += BLOCK_BYTES)
		compress_pair(lanes, first + at, second + at);
	memcpy(last[0], first + whole_bytes, rest_bytes);
	memcpy(last[1], second + whole_bytes, rest_bytes);
	for (size_t i = 0; i < 2; i++) {
		last[i][rest_bytes] = 0x80;
		be64_write(last[i] + last_bytes - LENGTH_BYTES, (uint64_t)bytes_count * 8);
	}
	for (size_t at = 0; at < last_bytes; at += BLOCK_BYTES)
		compress_pair(lanes, last[0] + at, last[1] + at);
	lane_end(&lanes[0], digests[0]);
	lane_end(&lanes[1], digests[1]);
}

#else

bool sha256_pair_possible(void)
{
	return false;
}

void sha256_pair(uint8_t digests[static 2][SHA256_BYTES], const uint8_t *first,
	const uint8_t *second, size_t bytes_count)
{
	(void)digests;
	(void)first;
	(void)second;
	(void)bytes_count;
	abort();
}

#endif
