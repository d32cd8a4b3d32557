/* SPDX-License-Identifier: Apache-2.0 */
/* KRPC: BEP 5's own examples, each kind there and back, every cut, wrong types. */
#include "wire/bencode.h"
#include "wire/krpc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct krpc_message message;
static struct krpc_message again;
static uint8_t bytes[KRPC_BYTES_MAX];

/* On the heap, so that a sanitizer sees a read beyond the end. */
static enum krpc_parse parse(struct krpc_message *into, const void *from, size_t count)
{
	uint8_t *copy = malloc(count == 0 ? 1 : count);

	assert_non_null(copy);
	memcpy(copy, from, count);
	enum krpc_parse result = krpc_parse(into, copy, count);
	free(copy);
	return result;
}

static enum krpc_parse parse_text(const char *text)
{
	return parse(&message, text, strlen(text));
}

static void writes_as(const char *text)
{
	assert_int_equal(krpc_write(&message, bytes, sizeof(bytes)), strlen(text));
	assert_memory_equal(bytes, text, strlen(text));
	for (size_t capacity = 0; capacity < strlen(text); capacity++)
		assert_int_equal(krpc_write(&message, bytes, capacity), 0);
	for (size_t cut = 0; cut < strlen(text); cut++)
		assert_int_equal(parse(&again, text, cut), KRPC_NONSENSE);
}

static void examples_of_bep_5_come_back_as_they_were(void **state)
{
	(void)state;
	static const char *const examples[] = {
		"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
		"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re",
		"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:"
		"t2:"
		"aa1:y1:qe",
		"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_"
		"peers1:"
		"t2:aa1:y1:qe",
		"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:"
		"aa1:y1:re",
		"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:"
		"mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:"
		"qe",
		"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		assert_int_equal(parse_text(examples[i]), KRPC_GOOD);
		writes_as(examples[i]);
	}
}

static void queries_are_read(void **state)
{
	(void)state;
	assert_int_equal(
		parse_text("d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:"
			   "wantl2:n42:n6ee1:q9:get_peers2:roi1e1:t4:wxyz1:v4:XX011:y1:qe"),
		KRPC_GOOD);
	assert_int_equal(message.kind, KRPC_QUERY);
	assert_int_equal(message.method, KRPC_GET_PEERS);
	assert_memory_equal(message.id, "abcdefghij0123456789", 20);
	assert_memory_equal(message.target, "mnopqrstuvwxyz123456", 20);
	assert_true(message.want4 && message.want6 && message.read_only);
	assert_int_equal(message.transaction_bytes, 4);
	assert_int_equal(parse_text("d1:ad2:id20:abcdefghij01234567899:info_hash20:"
				    "mnopqrstuvwxyz1234564:porti6881e5:token1:xe1:q13:announce_"
				    "peer1:t1:a1:y1:qe"),
		KRPC_GOOD);
	assert_int_equal(message.port, 6881);
	assert_false(message.implied_port);
	assert_int_equal(message.token_bytes, 1);
}

static void replies_are_read(void **state)
{
	(void)state;
	static const char reply[] =
		"d2:ip6:\x0a\0\0\x01\x1a\xe1"
		"1:rd2:id20:abcdefghij01234567895:nodes52:"
		"AAAAAAAAAAAAAAAAAAAA\x0a\0\0\x02\x1a\xe1"
		"BBBBBBBBBBBBBBBBBBBB\x0a\0\0\x03\0\0"
		"6:nodes638:CCCCCCCCCCCCCCCCCCCC\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\x1a\xe1"
		"6:valuesl6:\x0a\0\0\x04\x1a\xe2"
		"18:\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x06\x1a\xe1"
		"5:shorti7eee1:t1:x1:y1:re";

	assert_int_equal(parse(&message, reply, sizeof(reply) - 1), KRPC_GOOD);
	assert_int_equal(message.nodes4_count, 1); /* the other one's port is 0 */
	assert_int_equal(message.nodes4[0].address.port, 6881);
	assert_memory_equal(message.nodes4[0].id, "AAAAAAAAAAAAAAAAAAAA", 20);
	assert_int_equal(message.nodes6_count, 1);
	assert_int_equal(message.nodes6[0].address.ip[15], 5);
	assert_int_equal(message.values_count, 2);
	assert_int_equal(message.values[0].port, 6882);
	assert_false(peer_address_is4(&message.values[1]));
	assert_true(message.has_address);
	assert_int_equal(message.address.ip[12], 10);
	assert_true(krpc_write(&message, bytes, sizeof(bytes)) > 0);
}

