/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict reading of the dictionaries of our own formats (plan, report): every key is wanted,
 * unknown ones are ignored. The first key that is absent or wrong is named in the failure, and
 * everything after it is left alone, so that a parser reads all its keys and asks once at the end.
 * Private to wire/.
 */
#ifndef WIRE_FIELDS_H
#define WIRE_FIELDS_H

#include "lib/failure.h"
#include "wire/bencode.h"

struct fields {
	struct ben dict;
	const char *format; /* "plan": begins the failure's text */
	struct failure *failure;
	bool good;
};

/* Parses bytes (at most bytes_max of them) as a dictionary with this `version`. */
struct fields fields_open(const char *format, const uint8_t *bytes, size_t bytes_count,
	size_t bytes_max, uint64_t version, struct failure *failure);
/* The dictionary inside, under the same failure. fields_close carries its verdict back. */
struct fields fields_inside(const struct fields *fields, const struct ben *dict);
void fields_close(struct fields *fields, const struct fields *inside);

/* Notes that this key is wrong. Returns false. */
bool fields_wrong(struct fields *fields, const char *key);

uint64_t field_unsigned(struct fields *fields, const char *key, uint64_t maximum);
bool field_bool(struct fields *fields, const char *key);
void field_bytes(struct fields *fields, const char *key, uint8_t *bytes, size_t bytes_count);
void field_text(struct fields *fields, const char *key, char *text, size_t capacity);
/* Like field_text, and every byte that is not printable ASCII becomes '?': for texts that strangers
 * wrote and people will see. */
void field_printable(struct fields *fields, const char *key, char *text, size_t capacity);
void field_value(struct fields *fields, const char *key, enum ben_type type, struct ben *value);
/* Position of the text in names; 0 when wrong. */
unsigned field_choice(
	struct fields *fields, const char *key, const char *const *names, unsigned names_count);

#endif
