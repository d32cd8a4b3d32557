/* SPDX-License-Identifier: Apache-2.0 */
/* Strict reading of dictionaries of our own formats. */
#include "wire/fields.h"

static size_t append(char *text, size_t used, size_t capacity, const char *more)
{
	size_t length = (size_t)u64_min(strlen(more), capacity - 1 - used);

	memcpy(text + used, more, length);
	text[used + length] = '\0';
	return used + length;
}

/* "plan: TEXT" or "plan: KEY TEXT". */
static bool fail(struct fields *fields, enum error error, const char *key, const char *what)
{
	char text[160];
	size_t used = append(text, 0, sizeof(text), fields->format);

	if (!fields->good)
		return false;
	fields->good = false;
	used = append(text, used, sizeof(text), ": ");
	used = append(text, used, sizeof(text), key);
	append(text, used, sizeof(text), what);
	return failure_text(fields->failure, error, text);
}

struct fields fields_open(const char *format, const uint8_t *bytes, size_t bytes_count,
	size_t bytes_max, uint64_t version, struct failure *failure)
{
	struct fields fields = {.format = format, .failure = failure, .good = true};

	if (bytes_count > bytes_max)
		fail(&fields, ERROR_LIMIT, "", "too large");
	else if (!ben_parse(&fields.dict, bytes, bytes_count, NULL) || fields.dict.type != BEN_DICT)
		fail(&fields, ERROR_FORMAT, "", "not a bencoded dictionary");
	else if (field_unsigned(&fields, "version", UINT64_MAX) != version)
		fail(&fields, ERROR_UNSUPPORTED, "", "another version of the format");
	return fields;
}

struct fields fields_inside(const struct fields *fields, const struct ben *dict)
{
	struct fields inside = *fields;

	inside.dict = *dict;
	return inside;
}

void fields_close(struct fields *fields, const struct fields *inside)
{
	fields->good = inside->good;
}

bool fields_wrong(struct fields *fields, const char *key)
{
	return fail(fields, ERROR_FORMAT, key, " is missing or wrong");
}

uint64_t field_unsigned(struct fields *fields, const char *key, uint64_t maximum)
{
	uint64_t number = 0;

	if (!fields->good)
		return 0;
	if (!ben_get_unsigned(&fields->dict, key, &number) || number > maximum) {
		fields_wrong(fields, key);
		return 0;
	}
	return number;
}

bool field_bool(struct fields *fields, const char *key)
{
	return field_unsigned(fields, key, 1) != 0;
}

void field_bytes(struct fields *fields, const char *key, uint8_t *bytes, size_t bytes_count)
{
	if (fields->good && !ben_get_bytes(&fields->dict, key, bytes, bytes_count))
		fields_wrong(fields, key);
}

void field_text(struct fields *fields, const char *key, char *text, size_t capacity)
{
	if (fields->good && !ben_get_text(&fields->dict, key, text, capacity))
		fields_wrong(fields, key);
}

void field_printable(struct fields *fields, const char *key, char *text, size_t capacity)
{
	field_text(fields, key, text, capacity);
	if (fields->good)
		printable_copy(text, capacity, text, strlen(text));
}

void field_value(struct fields *fields, const char *key, enum ben_type type, struct ben *value)
{
	*value = (struct ben){.type = BEN_NONE};
	if (fields->good && (!ben_get(&fields->dict, key, value) || value->type != type))
		fields_wrong(fields, key);
}

unsigned field_choice(
	struct fields *fields, const char *key, const char *const *names, unsigned names_count)
{
	const uint8_t *name;
	size_t name_bytes;

	if (!fields->good)
		return 0;
	if (ben_get_string(&fields->dict, key, &name, &name_bytes))
		for (unsigned i = 0; i < names_count; i++)
			if (strlen(names[i]) == name_bytes &&
				memcmp(names[i], name, name_bytes) == 0)
				return i;
	fields_wrong(fields, key);
	return 0;
}
