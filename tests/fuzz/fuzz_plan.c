/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an envelope, whose payload is tried as a plan, and as a plan. */
#include "tests/fuzz/check.h"
#include "wire/plan.h"

static void check_plan(const uint8_t *data, size_t size)
{
	static struct plan plan;
	static struct plan again;
	static uint8_t first[PLAN_BYTES_MAX];
	static uint8_t second[PLAN_BYTES_MAX];
	struct failure failure = {.error = ERROR_NONE};

	if (!plan_parse(&plan, data, size, &failure)) {
		CHECK(failure.error != ERROR_NONE && failure.text[0] != '\0');
		return;
	}
	size_t written = plan_write(&plan, first, sizeof(first));

	CHECK(written > 0 && plan_parse(&again, first, written, &failure));
	CHECK(plan_write(&again, second, sizeof(second)) == written);
	CHECK(memcmp(first, second, written) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct envelope envelope;
	static struct envelope again;

	check_plan(data, size);
	if (!envelope_parse(&envelope, data, size))
		return 0;
	CHECK(envelope.payload > data && envelope.payload + envelope.payload_bytes < data + size);
	check_plan(envelope.payload, envelope.payload_bytes);
	size_t capacity = size + 64;
	uint8_t *copy = malloc(capacity);

	CHECK(copy != NULL);
	size_t written = envelope_write(&envelope, copy, capacity);

	CHECK(written > 0 && envelope_parse(&again, copy, written));
	CHECK(again.payload_bytes == envelope.payload_bytes);
	CHECK(again.signatures_count == envelope.signatures_count);
	free(copy);
	return 0;
}
