/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a report and as a reply to one. */
#include "tests/fuzz/check.h"
#include "wire/report.h"

static uint8_t first[REPORT_BYTES_MAX];
static uint8_t second[REPORT_BYTES_MAX];

static void check_reply(const uint8_t *data, size_t size)
{
	struct report_reply reply;
	struct report_reply again;

	if (!report_reply_parse(&reply, data, size))
		return;
	size_t written = report_reply_write(&reply, first, sizeof(first));

	CHECK(written > 0 && report_reply_parse(&again, first, written));
	CHECK(report_reply_write(&again, second, sizeof(second)) == written);
	CHECK(memcmp(first, second, written) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct report report;
	static struct report again;
	struct failure failure = {.error = ERROR_NONE};

	check_reply(data, size);
	if (!report_parse(&report, data, size, &failure)) {
		CHECK(failure.error != ERROR_NONE && failure.text[0] != '\0');
		return 0;
	}
	for (const char *c = report.text; *c != '\0'; c++)
		CHECK(*c >= ' ' && *c <= '~');
	size_t written = report_write(&report, first, sizeof(first));

	CHECK(written > 0 && report_parse(&again, first, written, &failure));
	CHECK(report_write(&again, second, sizeof(second)) == written);
	CHECK(memcmp(first, second, written) == 0);
	return 0;
}
