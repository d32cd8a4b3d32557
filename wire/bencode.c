/* SPDX-License-Identifier: Apache-2.0 */
/* Reading bencoded values: one check of the whole value, then accessors over the checked bytes. */
#include "wire/bencode.h"

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Decimal digits without a superfluous leading zero. Returns one past the last digit, NULL when
 * there is none or the number exceeds `limit`. */
static const uint8_t *read_decimal(
	const uint8_t *p, const uint8_t *end, uint64_t limit, uint64_t *number)
{
	const uint8_t *start = p;

	*number = 0;
	for (; p < end && is_digit(*p); p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (*number > (limit - digit) / 10)
			return NULL;
		*number = *number * 10 + digit;
	}
	if (p == start || (*start == '0' && p - start > 1))
		return NULL;
	return p;
}

/* One past the string that starts at p, or NULL. */
static const uint8_t *read_string(
	const uint8_t *p, const uint8_t *end, const uint8_t **bytes, size_t *bytes_count)
{
	uint64_t length;

	p = read_decimal(p, end, UINT64_MAX, &length);
	if (p == NULL || p == end || *p != ':')
		return NULL;
	p++;
	if (length > (uint64_t)(end - p))
		return NULL;
	*bytes = p;
	*bytes_count = (size_t)length;
	return p + length;
}

/* One past the integer that starts at p, or NULL. Syntax only: it may be longer than 64 bits. */
static const uint8_t *skip_integer(const uint8_t *p, const uint8_t *end)
{
	bool negative = false;

	p++; /* 'i' */
	if (p < end && *p == '-') {
		negative = true;
		p++;
	}
	const uint8_t *digits = p;

	while (p < end && is_digit(*p))
		p++;
	if (p == digits || p == end || *p != 'e')
		return NULL;
	if (*digits == '0' && (negative || p - digits > 1))
		return NULL;
	return p + 1;
}

static const uint8_t *skip_scalar(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *bytes;
	size_t bytes_count;

	return *p == 'i' ? skip_integer(p, end) : read_string(p, end, &bytes, &bytes_count);
}

/* One past the value that starts at p, or NULL when it is malformed, cut short or nested deeper
 * than BEN_DEPTH_MAX containers. Works without recursion: bit d of a mask speaks of depth d. */
static const uint8_t *skip_value(const uint8_t *p, const uint8_t *end)
{
	uint64_t in_dict = 0;
	uint64_t key_next = 0;
	unsigned depth = 0;

	_Static_assert(BEN_DEPTH_MAX < 64, "depth does not fit the masks");
	while (p < end) {
		uint64_t level = (uint64_t)1 << depth;

		if (*p == 'e') {
			if (depth == 0 || ((in_dict & level) != 0 && (key_next & level) == 0))
				return NULL;
			p++;
			depth--;
		} else if ((in_dict & key_next & level) != 0) {
			if (!is_digit(*p))
				return NULL;
			p = skip_scalar(p, end);
			if (p == NULL)
				return NULL;
			key_next &= ~level;
			continue;
		} else if (*p == 'l' || *p == 'd') {
			if (depth == BEN_DEPTH_MAX)
				return NULL;
			depth++;
			level <<= 1;
			in_dict = *p == 'd' ? in_dict | level : in_dict & ~level;
			key_next |= level;
			p++;
			continue;
		} else {
			p = skip_scalar(p, end);
			if (p == NULL)
				return NULL;
		}
		if (depth == 0)
			return p;
		key_next |= (uint64_t)1 << depth;
	}
	return NULL;
}

static enum ben_type type_of(uint8_t first)
{
	switch (first) {
	case 'i':
		return BEN_INTEGER;
	case 'l':
		return BEN_LIST;
	case 'd':
		return BEN_DICT;
	default:
		return BEN_STRING;
	}
}

static bool take(struct ben *value, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *next = skip_value(p, end);

	*value = (struct ben){.type = BEN_NONE};
	if (next == NULL)
		return false;
	*value = (struct ben){.type = type_of(*p), .start = p, .end = next};
	return true;
}

