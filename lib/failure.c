/* SPDX-License-Identifier: Apache-2.0 */
/* Filling a struct failure. */
#include "lib/failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static enum error error_of_errno(int code)
{
	switch (code) {
	case ENOSPC:
	case EDQUOT:
		return ERROR_NO_SPACE;
	case EACCES:
	case EPERM:
		return ERROR_PERMISSION;
	case EADDRINUSE:
		return ERROR_ADDRESS_IN_USE;
	case ENOENT:
		return ERROR_NOT_FOUND;
	case EEXIST:
		return ERROR_EXISTS;
	case ENOMEM:
		return ERROR_MEMORY;
	case ETIMEDOUT:
		return ERROR_TIMEOUT;
	default:
		return ERROR_SYSTEM;
	}
}

bool failure_set(struct failure *failure, enum error error, const char *format, ...)
{
	if (failure == NULL)
		return false;
	va_list arguments;

	failure->error = error;
	va_start(arguments, format);
	vsnprintf(failure->text, sizeof(failure->text), format, arguments);
	va_end(arguments);
	return false;
}

bool failure_errno(struct failure *failure, enum error error, const char *format, ...)
{
	int code = errno;

	if (failure == NULL)
		return false;
	va_list arguments;

	failure->error = error == ERROR_SYSTEM ? error_of_errno(code) : error;
	va_start(arguments, format);
	int used = vsnprintf(failure->text, sizeof(failure->text), format, arguments);
	va_end(arguments);
	if (used >= 0 && (size_t)used < sizeof(failure->text))
		snprintf(failure->text + used, sizeof(failure->text) - (size_t)used, ": %s",
			strerror(code));
	errno = code;
	return false;
}
