/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of what this node sends and receives, exact in bytes and without a clock tick: what passed
 * is paid for at the limit's rate, and the next may go when that is done. Being called late loses
 * nothing, as long as it is less than the credit. Uploads pay when a block is handed to the driver.
 * Downloads pay when they come; what is requested is as much as will be paid for within a horizon,
 * so a burst is no longer than that, and is made up for. A part more than the payload is counted,
 * for the headers of the packets it travels in.
 */
#include "swarm/engine.h"

#define CREDIT_NS	   (20 * NS_PER_MS) /* of silence, that may be made up for */
#define GATHER_NS	   (2 * NS_PER_MS)  /* called so much late: several blocks a call */
#define HEADERS_OF_PAYLOAD 32		    /* a thirty-second part, about: TCP and IP */
#define ASK_HORIZON_NS	   (80 * NS_PER_MS)
#define RAMP_STEPS	   16 /* it begins with the first of them */

static uint64_t rate_now(const struct swarm *s, const struct throttle *t)
{
	uint64_t elapsed_ns = s->now_ns - s->started_ns;
	uint64_t ramp_ns = s->limits.ramp_ns;

	if (elapsed_ns >= ramp_ns)
		return t->bytes_per_s;
	uint64_t first = u64_max(t->bytes_per_s / RAMP_STEPS, 1);

	return first + (t->bytes_per_s - first) / 1024 * (elapsed_ns / u64_max(ramp_ns / 1024, 1));
}

static uint64_t price_ns(const struct swarm *s, const struct throttle *t, uint64_t bytes)
{
	return (bytes + bytes / HEADERS_OF_PAYLOAD) * NS_PER_S / rate_now(s, t);
}

static uint64_t credited_ns(const struct swarm *s)
{
	return s->now_ns > CREDIT_NS ? s->now_ns - CREDIT_NS : 0;
}

bool throttle_open(struct swarm *s, struct throttle *t)
{
	if (t->bytes_per_s == 0 || s->now_ns >= t->free_ns)
		return true;
	t->waiting = true;
	t->due_ns = t->free_ns;
	wake_at(s, t->due_ns + GATHER_NS);
	return false;
}

void throttle_take(struct swarm *s, struct throttle *t, uint64_t bytes)
{
	if (t->bytes_per_s == 0)
		return;
	t->free_ns = u64_max(t->free_ns, credited_ns(s)) + price_ns(s, t, bytes);
}

void throttle_give_back(struct swarm *s, struct throttle *t, uint64_t bytes)
{
	if (t->bytes_per_s == 0)
		return;
	uint64_t paid_ns = price_ns(s, t, bytes);

	t->free_ns -= u64_min(paid_ns, t->free_ns);
	if (!t->waiting || t->due_ns <= t->free_ns)
		return;
	t->due_ns = t->free_ns;
	wake_at(s, u64_max(t->due_ns, s->now_ns) + GATHER_NS);
}

/* A peer may hold a quarter of what may be outstanding: one that is slow does not hold up the
 * others. */
bool throttle_may_ask(struct swarm *s, const struct peer *p)
{
	struct throttle *t = &s->down;

	if (t->bytes_per_s == 0)
		return true;
	if (p->requests_count > 0 && price_ns(s, t, p->requests_bytes) >= ASK_HORIZON_NS / 4)
		return false; /* its answer calls again */
	uint64_t paid_ns = u64_max(t->free_ns, credited_ns(s)) + price_ns(s, t, s->requested_bytes);

	if (paid_ns < s->now_ns + ASK_HORIZON_NS)
		return true;
	t->waiting = true;
	t->due_ns = paid_ns - ASK_HORIZON_NS;
	wake_at(s, t->due_ns + GATHER_NS);
	return false;
}

/* A request was given up: there is room for another. */
void throttle_given_up(struct swarm *s)
{
	if (!s->down.waiting)
		return;
	s->down.due_ns = s->now_ns;
	wake_at(s, s->now_ns + GATHER_NS);
}

static bool is_due(struct swarm *s, struct throttle *t)
{
	if (!t->waiting)
		return false;
	if (s->now_ns < t->due_ns) {
		wake_at(s, t->due_ns + GATHER_NS);
		return false;
	}
	t->waiting = false;
	return true;
}

void throttles_tick(struct swarm *s)
{
	if (is_due(s, &s->up)) {
		bitset_add(&s->serve, &s->unchoked);
		s->work |= WORK_UPLOAD;
	}
	if (!is_due(s, &s->down))
		return;
	refill_all(s);
	/* The origin has the first turn: what it has left to give is what the swarm lives on. */
	BITSET_FOREACH (i, &s->askable)
		if (s->peers[i].origin)
			s->refill_cursor = i;
}

void throttles_create(struct swarm *s)
{
	s->up.bytes_per_s = s->limits.up_bytes_per_s;
	s->down.bytes_per_s = s->limits.down_bytes_per_s;
}
