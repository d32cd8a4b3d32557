/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a datagram of local service discovery. */
#include "tests/fuzz/check.h"
#include "wire/lsd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lsd_search search;
	static struct lsd_search again;
	static uint8_t copy[LSD_BYTES_MAX];

	if (!lsd_parse(&search, data, size))
		return 0;
	CHECK(search.port != 0);
	CHECK(search.infohashes_count > 0 && search.infohashes_count <= LSD_INFOHASHES_MAX);
	CHECK(strlen(search.cookie) <= LSD_COOKIE_MAX);
	size_t written = lsd_write(&search, size % 2 != 0, copy, sizeof(copy));

	if (written == 0) { /* a cookie that we would not choose */
		search.cookie[0] = '\0';
		written = lsd_write(&search, size % 2 != 0, copy, sizeof(copy));
	}
	CHECK(written > 0);
	CHECK(lsd_parse(&again, copy, written));
	CHECK(again.port == search.port && again.wants == search.wants);
	CHECK(strcmp(again.cookie, search.cookie) == 0);
	CHECK(again.infohashes_count == search.infohashes_count);
	CHECK(memcmp(again.infohashes, search.infohashes, search.infohashes_count * SHA1_BYTES) ==
		0);
	return 0;
}
