/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Announces (BEP 12): within one announce, tracker after tracker and tier after tier until one
 * answers; that one moves to the front of its tier. When none answers, all are tried again after a
 * growing, jittered pause.
 */
#include "swarm/engine.h"

#define INTERVAL_MIN_S	1
#define INTERVAL_MAX_S	(30 * 60)
#define PAUSE_FIRST_NS	NS_PER_S
#define PAUSE_SHIFT_MAX 6 /* about a minute */
#define NUMWANT_MAX	200
#define LONELY_NS	(15 * NS_PER_S)

void announcer_create(struct swarm *s)
{
	struct announcer *a = &s->announcer;
	uint32_t count = s->settings.trackers_count;

	for (uint32_t i = 0; i < count; i++) {
		a->order[i] = i;
		a->tiers[i] = s->settings.tracker_tiers[i];
	}
	/* Shuffle within each tier: every run of equal tiers on its own. */
	for (uint32_t start = 0, i = 0; i < count; i++) {
		if (a->tiers[i] != a->tiers[start])
			start = i;
		uint32_t other = start + (uint32_t)rng_below(&s->rng, i - start + 1);
		uint32_t tracker = a->order[i];

		a->order[i] = a->order[other];
		a->order[other] = tracker;
	}
}

static void to_front_of_tier(struct announcer *a, uint32_t position)
{
	uint32_t tracker = a->order[position];

	while (position > 0 && a->tiers[position - 1] == a->tiers[position]) {
		a->order[position] = a->order[position - 1];
		position--;
	}
	a->order[position] = tracker;
	a->working = position;
}

static void succeeded(struct swarm *s, uint32_t interval_s)
{
	struct announcer *a = &s->announcer;
	uint64_t interval_ns =
		u64_min(u64_max(interval_s, INTERVAL_MIN_S), INTERVAL_MAX_S) * NS_PER_S;

	to_front_of_tier(a, a->position);
	a->position = 0;
	a->failures_row = 0;
	a->answered_ns = s->now_ns;
	if (a->event == ANNOUNCE_STARTED)
		a->started_said = true;
	if (a->event == ANNOUNCE_COMPLETED)
		a->completed_due = false;
	a->next_ns = s->now_ns + interval_ns - rng_below(&s->rng, interval_ns / 10);
}

static void failed(struct swarm *s)
{
	struct announcer *a = &s->announcer;

	if (++a->position < s->settings.trackers_count)
		return; /* the next one, at once */
	uint64_t pause_ns = PAUSE_FIRST_NS << u64_min(a->failures_row, PAUSE_SHIFT_MAX);

	a->position = 0;
	a->failures_row++;
	a->next_ns = s->now_ns + pause_ns / 2 + rng_below(&s->rng, pause_ns);
}

void announcer_reply(struct swarm *s, uint32_t tracker, bool ok, uint32_t interval_s)
{
	struct announcer *a = &s->announcer;

	if (!a->outstanding || a->order[a->position] != tracker)
		return;
	a->outstanding = false;
	if (ok)
		succeeded(s, interval_s);
	else
		failed(s);
	s->work |= WORK_ANNOUNCE;
}

void announcer_completed(struct swarm *s)
{
	/* Who had everything from the start has completed nothing. */
	s->announcer.completed_due = s->announcer.started_incomplete;
	s->announcer.started_incomplete = false;
	s->work |= WORK_ANNOUNCE;
}

void announcer_stop(struct swarm *s)
{
	struct announcer *a = &s->announcer;

	a->stopped_due = a->started_said || a->outstanding;
	a->outstanding = false;
	a->position = a->working;
	s->work |= WORK_ANNOUNCE;
}

static enum announce_event event_due(const struct announcer *a)
{
	if (a->stopped_due)
		return ANNOUNCE_STOPPED;
	if (!a->started_said)
		return ANNOUNCE_STARTED;
	return a->completed_due ? ANNOUNCE_COMPLETED : ANNOUNCE_NONE;
}

static uint32_t numwant(const struct swarm *s)
{
	if (s->stopped || !links_open(s))
		return 0;
	return (uint32_t)u64_min(2 * (uint64_t)s->limits.peers_wanted, NUMWANT_MAX);
}

/* A pending event does not wait for the interval, only for the pause after failures; and who lacks
 * pieces and has nobody to ask does not wait out a foreign tracker's half an hour. */
static uint64_t due_ns(const struct swarm *s)
{
	const struct announcer *a = &s->announcer;
	bool lonely = s->peers_used_count == 0 && s->durable_count < s->pieces_count;
	bool urgent = a->stopped_due || (a->completed_due && a->failures_row == 0);

	if (urgent || a->position > 0)
		return 0;
	return lonely && a->failures_row == 0 ? u64_min(a->next_ns, a->answered_ns + LONELY_NS)
					      : a->next_ns;
}

bool announcer_work(struct swarm *s)
{
	struct announcer *a = &s->announcer;

	s->work &= ~(uint32_t)WORK_ANNOUNCE;
	if (!s->started || s->settings.trackers_count == 0 || a->outstanding ||
		(s->stopped && !a->stopped_due))
		return false;
	if (s->now_ns < due_ns(s)) {
		wake_at(s, due_ns(s));
		return false;
	}
	a->event = event_due(a);
	a->outstanding = !a->stopped_due;
	if (a->event == ANNOUNCE_STARTED)
		a->started_incomplete = s->durable_count < s->pieces_count;
	a->stopped_due = false;
	struct swarm_effect *effect = effect_push(s, SWARM_EFFECT_ANNOUNCE);

	effect->tracker = a->order[a->position];
	effect->event = a->event;
	effect->numwant = numwant(s);
	effect->left_bytes = s->settings.length_bytes - s->status.durable_bytes;
	return true;
}
