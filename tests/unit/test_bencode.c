/* SPDX-License-Identifier: Apache-2.0 */
/* Bencode: what is accepted, what is refused, and that accessors stay inside the checked bytes. */
#include "wire/bencode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* Parses from a heap copy of exact size, so that the sanitizer sees any read past the end. */
static bool parses(const char *text, size_t length)
{
	uint8_t *copy = malloc(length == 0 ? 1 : length);
	struct ben value;

	assert_non_null(copy);
	memcpy(copy, text, length);
	bool good = ben_parse(&value, copy, length, NULL);
	free(copy);
	return good;
}

static void accepts_valid_values(void **state)
{
	static const char *const valid[] = {"i0e", "i-1e", "i42e", "0:", "4:spam", "le", "de",
		"li1e1:ae", "d1:ai1ee", "d1:bi1e1:ai2ee", "d1:ai1e1:ai2ee", "lllleeee", "d0:0:e",
		"i18446744073709551616e", "d1:ad1:bd1:cleeee", "ld1:ale1:blee2:xye"};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(valid); i++)
		if (!parses(valid[i], strlen(valid[i])))
			fail_msg("refused: %s", valid[i]);
}

static void refuses_malformed_values(void **state)
{
	static const char *const invalid[] = {"", "e", "i", "ie", "i-e", "i-0e", "i00e", "i01e",
		"i-01e", "i1", "i 1e", "i1.0e", "+1", "1", "1:", "2:a", "01:a", "00:", ":a", "-1:a",
		"l", "d", "li1e", "d1:ae", "d1:a", "di1ei1ee", "dlei1ee", "d1:ai1e", "lee",
		"i1ei2e", "x", "18446744073709551615:a", "18446744073709551616:a",
		"99999999999999999999999999:a", "9223372036854775807:a", "d1:ai1e1:be"};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(invalid); i++)
		if (parses(invalid[i], strlen(invalid[i])))
			fail_msg("accepted: %s", invalid[i]);
}

static void refuses_every_truncation(void **state)
{
	static const char text[] =
		"d4:infod6:lengthi100e4:name1:ne4:listli-5e3:abcd1:x1:yee5:outeri0ee";

	(void)state;
	assert_true(parses(text, sizeof(text) - 1));
	for (size_t length = 0; length < sizeof(text) - 1; length++)
		assert_false(parses(text, length));
}

static void bounds_depth(void **state)
{
	char text[2 * (BEN_DEPTH_MAX + 1)];

	(void)state;
	for (size_t depth = 1; depth <= BEN_DEPTH_MAX + 1; depth++) {
		memset(text, 'l', depth);
		memset(text + depth, 'e', depth);
		assert_int_equal(parses(text, 2 * depth), depth <= BEN_DEPTH_MAX);
	}
	char *deep = malloc(1 << 20);

	assert_non_null(deep);
	memset(deep, 'd', 1 << 20);
	assert_false(parses(deep, 1 << 20));
	memset(deep, 'l', 1 << 20);
	assert_false(parses(deep, 1 << 20));
	free(deep);
}

/* A dictionary as deep as allowed, with values after the nested ones on the way out. */
static void follows_dictionaries_to_full_depth(void **state)
{
	char text[1024] = "";

	(void)state;
	for (int i = 0; i < BEN_DEPTH_MAX; i++)
		strcat(text, "d1:a");
	strcat(text, "i1e");
	for (int i = 0; i < BEN_DEPTH_MAX; i++)
		strcat(text, "1:b1:ce");
	assert_true(parses(text, strlen(text)));
}

static bool integer_of(const char *text, int64_t *integer)
{
	struct ben value;

	assert_true(ben_parse(&value, (const uint8_t *)text, strlen(text), NULL));
	return ben_integer(&value, integer);
}

static bool unsigned_of(const char *text, uint64_t *integer)
{
	struct ben value;

	assert_true(ben_parse(&value, (const uint8_t *)text, strlen(text), NULL));
	return ben_unsigned(&value, integer);
}

static void integers_stop_at_their_limits(void **state)
{
	int64_t s;
	uint64_t u;

	(void)state;
	assert_true(integer_of("i9223372036854775807e", &s) && s == INT64_MAX);
	assert_true(integer_of("i-9223372036854775808e", &s) && s == INT64_MIN);
	assert_true(integer_of("i-1e", &s) && s == -1);
	assert_true(integer_of("i0e", &s) && s == 0);
	assert_false(integer_of("i9223372036854775808e", &s));
	assert_false(integer_of("i-9223372036854775809e", &s));
	assert_false(integer_of("i99999999999999999999999e", &s));
	assert_false(integer_of("1:1", &s));
	assert_true(unsigned_of("i18446744073709551615e", &u) && u == UINT64_MAX);
	assert_true(unsigned_of("i18446744073709551610e", &u) && u == UINT64_MAX - 5);
	assert_false(unsigned_of("i18446744073709551616e", &u));
	assert_false(unsigned_of("i18446744073709551620e", &u));
	assert_false(unsigned_of("i-1e", &u));
	assert_false(unsigned_of("le", &u));
}

