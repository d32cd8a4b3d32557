/* SPDX-License-Identifier: Apache-2.0 */
/* Plans and envelopes: there and back with every field at its limit, cut, bent, and lacking a key.
 */
#include "tests/unit/canonical.h"
#include "wire/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct plan plan;
static uint8_t bytes[PLAN_BYTES_MAX];
static size_t bytes_count;

static void fill_text(char *text, size_t capacity)
{
	memset(text, 'x', capacity - 1);
	text[capacity - 1] = '\0';
}

static void make_largest(void)
{
	memset(&plan, 0, sizeof(plan));
	plan.action = PLAN_RESCUE;
	fill_text(plan.node, sizeof(plan.node));
	memset(plan.nonce, 0xff, sizeof(plan.nonce));
	plan.arm = UINT64_MAX;
	memset(plan.infohash, 0x00, sizeof(plan.infohash));
	fill_text(plan.image, sizeof(plan.image));
	fill_text(plan.metainfo_path, sizeof(plan.metainfo_path));
	fill_text(plan.target.serial, sizeof(plan.target.serial));
	fill_text(plan.target.wwn, sizeof(plan.target.wwn));
	plan.target.size_bytes = UINT64_MAX;
	plan.target.sector_bytes = UINT32_MAX;
	plan.trackers_count = METAINFO_TRACKERS_MAX;
	for (uint32_t i = 0; i < plan.trackers_count; i++) {
		fill_text(plan.trackers[i].url, sizeof(plan.trackers[i].url));
		plan.trackers[i].tier = UINT32_MAX - i;
	}
	plan.peers_count = PLAN_PEERS_MAX;
	for (uint32_t i = 0; i < plan.peers_count; i++) {
		memset(plan.peers[i].ip, (int)i, sizeof(plan.peers[i].ip));
		plan.peers[i].port = (uint16_t)(UINT16_MAX - i);
	}
	plan.down_bytes_per_s = 1;
	plan.up_bytes_per_s = 2;
	plan.ramp_s = UINT64_MAX;
	fill_text(plan.rack, sizeof(plan.rack));
	fill_text(plan.site, sizeof(plan.site));
	plan.off = (struct discovery_off){true, true, true};
	plan.memory_bytes = plan.seed_deadline_s = plan.report_interval_ms = UINT64_MAX;
	plan.end = PLAN_END_STAY;
	memset(plan.head_tail_sha256, 0xfe, sizeof(plan.head_tail_sha256));
	bytes_count = plan_write(&plan, bytes, sizeof(bytes));
	assert_true(bytes_count > 0);
}

static enum error parse(struct plan *got, const uint8_t *from, size_t count)
{
	struct failure failure = {.error = ERROR_NONE};
	uint8_t *copy = malloc(count == 0 ? 1 : count);

	assert_non_null(copy);
	memcpy(copy, from, count);
	bool good = plan_parse(got, copy, count, &failure);
	free(copy);
	assert_int_equal(good, failure.error == ERROR_NONE);
	assert_int_equal(good, failure.text[0] == '\0');
	return failure.error;
}

static void assert_same(const struct plan *a, const struct plan *b)
{
	assert_int_equal(a->action, b->action);
	assert_string_equal(a->node, b->node);
	assert_memory_equal(a->nonce, b->nonce, sizeof(a->nonce));
	assert_true(a->arm == b->arm);
	assert_memory_equal(a->infohash, b->infohash, sizeof(a->infohash));
	assert_string_equal(a->image, b->image);
	assert_string_equal(a->metainfo_path, b->metainfo_path);
	assert_string_equal(a->target.serial, b->target.serial);
	assert_string_equal(a->target.wwn, b->target.wwn);
	assert_true(a->target.size_bytes == b->target.size_bytes);
	assert_int_equal(a->target.sector_bytes, b->target.sector_bytes);
	assert_int_equal(a->trackers_count, b->trackers_count);
	for (uint32_t i = 0; i < a->trackers_count; i++) {
		assert_string_equal(a->trackers[i].url, b->trackers[i].url);
		assert_int_equal(a->trackers[i].tier, b->trackers[i].tier);
	}
	assert_int_equal(a->peers_count, b->peers_count);
	for (uint32_t i = 0; i < a->peers_count; i++)
		assert_true(peer_address_equal(&a->peers[i], &b->peers[i]));
	assert_true(a->down_bytes_per_s == b->down_bytes_per_s);
	assert_true(a->up_bytes_per_s == b->up_bytes_per_s);
	assert_true(a->ramp_s == b->ramp_s);
	assert_string_equal(a->rack, b->rack);
	assert_string_equal(a->site, b->site);
	assert_int_equal(a->off.dht, b->off.dht);
	assert_int_equal(a->off.lsd, b->off.lsd);
	assert_int_equal(a->off.pex, b->off.pex);
	assert_true(a->memory_bytes == b->memory_bytes);
	assert_true(a->seed_deadline_s == b->seed_deadline_s);
	assert_true(a->report_interval_ms == b->report_interval_ms);
	assert_int_equal(a->end, b->end);
	assert_memory_equal(a->head_tail_sha256, b->head_tail_sha256, SHA256_BYTES);
}

