/* SPDX-License-Identifier: Apache-2.0 */
/* One thread and one eventfd per job. */
#include "initramfs/job.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct job {
	void (*work)(void *context);
	void (*done)(void *context);
	void *context;
	int descriptor;
	struct event *event;
	pthread_t thread;
};

static void *job_thread(void *argument)
{
	struct job *job = argument;
	uint64_t one = 1;

	job->work(job->context);
	/* An eventfd that was just made takes a one. */
	if (write(job->descriptor, &one, sizeof(one)) != (ssize_t)sizeof(one))
		abort();
	return NULL;
}

static void job_free(struct job *job)
{
	if (job->event != NULL)
		event_free(job->event);
	if (job->descriptor >= 0)
		close(job->descriptor);
	free(job);
}

static void job_event(evutil_socket_t descriptor, short what, void *argument)
{
	struct job *job = argument;

	(void)descriptor;
	(void)what;
	pthread_join(job->thread, NULL);
	void (*done)(void *context) = job->done;
	void *context = job->context;

	job_free(job);
	done(context);
}

bool job_start(struct event_base *base, void (*work)(void *context), void (*done)(void *context),
	void *context, struct failure *failure)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return failure_set(failure, ERROR_MEMORY, "no memory for a thread");
	job->work = work;
	job->done = done;
	job->context = context;
	job->descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (job->descriptor >= 0)
		job->event = event_new(base, job->descriptor, EV_READ, job_event, job);
	int code = job->event == NULL || event_add(job->event, NULL) != 0
			   ? ENOMEM
			   : pthread_create(&job->thread, NULL, job_thread, job);

	if (code == 0)
		return true;
	job_free(job);
	errno = code;
	return failure_errno(failure, ERROR_SYSTEM, "cannot start a thread");
}
