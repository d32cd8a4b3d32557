/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs that put load on a tracker share: how they meet the one who measures, and what
 * they tell it in the end. */
#ifndef TESTS_HELPERS_LOAD_H
#define TESTS_HELPERS_LOAD_H

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FIRST_PORT     1024 /* of the peers that are announced */
#define SEEDERS_ONE_IN 10

/* What came of announces. */
struct load_outcome {
	uint64_t answered, refused, lost;
	uint64_t reply_bytes; /* of those that were answered */
};

static inline void fail(const char *what)
{
	perror(what);
	exit(1);
}

static inline double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Says "ready" and stops: who measures reads its clocks then, and sends SIGCONT. Returns when the
 * load begins. */
static inline double load_start_s(void)
{
	puts("ready");
	fflush(stdout);
	raise(SIGSTOP);
	return now_s();
}

static inline void load_print(const struct load_outcome *outcome, double start_s)
{
	printf("{\"seconds\": %.6f, \"answered\": %" PRIu64 ", \"refused\": %" PRIu64
	       ", \"lost\": %" PRIu64 ", \"reply_bytes\": %.1f}\n",
		now_s() - start_s, outcome->answered, outcome->refused, outcome->lost,
		outcome->answered == 0 ? 0.0
				       : (double)outcome->reply_bytes / (double)outcome->answered);
}

#endif
