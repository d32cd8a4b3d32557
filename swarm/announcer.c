/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Announces (BEP 12): within one announce, tracker after tracker and tier after tier until one
 * answers; that one moves to the front of its tier, and is asked first from then on. One that says
 * no is followed by the next at once. One that is silent is not waited for: the next one of its
 * tier is asked beside it, and after two seconds the next tier. When none answers, all are tried
 * again after a growing, jittered pause.
 *
 * While we are with a later tier, the earlier ones are asked now and then. When one of them answers
 * we are back with it, and take leave of the tracker that we were with. Of a tracker of the same
 * tier we take no leave: it shares what it knows with the others, and they would forget us too.
 * Whom a later tier names when we are not with it, or have left it, is not looked for: those may be
 * of another site.
 */
#include "swarm/engine.h"

#define INTERVAL_MIN_S	   1
#define INTERVAL_MAX_S	   (30 * 60)
#define PAUSE_FIRST_NS	   NS_PER_S
#define PAUSE_SHIFT_MAX	   6 /* about a minute */
#define NUMWANT_MAX	   200
#define LONELY_NS	   (15 * NS_PER_S)
#define TIER_PATIENCE_NS   (2 * NS_PER_S)
#define PATIENCE_MAX_NS	   NS_PER_S /* with one tracker, before another of its tier is asked too */
#define PATIENCE_MIN_NS	   (250 * NS_PER_MS)
#define PATIENCE_TIMES	   8		  /* what it took to answer before */
#define PROBE_NS	   (4 * NS_PER_S) /* in which each earlier tracker is asked once */
#define PROBE_SHIFT_MAX	   2
#define LEAVE_CONFIRMED_NS NS_PER_S

static void add_line(struct announcer *a, uint32_t first, uint32_t end)
{
	if (first < end)
		a->lines[a->lines_count++] = (struct announce_line){.first = first,
			.end = end,
			.working = SWARM_TRACKER_NONE,
			.newest = SWARM_TRACKER_NONE};
}

void announcer_create(struct swarm *s)
{
	struct announcer *a = &s->announcer;
	uint32_t count = s->settings.trackers_count;
	uint32_t own = count;

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
	if (s->settings.relay)
		for (own = 0; own < count && a->tiers[own] == a->tiers[0];)
			own++;
	add_line(a, 0, own);
	add_line(a, own, count);
}

/* Trackers are numbered by tier, so those of a line have the numbers of its places. */
static struct announce_line *line_of(struct announcer *a, uint32_t tracker)
{
	return &a->lines[tracker < a->lines[0].end ? 0 : 1];
}

static void to_front_of_tier(struct announcer *a, uint32_t tracker)
{
	uint32_t at = 0;

	while (a->order[at] != tracker)
		at++;
	for (; at > 0 && a->tiers[at - 1] == a->tiers[at]; at--)
		a->order[at] = a->order[at - 1];
	a->order[at] = tracker;
}

/* ---- earlier tiers, while we are with a later one ---- */

static uint32_t earlier_count(const struct announcer *a, const struct announce_line *line)
{
	uint32_t count = 0;

	while (a->tiers[line->first + count] < a->tiers[line->working])
		count++;
	return count;
}

static void probe_later(struct swarm *s, struct announce_line *line, uint32_t earlier)
{
	uint64_t shift = u64_min(line->probes_count / earlier, PROBE_SHIFT_MAX);
	uint64_t wait_ns = (PROBE_NS << shift) / earlier;

	line->probe_ns = s->now_ns + wait_ns / 2 + rng_below(&s->rng, wait_ns);
}

/* ---- answers ---- */

/* The announce that is under way has its answer, or an earlier tier is back. */
static void settle(struct swarm *s, struct announce_line *line, uint32_t tracker)
{
	struct announcer *a = &s->announcer;

	to_front_of_tier(a, tracker);
	line->working = tracker;
	line->asking = false;
	line->failures_row = 0;
	line->answered_ns = s->now_ns;

	uint32_t earlier = earlier_count(a, line);

	if (earlier == 0) {
		line->probe_ns = 0;
	} else if (line->probe_ns == 0) {
		line->probes_count = 0;
		probe_later(s, line, earlier);
	}
}

