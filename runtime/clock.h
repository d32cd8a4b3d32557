/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time, in the units that the engine and libevent take. */
#ifndef RUNTIME_CLOCK_H
#define RUNTIME_CLOCK_H

#include <sys/time.h>
#include <time.h>

#include "lib/bytes.h"

static inline uint64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline struct timeval clock_timeval(uint64_t ns)
{
	return (struct timeval){
		.tv_sec = (time_t)(ns / NS_PER_S),
		.tv_usec = (suseconds_t)(ns % NS_PER_S / NS_PER_US),
	};
}

#endif
