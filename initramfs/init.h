/* SPDX-License-Identifier: Apache-2.0 */
/* PID 1. */
#ifndef INITRAMFS_INIT_H
#define INITRAMFS_INIT_H

/* Mounts what a system needs, runs the agent as a child, reaps whatever ends, and reboots when the
 * agent has ended in whatever way. Never returns. */
_Noreturn void init_run(void);

#endif
