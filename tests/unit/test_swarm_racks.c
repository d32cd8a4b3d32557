/* SPDX-License-Identifier: Apache-2.0 */
/* Racks among members that stall, lie or talk without end: nobody waits for them for long. */
#include "tests/support/pair.h"
#include "wire/peer_roster.h"

#define PIECES	    64
#define PIECE_BYTES ((uint32_t)(64 * KIB))
#define BLOCK	    ((uint32_t)PEER_BLOCK_BYTES)
#define BLOCKS	    (PIECE_BYTES / BLOCK) /* of a piece */
#define WORDS_MAX   20000

static struct rig rig;

static int end(void **state)
{
	(void)state;
	rig.swarm = swarm_destroy(rig.swarm);
	return 0;
}

static void begin_small(uint32_t pieces_count, bool origin)
{
	struct swarm_settings settings = rig_settings(pieces_count, PIECE_BYTES);

	memcpy(settings.rack, "r1", 3);
	settings.origin = settings.all_durable = origin;
	rig_create(&rig, &settings);
	rig_begin(&rig);
}

static void begin(bool origin)
{
	begin_small(PIECES, origin);
}

static void introduce(struct guest guest, const char *rack)
{
	struct peer_extended_handshake handshake = {.request_bytes_max = PEER_BLOCK_BYTES,
		.id_roster = PEER_EXTENSION_ROSTER,
		.id_donthave = PEER_EXTENSION_DONTHAVE};
	uint8_t bytes[256];

	memcpy(handshake.rack, rack, strlen(rack) + 1);
	guest_say_message(&rig, guest,
		&(struct peer_message){.id = PEER_EXTENDED,
			.bytes = bytes,
			.bytes_count =
				peer_extended_handshake_write(&handshake, bytes, sizeof(bytes))});
}

static struct guest come(uint8_t number, const char *rack, enum peer_message_id has)
{
	struct guest guest = guest_come(&rig, number, true);

	guest_say(&rig, guest, has);
	introduce(guest, rack);
	return guest;
}

static void say_roster(struct guest guest, const struct peer_roster *roster)
{
	uint8_t bytes[ROSTER_BYTES_MAX];

	guest_say_message(&rig, guest,
		&(struct peer_message){.id = PEER_EXTENDED,
			.extended_id = PEER_EXTENSION_ROSTER,
			.bytes = bytes,
			.bytes_count = peer_roster_write(roster, bytes, sizeof(bytes))});
}

static void say_imports(struct guest guest, uint32_t piece)
{
	say_roster(guest, &(struct peer_roster){.kind = ROSTER_IMPORTING, .piece = piece});
}

static void say_donthave(struct guest guest, uint32_t piece)
{
	uint8_t bytes[4];

	be32_write(bytes, piece);
	guest_say_message(&rig, guest,
		&(struct peer_message){.id = PEER_EXTENDED,
			.extended_id = PEER_EXTENSION_DONTHAVE,
			.bytes = bytes,
			.bytes_count = sizeof(bytes)});
}

static uint32_t asked_pieces(struct guest guest, bool *asked)
{
	uint32_t count = 0;

	for (uint32_t nth = 0; nth < rig_said_count(&rig, guest.peer, PEER_REQUEST); nth++) {
		uint32_t piece = rig_said(&rig, guest.peer, PEER_REQUEST, nth)->index;

		count += !asked[piece];
		asked[piece] = true;
	}
	return count;
}

/* ---- words ---- */

static void who_imports_everything_for_ever_is_waited_for_a_while(void **state)
{
	bool asked[PIECES] = {false};
	uint32_t count = 0;

	(void)state;
	begin(false);
	struct guest claimer = come(2, "r1", PEER_HAVE_NONE);
	struct guest seed = come(3, "r2", PEER_HAVE_ALL);

	guest_say(&rig, seed, PEER_UNCHOKE);
	for (uint32_t round = 0; round < 600 && count < PIECES; round++) {
		for (uint32_t piece = 0; piece < PIECES; piece++)
			say_imports(claimer, piece);
		rig_pass(&rig, 100 * NS_PER_MS);
		guest_answer_all(&rig, seed);
		count += asked_pieces(seed, asked);
		assert_false(rig_disconnected(&rig, claimer.peer));
		rig_clear(&rig);
		if (round == 20)
			assert_true(count < PIECES); /* it was believed at first */
		/* It comes again, within what may be said at all. */
		if (round % 10 == 9)
			guest_go(&rig, claimer);
		if (round % 10 == 9)
			claimer = come(2, "r1", PEER_HAVE_NONE);
	}
	assert_int_equal(count, PIECES);
}