static void looks_keys_up(void **state)
{
	static const char text[] = "d1:zi9e1:bi1e1:bi2e3:raw4:a\0bc2:sh2:hi1:a3:abce";
	struct ben dict;
	struct ben value;
	uint64_t u;
	uint8_t three[3];
	char small[3];
	const uint8_t *bytes;
	size_t bytes_count;

	(void)state;
	assert_true(ben_parse(&dict, (const uint8_t *)text, sizeof(text) - 1, NULL));
	assert_int_equal(dict.type, BEN_DICT);
	assert_true(ben_get_unsigned(&dict, "b", &u) && u == 1); /* the first one wins */
	assert_true(ben_get_unsigned(&dict, "z", &u) && u == 9); /* order does not matter */
	assert_false(ben_get_unsigned(&dict, "raw", &u));
	assert_true(ben_get_string(&dict, "raw", &bytes, &bytes_count));
	assert_int_equal(bytes_count, 4);
	assert_true(ben_get_bytes(&dict, "a", three, 3));
	assert_memory_equal(three, "abc", 3);
	assert_false(ben_get_bytes(&dict, "a", three, 2));
	assert_false(ben_get_text(&dict, "a", small, sizeof(small))); /* no room for the NUL */
	assert_true(ben_get_text(&dict, "sh", small, sizeof(small)));
	assert_string_equal(small, "hi");
	char large[16];

	assert_false(ben_get_text(&dict, "raw", large, sizeof(large))); /* NUL inside */
	assert_false(ben_get(&dict, "absent", &value));
	assert_int_equal(value.type, BEN_NONE);
	assert_false(ben_get(&dict, "", &value));
	assert_true(ben_get(&dict, "a", &value));
	assert_false(ben_get(&value, "a", &value)); /* not a dictionary */
}

static void iterates(void **state)
{
	static const char text[] = "d1:lli1e2:xyd1:kleelee1:zi0ee";
	struct ben dict;
	struct ben list;
	struct ben key;
	struct ben value;
	const uint8_t *position = NULL;
	static const enum ben_type types[] = {BEN_INTEGER, BEN_STRING, BEN_DICT, BEN_LIST};
	size_t n = 0;

	(void)state;
	assert_true(ben_parse(&dict, (const uint8_t *)text, sizeof(text) - 1, NULL));
	assert_true(ben_get(&dict, "l", &list));
	while (ben_list_next(&list, &position, &value)) {
		assert_true(n < ARRAY_COUNT(types));
		assert_int_equal(value.type, types[n++]);
	}
	assert_int_equal(n, ARRAY_COUNT(types));
	assert_int_equal(value.type, BEN_NONE);
	assert_false(ben_list_next(&list, &position, &value)); /* stays at the end */
	position = NULL;
	n = 0;
	while (ben_dict_next(&dict, &position, &key, &value))
		n++;
	assert_int_equal(n, 2);
	position = NULL;
	assert_false(ben_dict_next(&list, &position, &key, &value));
	assert_false(ben_list_next(&dict, &position, &value));
}

static void reports_used_bytes(void **state)
{
	struct ben value;
	size_t used = 0;

	(void)state;
	assert_true(ben_parse(&value, (const uint8_t *)"i7etrailing", 11, &used));
	assert_int_equal(used, 3);
	assert_false(ben_parse(&value, (const uint8_t *)"i7etrailing", 11, NULL));
	assert_int_equal(value.type, BEN_NONE);
}

static size_t write_sample(uint8_t *bytes, size_t capacity)
{
	struct ben_writer writer;
	struct ben raw;

	assert_true(ben_parse(&raw, (const uint8_t *)"li1ee", 5, NULL));
	ben_writer_init(&writer, bytes, capacity);
	ben_write_dict(&writer);
	ben_put_unsigned(&writer, "a", UINT64_MAX);
	ben_put_text(&writer, "b", "");
	ben_put_bytes(&writer, "c", "\0x", 2);
	ben_write_text(&writer, "d");
	ben_write_list(&writer);
	ben_write_integer(&writer, INT64_MIN);
	ben_write_integer(&writer, 0);
	ben_write_end(&writer);
	ben_write_text(&writer, "e");
	ben_write_raw(&writer, &raw);
	ben_write_end(&writer);
	return writer.overflow ? 0 : writer.used;
}

static void writes_what_it_should(void **state)
{
	static const char expected[] = "d1:ai18446744073709551615e1:b0:1:c2:\0x"
				       "1:dli-9223372036854775808ei0ee1:eli1eee";
	uint8_t bytes[128];
	size_t whole = sizeof(expected) - 1;

	(void)state;
	assert_int_equal(write_sample(bytes, sizeof(bytes)), whole);
	assert_memory_equal(bytes, expected, whole);
	assert_true(parses(expected, whole));
	for (size_t capacity = 0; capacity < whole; capacity++) {
		uint8_t *exact = malloc(capacity == 0 ? 1 : capacity);

		assert_non_null(exact);
		assert_int_equal(write_sample(exact, capacity), 0);
		free(exact);
	}
	assert_int_equal(write_sample(bytes, whole), whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_valid_values),
		cmocka_unit_test(refuses_malformed_values),
		cmocka_unit_test(refuses_every_truncation),
		cmocka_unit_test(bounds_depth),
		cmocka_unit_test(follows_dictionaries_to_full_depth),
		cmocka_unit_test(integers_stop_at_their_limits),
		cmocka_unit_test(looks_keys_up),
		cmocka_unit_test(iterates),
		cmocka_unit_test(reports_used_bytes),
		cmocka_unit_test(writes_what_it_should),
	};

	return cmocka_run_group_tests_name("bencode", tests, NULL, NULL);
}
