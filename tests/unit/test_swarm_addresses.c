/* SPDX-License-Identifier: Apache-2.0 */
/* The book of addresses: who may name how many, who makes room for whom, who is dialled when. */
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

/* 200 ports from 1000 on, of so many machines in turn. */
static void name_ports(struct swarm_input *input, uint32_t machines_count)
{
	for (uint32_t i = 0; i < 200; i++) {
		peer_address_from4(&input->address,
			(uint8_t[4]){10, 9, 0, (uint8_t)(i % machines_count)},
			(uint16_t)(1000 + i));
		rig_feed(&rig, input);
	}
}

static void a_machine_on_the_segment_has_few_ports(void **state)
{
	struct swarm_input input = {.kind = SWARM_IN_ADDRESS, .source = SWARM_SOURCE_LOCAL};
	struct swarm_status status;

	(void)state;
	begin_with(1024);
	name_ports(&input, 2);
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
	name_ports(&input, 1);
	swarm_status(rig.swarm, &status);
	assert_int_equal(status.learnt_count[SWARM_SOURCE_ITSELF], 8);
}

static void a_machine_in_the_dht_has_few_ports(void **state)
{
	struct swarm_input input = {.kind = SWARM_IN_ADDRESS, .source = SWARM_SOURCE_DHT};
	struct swarm_status status;

	(void)state;
	begin_with(1024);
	name_ports(&input, 2);
	swarm_status(rig.swarm, &status);
	assert_int_equal(status.learnt_count[SWARM_SOURCE_DHT], 16);
	/* Not more either where one of them has answered. */
	input.source = SWARM_SOURCE_ITSELF;
	input.address.port = 1001;
	rig_feed(&rig, &input);
	input.source = SWARM_SOURCE_DHT;
	input.address.port = 2000;
	rig_feed(&rig, &input);
	swarm_status(rig.swarm, &status);
	assert_int_equal(status.learnt_count[SWARM_SOURCE_DHT], 16);
}

/* It connects, says that it has everything, and never unchokes. */
static struct guest dialled_miser(const struct swarm_effect *connect, uint8_t number)
{
	struct guest guest = {connect->peer, connect->generation};
	struct peer_handshake handshake = {.peer_id = {number, 1}};
	struct swarm_input input = {.kind = SWARM_IN_CONNECTED,
		.peer = guest.peer,
		.generation = guest.generation,
		.handshake = &handshake};

	peer_reserved_set_ours(handshake.reserved);
	rig_feed(&rig, &input);
	input.kind = SWARM_IN_HANDSHAKE;
	rig_feed(&rig, &input);
	guest_say(&rig, guest, PEER_HAVE_ALL);
	return guest;
}

/* Misers of five machines, named by the DHT, take all places that there are; then it names a true
 * copy. */
static void those_that_give_nothing_make_room(void **state)
{
	struct swarm_input input = {.kind = SWARM_IN_ADDRESS, .source = SWARM_SOURCE_DHT};
	struct guest misers[256];
	uint32_t misers_count = 0;
	bool dialled = false;

	(void)state;
	begin_with(1024);
	for (uint8_t i = 0; i < 40; i++) {
		peer_address_from4(&input.address, (uint8_t[4]){10, 9, 0, (uint8_t)(i % 5)},
			(uint16_t)(1000 + i));
		rig_feed(&rig, &input);
	}
	for (int second = 0; second < 240 && !dialled; second++) {
		struct swarm_effect connects[64];
		uint32_t connects_count = 0;

		for (uint32_t i = 0; i < rig.log_count; i++)
			if (rig.log[i].kind == SWARM_EFFECT_CONNECT)
				connects[connects_count++] = rig.log[i];
		rig_clear(&rig);
		for (uint32_t i = 0; i < connects_count; i++) {
			if (connects[i].address.port == 7000)
				dialled = true;
			else if (misers_count < 256) {
				misers[misers_count] =
					dialled_miser(&connects[i], (uint8_t)misers_count);
				misers_count++;
			}
		}
		if (second == 20) {
			assert_true(misers_count >= 32);
			peer_address_from4(&input.address, (uint8_t[4]){10, 8, 0, 1}, 7000);
			rig_feed(&rig, &input);
		}
		/* They are not silent. */
		for (uint32_t i = 0; second % 50 == 0 && i < misers_count; i++)
			guest_say(&rig, misers[i], PEER_KEEP_ALIVE);
		rig_pass(&rig, NS_PER_S);
	}
	assert_true(dialled);
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

static void fail_connects(void)
{
	for (uint32_t i = 0, end = rig.log_count; i < end; i++) {
		struct swarm_effect effect = rig.log[i];

		if (effect.kind == SWARM_EFFECT_CONNECT)
			rig_feed(&rig, &(struct swarm_input){.kind = SWARM_IN_CONNECT_FAILED,
					       .peer = effect.peer,
					       .generation = effect.generation});
	}
}

/* Ports where nobody is, named in the DHT by whoever likes to, hide nobody. */
static void ports_where_nobody_is_hide_nobody(void **state)
{
	struct swarm_input input = {.kind = SWARM_IN_ADDRESS, .source = SWARM_SOURCE_DHT};
	bool dialled = false;

	(void)state;
	begin_with(1024);
	for (uint16_t port = 1; port <= 8; port++) {
		peer_address_from4(&input.address, (uint8_t[4]){10, 9, 0, 1}, port);
		rig_feed(&rig, &input);
	}
	for (uint32_t second = 0; second < 60; second++) {
		fail_connects();
		rig_clear(&rig);
		rig_pass(&rig, NS_PER_S);
	}
	input.address.port = 6881;
	rig_feed(&rig, &input);
	for (uint32_t i = 0; i < rig.log_count; i++)
		dialled |=
			rig.log[i].kind == SWARM_EFFECT_CONNECT && rig.log[i].address.port == 6881;
	assert_true(dialled);
}

static void an_address_is_tried_once_at_a_time_and_ever_less(void **state)
{
	uint32_t tries = 0;

	(void)state;
	begin_with(1024);
	for (uint32_t i = 0; i < 5; i++)
		rig_feed(&rig, &(struct swarm_input){
				       .kind = SWARM_IN_ADDRESS, .address = guest_address(5)});
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_CONNECT), 1);
	for (uint32_t second = 0; second < 1000; second++) {
		tries += rig_count(&rig, SWARM_EFFECT_CONNECT);
		fail_connects();
		rig_clear(&rig);
		rig_pass(&rig, NS_PER_S);
	}
	assert_in_range(tries, 6, 20);
}