static void what_cannot_be_answered_is_nonsense(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "x", "i1e", "le", "de", "d1:y1:qe", "d1:t0:1:y1:qe",
		"d1:q4:ping1:t2:aa1:y1:ze", "d1:q4:ping1:t2:aae", "d1:t2:aa1:yi1ee",
		"d1:t33:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1:y1:qe", /* longer than we echo */
		"d1:rd2:id19:abcdefghij012345678e1:t2:aa1:y1:re", "d1:rle1:t2:aa1:y1:re",
		"d1:t2:aa1:y1:re", "d1:t2:aa1:y1:ee", "d1:ele1:t2:aa1:y1:ee",
		"d1:el1:ae1:t2:aa1:y1:ee", "d1:eli-1ee1:t2:aa1:y1:ee"};

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		assert_int_equal(parse_text(texts[i]), KRPC_NONSENSE);
}

static void wrong_queries_can_be_answered_with_an_error(void **state)
{
	(void)state;
	static const char *const wrong[] = {"d1:t2:aa1:y1:qe", "d1:q4:ping1:t2:aa1:y1:qe",
		"d1:ale1:q4:ping1:t2:aa1:y1:qe",
		"d1:ad2:id19:abcdefghij012345678e1:q4:ping1:t2:aa1:y1:qe",
		"d1:ad2:id20:abcdefghij0123456789e1:q9:find_node1:t2:aa1:y1:qe",
		"d1:ad2:id20:abcdefghij01234567899:info_hash5:shorte1:q9:get_peers1:t2:aa1:y1:qe",
		/* No token; no port; port 0; a port that is none. */
		"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:porti1ee1:q13:"
		"announce_peer1:t2:aa1:y1:qe",
		"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234565:token1:xe1:"
		"q13:"
		"announce_peer1:t2:aa1:y1:qe",
		"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:porti0e5:token"
		"1:xe1:q13:announce_peer1:t2:aa1:y1:qe",
		"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:porti65536e5:"
		"token1:xe1:q13:announce_peer1:t2:aa1:y1:qe"};

	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
		assert_int_equal(parse_text(wrong[i]), KRPC_WRONG);
		assert_int_equal(message.transaction_bytes, 2);
	}
	assert_int_equal(parse_text("d1:ade1:q4:vote1:t2:aa1:y1:qe"), KRPC_UNKNOWN_QUERY);
}

static void long_lists_are_cut(void **state)
{
	(void)state;
	static uint8_t reply[8192];
	struct ben_writer writer;
	uint8_t nodes[20 * KRPC_NODE4_BYTES];

	memset(nodes, 9, sizeof(nodes));
	ben_writer_init(&writer, reply, sizeof(reply));
	ben_write_dict(&writer);
	ben_write_text(&writer, "r");
	ben_write_dict(&writer);
	ben_put_bytes(&writer, "id", nodes, 20);
	ben_put_bytes(&writer, "nodes", nodes, sizeof(nodes));
	ben_put_bytes(&writer, "token", nodes, KRPC_TOKEN_MAX + 1);
	ben_write_text(&writer, "values");
	ben_write_list(&writer);
	for (int i = 0; i < 300; i++)
		ben_write_bytes(&writer, nodes, 6);
	ben_write_end(&writer);
	ben_write_end(&writer);
	ben_put_text(&writer, "t", "x");
	ben_put_text(&writer, "y", "r");
	ben_write_end(&writer);
	assert_false(writer.overflow);
	assert_int_equal(parse(&message, reply, writer.used), KRPC_GOOD);
	assert_int_equal(message.nodes4_count, KRPC_NODES_MAX);
	assert_int_equal(message.values_count, KRPC_VALUES_MAX);
	assert_int_equal(message.token_bytes, 0);
	assert_int_equal(parse(&message, reply, writer.used - 1), KRPC_NONSENSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_bep_5_come_back_as_they_were),
		cmocka_unit_test(queries_are_read),
		cmocka_unit_test(replies_are_read),
		cmocka_unit_test(what_cannot_be_answered_is_nonsense),
		cmocka_unit_test(wrong_queries_can_be_answered_with_an_error),
		cmocka_unit_test(long_lists_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
