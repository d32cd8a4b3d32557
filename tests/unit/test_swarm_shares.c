/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes that only find complete peers, none of them an origin: who begins with what. */
#include "tests/support/pair.h"

#define PIECES	    64
#define PIECE_BYTES ((uint32_t)(256 * KIB))
#define NODES	    4
#define SEED	    9
#define BEGUN	    12 /* pieces looked at: each node has 16 of its own, more or less */

static struct rig rig;

static int end(void **state)
{
	(void)state;
	rig.swarm = swarm_destroy(rig.swarm);
	return 0;
}

static struct guest own_peer(uint8_t number, bool has_all)
{
	struct guest guest = guest_come(&rig, number, true);
	struct peer_extended_handshake handshake = {.request_bytes_max = PEER_BLOCK_BYTES};
	uint8_t bytes[256];

	guest_say_message(&rig, guest,
		&(struct peer_message){.id = PEER_EXTENDED,
			.bytes = bytes,
			.bytes_count =
				peer_extended_handshake_write(&handshake, bytes, sizeof(bytes))});
	guest_say(&rig, guest, has_all ? PEER_HAVE_ALL : PEER_HAVE_NONE);
	return guest;
}

/* The engine is the node of this number, and knows all the others. */
static void begin_node(uint8_t number)
{
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);

	memset(settings.peer_id, 0, sizeof(settings.peer_id));
	settings.peer_id[0] = number;
	settings.seed = number;
	rig_create(&rig, &settings);
	rig_begin(&rig);
	for (uint8_t other = 1; other <= NODES; other++)
		if (other != number)
			(void)own_peer(other, false);
}

/* Answers until so many pieces were begun; counts each in begun. */
static void fetch_from(struct guest seed, uint32_t pieces_count, uint32_t begun[static PIECES])
{
	bool seen[PIECES] = {false};
	const struct peer_message *request;

	for (uint32_t nth = 0; pieces_count > 0 &&
			       (request = rig_said(&rig, seed.peer, PEER_REQUEST, nth)) != NULL;
		nth++) {
		struct peer_message copy = *request;

		if (!seen[copy.index]) {
			seen[copy.index] = true;
			begun[copy.index]++;
			pieces_count--;
		}
		rig.now_ns += NS_PER_MS;
		(void)guest_send(&rig, seed, &copy);
	}
	assert_int_equal(pieces_count, 0);
}

static void those_who_know_each_other_begin_with_other_pieces(void **state)
{
	uint32_t begun[PIECES] = {0};

	(void)state;
	for (uint8_t number = 1; number <= NODES; number++) {
		begin_node(number);
		struct guest seed = own_peer(SEED, true);

		guest_say(&rig, seed, PEER_UNCHOKE);
		fetch_from(seed, BEGUN, begun);
		rig.swarm = swarm_destroy(rig.swarm);
	}
	for (uint32_t piece = 0; piece < PIECES; piece++)
		assert_in_range(begun[piece], 0, 1);
}

/* A share is a preference: alone with a seed, or beside nodes that do nothing, all is fetched. */
static void what_belongs_to_others_is_fetched_after_ones_own(void **state)
{
	(void)state;
	begin_node(1);
	struct guest seed = own_peer(SEED, true);

	guest_say(&rig, seed, PEER_UNCHOKE);
	guest_answer_all(&rig, seed);
	assert_int_equal(rig.completes_count, 1);
}

/* Somebody has the first pieces, and a seed has all: its link is for what only it has. */
static void a_seed_is_asked_for_what_nobody_else_has(void **state)
{
	uint32_t begun[PIECES] = {0};

	(void)state;
	begin_node(1);
	struct guest half = own_peer(5, false);

	for (uint32_t piece = 0; piece < PIECES / 2; piece++)
		guest_say_index(&rig, half, PEER_HAVE, piece);
	guest_say(&rig, half, PEER_UNCHOKE);
	assert_non_null(rig_said(&rig, half.peer, PEER_REQUEST, 0));
	struct guest seed = own_peer(SEED, true);

	guest_say(&rig, seed, PEER_UNCHOKE);
	fetch_from(seed, BEGUN, begun);
	for (uint32_t piece = 0; piece < PIECES / 2; piece++)
		assert_int_equal(begun[piece], 0);
}

/* Somebody sends a part of a piece, and chokes: its rest is not left until all that is scarce is
 * here. */
static void what_was_begun_elsewhere_is_not_left(void **state)
{
	const struct peer_message *request;
	bool asked = false;

	(void)state;
	begin_node(1);
	struct guest half = own_peer(5, false);

	guest_say_index(&rig, half, PEER_HAVE, 0);
	guest_say(&rig, half, PEER_UNCHOKE);
	request = rig_said(&rig, half.peer, PEER_REQUEST, 0);
	assert_non_null(request);
	struct peer_message first = *request;

	(void)guest_send(&rig, half, &first);
	guest_say(&rig, half, PEER_CHOKE);
	for (uint32_t i = 0; (request = rig_said(&rig, half.peer, PEER_REQUEST, i)) != NULL; i++)
		if (i > 0)
			guest_say_triple(&rig, half, PEER_REJECT, request->index, request->begin,
				request->length);
	struct guest seed = own_peer(SEED, true);

	guest_say(&rig, seed, PEER_UNCHOKE);
	for (uint32_t nth = 0; nth < 30 && !asked; nth++) {
		request = rig_said(&rig, seed.peer, PEER_REQUEST, nth);
		assert_non_null(request);
		struct peer_message copy = *request;

		asked = copy.index == 0;
		rig_pass(&rig, 400 * NS_PER_MS);
		if (!asked)
			(void)guest_send(&rig, seed, &copy);
	}
	assert_true(asked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(those_who_know_each_other_begin_with_other_pieces, end),
		cmocka_unit_test_teardown(what_belongs_to_others_is_fetched_after_ones_own, end),
		cmocka_unit_test_teardown(a_seed_is_asked_for_what_nobody_else_has, end),
		cmocka_unit_test_teardown(what_was_begun_elsewhere_is_not_left, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