static void no_more_connections_than_wanted(void **state)
{
	(void)state;
	begin_with(1024);
	for (uint8_t i = 1; i < 200; i++)
		rig_feed(&rig, &(struct swarm_input){
				       .kind = SWARM_IN_ADDRESS, .address = guest_address(i)});
	rig_pass(&rig, NS_PER_S);
	assert_in_range(rig_count(&rig, SWARM_EFFECT_CONNECT), 1, 32);
}

static void a_full_book_of_addresses_stays_bounded(void **state)
{
	struct swarm_status status;

	(void)state;
	begin_with(1024);
	for (uint32_t i = 0; i < 5000; i++) {
		struct peer_address address = guest_address((uint8_t)i);

		address.ip[13] = (uint8_t)(i >> 8);
		rig_feed(&rig, &(struct swarm_input){.kind = SWARM_IN_ADDRESS, .address = address});
		fail_connects();
		rig_clear(&rig);
	}
	swarm_status(rig.swarm, &status);
	assert_in_range(status.known_addresses_count, 512, 1024);
}

/* One that is dialled answers, and has everything. How many were dialled in that time. */
static uint32_t meetings_of_seeds(uint64_t ns)
{
	uint32_t count = 0;

	for (uint64_t end_ns = rig.now_ns + ns; rig.now_ns < end_ns; rig_pass(&rig, NS_PER_S)) {
		const struct swarm_effect *connect = rig_find(&rig, SWARM_EFFECT_CONNECT);
		struct peer_handshake handshake = {.peer_id = {9}};

		if (connect == NULL)
			continue;
		struct guest guest = {connect->peer, connect->generation};
		struct swarm_input input = {.kind = SWARM_IN_CONNECTED,
			.peer = guest.peer,
			.generation = guest.generation,
			.handshake = &handshake};

		count++;
		rig_clear(&rig);
		rig_feed(&rig, &input);
		peer_reserved_set_ours(handshake.reserved);
		input.kind = SWARM_IN_HANDSHAKE;
		rig_feed(&rig, &input);
		guest_say(&rig, guest, PEER_HAVE_ALL);
		assert_true(rig_disconnected(&rig, guest.peer));
		rig_clear(&rig);
	}
	return count;
}

static void seeds_dial_each_other_ever_more_seldom(void **state)
{
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);

	(void)state;
	settings.all_durable = true;
	rig_create(&rig, &settings);
	rig_input(&rig, SWARM_IN_START);
	rig_feed(
		&rig, &(struct swarm_input){.kind = SWARM_IN_ADDRESS, .address = guest_address(9)});
	assert_in_range(meetings_of_seeds(3600 * NS_PER_S), 3, 6);
	(void)meetings_of_seeds(UINT64_C(9) * 3600 * NS_PER_S);
	/* But not never. */
	assert_in_range(meetings_of_seeds(UINT64_C(24) * 3600 * NS_PER_S), 5, 20);
	/* Who lacks something looks at once. */
	rig_feed(&rig, &(struct swarm_input){.kind = SWARM_IN_PIECE_BAD, .piece = 1});
	rig_pass(&rig, 2 * NS_PER_S);
	assert_non_null(rig_find(&rig, SWARM_EFFECT_CONNECT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_machine_on_the_segment_has_few_ports, end),
		cmocka_unit_test_teardown(a_machine_that_calls_has_few_ports, end),
		cmocka_unit_test_teardown(a_machine_in_the_dht_has_few_ports, end),
		cmocka_unit_test_teardown(those_that_give_nothing_make_room, end),
		cmocka_unit_test_teardown(those_that_answer_as_ourselves_make_room, end),
		cmocka_unit_test_teardown(ports_where_nobody_is_hide_nobody, end),
		cmocka_unit_test_teardown(an_address_is_tried_once_at_a_time_and_ever_less, end),
		cmocka_unit_test_teardown(no_more_connections_than_wanted, end),
		cmocka_unit_test_teardown(a_full_book_of_addresses_stays_bounded, end),
		cmocka_unit_test_teardown(seeds_dial_each_other_ever_more_seldom, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
