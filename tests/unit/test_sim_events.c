/* SPDX-License-Identifier: Apache-2.0 */
/* The wheel of events against a plain list that is searched. */
#include "sim/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/rng.h"

#define EVENTS 1000
#define ROUNDS 20

struct pending {
	uint64_t at_ns;
	uint64_t number;
	bool due;
};

static uint64_t random_delay(struct rng *rng)
{
	/* From the same instant to hours ahead, and many at the same time. */
	return rng_below(rng, 4) == 0 ? 0 : rng_next(rng) >> (20 + rng_below(rng, 44));
}

/* The earliest; of several the one that came first. */
static uint32_t earliest(const struct pending *pending, uint32_t count)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < count; i++)
		if (pending[i].due &&
			(best == UINT32_MAX || pending[i].at_ns < pending[best].at_ns))
			best = i;
	return best;
}

static void round_of(uint64_t seed)
{
	static struct pending pending[EVENTS];
	struct sim_events events;
	struct sim_event event;
	struct rng rng;
	uint64_t now_ns = 0;
	uint32_t count = 0;

	rng_seed(&rng, seed);
	sim_events_init(&events);
	while (count < EVENTS || earliest(pending, count) != UINT32_MAX) {
		if (count < EVENTS && rng_below(&rng, 5) < 3) {
			pending[count] = (struct pending){now_ns + random_delay(&rng), count, true};
			event = (struct sim_event){
				.at_ns = pending[count].at_ns, .argument = count};
			sim_events_push(&events, &event);
			count++;
			continue;
		}
		uint32_t expected = earliest(pending, count);
		/* Sometimes nothing is due so soon; asking must not lose the order. */
		uint64_t until_ns =
			rng_below(&rng, 3) == 0 ? now_ns + random_delay(&rng) : UINT64_MAX;
		bool some = expected != UINT32_MAX && pending[expected].at_ns <= until_ns;

		assert_int_equal(sim_events_pop(&events, until_ns, &event), some);
		if (!some)
			continue;
		assert_int_equal(event.argument, expected);
		assert_int_equal(event.at_ns, pending[expected].at_ns);
		pending[expected].due = false;
		now_ns = event.at_ns;
	}
	assert_false(sim_events_pop(&events, UINT64_MAX, &event));
	sim_events_destroy(&events);
}

static void events_come_in_order_of_time_then_of_scheduling(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= ROUNDS; seed++)
		round_of(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_come_in_order_of_time_then_of_scheduling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
