/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent believes: plans and metainfo that are signed by a key in its initramfs. */
#ifndef INITRAMFS_AGENT_PLAN_H
#define INITRAMFS_AGENT_PLAN_H

#include "initramfs/machine.h"
#include "runtime/crypto.h"
#include "wire/plan.h"

/* Larger than the metainfo of any image of 2 TiB. */
#define AGENT_METAINFO_BYTES_MAX (32 * MIB)

struct plan_check {
	const struct trusted_keys *trusted;
	const struct machine *machine;
	const uint8_t *nonce; /* PLAN_NONCE_BYTES that the request carried */
};

/* Path and query of the request for a plan. */
MUST_USE bool agent_plan_path(char *path, size_t capacity, const char *node,
	const struct machine *machine, const uint8_t nonce[static PLAN_NONCE_BYTES]);

/* True when the answer is a plan that is signed, for this machine, and fresh. On failure
 * *claimed_arm is the arm that the answer claims (0: none), good for a report only. */
MUST_USE bool agent_plan_check(const struct plan_check *check, const uint8_t *bytes,
	size_t bytes_count, struct plan *plan, uint64_t *claimed_arm, struct failure *failure);

/* True when the bytes are the metainfo that the plan names, signed, with SHA-256 for every piece.
 */
MUST_USE bool agent_metainfo_check(const struct plan *plan, const struct trusted_keys *trusted,
	const uint8_t *bytes, size_t bytes_count, struct metainfo *metainfo,
	struct failure *failure);

#endif
