/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the head of an HTTP request, whole and growing: what is whole stays so, what is
 * wrong stays wrong, and all pointers are inside. */
#include "tests/fuzz/check.h"
#include "wire/http_request.h"

static bool inside(const char *start, size_t count, const uint8_t *data, size_t size)
{
	const char *from = (const char *)data;

	return start >= from && start <= from + size && count <= (size_t)(from + size - start);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request request;
	struct http_request half;
	enum http_request_state state = http_request_parse(&request, data, size);
	enum http_request_state before = http_request_parse(&half, data, size / 2);

	CHECK((request.status == 200) == (state != HTTP_REQUEST_WRONG));
	if (before == HTTP_REQUEST_WRONG)
		CHECK(state == HTTP_REQUEST_WRONG && half.status == request.status);
	if (before == HTTP_REQUEST_WHOLE)
		CHECK(state == HTTP_REQUEST_WHOLE && half.head_bytes == request.head_bytes);
	if (state != HTTP_REQUEST_WHOLE)
		return 0;
	CHECK(request.head_bytes > 0 && request.head_bytes <= size);
	CHECK(data[request.head_bytes - 1] == '\n');
	CHECK(request.path_bytes > 0 && request.path[0] == '/');
	CHECK(inside(request.path, request.path_bytes, data, request.head_bytes));
	CHECK(inside(request.query, request.query_bytes, data, request.head_bytes));
	return 0;
}
