/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that do what blocks or burns; an eventfd wakes the loop for their results. */
#include "runtime/workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runtime/memory.h"

#define THREADS_MAX 64

struct work_list {
	struct work *first;
	struct work **last;
};

struct workers {
	pthread_mutex_t mutex; /* guards everything up to done */
	pthread_cond_t submitted;
	pthread_cond_t finished;
	struct work_list queues[WORK_URGENCIES];
	uint32_t running_count[WORK_URGENCIES];
	bool stopping;
	bool collecting; /* the loop's thread waits for something to finish */
	struct work_list done;

	uint32_t threads_count;
	pthread_t threads[THREADS_MAX];
	int wake_descriptor;
	struct event *wake_event;
	char name[12];
};

static void list_init(struct work_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static void list_append(struct work_list *list, struct work *work)
{
	work->next = NULL;
	*list->last = work;
	list->last = &work->next;
}

static struct work *list_take(struct work_list *list)
{
	struct work *work = list->first;

	if (work == NULL)
		return NULL;
	list->first = work->next;
	if (list->first == NULL)
		list->last = &list->first;
	return work;
}

static bool may_start(const struct workers *workers, enum work_urgency urgency)
{
	uint32_t lent_max = workers->threads_count > 1 ? workers->threads_count - 1 : 1;
	uint32_t background_max = workers->threads_count > 1 ? workers->threads_count / 2 : 1;
	uint32_t lent_count =
		workers->running_count[WORK_NORMAL] + workers->running_count[WORK_BACKGROUND];

	switch (urgency) {
	case WORK_BACKGROUND:
		return lent_count < lent_max &&
		       workers->running_count[WORK_BACKGROUND] < background_max;
	case WORK_NORMAL:
		return lent_count < lent_max;
	default:
		return true;
	}
}

static struct work *next_work(struct workers *workers)
{
	for (enum work_urgency urgency = WORK_URGENT; urgency < WORK_URGENCIES; urgency++)
		if (workers->queues[urgency].first != NULL && may_start(workers, urgency))
			return list_take(&workers->queues[urgency]);
	return NULL;
}

static void *thread_main(void *context)
{
	struct workers *workers = context;
	const uint64_t one = 1;
	bool wake;

	pthread_mutex_lock(&workers->mutex);
	for (;;) {
		struct work *work = next_work(workers);

		if (work == NULL) {
			if (workers->stopping)
				break;
			pthread_cond_wait(&workers->submitted, &workers->mutex);
			continue;
		}

		enum work_urgency urgency = work->urgency;

		workers->running_count[urgency]++;
		pthread_mutex_unlock(&workers->mutex);
		work->run(work);
		pthread_mutex_lock(&workers->mutex);
		workers->running_count[urgency]--;
		/* Who takes the first takes all: only that one wakes the loop. */
		wake = workers->done.first == NULL;
		list_append(&workers->done, work);
		if (workers->collecting)
			pthread_cond_signal(&workers->finished);
		if (!wake)
			continue;
		pthread_mutex_unlock(&workers->mutex);
		/* A full counter still wakes the loop. */
		if (write(workers->wake_descriptor, &one, sizeof(one)) < 0 && errno != EAGAIN)
			log_error("worker: cannot wake the loop: %s", strerror(errno));
		pthread_mutex_lock(&workers->mutex);
	}
	pthread_mutex_unlock(&workers->mutex);
	return NULL;
}

static struct work *take_done(struct workers *workers)
{
	pthread_mutex_lock(&workers->mutex);
	struct work *work = list_take(&workers->done);
	pthread_mutex_unlock(&workers->mutex);
	return work;
}

/* One at a time, so that a done which itself collects misses nothing. */
static void deliver(struct workers *workers)
{
	struct work *work;

	while ((work = take_done(workers)) != NULL)
		work->done(work);
}

static void on_wake(evutil_socket_t descriptor, short what, void *context)
{
	uint64_t count;

	(void)what;
	if (read(descriptor, &count, sizeof(count)) < 0 && errno != EAGAIN)
		log_error("worker: cannot read the wake-up: %s", strerror(errno));
	deliver(context);
}

static bool start_threads(struct workers *workers, uint32_t threads_count, struct failure *failure)
{
	sigset_t all, before;
	int result = 0;

	/* Signals are the loop's business. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	while (workers->threads_count < threads_count && result == 0) {
		pthread_t *thread = &workers->threads[workers->threads_count];

		result = pthread_create(thread, NULL, thread_main, workers);
		if (result == 0) {
			char name[16];

			pthread_mutex_lock(&workers->mutex);
			snprintf(
				name, sizeof(name), "%s-%u", workers->name, workers->threads_count);
			workers->threads_count++;
			pthread_mutex_unlock(&workers->mutex);
			(void)pthread_setname_np(*thread, name);
		}
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (result == 0)
		return true;
	errno = result;
	return failure_errno(failure, ERROR_SYSTEM, "cannot start a thread");
}

struct workers *workers_create(
	struct event_base *base, const char *name, uint32_t threads_count, struct failure *failure)
{
	struct workers *workers = memory_allocate(1, sizeof(*workers));

	pthread_mutex_init(&workers->mutex, NULL);
	pthread_cond_init(&workers->submitted, NULL);
	pthread_cond_init(&workers->finished, NULL);
	for (size_t i = 0; i < WORK_URGENCIES; i++)
		list_init(&workers->queues[i]);
	list_init(&workers->done);
	snprintf(workers->name, sizeof(workers->name), "%s", name);
	workers->wake_descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (workers->wake_descriptor < 0) {
		failure_errno(failure, ERROR_SYSTEM, "cannot make an eventfd");
		return workers_destroy(workers);
	}
	workers->wake_event =
		event_new(base, workers->wake_descriptor, EV_READ | EV_PERSIST, on_wake, workers);
	if (workers->wake_event == NULL || event_add(workers->wake_event, NULL) != 0) {
		failure_set(failure, ERROR_MEMORY, "cannot add an event");
		return workers_destroy(workers);
	}
	if (!start_threads(
		    workers, (uint32_t)u64_min(u64_max(threads_count, 1), THREADS_MAX), failure))
		return workers_destroy(workers);
	return workers;
}

void workers_submit(struct workers *workers, struct work *work)
{
	pthread_mutex_lock(&workers->mutex);
	list_append(&workers->queues[work->urgency], work);
	pthread_mutex_unlock(&workers->mutex);
	/* Not before: whoever wakes up wants the mutex first. */
	pthread_cond_signal(&workers->submitted);
}

void workers_collect(struct workers *workers)
{
	pthread_mutex_lock(&workers->mutex);
	workers->collecting = true;
	while (workers->done.first == NULL)
		pthread_cond_wait(&workers->finished, &workers->mutex);
	workers->collecting = false;
	pthread_mutex_unlock(&workers->mutex);
	deliver(workers);
}

struct workers *workers_destroy(struct workers *workers)
{
	if (workers == NULL)
		return NULL;
	pthread_mutex_lock(&workers->mutex);
	workers->stopping = true;
	pthread_cond_broadcast(&workers->submitted);
	pthread_mutex_unlock(&workers->mutex);
	for (uint32_t i = 0; i < workers->threads_count; i++)
		pthread_join(workers->threads[i], NULL);
	if (workers->wake_event != NULL)
		event_free(workers->wake_event);
	if (workers->wake_descriptor >= 0)
		close(workers->wake_descriptor);
	pthread_cond_destroy(&workers->finished);
	pthread_cond_destroy(&workers->submitted);
	pthread_mutex_destroy(&workers->mutex);
	free(workers);
	return NULL;
}
