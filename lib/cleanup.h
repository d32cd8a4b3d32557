/* SPDX-License-Identifier: Apache-2.0 */
/* SCOPED(kind) on a local variable releases it when its scope ends, on every path. */
#ifndef LIB_CLEANUP_H
#define LIB_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SCOPED(kind) __attribute__((cleanup(cleanup_##kind)))

static inline void cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

/* For files that were only read: a file that was written must have its fclose checked. */
static inline void cleanup_file(FILE **file)
{
	if (*file != NULL)
		fclose(*file);
}

#endif
