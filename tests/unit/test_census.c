/* SPDX-License-Identifier: Apache-2.0 */
/* Peers counted by swarm, site and rack: all of them, in turns with other work, within limits; and
 * what metrics and the view leave out of very many. */
#include "tracker/tracker_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <event2/buffer.h>

#include "tracker/metrics.h"

struct world {
	struct event_base *base;
	struct tracker *tracker;
	struct census *census;
	uint32_t calls;
	uint64_t seeders;
	uint64_t leechers;
	uint64_t lost;
	size_t rows_count;
	uint32_t turns; /* of the loop, until the census was there */
};

static int start(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct tracker_settings settings = {
		.peers_max = 100000, .swarms_max = 5000, .interval_s = 1800};
	struct failure failure;

	assert_non_null(world);
	world->base = event_base_new();
	assert_non_null(world->base);
	world->tracker = tracker_create(world->base, &settings, &failure);
	assert_non_null(world->tracker);
	world->census = census_create(world->base, world->tracker, &failure);
	assert_non_null(world->census);
	*state = world;
	return 0;
}

static int end(void **state)
{
	struct world *world = *state;

	census_destroy(world->census);
	tracker_destroy(world->tracker);
	event_base_free(world->base);
	free(world);
	return 0;
}

/* Peer number so-and-so of all, in a swarm and a rack of a site. */
static void announce(
	struct world *world, uint32_t number, uint32_t swarm, uint32_t site, uint32_t rack)
{
	struct announce_reply *reply = &world->tracker->reply;
	struct announce announce = {.port = 6881, .left_bytes = number % 3, .numwant = 0};
	struct peer_address address = {0};
	uint8_t ip[4];

	be32_write(ip, 0x0a000000 + number);
	be32_write(announce.infohash, swarm);
	peer_address_from4(&address, ip, 0);
	snprintf(announce.site, sizeof(announce.site), "s%u", site);
	snprintf(announce.rack, sizeof(announce.rack), "r%u", rack);
	tracker_core_announce(
		world->tracker->core, tracker_now_us() / 1000, &announce, address.ip, reply);
	assert_string_equal(reply->failure, "");
}

static void count(void *context, const struct census_result *result)
{
	struct world *world = context;

	world->calls++;
	world->seeders = world->leechers = 0;
	world->rows_count = result->rows_count;
	world->lost = result->lost;
	for (size_t i = 0; i < result->rows_count; i++) {
		const struct census_row *row = &result->rows[i];

		world->seeders += row->seeders_count;
		world->leechers += row->leechers_count;
		if (i > 0) {
			int order = memcmp(row[-1].infohash, row->infohash, SHA1_BYTES);

			if (order == 0)
				order = strcmp(row[-1].site, row->site);
			if (order == 0)
				order = strcmp(row[-1].rack, row->rack);
			assert_true(order < 0);
		}
	}
}

static void wait_for_calls(struct world *world, uint32_t calls)
{
	for (world->turns = 0; world->calls < calls && world->turns < 1000; world->turns++)
		assert_true(event_base_loop(world->base, EVLOOP_ONCE) >= 0);
	assert_int_equal(world->calls, calls);
}

static void everybody_is_counted_a_slice_at_a_time(void **state)
{
	struct world *world = *state;
	const uint32_t peers = 90000;

	for (uint32_t i = 0; i < peers; i++)
		announce(world, i, i % 5, i / 5 % 3, i / 15 % 4);
	assert_true(census_request(world->census, count, world));
	wait_for_calls(world, 1);
	assert_int_equal(world->rows_count, 5 * 3 * 4);
	assert_int_equal(world->seeders, peers / 3);
	assert_int_equal(world->leechers, peers - peers / 3);
	assert_int_equal(world->lost, 0);
	/* Others had their turn in between. */
	assert_true(world->turns >= 4);
	census_now(world->census, count, world);
	assert_int_equal(world->calls, 2);
	assert_int_equal(world->seeders + world->leechers, peers);
}

