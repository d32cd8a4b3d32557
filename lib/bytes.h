/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integers as they lie on the wire or on a disk, and small helpers over raw bytes.
 * Everything here is pure: no system calls, no state.
 */
#ifndef LIB_BYTES_H
#define LIB_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_USE	   __attribute__((warn_unused_result))
#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KIB		   ((uint64_t)1024)
#define MIB		   (1024 * KIB)
#define GIB		   (1024 * MIB)
#define TIB		   (1024 * GIB)
#define NS_PER_US	   ((uint64_t)1000)
#define NS_PER_MS	   ((uint64_t)1000000)
#define NS_PER_S	   ((uint64_t)1000000000)

static inline uint16_t be16_read(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline uint32_t be32_read(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static inline uint64_t be64_read(const uint8_t *bytes)
{
	return (uint64_t)be32_read(bytes) << 32 | be32_read(bytes + 4);
}

static inline void be16_write(uint8_t *bytes, uint16_t value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

static inline void be32_write(uint8_t *bytes, uint32_t value)
{
	be16_write(bytes, (uint16_t)(value >> 16));
	be16_write(bytes + 2, (uint16_t)value);
}

static inline void be64_write(uint8_t *bytes, uint64_t value)
{
	be32_write(bytes, (uint32_t)(value >> 32));
	be32_write(bytes + 4, (uint32_t)value);
}

static inline uint64_t u64_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t u64_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* ceil(a / b); b must not be 0. */
static inline uint64_t u64_div_up(uint64_t a, uint64_t b)
{
	return a / b + (a % b != 0);
}

/* True when all bytes are zero (true for bytes_count 0). */
bool bytes_all_zero(const void *bytes, size_t bytes_count);

/* Lower-case hex with a final NUL: hex holds 2 * bytes_count + 1 characters. */
void hex_write(char *hex, const uint8_t *bytes, size_t bytes_count);

/* Value of a hex digit of either case; 16 when it is none. */
unsigned hex_digit(char c);

/* Reads exactly 2 * bytes_count hex digits followed by NUL; false when hex is anything else. */
MUST_USE bool hex_read(uint8_t *bytes, size_t bytes_count, const char *hex);

/* Copies what fits, with a final NUL; every byte that is not printable ASCII becomes '?'. For texts
 * that strangers wrote and people will see. */
void printable_copy(char *text, size_t capacity, const void *bytes, size_t bytes_count);

#endif
