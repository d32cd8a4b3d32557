/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Becoming an ordinary user once nothing needs root any more. Linux; see setresuid(2), prctl(2).
 */
#ifndef TRACKER_PRIVILEGES_H
#define TRACKER_PRIVILEGES_H

#include <sys/types.h>

#include "lib/failure.h"

struct identity {
	uid_t uid;
	gid_t gid;
};

/* "NAME" (with the user's own group) or "NAME:GROUP"; numbers are taken, too. Root is refused: that
 * is nobody to become. */
MUST_USE bool privileges_find(const char *text, struct identity *identity, struct failure *failure);

/* Supplementary groups, group and user, for good: verified by asking the kernel, and by failing to
 * go back. Who is not root must be that user and group already, by the real, effective and saved
 * ids, and keeps its supplementary groups. On failure the process may be half-way: end it. */
MUST_USE bool privileges_drop(const struct identity *identity, struct failure *failure);

/* No program that this process may ever start gains anything by set-user-id bits. */
MUST_USE bool privileges_no_new(struct failure *failure);

#endif