static void imports_without_end_are_let_go(void **state)
{
	(void)state;
	begin(false);
	struct guest claimer = come(2, "r1", PEER_HAVE_NONE);

	for (uint32_t i = 0; i < WORDS_MAX && !rig_disconnected(&rig, claimer.peer); i++)
		say_imports(claimer, i % PIECES);
	assert_true(rig_disconnected(&rig, claimer.peer));
}

static void one_roster_is_read(void **state)
{
	struct peer_roster roster = {.kind = ROSTER_MEMBERS, .members_count = 1};

	(void)state;
	begin(false);
	struct guest member = come(2, "r1", PEER_HAVE_NONE);

	roster.members[0] = guest_address(10);
	say_roster(member, &roster);
	roster.members[0] = guest_address(11);
	say_roster(member, &roster);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_CONNECT), 1);
	assert_int_equal(rig_find(&rig, SWARM_EFFECT_CONNECT)->address.ip[15], 10);
}

static void members_that_cannot_be_are_not_dialled(void **state)
{
	struct peer_roster roster = {.kind = ROSTER_MEMBERS, .members_count = 3};

	(void)state;
	begin(false);
	struct guest member = come(2, "r1", PEER_HAVE_NONE);

	peer_address_from4(&roster.members[0], (uint8_t[4]){127, 0, 0, 1}, 22);
	peer_address_from4(&roster.members[1], (uint8_t[4]){224, 0, 0, 1}, 6881);
	roster.members[2] = guest_address(10);
	say_roster(member, &roster);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_CONNECT), 1);
	assert_int_equal(rig_find(&rig, SWARM_EFFECT_CONNECT)->address.ip[15], 10);
}

static uint32_t rosters_said_to(struct guest guest)
{
	uint32_t count = 0;
	const struct peer_message *message;

	for (uint32_t nth = 0; (message = rig_said(&rig, guest.peer, PEER_EXTENDED, nth)) != NULL;
		nth++)
		count += message->extended_id == PEER_EXTENSION_ROSTER;
	return count;
}

/* BEP 27: of peers of a private image trackers alone tell. */
static void members_of_a_private_swarm_are_not_named(void **state)
{
	struct peer_roster roster = {.kind = ROSTER_MEMBERS, .members_count = 1};
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		settings.is_private = i == 1;
		memcpy(settings.rack, "r1", 3);
		rig_create(&rig, &settings);
		rig_begin(&rig);
		(void)come(2, "r1", PEER_HAVE_NONE);
		struct guest late = come(3, "r1", PEER_HAVE_NONE);

		assert_int_equal(rosters_said_to(late), settings.is_private ? 0 : 1);
		roster.members[0] = guest_address(10);
		say_roster(late, &roster);
		assert_int_equal(
			rig_count(&rig, SWARM_EFFECT_CONNECT), settings.is_private ? 0 : 1);
		if (i == 0)
			rig.swarm = swarm_destroy(rig.swarm);
	}
}

static void who_introduces_itself_without_end_is_let_go(void **state)
{
	(void)state;
	begin(false);
	struct guest member = come(2, "r1", PEER_HAVE_NONE);

	introduce(member, "r2");
	assert_false(rig_disconnected(&rig, member.peer));
	for (uint32_t i = 0; i < WORDS_MAX && !rig_disconnected(&rig, member.peer); i++)
		introduce(member, i % 2 == 0 ? "r1" : "r2");
	assert_true(rig_disconnected(&rig, member.peer));
}

/* The second place is not believed: what it has stays inside. */
static void a_place_is_said_once(void **state)
{
	(void)state;
	begin(false);
	struct guest member = come(2, "r1", PEER_HAVE_ALL);

	introduce(member, "r2");
	guest_say(&rig, member, PEER_UNCHOKE);
	guest_answer_all(&rig, member);
	struct swarm_status status;

	swarm_status(rig.swarm, &status);
	assert_int_equal(status.received_bytes, PIECES * PIECE_BYTES);
	assert_int_equal(status.received_from_elsewhere_bytes, 0);
}

