/* SPDX-License-Identifier: Apache-2.0 */
/* Peer exchange messages: as written, as others write them, and as nobody should. */
#include "wire/peer_pex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct peer_address v4(uint8_t last)
{
	struct peer_address address;

	peer_address_from4(&address, (uint8_t[4]){10, 0, 0, last}, 6881);
	return address;
}

static struct peer_address v6(uint8_t last)
{
	struct peer_address address = {.ip = {0xfd, [15] = last}, .port = 6882};

	return address;
}

static bool parse_text(struct peer_pex *pex, const char *text, size_t bytes_count)
{
	return peer_pex_parse(pex, (const uint8_t *)text, bytes_count);
}

static void a_message_is_read_as_written(void **state)
{
	struct peer_pex pex = {.added_count = 3, .dropped_count = 2};
	struct peer_pex read;
	uint8_t bytes[PEX_BYTES_MAX];

	(void)state;
	pex.added[0] = (struct peer_pex_peer){v4(1), PEX_FLAG_SEED};
	pex.added[1] = (struct peer_pex_peer){v4(2), 0};
	pex.added[2] = (struct peer_pex_peer){v6(3), PEX_FLAG_REACHABLE};
	pex.dropped[0] = v4(4);
	pex.dropped[1] = v6(5);
	size_t written = peer_pex_write(&pex, bytes, sizeof(bytes));

	assert_true(written > 0);
	assert_true(peer_pex_parse(&read, bytes, written));
	assert_int_equal(read.added_count, 3);
	assert_int_equal(read.dropped_count, 2);
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(peer_address_equal(&read.added[i].address, &pex.added[i].address));
		assert_int_equal(read.added[i].flags, pex.added[i].flags);
	}
	for (uint32_t i = 0; i < 2; i++)
		assert_true(peer_address_equal(&read.dropped[i], &pex.dropped[i]));
	for (size_t capacity = 0; capacity < written; capacity++)
		assert_int_equal(peer_pex_write(&pex, bytes, capacity), 0);
}

static void the_longest_fits_and_a_longer_is_refused(void **state)
{
	struct peer_pex pex = {.added_count = PEX_PEERS_MAX, .dropped_count = PEX_PEERS_MAX};
	uint8_t bytes[PEX_BYTES_MAX];

	(void)state;
	for (uint8_t i = 0; i < PEX_PEERS_MAX; i++) {
		pex.added[i].address = v6(i);
		pex.dropped[i] = v6((uint8_t)(i + PEX_PEERS_MAX));
	}
	assert_true(peer_pex_write(&pex, bytes, sizeof(bytes)) > 0);
	pex.added_count++;
	assert_int_equal(peer_pex_write(&pex, bytes, sizeof(bytes)), 0);
	pex.added_count = 0;
	pex.dropped_count++;
	assert_int_equal(peer_pex_write(&pex, bytes, sizeof(bytes)), 0);
}

static void too_many_are_cut_and_flags_stay_with_theirs(void **state)
{
	struct peer_pex pex;
	uint8_t bytes[2048] = "d5:added420:";
	size_t at = strlen((const char *)bytes);

	(void)state;
	for (uint8_t i = 0; i < 70; i++, at += PEER_COMPACT4_BYTES) {
		struct peer_address address = v4(i);

		peer_address_to_compact4(&address, bytes + at);
	}
	memcpy(bytes + at, "7:added.f70:", 12);
	at += 12;
	for (uint8_t i = 0; i < 70; i++)
		bytes[at++] = i;
	bytes[at++] = 'e';
	assert_true(peer_pex_parse(&pex, bytes, at));
	assert_int_equal(pex.added_count, PEX_PEERS_MAX);
	for (uint8_t i = 0; i < PEX_PEERS_MAX; i++) {
		assert_int_equal(pex.added[i].address.ip[15], i);
		assert_int_equal(pex.added[i].flags, i);
	}
}

static void what_makes_no_sense_counts_as_absent(void **state)
{
	struct peer_pex pex;

	(void)state;
	assert_true(parse_text(&pex, "de", 2));
	assert_int_equal(pex.added_count + pex.dropped_count, 0);
	assert_true(parse_text(&pex, "d5:added7:12345677:dropped6:abcdefe", 35));
	assert_int_equal(pex.added_count, 0);
	assert_int_equal(pex.dropped_count, 1);
	assert_true(parse_text(&pex, "d5:addedi7ee", 12));
	assert_int_equal(pex.added_count, 0);
	/* Two flags for one peer. */
	assert_true(parse_text(&pex, "d5:added6:1234567:added.f2:abe", 30));
	assert_int_equal(pex.added_count, 1);
	assert_int_equal(pex.added[0].flags, 0);
	assert_false(parse_text(&pex, "le", 2));
	assert_false(parse_text(&pex, "d5:added6:12345e", 16));
	assert_false(parse_text(&pex, "", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_read_as_written),
		cmocka_unit_test(the_longest_fits_and_a_longer_is_refused),
		cmocka_unit_test(too_many_are_cut_and_flags_stay_with_theirs),
		cmocka_unit_test(what_makes_no_sense_counts_as_absent),
	};

	return cmocka_run_group_tests_name("peer_pex", tests, NULL, NULL);
}
