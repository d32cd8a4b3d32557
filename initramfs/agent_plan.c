/* SPDX-License-Identifier: Apache-2.0 */
/* Checking plans and metainfo. */
#include "initramfs/agent_plan.h"

#include <stdio.h>

/* Everything but unreserved characters (RFC 3986) is escaped. */
static bool query_add(
	char *path, size_t capacity, size_t *used, const char *name, const char *value)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~";
	int length = snprintf(path + *used, capacity - *used, "%s=", name);

	if (length < 0 || (size_t)length >= capacity - *used)
		return false;
	*used += (size_t)length;
	for (; *value != '\0'; value++) {
		if (capacity - *used < 4)
			return false;
		if (strchr(plain, *value) != NULL)
			path[(*used)++] = *value;
		else
			*used += (size_t)snprintf(
				path + *used, 4, "%%%02X", (unsigned)(uint8_t)*value);
	}
	path[*used] = '\0';
	return true;
}

bool agent_plan_path(char *path, size_t capacity, const char *node, const struct machine *machine,
	const uint8_t nonce[static PLAN_NONCE_BYTES])
{
	char hex[2 * PLAN_NONCE_BYTES + 1];
	int length = snprintf(path, capacity, "/v1/node/plan?");
	size_t used = (size_t)length;

	hex_write(hex, nonce, PLAN_NONCE_BYTES);
	return length > 0 && used < capacity && query_add(path, capacity, &used, "node", node) &&
	       query_add(path, capacity, &used, "&uuid", machine->uuid) &&
	       query_add(path, capacity, &used, "&serial", machine->serial) &&
	       query_add(path, capacity, &used, "&nonce", hex);
}

bool agent_plan_check(const struct plan_check *check, const uint8_t *bytes, size_t bytes_count,
	struct plan *plan, uint64_t *claimed_arm, struct failure *failure)
{
	struct envelope envelope;

	*claimed_arm = 0;
	memset(plan, 0, sizeof(*plan));
	if (!envelope_parse(&envelope, bytes, bytes_count))
		return failure_set(
			failure, ERROR_FORMAT, "the server's plan is not a signed envelope");
	bool parsed = plan_parse(plan, envelope.payload, envelope.payload_bytes, failure);

	bool fresh = parsed && memcmp(plan->nonce, check->nonce, PLAN_NONCE_BYTES) == 0;
	bool ours = parsed && machine_has_mac(check->machine, plan->node);

	/* An old plan, or another node's, speaks of an arm that a report of ours is not about. */
	if (fresh && ours)
		*claimed_arm = plan->arm;
	/* Who signed it matters before what it says. */
	if (!crypto_verify_any(check->trusted, envelope.signatures, envelope.signatures_count,
		    envelope.payload, envelope.payload_bytes, failure)) {
		char text[sizeof(failure->text)];

		snprintf(text, sizeof(text), "%s", failure->text);
		return failure_set(failure, failure->error, "plan: %.200s", text);
	}
	if (!parsed)
		return false;
	if (!fresh)
		return failure_set(failure, ERROR_PLAN_STALE,
			"the plan answers another request: its nonce is not ours");
	if (!ours)
		return failure_set(
			failure, ERROR_PLAN_STALE, "the plan is for another node: %s", plan->node);
	return true;
}

bool agent_metainfo_check(const struct plan *plan, const struct trusted_keys *trusted,
	const uint8_t *bytes, size_t bytes_count, struct metainfo *metainfo,
	struct failure *failure)
{
	if (!metainfo_parse(metainfo, bytes, bytes_count, &crypto_digest_ops, failure))
		return false;
	if (!metainfo->has_v1 || memcmp(metainfo->infohash, plan->infohash, SHA1_BYTES) != 0)
		return failure_set(failure, ERROR_DIGEST_MISMATCH,
			"the metainfo is not the one that the plan names: its infohash differs");
	if (!crypto_verify_any(trusted, metainfo->signatures, metainfo->signatures_count,
		    metainfo->info, metainfo->info_bytes, failure)) {
		char text[sizeof(failure->text)];

		snprintf(text, sizeof(text), "%s", failure->text);
		return failure_set(failure, failure->error, "metainfo: %.200s", text);
	}
	if (metainfo->pieces_sha256 == NULL)
		return failure_set(
			failure, ERROR_UNSUPPORTED, "the metainfo has no SHA-256 of its pieces");
	if (metainfo->length_bytes == 0)
		return failure_set(failure, ERROR_FORMAT, "the image is empty");
	return true;
}