bool ben_parse(struct ben *value, const uint8_t *bytes, size_t bytes_count, size_t *used_bytes)
{
	*value = (struct ben){.type = BEN_NONE};
	if (bytes_count == 0 || !take(value, bytes, bytes + bytes_count))
		return false;
	if (used_bytes != NULL) {
		*used_bytes = (size_t)(value->end - value->start);
	} else if (value->end != bytes + bytes_count) {
		*value = (struct ben){.type = BEN_NONE};
		return false;
	}
	return true;
}

bool ben_unsigned(const struct ben *value, uint64_t *integer)
{
	if (value->type != BEN_INTEGER || value->start[1] == '-')
		return false;
	return read_decimal(value->start + 1, value->end, UINT64_MAX, integer) != NULL;
}

bool ben_integer(const struct ben *value, int64_t *integer)
{
	uint64_t magnitude;

	if (value->type != BEN_INTEGER)
		return false;
	if (value->start[1] != '-') {
		if (read_decimal(value->start + 1, value->end, INT64_MAX, &magnitude) == NULL)
			return false;
		*integer = (int64_t)magnitude;
		return true;
	}
	if (read_decimal(value->start + 2, value->end, (uint64_t)INT64_MAX + 1, &magnitude) == NULL)
		return false;
	/* Negated one short of the end of the range, which has no positive counterpart. */
	*integer = -(int64_t)(magnitude - 1) - 1;
	return true;
}

bool ben_string(const struct ben *value, const uint8_t **bytes, size_t *bytes_count)
{
	return value->type == BEN_STRING &&
	       read_string(value->start, value->end, bytes, bytes_count) != NULL;
}

bool ben_list_next(const struct ben *list, const uint8_t **position, struct ben *value)
{
	*value = (struct ben){.type = BEN_NONE};
	if (list->type != BEN_LIST)
		return false;
	const uint8_t *p = *position == NULL ? list->start + 1 : *position;

	if (p + 1 >= list->end || !take(value, p, list->end))
		return false;
	*position = value->end;
	return true;
}

bool ben_dict_next(
	const struct ben *dict, const uint8_t **position, struct ben *key, struct ben *value)
{
	*key = *value = (struct ben){.type = BEN_NONE};
	if (dict->type != BEN_DICT)
		return false;
	const uint8_t *p = *position == NULL ? dict->start + 1 : *position;

	if (p + 1 >= dict->end || !take(key, p, dict->end) || !take(value, key->end, dict->end))
		return false;
	*position = value->end;
	return true;
}

bool ben_get(const struct ben *dict, const char *key, struct ben *value)
{
	size_t key_bytes = strlen(key);
	const uint8_t *position = NULL;
	struct ben candidate;

	while (ben_dict_next(dict, &position, &candidate, value)) {
		const uint8_t *bytes;
		size_t bytes_count;

		if (ben_string(&candidate, &bytes, &bytes_count) && bytes_count == key_bytes &&
			memcmp(bytes, key, key_bytes) == 0)
			return true;
	}
	*value = (struct ben){.type = BEN_NONE};
	return false;
}

bool ben_get_unsigned(const struct ben *dict, const char *key, uint64_t *integer)
{
	struct ben value;

	return ben_get(dict, key, &value) && ben_unsigned(&value, integer);
}

bool ben_get_string(
	const struct ben *dict, const char *key, const uint8_t **bytes, size_t *bytes_count)
{
	struct ben value;

	return ben_get(dict, key, &value) && ben_string(&value, bytes, bytes_count);
}

bool ben_get_bytes(const struct ben *dict, const char *key, uint8_t *bytes, size_t bytes_count)
{
	const uint8_t *found;
	size_t found_count;

	if (!ben_get_string(dict, key, &found, &found_count) || found_count != bytes_count)
		return false;
	memcpy(bytes, found, bytes_count);
	return true;
}

bool ben_get_text(const struct ben *dict, const char *key, char *text, size_t capacity)
{
	const uint8_t *bytes;
	size_t bytes_count;

	if (!ben_get_string(dict, key, &bytes, &bytes_count) || bytes_count >= capacity ||
		memchr(bytes, 0, bytes_count) != NULL)
		return false;
	memcpy(text, bytes, bytes_count);
	text[bytes_count] = '\0';
	return true;
}
