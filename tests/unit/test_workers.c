/* SPDX-License-Identifier: Apache-2.0 */
/* Worker threads: everything comes back on the loop, and what is urgent finds a thread. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "runtime/workers.h"

#define JOBS 200

static pthread_t loop_thread;
static unsigned done_count;

struct job {
	struct work work;
	bool ran;
	bool ran_on_loop;
	struct event_base *base;
	unsigned wanted_count; /* leave the loop after so many */
	pthread_barrier_t *gate;
};

static void run(struct work *work)
{
	struct job *job = (struct job *)work;

	job->ran = true;
	job->ran_on_loop = pthread_equal(pthread_self(), loop_thread) != 0;
	if (job->gate != NULL)
		pthread_barrier_wait(job->gate);
}

static void done(struct work *work)
{
	struct job *job = (struct job *)work;

	assert_true(pthread_equal(pthread_self(), loop_thread));
	if (++done_count == job->wanted_count)
		event_base_loopbreak(job->base);
}

static void all_work_runs_elsewhere_and_comes_back(void **state)
{
	static struct job jobs[JOBS];
	struct event_base *base = event_base_new();
	struct workers *workers = workers_create(base, "test", 3, NULL);

	(void)state;
	assert_non_null(workers);
	loop_thread = pthread_self();
	done_count = 0;
	for (unsigned i = 0; i < JOBS; i++) {
		jobs[i] = (struct job){.work = {.run = run,
					       .done = done,
					       .urgency = (enum work_urgency)(i % WORK_URGENCIES)},
			.base = base,
			.wanted_count = JOBS};
		workers_submit(workers, &jobs[i].work);
	}
	event_base_dispatch(base);
	for (unsigned i = 0; i < JOBS; i++) {
		assert_true(jobs[i].ran);
		assert_false(jobs[i].ran_on_loop);
	}
	assert_null(workers_destroy(workers));
	event_base_free(base);
}

/* Four writes that block and a read: the read ends while they still wait for the gate. */
static void urgent_work_finds_a_thread_when_the_rest_blocks(void **state)
{
	static struct job blocked[4], urgent;
	struct event_base *base = event_base_new();
	struct workers *workers = workers_create(base, "test", 4, NULL);
	pthread_barrier_t gate;

	(void)state;
	loop_thread = pthread_self();
	done_count = 0;
	/* Three of the four threads may be lent; the fourth job waits its turn, then passes alone.
	 */
	pthread_barrier_init(&gate, NULL, 4);
	for (unsigned i = 0; i < 3; i++) {
		blocked[i] =
			(struct job){.work = {.run = run, .done = done, .urgency = WORK_NORMAL},
				.base = base,
				.gate = &gate};
		workers_submit(workers, &blocked[i].work);
	}
	blocked[3] = (struct job){
		.work = {.run = run, .done = done, .urgency = WORK_BACKGROUND}, .base = base};
	workers_submit(workers, &blocked[3].work);
	urgent = (struct job){.work = {.run = run, .done = done, .urgency = WORK_URGENT},
		.base = base,
		.wanted_count = 1};
	workers_submit(workers, &urgent.work);
	event_base_dispatch(base);
	assert_int_equal(done_count, 1);
	assert_true(urgent.ran);
	pthread_barrier_wait(&gate);
	while (done_count < 5)
		workers_collect(workers);
	assert_true(blocked[3].ran);
	workers_destroy(workers);
	pthread_barrier_destroy(&gate);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_work_runs_elsewhere_and_comes_back),
		cmocka_unit_test(urgent_work_finds_a_thread_when_the_rest_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
