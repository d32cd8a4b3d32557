/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bencoding (BEP 3): integers i42e, strings 4:spam, lists l...e, dictionaries d...e.
 *
 * Reading: ben_parse checks one whole value once (syntax, depth, no leading zeros, no "-0", strings
 * inside the buffer, dictionary keys are strings). After that the accessors below walk the same
 * bytes without allocating and cannot run past them. Nothing is copied: every pointer is borrowed
 * from the parsed bytes and lives as long as they do. Unsorted or repeated keys are accepted on
 * reading (foreign files have them; the first one wins); the writer always sorts by its caller.
 *
 * Writing: into a caller's buffer; overflow is remembered and checked once at the end.
 */
#ifndef WIRE_BENCODE_H
#define WIRE_BENCODE_H

#include "lib/bytes.h"

#define BEN_DEPTH_MAX 32

enum ben_type { BEN_NONE, BEN_INTEGER, BEN_STRING, BEN_LIST, BEN_DICT };

struct ben {
	enum ben_type type;
	const uint8_t *start; /* first byte of the encoding */
	const uint8_t *end;   /* one past its last byte */
};

/* Parses one value that starts at bytes. trailing bytes are an error unless used_bytes is given,
 * which then receives the value's encoded length. */
MUST_USE bool ben_parse(
	struct ben *value, const uint8_t *bytes, size_t bytes_count, size_t *used_bytes);

/* Typed access: false when the value has another type (or the integer does not fit). */
MUST_USE bool ben_integer(const struct ben *value, int64_t *integer);
MUST_USE bool ben_unsigned(const struct ben *value, uint64_t *integer);
MUST_USE bool ben_string(const struct ben *value, const uint8_t **bytes, size_t *bytes_count);

/* Looks a key up; on false value->type is BEN_NONE. */
bool ben_get(const struct ben *dict, const char *key, struct ben *value);

/* Shorthands: key present with the right type (and, for bytes, the exact length). */
MUST_USE bool ben_get_unsigned(const struct ben *dict, const char *key, uint64_t *integer);
MUST_USE bool ben_get_string(
	const struct ben *dict, const char *key, const uint8_t **bytes, size_t *bytes_count);
MUST_USE bool ben_get_bytes(
	const struct ben *dict, const char *key, uint8_t *bytes, size_t bytes_count);

/* Copies a string into text with a final NUL. False when absent, when it does not fit, or when it
 * has a NUL inside. */
MUST_USE bool ben_get_text(const struct ben *dict, const char *key, char *text, size_t capacity);

/* Iteration over a list or a dictionary: start with *position = NULL. */
bool ben_list_next(const struct ben *list, const uint8_t **position, struct ben *value);
bool ben_dict_next(
	const struct ben *dict, const uint8_t **position, struct ben *key, struct ben *value);

struct ben_writer {
	uint8_t *bytes;
	size_t capacity;
	size_t used;
	bool overflow;
};

void ben_writer_init(struct ben_writer *writer, uint8_t *bytes, size_t capacity);
void ben_write_integer(struct ben_writer *writer, int64_t integer);
void ben_write_unsigned(struct ben_writer *writer, uint64_t integer);
void ben_write_bytes(struct ben_writer *writer, const void *bytes, size_t bytes_count);
void ben_write_text(struct ben_writer *writer, const char *text);
/* Copies an already encoded value exactly. */
void ben_write_raw(struct ben_writer *writer, const struct ben *value);
void ben_write_dict(struct ben_writer *writer);
void ben_write_list(struct ben_writer *writer);
void ben_write_end(struct ben_writer *writer);

/* Key and value in one; keys must be written in byte order. */
void ben_put_unsigned(struct ben_writer *writer, const char *key, uint64_t integer);
void ben_put_bytes(
	struct ben_writer *writer, const char *key, const void *bytes, size_t bytes_count);
void ben_put_text(struct ben_writer *writer, const char *key, const char *text);

#endif