static void who_takes_back_without_end_is_let_go(void **state)
{
	(void)state;
	begin(false);
	struct guest member = come(2, "r1", PEER_HAVE_NONE);

	for (uint32_t i = 0; i < WORDS_MAX && !rig_disconnected(&rig, member.peer); i++) {
		rig_clear(&rig);
		guest_say_index(&rig, member, PEER_HAVE, 1);
		say_donthave(member, 1);
	}
	assert_true(rig_disconnected(&rig, member.peer));
}

/* ---- a member that gives nothing ---- */

static void who_has_everything_and_chokes_is_left_out(void **state)
{
	bool asked[PIECES] = {false};
	uint64_t from_ns;

	(void)state;
	begin(false);
	struct guest miser = come(2, "r1", PEER_HAVE_ALL);
	struct guest seed = come(3, "r2", PEER_HAVE_ALL);

	guest_say(&rig, seed, PEER_UNCHOKE);
	from_ns = rig.now_ns;
	while (asked_pieces(seed, asked) == 0 && rig.now_ns < from_ns + 60 * NS_PER_S) {
		rig_pass(&rig, NS_PER_S);
		guest_say(&rig, miser, PEER_KEEP_ALIVE);
		guest_say(&rig, seed, PEER_KEEP_ALIVE);
	}
	assert_in_range(rig.now_ns - from_ns, 5 * NS_PER_S, 12 * NS_PER_S);
	/* That it unchokes is no more than a word. */
	guest_say(&rig, miser, PEER_UNCHOKE);
	guest_say(&rig, miser, PEER_CHOKE);
	rig_pass(&rig, NS_PER_S);
	for (uint32_t i = 0; i < PIECES; i++) {
		guest_answer_all(&rig, seed);
		rig_clear(&rig);
		rig_pass(&rig, 100 * NS_PER_MS);
	}
	assert_int_equal(rig.completes_count, 1);
}

/* ---- a suspect piece ---- */

/* A rack mate that has piece 1. */
static struct guest mate(uint8_t number)
{
	struct guest guest = come(number, "r1", PEER_HAVE_NONE);

	guest_say_index(&rig, guest, PEER_HAVE, 1);
	return guest;
}

/* Piece 1 comes half from one, half from another, and is wrong; both go. */
static void spoil(void)
{
	struct guest first = mate(4);
	struct guest second = mate(5);

	guest_say(&rig, first, PEER_UNCHOKE);
	for (uint32_t nth = 0; nth < BLOCKS / 2; nth++) {
		struct peer_message request = *rig_said(&rig, first.peer, PEER_REQUEST, nth);

		assert_int_equal(guest_send(&rig, first, &request), SWARM_PLACE_BUFFER);
	}
	guest_go(&rig, first);
	guest_say(&rig, second, PEER_UNCHOKE);
	rig.bad_hash = true;
	for (uint32_t nth = 0; nth < BLOCKS / 2; nth++) {
		struct peer_message request = *rig_said(&rig, second.peer, PEER_REQUEST, nth);

		assert_int_equal(guest_send(&rig, second, &request), SWARM_PLACE_BUFFER);
	}
	rig.bad_hash = false;
	guest_go(&rig, second);
}

/* It is fast and it is the end, but the piece is to be had inside. */
static void what_a_rack_mate_has_for_itself_is_not_taken_over_from_afar(void **state)
{
	(void)state;
	begin_small(2, false);
	struct guest far = come(2, "r2", PEER_HAVE_NONE);

	guest_say_index(&rig, far, PEER_HAVE, 0);
	guest_say(&rig, far, PEER_UNCHOKE);
	rig_pass(&rig, 100 * NS_PER_MS);
	assert_int_equal(rig_said_count(&rig, far.peer, PEER_REQUEST), BLOCKS);
	struct guest near = mate(3);

	guest_say_index(&rig, far, PEER_HAVE, 1);
	spoil();
	guest_say(&rig, near, PEER_UNCHOKE);
	rig.now_ns += NS_PER_MS;
	guest_answer_all(&rig, far);
	assert_int_equal(rig_said_count(&rig, far.peer, PEER_REQUEST), BLOCKS);
	assert_int_equal(rig_said_count(&rig, near.peer, PEER_REQUEST), BLOCKS);
	guest_answer_all(&rig, near);
	assert_int_equal(rig.completes_count, 1);
}

/* ---- the origin ---- */

static struct guest leech(uint8_t number, const char *rack)
{
	struct guest guest = come(number, rack, PEER_HAVE_NONE);

