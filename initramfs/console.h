/* SPDX-License-Identifier: Apache-2.0 */
/* The screen and the serial lines: everything written to one descriptor goes to all active consoles
 * of the kernel and, as debug lines, to its log. A console that does not take bytes is skipped,
 * never waited for. */
#ifndef INITRAMFS_CONSOLE_H
#define INITRAMFS_CONSOLE_H

#include "lib/failure.h"

/* Opens the consoles and a pipe; returns the end to write to, -1 on failure. */
int console_open(struct failure *failure);

/* Starts the thread that moves bytes from the pipe to the consoles. */
MUST_USE bool console_start(struct failure *failure);

/* Waits until everything written so far has left the machine, two seconds at most. */
void console_drain(void);

#endif