static void round_trip_at_the_limits(void **state)
{
	struct plan got;

	(void)state;
	make_largest();
	assert_true(bytes_are_canonical(bytes, bytes_count));
	assert_int_equal(parse(&got, bytes, bytes_count), ERROR_NONE);
	assert_same(&got, &plan);
	memset(&plan, 0, sizeof(plan));
	for (int action = PLAN_INVENTORY; action <= PLAN_RESCUE; action++) {
		plan.action = (enum plan_action)action;
		plan.end = (enum plan_end)(action % 3);
		bytes_count = plan_write(&plan, bytes, sizeof(bytes));
		assert_int_equal(parse(&got, bytes, bytes_count), ERROR_NONE);
		assert_same(&got, &plan);
	}
}

static void writing_needs_room_and_sane_counts(void **state)
{
	uint8_t *exact;

	(void)state;
	make_largest();
	for (size_t capacity = 0; capacity < bytes_count; capacity += 7) {
		exact = malloc(capacity == 0 ? 1 : capacity);
		assert_non_null(exact);
		assert_int_equal(plan_write(&plan, exact, capacity), 0);
		free(exact);
	}
	assert_int_equal(plan_write(&plan, bytes, bytes_count - 1), 0);
	plan.peers_count++;
	assert_int_equal(plan_write(&plan, bytes, sizeof(bytes)), 0);
	plan.peers_count--;
	plan.trackers_count++;
	assert_int_equal(plan_write(&plan, bytes, sizeof(bytes)), 0);
	plan.trackers_count--;
	plan.action = (enum plan_action)(PLAN_RESCUE + 1);
	assert_int_equal(plan_write(&plan, bytes, sizeof(bytes)), 0);
}

static void every_truncation_is_refused(void **state)
{
	struct plan got;

	(void)state;
	make_largest();
	for (size_t cut = 0; cut < bytes_count; cut++)
		assert_int_equal(parse(&got, bytes, cut), ERROR_FORMAT);
}

/* Leaves each key out in turn, then gives each a value of a wrong type, then adds a strange one. */
static void every_key_is_wanted(void **state)
{
	static const char *const strange[] = {"i-1e", "le", "0:", "de"};
	static uint8_t bent[PLAN_BYTES_MAX];
	struct ben dict;
	struct plan got;
	size_t keys_count = 0;

	(void)state;
	make_largest();
	assert_true(ben_parse(&dict, bytes, bytes_count, NULL));
	struct ben key;
	struct ben value;
	const uint8_t *position = NULL;

	while (ben_dict_next(&dict, &position, &key, &value)) {
		size_t head = (size_t)(key.start - bytes);
		size_t tail = bytes_count - (size_t)(value.end - bytes);

		keys_count++;
		memcpy(bent, bytes, head);
		memcpy(bent + head, value.end, tail);
		assert_int_not_equal(parse(&got, bent, head + tail), ERROR_NONE);
		head = (size_t)(key.end - bytes);
		memcpy(bent, bytes, head);
		for (size_t i = 0; i < ARRAY_COUNT(strange); i++) {
			size_t length = strlen(strange[i]);
			struct ben other;

			/* Texts, the peers and the trackers may well be empty. */
			assert_true(ben_parse(&other, (const uint8_t *)strange[i], length, NULL));
			if (other.type == value.type)
				continue;
			memcpy(bent + head, strange[i], length);
			memcpy(bent + head + length, value.end, tail);
			assert_int_not_equal(parse(&got, bent, head + length + tail), ERROR_NONE);
		}
	}
	assert_int_equal(keys_count, 24);
	memcpy(bent, "d1:zle", 6);
	memcpy(bent + 6, bytes + 1, bytes_count - 1);
	assert_int_equal(parse(&got, bent, bytes_count + 5), ERROR_NONE);
	assert_same(&got, &plan);
}

/* Replaces the one occurrence of a text by another and parses. */
static enum error parse_with(const char *old, const char *new)
{
	static uint8_t bent[PLAN_BYTES_MAX];
	size_t old_bytes = strlen(old);
	size_t new_bytes = strlen(new);
	struct plan got;

	for (size_t at = 0; at + old_bytes <= bytes_count; at++)
		if (memcmp(bytes + at, old, old_bytes) == 0) {
			memcpy(bent, bytes, at);
			memcpy(bent + at, new, new_bytes);
			memcpy(bent + at + new_bytes, bytes + at + old_bytes,
				bytes_count - at - old_bytes);
			return parse(&got, bent, bytes_count - old_bytes + new_bytes);
		}
	fail_msg("no %s in the plan", old);
	return ERROR_NONE;
}

