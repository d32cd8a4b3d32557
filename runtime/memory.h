/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is there: running out ends the program with a message. Not for pure parts. */
#ifndef RUNTIME_MEMORY_H
#define RUNTIME_MEMORY_H

#include <stdlib.h>

#include "lib/bytes.h"
#include "lib/log.h"

__attribute__((noreturn)) static inline void memory_exhausted(size_t bytes)
{
	log_error("out of memory: %zu bytes could not be had", bytes);
	abort();
}

/* Zeroed. Free with free(). */
static inline MUST_USE void *memory_allocate(size_t count, size_t bytes)
{
	void *memory = calloc(count != 0 ? count : 1, bytes != 0 ? bytes : 1);

	if (memory == NULL)
		memory_exhausted(count * bytes);
	return memory;
}

static inline MUST_USE void *memory_resize(void *memory, size_t bytes)
{
	void *resized = realloc(memory, bytes);

	if (resized == NULL)
		memory_exhausted(bytes);
	return resized;
}

#endif
