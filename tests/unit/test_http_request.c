/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of HTTP requests: as clients send them, cut at every byte, and wrong in every way. */
#include "wire/http_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct http_request request;
static char path[64];
static char query[256];

static enum http_request_state parse_bytes(const char *text, size_t bytes_count)
{
	uint8_t *copy = malloc(bytes_count == 0 ? 1 : bytes_count); /* nothing beyond is read */

	assert_non_null(copy);
	memcpy(copy, text, bytes_count);
	enum http_request_state state = http_request_parse(&request, copy, bytes_count);

	path[0] = query[0] = '\0';
	if (state == HTTP_REQUEST_WHOLE) {
		assert_true(request.path_bytes < sizeof(path));
		assert_true(request.query_bytes < sizeof(query));
		memcpy(path, request.path, request.path_bytes);
		path[request.path_bytes] = '\0';
		memcpy(query, request.query, request.query_bytes);
		query[request.query_bytes] = '\0';
		assert_int_equal(request.status, 200);
	}
	free(copy);
	return state;
}

static enum http_request_state parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static void requests_of_clients(void **state)
{
	(void)state;
	/* libtorrent, aria2 (HTTP/1.1), an old client (HTTP/1.0), one behind a proxy. */
	assert_int_equal(parse("GET /announce?info_hash=%00%ff&x=?y HTTP/1.1\r\n"
			       "Host: 10.0.0.1:6969\r\nUser-Agent: libtorrent/2.0.8.0\r\n"
			       "Accept-Encoding: gzip\r\nConnection: close\r\n\r\n"),
		HTTP_REQUEST_WHOLE);
	assert_string_equal(path, "/announce");
	assert_string_equal(query, "info_hash=%00%ff&x=?y");
	assert_false(request.keep_alive);
	assert_int_equal(parse("GET /scrape HTTP/1.1\r\nHost: x\r\n\r\n"), HTTP_REQUEST_WHOLE);
	assert_string_equal(path, "/scrape");
	assert_string_equal(query, "");
	assert_true(request.keep_alive && !request.old);
	assert_int_equal(parse("GET / HTTP/1.0\n\n"), HTTP_REQUEST_WHOLE);
	assert_true(!request.keep_alive && request.old);
	assert_int_equal(
		parse("GET / HTTP/1.0\r\nconnection:Keep-Alive\r\n\r\n"), HTTP_REQUEST_WHOLE);
	assert_true(request.keep_alive && request.old);
	assert_int_equal(parse("GET / HTTP/1.1\r\nCONNECTION: TE ,\tclose, keep-alive\r\n\r\n"),
		HTTP_REQUEST_WHOLE);
	assert_false(request.keep_alive);
	assert_int_equal(
		parse("GET HTTP://host:80/announce?a HTTP/1.1\r\n\r\n"), HTTP_REQUEST_WHOLE);
	assert_string_equal(path, "/announce");
	assert_string_equal(query, "a");
	assert_int_equal(parse("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), HTTP_REQUEST_WHOLE);
}

static void what_follows_is_the_next_request(void **state)
{
	static const char two[] = "\r\n\nGET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n";

	(void)state;
	assert_int_equal(parse(two), HTTP_REQUEST_WHOLE);
	assert_string_equal(path, "/a");
	assert_int_equal(parse(two + request.head_bytes), HTTP_REQUEST_WHOLE);
	assert_string_equal(path, "/b");
}

static void a_part_is_a_part(void **state)
{
	static const char whole[] =
		"\r\nGET http://h/announce?x HTTP/1.0\r\nA: b\r\nConnection: close\r\n\r\n";

	(void)state;
	for (size_t count = 0; count < sizeof(whole) - 1; count++)
		assert_int_equal(parse_bytes(whole, count), HTTP_REQUEST_PART);
	assert_int_equal(parse_bytes(whole, sizeof(whole) - 1), HTTP_REQUEST_WHOLE);
	assert_int_equal(request.head_bytes, sizeof(whole) - 1);
}

static void wrong_ones_are_refused_at_once(void **state)
{
	static const struct {
		const char *text;
		unsigned status;
	} wrong[] = {{"GET\r\n", 400}, {"GET /\r\n", 400}, {" / HTTP/1.1\r\n", 400},
		{"GET  / HTTP/1.1\r\n", 400}, {"GET announce HTTP/1.1\r\n", 400},
		{"GET http://host HTTP/1.1\r\n", 400}, {"GET https://host/ HTTP/1.1\r\n", 400},
		{"GET /a\tb HTTP/1.1\r\n", 400}, {"GET /\x7f HTTP/1.1\r\n", 400},
		{"GET / HTTP/1.1 \r\n", 505}, {"GET / HTTP/2.0\r\n", 505},
		{"GET / FTP/1.1\r\n", 400}, {"GET / a b HTTP/1.1\r\n", 400},
		{"POST / HTTP/1.1\r\n", 405}, {"HEAD / HTTP/1.0\r\n", 405},
		{"get / HTTP/1.1\r\n", 405}, {"GET / HTTP/1.1\r\nno field\r\n", 400},
		{"GET / HTTP/1.1\r\nContent-Length: 1\r\n", 400},
		{"GET / HTTP/1.1\r\ncontent-length: \r\n", 400},
		{"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", 400}};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
		if (parse(wrong[i].text) != HTTP_REQUEST_WRONG || request.status != wrong[i].status)
			fail_msg("%s: %u", wrong[i].text, request.status);
	}
	assert_int_equal(parse_bytes("GET /\0 HTTP/1.1\r\n\r\n", 19), HTTP_REQUEST_WRONG);
	assert_int_equal(parse_bytes("GET / HTTP/1.1\r\nA: \0\r\n\r\n", 24), HTTP_REQUEST_WRONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_of_clients),
		cmocka_unit_test(what_follows_is_the_next_request),
		cmocka_unit_test(a_part_is_a_part),
		cmocka_unit_test(wrong_ones_are_refused_at_once),
	};

	return cmocka_run_group_tests_name("http_request", tests, NULL, NULL);
}