/* It may be the tracker that we are with, by another URL: that one forgets us now, and is told
 * again that we are there. */
static void take_leave(struct swarm *s, struct announce_line *line, uint32_t tracker)
{
	s->announcer.trackers[tracker].stop_due = s->announcer.trackers[tracker].knows_us;
	line->next_ns = u64_min(line->next_ns, s->now_ns + LEAVE_CONFIRMED_NS);
}

/* Its tier is behind the one that we are with, and is not fallen back to at present: what it
 * answers now, it was asked earlier. */
static bool is_behind(const struct announcer *a, const struct announce_line *line, uint32_t tracker)
{
	uint32_t reached = line->working;

	if (reached == SWARM_TRACKER_NONE)
		return false;
	if (line->asking && line->newest != SWARM_TRACKER_NONE &&
		a->tiers[line->newest] > a->tiers[reached])
		reached = line->newest;
	return a->tiers[tracker] > a->tiers[reached];
}

bool announcer_heeds(struct swarm *s, uint32_t tracker)
{
	struct announcer *a = &s->announcer;

	return tracker < s->settings.trackers_count && a->trackers[tracker].out &&
	       a->trackers[tracker].event != ANNOUNCE_STOPPED &&
	       !is_behind(a, line_of(a, tracker), tracker);
}

static void succeeded(struct swarm *s, uint32_t tracker, uint32_t interval_s)
{
	struct announcer *a = &s->announcer;
	struct announce_line *line = line_of(a, tracker);
	struct announce_tracker *t = &a->trackers[tracker];
	uint32_t before = line->working;
	uint64_t took_ns = u64_max(s->now_ns - t->sent_ns, 1);
	uint64_t interval_ns =
		u64_min(u64_max(interval_s, INTERVAL_MIN_S), INTERVAL_MAX_S) * NS_PER_S;

	t->took_ns = t->took_ns == 0 ? took_ns : (3 * t->took_ns + took_ns) / 4;
	t->knows_us = true;
	t->lost = false;
	if (t->event == ANNOUNCE_COMPLETED)
		line->completed_due = false;
	/* Another one was faster. In a later tier nobody is to know us then, and it may be asked
	 * anew. */
	if (is_behind(a, line, tracker)) {
		line->asked &= ~(UINT64_C(1) << tracker);
		take_leave(s, line, tracker);
		return;
	}
	if (!line->asking && before != SWARM_TRACKER_NONE && a->tiers[tracker] == a->tiers[before])
		return;
	settle(s, line, tracker);
	line->next_ns = s->now_ns + interval_ns - rng_below(&s->rng, interval_ns / 10);
	if (before != SWARM_TRACKER_NONE && a->tiers[before] > a->tiers[tracker])
		take_leave(s, line, before);
}

static void failed(struct swarm *s, uint32_t tracker)
{
	struct announce_line *line = line_of(&s->announcer, tracker);

	s->announcer.trackers[tracker].lost = true;
	if (line->working == tracker)
		line->working = SWARM_TRACKER_NONE;
}

void announcer_reply(struct swarm *s, uint32_t tracker, bool ok, uint32_t interval_s)
{
	if (tracker >= s->settings.trackers_count || !s->announcer.trackers[tracker].out)
		return;
	struct announce_tracker *t = &s->announcer.trackers[tracker];

	t->out = false;
	if (t->event == ANNOUNCE_STOPPED)
		t->knows_us = false;
	else if (ok)
		succeeded(s, tracker, interval_s);
	else
		failed(s, tracker);
	s->work |= WORK_ANNOUNCE;
}

void announcer_completed(struct swarm *s)
{
	/* Who had everything from the start has completed nothing. */
	for (uint32_t i = 0; i < s->announcer.lines_count; i++)
		s->announcer.lines[i].completed_due = s->announcer.started_incomplete;
	s->announcer.started_incomplete = false;
	s->work |= WORK_ANNOUNCE;
}

void announcer_stop(struct swarm *s)
{
	for (uint32_t i = 0; i < s->settings.trackers_count; i++) {
		struct announce_tracker *t = &s->announcer.trackers[i];

		t->stop_due = t->knows_us || t->out;
	}
	s->work |= WORK_ANNOUNCE;
}

