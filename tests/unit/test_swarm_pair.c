/* SPDX-License-Identifier: Apache-2.0 */
/* Two engines that talk to each other; settings that no engine takes. */
#include "tests/support/pair.h"

#define PIECES	    64
#define PIECE_BYTES ((uint32_t)(64 * KIB))

static struct rig rig;

struct wire {
	struct rig ends[2];
	struct guest others[2]; /* as the other end numbers it */
	uint32_t read[2];	/* of each log */
};

static void deliver(struct wire *wire, uint32_t to, const struct swarm_effect *effect)
{
	struct rig *end = &wire->ends[to];
	struct swarm_input input = {.peer = wire->others[to].peer,
		.generation = wire->others[to].generation,
		.message = &effect->message};
	struct peer_handshake handshake = {.peer_id = {(uint8_t)(2 - to)}};

	switch (effect->kind) {
	case SWARM_EFFECT_SEND_HANDSHAKE:
		peer_reserved_set_ours(handshake.reserved);
		input.kind = SWARM_IN_HANDSHAKE;
		input.handshake = &handshake;
		rig_feed(end, &input);
		break;
	case SWARM_EFFECT_SEND:
		input.kind = SWARM_IN_MESSAGE;
		rig_feed(end, &input);
		break;
	case SWARM_EFFECT_SEND_BLOCK:
		assert_int_not_equal(
			guest_send(end, wire->others[to], &effect->message), SWARM_PLACE_VIOLATION);
		break;
	case SWARM_EFFECT_DISCONNECT:
		input.kind = SWARM_IN_DISCONNECTED;
		rig_feed(end, &input);
		break;
	default:
		break;
	}
}

/* A message's payload is good until the next input: it is copied when it is logged. */
static void connect_ends(struct wire *wire)
{
	struct guest *accepted = &wire->others[1];

	rig_feed(&wire->ends[0],
		&(struct swarm_input){.kind = SWARM_IN_ADDRESS, .address = guest_address(1)});
	const struct swarm_effect *connect = rig_find(&wire->ends[0], SWARM_EFFECT_CONNECT);

	assert_non_null(connect);
	wire->others[0] = (struct guest){connect->peer, connect->generation};
	rig_feed(&wire->ends[1], &(struct swarm_input){.kind = SWARM_IN_ACCEPTED,
					 .address = guest_address(0),
					 .accepted_peer = &accepted->peer,
					 .accepted_generation = &accepted->generation});
	rig_feed(&wire->ends[0], &(struct swarm_input){.kind = SWARM_IN_CONNECTED,
					 .peer = wire->others[0].peer,
					 .generation = wire->others[0].generation});
}

static void a_node_fetches_everything_from_another(void **state)
{
	struct wire *wire = calloc(1, sizeof(*wire));
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);
	struct swarm_status status;

	(void)state;
	assert_non_null(wire);
	settings.peer_id[0] = 1;
	rig_create(&wire->ends[0], &settings);
	settings.peer_id[0] = 2;
	settings.all_durable = true;
	settings.origin = true;
	rig_create(&wire->ends[1], &settings);
	rig_begin(&wire->ends[0]);
	rig_input(&wire->ends[1], SWARM_IN_START);
	connect_ends(wire);
	for (bool moved = true; moved;) {
		moved = false;
		for (uint32_t from = 0; from < 2; from++) {
			while (wire->read[from] < wire->ends[from].log_count) {
				struct swarm_effect effect =
					wire->ends[from].log[wire->read[from]++];

				deliver(wire, 1 - from, &effect);
				moved = true;
			}
		}
	}
	assert_int_equal(wire->ends[0].completes_count, 1);
	swarm_status(wire->ends[0].swarm, &status);
	assert_int_equal(status.received_bytes, PIECES * PIECE_BYTES);
	assert_int_equal(status.received_from_origin_bytes, PIECES * PIECE_BYTES);
	assert_int_equal(status.wasted_bytes, 0);
	assert_int_equal(status.left_bytes, 0);
	swarm_status(wire->ends[1].swarm, &status);
	assert_int_equal(status.sent_bytes, PIECES * PIECE_BYTES);
	for (uint32_t piece = 0; piece < PIECES; piece++)
		assert_int_equal(wire->ends[0].writes_count[piece], 1);
	wire->ends[0].swarm = swarm_destroy(wire->ends[0].swarm);
	wire->ends[1].swarm = swarm_destroy(wire->ends[1].swarm);
	free(wire);
}

static uint64_t run_digest(uint64_t seed)
{
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);
	uint64_t digest = 0;

	settings.seed = seed;
	rig_create(&rig, &settings);
	rig_begin(&rig);
	struct guest guest = guest_seed(&rig, 2);

	guest_answer_all(&rig, guest);
	for (uint32_t i = 0; i < rig.log_count; i++)
		digest = (digest ^ rig.log[i].kind ^ (uint64_t)rig.log[i].message.index << 8 ^
				 (uint64_t)rig.log[i].piece << 20) *
			 0x100000001b3;
	rig.swarm = swarm_destroy(rig.swarm);
	return digest;
}

static void same_seed_same_effects(void **state)
{
	(void)state;
	assert_int_equal(run_digest(5), run_digest(5));
	assert_int_not_equal(run_digest(5), run_digest(6));
}

static void contradictory_settings_are_refused(void **state)
{
	struct swarm_allocator allocator = {.allocate = rig_allocate, .release = rig_release};
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);

	(void)state;
	settings.pieces_count++;
	assert_null(swarm_create(&settings, &allocator));
	settings = rig_settings(PIECES, PIECE_BYTES);
	settings.limits.buffers_count = 1;
	assert_null(swarm_create(&settings, &allocator));
	settings = rig_settings(PIECES, PIECE_BYTES);
	settings.limits.request_bytes = 20000;
	assert_null(swarm_create(&settings, &allocator));
	settings = rig_settings(PIECES, PIECE_BYTES);
	settings.length_bytes = 0;
	assert_null(swarm_create(&settings, &allocator));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_fetches_everything_from_another),
		cmocka_unit_test(same_seed_same_effects),
		cmocka_unit_test(contradictory_settings_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
