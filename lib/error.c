/* SPDX-License-Identifier: Apache-2.0 */
/* The names and texts of lib/error.def, and failures with a fixed text. Pure. */
#include "lib/failure.h"

static const char *const error_names[ERRORS_COUNT] = {
#define X(name, wire_name, text) wire_name,
#include "lib/error.def"
#undef X
};

static const char *const error_texts[ERRORS_COUNT] = {
#define X(name, wire_name, text) text,
#include "lib/error.def"
#undef X
};

const char *error_name(enum error error)
{
	return error < ERRORS_COUNT ? error_names[error] : "unknown";
}

const char *error_text(enum error error)
{
	return error < ERRORS_COUNT ? error_texts[error] : "unknown error";
}

enum error error_from_name(const char *name, size_t name_bytes)
{
	for (unsigned i = 0; i < ERRORS_COUNT; i++)
		if (strlen(error_names[i]) == name_bytes &&
			memcmp(error_names[i], name, name_bytes) == 0)
			return (enum error)i;
	return ERRORS_COUNT;
}

bool failure_text(struct failure *failure, enum error error, const char *text)
{
	if (failure == NULL)
		return false;
	size_t length = strlen(text);

	if (length >= sizeof(failure->text))
		length = sizeof(failure->text) - 1;
	failure->error = error;
	memcpy(failure->text, text, length);
	failure->text[length] = '\0';
	return false;
}