/* ---- announces ---- */

static uint32_t numwant(const struct swarm *s)
{
	if (s->stopped || !links_open(s))
		return 0;
	return (uint32_t)u64_min(2 * (uint64_t)s->limits.peers_wanted, NUMWANT_MAX);
}

static void say(struct swarm *s, uint32_t tracker, enum announce_event event)
{
	struct announce_tracker *t = &s->announcer.trackers[tracker];
	struct swarm_effect *effect = effect_push(s, SWARM_EFFECT_ANNOUNCE);

	t->out = true;
	t->event = event;
	t->sent_ns = s->now_ns;
	effect->tracker = tracker;
	effect->event = event;
	effect->numwant = event == ANNOUNCE_STOPPED ? 0 : numwant(s);
	effect->left_bytes = s->settings.length_bytes - s->status.durable_bytes;
}

static void ask(struct swarm *s, const struct announce_line *line, uint32_t tracker)
{
	const struct announce_tracker *t = &s->announcer.trackers[tracker];

	if (t->knows_us && !t->lost) {
		say(s, tracker, line->completed_due ? ANNOUNCE_COMPLETED : ANNOUNCE_NONE);
		return;
	}
	s->announcer.started_incomplete |= s->durable_count < s->pieces_count;
	say(s, tracker, ANNOUNCE_STARTED);
}

/* Whoever stops when the last piece has just come says so before: it is said to one that knows us.
 */
static bool completes(struct swarm *s, uint32_t tracker)
{
	const struct announce_line *line = line_of(&s->announcer, tracker);

	return s->stopped && line->completed_due && line->working == tracker;
}

static bool stop_work(struct swarm *s)
{
	for (uint32_t i = 0; i < s->settings.trackers_count; i++) {
		struct announce_tracker *t = &s->announcer.trackers[i];
		bool completed_first = completes(s, i);

		if (!t->stop_due || (completed_first && t->out && t->event == ANNOUNCE_COMPLETED))
			continue;
		t->stop_due = completed_first;
		say(s, i, completed_first ? ANNOUNCE_COMPLETED : ANNOUNCE_STOPPED);
		return true;
	}
	return false;
}

static bool probe_work(struct swarm *s, struct announce_line *line)
{
	struct announcer *a = &s->announcer;

	if (line->working == SWARM_TRACKER_NONE || line->probe_ns == 0)
		return false;
	if (s->now_ns < line->probe_ns) {
		wake_at(s, line->probe_ns);
		return false;
	}
	uint32_t earlier = earlier_count(a, line);
	uint32_t tracker = a->order[line->first + line->probes_count++ % earlier];

	probe_later(s, line, earlier);
	wake_at(s, line->probe_ns);
	if (a->trackers[tracker].out)
		return false;
	ask(s, line, tracker);
	return true;
}

/* A pending `completed` does not wait for the interval, only for the pause after failures; and who
 * lacks pieces and has nobody to ask does not wait out a foreign tracker's half an hour. */
static uint64_t due_ns(const struct swarm *s, const struct announce_line *line)
{
	bool lonely = s->peers_used_count == 0 && s->durable_count < s->pieces_count;

	if (line->failures_row > 0)
		return line->next_ns;
	if (line->completed_due)
		return 0;
	return lonely ? u64_min(line->next_ns, line->answered_ns + LONELY_NS) : line->next_ns;
}

static bool was_asked(const struct announce_line *line, uint32_t tracker)
{
	return (line->asked >> tracker & 1) != 0;
}

/* Whoever has not answered yet what it was asked otherwise, is not asked twice. */
static void begin(struct announcer *a, struct announce_line *line)
{
	line->asking = true;
	line->asked = 0;
	line->newest = SWARM_TRACKER_NONE;
	for (uint32_t i = line->first; i < line->end; i++)
		if (a->trackers[i].out && a->trackers[i].event != ANNOUNCE_STOPPED)
			line->asked |= UINT64_C(1) << i;
}