static void bad_values_are_refused(void **state)
{
	(void)state;
	memset(&plan, 0, sizeof(plan));
	strcpy(plan.node, "52:54:00:12:34:56");
	plan.trackers_count = 1;
	strcpy(plan.trackers[0].url, "udp://a:1");
	bytes_count = plan_write(&plan, bytes, sizeof(bytes));
	assert_int_equal(parse_with("7:versioni1e", "7:versioni1e"), ERROR_NONE);
	assert_int_equal(parse_with("7:versioni1e", "7:versioni2e"), ERROR_UNSUPPORTED);
	assert_int_equal(parse_with("9:inventory", "5:bogus"), ERROR_FORMAT);
	assert_int_equal(parse_with("9:inventory", "10:inventory\1"), ERROR_FORMAT);
	assert_int_equal(parse_with("6:reboot", "0:"), ERROR_FORMAT);
	assert_int_equal(parse_with("5:peers0:", "5:peers17:aaaaaaaaaaaaaaaaa"), ERROR_FORMAT);
	assert_int_equal(parse_with("3:armi0e", "3:armi18446744073709551616e"), ERROR_FORMAT);
	assert_int_equal(parse_with("3:armi0e", "3:armi-1e"), ERROR_FORMAT);
	assert_int_equal(parse_with("sector sizei0e", "sector sizei4294967296e"), ERROR_FORMAT);
	assert_int_equal(parse_with("4:tieri0e", "4:tieri4294967296e"), ERROR_FORMAT);
	assert_int_equal(parse_with("9:udp://a:1", "i1e"), ERROR_FORMAT);
	assert_int_equal(parse_with("8:trackersl", "8:trackerslle"), ERROR_FORMAT);
	assert_int_equal(parse_with("17:52:54:00:12:34:56", "3:a\1b"), ERROR_NONE);
	static uint8_t large[PLAN_BYTES_MAX + 1];
	struct plan got;

	assert_int_equal(parse(&got, large, sizeof(large)), ERROR_LIMIT);
	/* A NUL inside the node's name. */
	for (size_t i = 0; i + 17 < bytes_count; i++)
		if (memcmp(bytes + i, "52:54:00", 8) == 0)
			bytes[i + 2] = 0;
	assert_int_equal(parse(&got, bytes, bytes_count), ERROR_FORMAT);
}

static void lists_above_their_limits_are_refused(void **state)
{
	static uint8_t text[PLAN_BYTES_MAX];
	struct plan got;

	(void)state;
	make_largest();
	/* One more tracker: "d4:tier..." of the first is copied in front of itself. */
	struct ben dict;
	struct ben list;
	struct ben first;
	const uint8_t *position = NULL;

	assert_true(ben_parse(&dict, bytes, bytes_count, NULL));
	assert_true(ben_get(&dict, "trackers", &list));
	assert_true(ben_list_next(&list, &position, &first));
	size_t head = (size_t)(first.end - bytes);
	size_t more = (size_t)(first.end - first.start);

	memcpy(text, bytes, head);
	memcpy(text + head, first.start, more);
	memcpy(text + head + more, first.end, bytes_count - head);
	assert_int_equal(parse(&got, text, bytes_count + more), ERROR_FORMAT);
}

static void envelopes(void **state)
{
	struct envelope envelope = {.payload = (const uint8_t *)"de",
		.payload_bytes = 2,
		.signatures_count = SIGNATURES_MAX};
	struct envelope got;
	uint8_t text[2048];

	(void)state;
	memset(envelope.signatures, 0x7f, sizeof(envelope.signatures));
	size_t length = envelope_write(&envelope, text, sizeof(text));

	assert_true(length > 0);
	assert_true(bytes_are_canonical(text, length));
	assert_true(envelope_parse(&got, text, length));
	assert_int_equal(got.payload_bytes, 2);
	assert_memory_equal(got.payload, "de", 2);
	assert_int_equal(got.signatures_count, SIGNATURES_MAX);
	assert_memory_equal(got.signatures, envelope.signatures, sizeof(got.signatures));
	for (size_t cut = 0; cut < length; cut++) {
		uint8_t *copy = malloc(cut == 0 ? 1 : cut);

		assert_non_null(copy);
		memcpy(copy, text, cut);
		assert_false(envelope_parse(&got, copy, cut));
		free(copy);
		copy = malloc(cut == 0 ? 1 : cut);
		assert_non_null(copy);
		assert_int_equal(envelope_write(&envelope, copy, cut), 0);
		free(copy);
	}
	static const char *const bad[] = {"de", "d4:plan2:dee", "d4:plan2:de10:signatures0:e",
		"d4:planle10:signaturesle", "le", ""};

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_false(envelope_parse(&got, (const uint8_t *)bad[i], strlen(bad[i])));
	static const char none[] = "d4:plan2:de10:signatureslee";

	assert_true(envelope_parse(&got, (const uint8_t *)none, sizeof(none) - 1));
	assert_int_equal(got.signatures_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip_at_the_limits),
		cmocka_unit_test(writing_needs_room_and_sane_counts),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(every_key_is_wanted),
		cmocka_unit_test(bad_values_are_refused),
		cmocka_unit_test(lists_above_their_limits_are_refused),
		cmocka_unit_test(envelopes),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
