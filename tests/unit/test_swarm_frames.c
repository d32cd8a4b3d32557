/* SPDX-License-Identifier: Apache-2.0 */
/* Frames as the engine sees them: who may get one, where one goes, what one that is bad leads to.
 */
#include "tests/support/pair.h"

#define PIECES	    4
#define PIECE_BYTES ((uint32_t)(64 * KIB))

static struct rig rig;

static void begin(bool frames, bool seed)
{
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);

	settings.limits.block_bytes = PIECE_BYTES;
	settings.frames = frames;
	settings.all_durable = seed;
	rig_create(&rig, &settings);
	rig_begin(&rig);
}

static int end(void **state)
{
	(void)state;
	rig.swarm = swarm_destroy(rig.swarm);
	return 0;
}

static void say_extended(struct guest guest, uint8_t id_frame)
{
	struct peer_extended_handshake handshake = {
		.request_bytes_max = PIECE_BYTES, .id_frame = id_frame};
	uint8_t bytes[128];
	struct peer_message message = {.id = PEER_EXTENDED,
		.bytes = bytes,
		.bytes_count = peer_extended_handshake_write(&handshake, bytes, sizeof(bytes))};

	guest_say_message(&rig, guest, &message);
}

/* Its first request, answered by the head of a frame. */
static enum swarm_place frame_comes(struct guest guest, struct peer_message *frame)
{
	const struct peer_message *request = rig_said(&rig, guest.peer, PEER_REQUEST, 0);
	struct swarm_placement placement;

	assert_non_null(request);
	*frame = *request;
	frame->id = PEER_FRAME;
	frame->frame_bytes = request->length / 4;
	return swarm_place_block(rig.swarm, guest.peer, guest.generation, frame, &placement);
}

static struct guest seed_comes(void)
{
	struct guest guest = guest_come(&rig, 2, true);

	guest_say(&rig, guest, PEER_HAVE_ALL);
	say_extended(guest, 7);
	guest_say(&rig, guest, PEER_UNCHOKE);
	return guest;
}

static void feed(struct guest guest, enum swarm_input_kind kind, const struct peer_message *message)
{
	rig_feed(&rig, &(struct swarm_input){.kind = kind,
			       .peer = guest.peer,
			       .generation = guest.generation,
			       .message = message,
			       .ok = true});
}

static void only_a_driver_that_decodes_offers_it(void **state)
{
	(void)state;
	for (int frames = 0; frames < 2; frames++) {
		struct peer_extended_handshake handshake;

		begin(frames != 0, true);
		(void)guest_come(&rig, 2, true);
		const struct peer_message *message = rig_said(&rig, 0, PEER_EXTENDED, 0);

		assert_non_null(message);
		/* Its bytes are the engine's until the next input. */
		assert_true(peer_extended_handshake_parse(
			&handshake, message->bytes, message->bytes_count));
		assert_int_equal(handshake.id_frame, frames != 0 ? PEER_EXTENSION_FRAME : 0);
		rig.swarm = swarm_destroy(rig.swarm);
	}
}

static void only_who_offers_it_may_get_one(void **state)
{
	(void)state;
	for (uint8_t id = 0; id < 8; id += 7) {
		begin(false, true); /* to send them takes no offer */
		rig.hold_sends = true;
		struct guest guest = guest_come(&rig, 2, true);

		say_extended(guest, id);
		guest_say(&rig, guest, PEER_INTERESTED);
		guest_say_triple(&rig, guest, PEER_REQUEST, 1, 0, PIECE_BYTES);
		const struct swarm_effect *effect = rig_find(&rig, SWARM_EFFECT_SEND_BLOCK);

		assert_non_null(effect);
		assert_int_equal(effect->message.id, PEER_PIECE);
		assert_int_equal(effect->message.extended_id, id);
		struct peer_message sent = effect->message;
		struct swarm_status status;

		sent.id = id != 0 ? PEER_FRAME : PEER_PIECE;
		sent.frame_bytes = 1000;
		feed(guest, SWARM_IN_BLOCK_SENT, &sent);
		swarm_status(rig.swarm, &status);
		assert_int_equal(status.sent_bytes, PIECE_BYTES);
		assert_int_equal(status.sent_wire_bytes, id != 0 ? 1000 : PIECE_BYTES);
		rig.swarm = swarm_destroy(rig.swarm);
	}
}

static void a_frame_answers_a_request(void **state)
{
	struct peer_message frame;
	struct swarm_status status;

	(void)state;
	begin(true, false);
	struct guest guest = seed_comes();

	assert_int_equal(frame_comes(guest, &frame), SWARM_PLACE_BUFFER);
	feed(guest, SWARM_IN_BLOCK, &frame);
	swarm_status(rig.swarm, &status);
	assert_int_equal(status.received_bytes, PIECE_BYTES);
	assert_int_equal(status.received_wire_bytes, PIECE_BYTES / 4);
	guest_answer_all(&rig, guest); /* that one as well, which is thrown away */
	assert_int_equal(rig.completes_count, 1);
	swarm_status(rig.swarm, &status);
	assert_int_equal(status.wasted_bytes, PIECE_BYTES);
	assert_int_equal(status.received_bytes, (PIECES + 1) * PIECE_BYTES);
	assert_int_equal(status.received_wire_bytes, PIECES * PIECE_BYTES + PIECE_BYTES / 4);
}

static void a_frame_that_does_not_decode_ends_it(void **state)
{
	struct peer_message frame;

	(void)state;
	begin(true, false);
	struct guest guest = seed_comes();

	assert_int_equal(frame_comes(guest, &frame), SWARM_PLACE_BUFFER);
	feed(guest, SWARM_IN_BLOCK_BAD, &frame);
	assert_true(rig_disconnected(&rig, guest.peer));
	/* It stays outside for a while; others bring the same block. */
	assert_int_equal(guest_come(&rig, 2, true).peer, SWARM_PEER_NONE);
	rig_clear(&rig);
	guest = guest_come(&rig, 3, true);
	guest_say(&rig, guest, PEER_HAVE_ALL);
	say_extended(guest, 0);
	guest_say(&rig, guest, PEER_UNCHOKE);
	guest_answer_all(&rig, guest);
	assert_int_equal(rig.completes_count, 1);
	rig_pass(&rig, 60 * NS_PER_S);
	assert_int_not_equal(guest_come(&rig, 2, true).peer, SWARM_PEER_NONE);
}

static void a_frame_that_was_not_offered_is_a_violation(void **state)
{
	struct peer_message frame;

	(void)state;
	begin(false, false);
	struct guest guest = seed_comes();

	assert_int_equal(frame_comes(guest, &frame), SWARM_PLACE_VIOLATION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_driver_that_decodes_offers_it),
		cmocka_unit_test(only_who_offers_it_may_get_one),
		cmocka_unit_test_teardown(a_frame_answers_a_request, end),
		cmocka_unit_test_teardown(a_frame_that_does_not_decode_ends_it, end),
		cmocka_unit_test_teardown(a_frame_that_was_not_offered_is_a_violation, end),
	};

	return cmocka_run_group_tests_name("swarm_frames", tests, NULL, NULL);
}