static uint32_t next_to_ask(const struct announcer *a, const struct announce_line *line)
{
	if (line->working != SWARM_TRACKER_NONE && !was_asked(line, line->working))
		return line->working;
	for (uint32_t at = line->first; at < line->end; at++)
		if (!was_asked(line, a->order[at]))
			return a->order[at];
	return SWARM_TRACKER_NONE;
}

/* How long a tracker may be silent before another one of its tier is asked beside it: the shorter
 * the more of them there are, so that all are asked within the tier's time; and the shorter the
 * faster it was before. */
static uint64_t patience_ns(
	const struct announcer *a, const struct announce_line *line, uint32_t tracker)
{
	const struct announce_tracker *t = &a->trackers[tracker];
	uint32_t count = 0;

	for (uint32_t i = line->first; i < line->end; i++)
		count += a->tiers[i] == a->tiers[tracker];
	uint64_t most_ns = u64_min(TIER_PATIENCE_NS / count, PATIENCE_MAX_NS);

	if (t->took_ns == 0)
		return most_ns;
	return u64_min(u64_max(PATIENCE_TIMES * t->took_ns, PATIENCE_MIN_NS), most_ns);
}

/* When this one may be asked beside those that have not answered; 0 when all of them have. */
static uint64_t ask_from_ns(
	const struct announcer *a, const struct announce_line *line, uint32_t tracker)
{
	uint64_t from_ns = 0;

	for (uint32_t i = line->first; i < line->end; i++)
		if (was_asked(line, i) && a->trackers[i].out && a->tiers[i] < a->tiers[tracker])
			from_ns = line->tier_ns + TIER_PATIENCE_NS;
	if (line->newest != SWARM_TRACKER_NONE && a->trackers[line->newest].out)
		from_ns = u64_max(from_ns,
			a->trackers[line->newest].sent_ns + patience_ns(a, line, line->newest));
	return from_ns;
}

static bool is_awaited(const struct announcer *a, const struct announce_line *line)
{
	for (uint32_t i = line->first; i < line->end; i++)
		if (was_asked(line, i) && a->trackers[i].out)
			return true;
	return false;
}

/* Everybody was asked. Who is awaited answers, or the driver says that it did not. */
static void wait_or_pause(struct swarm *s, struct announce_line *line)
{
	uint64_t pause_ns = PAUSE_FIRST_NS << u64_min(line->failures_row, PAUSE_SHIFT_MAX);

	if (is_awaited(&s->announcer, line))
		return;
	line->asking = false;
	line->failures_row++;
	line->next_ns = s->now_ns + pause_ns / 2 + rng_below(&s->rng, pause_ns);
	wake_at(s, line->next_ns);
}

static bool line_work(struct swarm *s, struct announce_line *line)
{
	struct announcer *a = &s->announcer;

	if (!line->asking && s->now_ns < due_ns(s, line)) {
		wake_at(s, due_ns(s, line));
		return probe_work(s, line);
	}
	if (!line->asking)
		begin(a, line);
	uint32_t tracker = next_to_ask(a, line);

	if (tracker == SWARM_TRACKER_NONE) {
		wait_or_pause(s, line);
		return false;
	}
	uint64_t from_ns = ask_from_ns(a, line, tracker);

	if (s->now_ns < from_ns) {
		wake_at(s, from_ns);
		return false;
	}
	if (line->newest == SWARM_TRACKER_NONE || a->tiers[line->newest] != a->tiers[tracker])
		line->tier_ns = s->now_ns;
	line->newest = tracker;
	line->asked |= UINT64_C(1) << tracker;
	ask(s, line, tracker);
	return true;
}

bool announcer_work(struct swarm *s)
{
	s->work &= ~(uint32_t)WORK_ANNOUNCE;
	if (!s->started)
		return false;
	if (stop_work(s))
		s->work |= WORK_ANNOUNCE;
	for (uint32_t i = 0; !s->stopped && i < s->announcer.lines_count; i++)
		if (line_work(s, &s->announcer.lines[i]))
			s->work |= WORK_ANNOUNCE;
	return (s->work & (uint32_t)WORK_ANNOUNCE) != 0;
}

uint32_t announcer_working(const struct swarm *s)
{
	return s->announcer.lines_count > 0 ? s->announcer.lines[0].working : SWARM_TRACKER_NONE;
}