	guest_say(&rig, guest, PEER_INTERESTED);
	return guest;
}

static void request_all(struct guest guest, uint32_t piece)
{
	for (uint32_t begin = 0; begin < PIECE_BYTES; begin += BLOCK)
		guest_say_triple(&rig, guest, PEER_REQUEST, piece, begin, BLOCK);
}

static void an_origin_does_not_wait_for_a_rack_mate_that_takes_nothing(void **state)
{
	(void)state;
	begin(true);
	(void)leech(2, "r1");
	struct guest far = leech(3, "r2");

	rig_pass(&rig, 4 * NS_PER_S);
	assert_int_equal(rig_said_count(&rig, far.peer, PEER_SUGGEST), 0);
	rig_pass(&rig, 2 * NS_PER_S);
	assert_int_not_equal(rig_said_count(&rig, far.peer, PEER_SUGGEST), 0);
}

static void an_origin_gives_to_its_own_rack_while_that_takes(void **state)
{
	(void)state;
	begin(true);
	struct guest near = leech(2, "r1");
	struct guest far = leech(3, "r2");

	for (uint32_t piece = 0; piece < 30; piece++) {
		request_all(near, piece);
		guest_say_index(&rig, near, PEER_HAVE, piece);
		rig_pass(&rig, 2 * NS_PER_S);
	}
	assert_int_equal(rig_said_count(&rig, far.peer, PEER_SUGGEST), 0);
}

/* It takes and takes, and has nothing for it: 32 MiB in vain, and the others are served. */
static void an_origin_does_not_wait_for_a_rack_mate_that_takes_in_vain(void **state)
{
	(void)state;
	begin(true);
	struct guest near = leech(2, "r1");
	struct guest far = leech(3, "r2");
	uint32_t suggested = 0;

	for (uint32_t i = 0; i < 600 && suggested == 0; i++) {
		rig_clear(&rig);
		request_all(near, i % PIECES);
		guest_say(&rig, far, PEER_KEEP_ALIVE);
		rig_pass(&rig, 300 * NS_PER_MS);
		suggested = rig_said_count(&rig, far.peer, PEER_SUGGEST);
	}
	assert_int_not_equal(suggested, 0);
}

/* Nor does a grant go back to who let it lapse. */
static void who_lets_a_grant_lapse_gets_no_other_at_once(void **state)
{
	(void)state;
	begin(true);
	struct guest idler = leech(2, "r1");

	assert_int_not_equal(rig_said_count(&rig, idler.peer, PEER_SUGGEST), 0);
	rig_pass(&rig, 19 * NS_PER_S);
	rig_clear(&rig);
	rig_pass(&rig, 30 * NS_PER_S);
	assert_int_equal(rig_said_count(&rig, idler.peer, PEER_SUGGEST), 0);
	guest_say_index(&rig, idler, PEER_HAVE, 5);
	rig_pass(&rig, NS_PER_S);
	assert_int_not_equal(rig_said_count(&rig, idler.peer, PEER_SUGGEST), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			who_imports_everything_for_ever_is_waited_for_a_while, end),
		cmocka_unit_test_teardown(imports_without_end_are_let_go, end),
		cmocka_unit_test_teardown(one_roster_is_read, end),
		cmocka_unit_test_teardown(members_that_cannot_be_are_not_dialled, end),
		cmocka_unit_test_teardown(members_of_a_private_swarm_are_not_named, end),
		cmocka_unit_test_teardown(who_introduces_itself_without_end_is_let_go, end),
		cmocka_unit_test_teardown(a_place_is_said_once, end),
		cmocka_unit_test_teardown(who_takes_back_without_end_is_let_go, end),
		cmocka_unit_test_teardown(who_has_everything_and_chokes_is_left_out, end),
		cmocka_unit_test_teardown(
			what_a_rack_mate_has_for_itself_is_not_taken_over_from_afar, end),
		cmocka_unit_test_teardown(
			an_origin_does_not_wait_for_a_rack_mate_that_takes_nothing, end),
		cmocka_unit_test_teardown(an_origin_gives_to_its_own_rack_while_that_takes, end),
		cmocka_unit_test_teardown(
			an_origin_does_not_wait_for_a_rack_mate_that_takes_in_vain, end),
		cmocka_unit_test_teardown(who_lets_a_grant_lapse_gets_no_other_at_once, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