static void who_asks_while_it_counts_gets_a_count_of_its_own(void **state)
{
	struct world *world = *state;

	for (uint32_t i = 0; i < 50000; i++)
		announce(world, i, 1, 1, 1);
	assert_true(census_request(world->census, count, world));
	assert_true(event_base_loop(world->base, EVLOOP_ONCE) >= 0);
	assert_int_equal(world->calls, 0);
	announce(world, 50000, 2, 1, 1);
	assert_true(census_request(world->census, count, world));
	wait_for_calls(world, 2);
	assert_int_equal(world->seeders + world->leechers, 50001);
}

static void who_is_gone_is_not_called_and_too_many_are_refused(void **state)
{
	struct world *world = *state;
	struct world other = {0};

	announce(world, 1, 1, 1, 1);
	assert_true(census_request(world->census, count, &other));
	for (int i = 1; i < CENSUS_WAITERS_MAX; i++)
		assert_true(census_request(world->census, count, world));
	assert_false(census_request(world->census, count, world));
	census_cancel(world->census, &other);
	wait_for_calls(world, CENSUS_WAITERS_MAX - 1);
	assert_int_equal(other.calls, 0);
	assert_true(census_request(world->census, count, world));
	wait_for_calls(world, CENSUS_WAITERS_MAX);
}

static void more_places_than_rows_are_said(void **state)
{
	struct world *world = *state;

	for (uint32_t i = 0; i < 20000; i++)
		announce(world, i, i % 1000, 1, i / 1000);
	census_now(world->census, count, world);
	assert_int_equal(world->rows_count, CENSUS_ROWS_MAX);
	assert_int_equal(world->lost, 20000 - CENSUS_ROWS_MAX);
	assert_int_equal(world->seeders + world->leechers, CENSUS_ROWS_MAX);
}

static void check_outputs(void *context, const struct census_result *result)
{
	struct world *world = context;
	struct tracker_statistics statistics;
	struct scrape_entry *swarms = calloc(5000, sizeof(*swarms));
	struct evbuffer *text = evbuffer_new();

	assert_non_null(swarms);
	assert_non_null(text);
	tracker_statistics(world->tracker, &statistics);
	assert_true(metrics_write(text, world->tracker, &statistics, result));
	assert_true(evbuffer_add(text, "", 1) == 0);
	const char *metrics = (const char *)evbuffer_pullup(text, -1);
	assert_non_null(strstr(metrics, "\nswarmboot_tracker_swarms_omitted 4744\n"));
	assert_non_null(strstr(metrics, "\nswarmboot_tracker_peers 5000\n"));
	assert_null(strstr(metrics, "swarmboot_tracker_cluster_"));

	for (uint32_t i = 0; i < 5000; i++)
		be32_write(swarms[i].infohash, i);
	json_t *view = view_json(world->tracker, &statistics, result, swarms, 5000, NULL);
	assert_int_equal(json_array_size(json_object_get(view, "swarms")), VIEW_SWARMS_MAX);
	assert_int_equal(json_integer_value(json_object_get(view, "swarms_omitted")),
		5000 - VIEW_SWARMS_MAX);
	json_decref(view);
	view = view_json(world->tracker, &statistics, result, swarms, 5000, swarms[4999].infohash);
	const json_t *listed = json_object_get(view, "swarms");
	assert_int_equal(json_array_size(listed), 1);
	assert_int_equal(json_array_size(json_object_get(json_array_get(listed, 0), "sites")), 1);
	json_decref(view);
	evbuffer_free(text);
	free(swarms);
}

static void very_many_swarms_are_cut_and_said(void **state)
{
	struct world *world = *state;

	for (uint32_t i = 0; i < 5000; i++)
		announce(world, i, i, 1, 1);
	census_now(world->census, check_outputs, world);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, start, end)
	const struct CMUnitTest tests[] = {
		CASE(everybody_is_counted_a_slice_at_a_time),
		CASE(who_asks_while_it_counts_gets_a_count_of_its_own),
		CASE(who_is_gone_is_not_called_and_too_many_are_refused),
		CASE(more_places_than_rows_are_said),
		CASE(very_many_swarms_are_cut_and_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
