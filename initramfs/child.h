/* SPDX-License-Identifier: Apache-2.0 */
/* Programs of the initramfs (busybox) run as children. */
#ifndef INITRAMFS_CHILD_H
#define INITRAMFS_CHILD_H

#include <sys/types.h>

#include "lib/failure.h"

/* Starts arguments[0] (an absolute path). -1 on failure. */
pid_t child_start(char *const *arguments, struct failure *failure);

/* Runs it to its end, at most timeout_ms; then it is killed. True when it exited; *status is its
 * exit status. */
MUST_USE bool child_run(
	char *const *arguments, int timeout_ms, int *status, struct failure *failure);

#endif
