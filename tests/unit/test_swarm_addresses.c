/* SPDX-License-Identifier: Apache-2.0 */
/* The book of addresses: who may name how many, and who makes room for whom. */
#include "tests/support/pair.h"

#define PIECES	    4
#define PIECE_BYTES ((uint32_t)(64 * KIB))

static struct rig rig;

static int end(void **state)
{
	(void)state;
	rig.swarm = swarm_destroy(rig.swarm);
	return 0;
}

static void begin_with(uint32_t addresses_max)
{
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);

	settings.limits.addresses_max = addresses_max;
	rig_create(&rig, &settings);
	rig_begin(&rig);
}

static void a_machine_on_the_segment_has_few_ports(void **state)
{
	struct swarm_input input = {.kind = SWARM_IN_ADDRESS, .source = SWARM_SOURCE_LOCAL};
	struct swarm_status status;

	(void)state;
	begin_with(1024);
	for (uint16_t i = 0; i < 200; i++) {
		peer_address_from4(&input.address, (uint8_t[4]){10, 9, 0, (uint8_t)(i % 2)},
			(uint16_t)(1000 + i));
		rig_feed(&rig, &input);
	}
	swarm_status(rig.swarm, &status);
	assert_int_equal(status.learnt_count[SWARM_SOURCE_LOCAL], 16);
	/* What a tracker names is believed all the same. */
	input.source = SWARM_SOURCE_TRACKER;
	rig_feed(&rig, &input);
	swarm_status(rig.swarm, &status);
	assert_int_equal(status.learnt_count[SWARM_SOURCE_TRACKER], 1);
}

static void a_machine_that_calls_has_few_ports(void **state)
{
	struct swarm_input input = {.kind = SWARM_IN_ADDRESS, .source = SWARM_SOURCE_ITSELF};
	struct swarm_status status;

	(void)state;
	begin_with(1024);
	for (uint16_t i = 0; i < 200; i++) {
		peer_address_from4(&input.address, (uint8_t[4]){10, 9, 0, 1}, (uint16_t)(1000 + i));
		rig_feed(&rig, &input);
	}
	swarm_status(rig.swarm, &status);
	assert_int_equal(status.learnt_count[SWARM_SOURCE_ITSELF], 8);
}

/* Whoever answers with our own peer id must not fill the book for good. */
static void those_that_answer_as_ourselves_make_room(void **state)
{
	struct swarm_input named = {.kind = SWARM_IN_ADDRESS, .source = SWARM_SOURCE_ITSELF};
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);
	struct peer_handshake ours = {0};
	struct swarm_status status;

	(void)state;
	memcpy(ours.peer_id, settings.peer_id, sizeof(ours.peer_id));
	begin_with(8);
	for (uint8_t i = 0; i < 8; i++) {
		rig_clear(&rig);
		peer_address_from4(&named.address, (uint8_t[4]){10, 9, 0, i}, 6881);
		rig_feed(&rig, &named);
		const struct swarm_effect *connect = rig_find(&rig, SWARM_EFFECT_CONNECT);
		struct swarm_input input = {.kind = SWARM_IN_CONNECTED,
			.peer = connect->peer,
			.generation = connect->generation,
			.handshake = &ours};

		rig_feed(&rig, &input);
		input.kind = SWARM_IN_HANDSHAKE;
		rig_feed(&rig, &input);
	}
	named.source = SWARM_SOURCE_TRACKER;
	named.address = guest_address(9);
	rig_feed(&rig, &named);
	swarm_status(rig.swarm, &status);
	assert_int_equal(status.learnt_count[SWARM_SOURCE_TRACKER], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_machine_on_the_segment_has_few_ports, end),
		cmocka_unit_test_teardown(a_machine_that_calls_has_few_ports, end),
		cmocka_unit_test_teardown(those_that_answer_as_ourselves_make_room, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
