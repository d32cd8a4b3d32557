/* SPDX-License-Identifier: Apache-2.0 */
/* When to speak on the segment: see lsd_core.h. */
#include "runtime/lsd_core.h"

#include "wire/lsd.h"

#define NEVER		 UINT64_MAX
#define FIRST_MIN_NS	 (250 * NS_PER_MS) /* who has trackers has heard from them by then */
#define FIRST_SPREAD_NS	 (750 * NS_PER_MS)
#define ASK_FIRST_NS	 NS_PER_S
#define ASK_MOST_NS	 (60 * NS_PER_S)
#define ASK_SHIFT_MAX	 6
#define LONELY_SPREAD_NS NS_PER_S
#define FORGIVEN_NS	 (60 * NS_PER_S) /* not lonely for so long: it may ask fast again */
#define REPEATS		 2		 /* of an announce to nobody: datagrams get lost */
#define REPEAT_NS	 (3 * NS_PER_S)
#define PERIOD_NS	 (300 * NS_PER_S)
#define HEARD_LASTS_NS	 (900 * NS_PER_S) /* three times the period */
#define ANSWER_GAP_NS	 (5 * NS_PER_S)	  /* from what it said last */
#define DELAY_PER_NS	 (2 * NS_PER_MS)  /* for each machine that is known */
#define DELAY_LEAST_NS	 (50 * NS_PER_MS)
#define ECHO_NS		 (2 * NS_PER_S) /* the same words over another way */
#define ROOM_SMALL	 16		/* machines: whoever is complete may look for who asks */

/* Give or take a quarter. */
static uint64_t about(struct lsd_core *core, uint64_t ns)
{
	return ns - ns / 4 + rng_below(&core->rng, ns / 2);
}

void lsd_core_start(struct lsd_core *core, uint64_t now_ns, uint64_t seed)
{
	memset(core, 0, sizeof(*core));
	rng_seed(&core->rng, seed);
	core->repeats_left = REPEATS;
	core->answer_ns = NEVER;
	core->say_ns = now_ns + FIRST_MIN_NS + rng_below(&core->rng, FIRST_SPREAD_NS);
}

uint64_t lsd_core_due_ns(const struct lsd_core *core)
{
	return u64_min(core->say_ns, core->answer_ns);
}

/* ---- answers ---- */

static uint64_t delay_ns(struct lsd_core *core, const struct lsd_need *need)
{
	uint64_t most_ns = u64_max(core->heard_count * DELAY_PER_NS, DELAY_LEAST_NS);

	return (need->complete ? 0 : most_ns) + rng_below(&core->rng, most_ns);
}

/* Enough have answered. Who asked after them has not heard them: the wait begins anew for those. */
static void answered_by_others(struct lsd_core *core, uint64_t now_ns, const struct lsd_need *need)
{
	if (core->answers_after_last >= core->answers_enough) {
		core->answer_ns = NEVER;
		return;
	}
	core->answers_count = core->answers_after_last;
	core->answer_ns = now_ns + delay_ns(core, need);
}

static void asked(
	struct lsd_core *core, uint64_t now_ns, const struct lsd_need *need, uint32_t answers)
{
	core->asked_ns = now_ns;
	core->answers_after_last = 0;
	if (core->answer_ns != NEVER)
		return;
	core->answers_count = 0;
	core->answers_enough = (uint32_t)u64_min(answers, LSD_ANSWERS_ENOUGH);
	core->answer_ns = now_ns + delay_ns(core, need);
}

/* True: now is the time to answer. */
static bool answer_due(struct lsd_core *core, uint64_t now_ns, const struct lsd_need *need)
{
	if (now_ns < core->answer_ns)
		return false;
	if (core->answers_count >= core->answers_enough) {
		answered_by_others(core, now_ns, need);
		return false;
	}
	if (core->said && now_ns < core->said_ns + ANSWER_GAP_NS) {
		/* What it said last was before the ask, or nobody would be waiting. */
		core->answer_ns = core->said_ns + ANSWER_GAP_NS;
		return false;
	}
	core->answer_ns = NEVER;
	return true;
}

/* ---- announces ---- */

static void notice(struct lsd_core *core, uint64_t now_ns, const struct lsd_need *need)
{
	bool lonely = !need->complete && need->peers_count < LSD_PEERS_FEW;

	if (lonely && !core->lonely) {
		if (now_ns >= core->lonely_ns + FORGIVEN_NS)
			core->asks_row = 0;
		/* At the start say_ns is nearer than this. */
		core->say_ns = u64_min(core->say_ns,
			now_ns + (ASK_FIRST_NS << u64_min(core->asks_row, ASK_SHIFT_MAX)) / 2 +
				rng_below(&core->rng, LONELY_SPREAD_NS));
	}
	/* Its asks have made it known. */
	if (!lonely && core->lonely && core->said)
		core->say_ns = now_ns + rng_below(&core->rng, PERIOD_NS);
	core->lonely = lonely;
	if (lonely)
		core->lonely_ns = now_ns;
}

static enum lsd_words announce(struct lsd_core *core, uint64_t now_ns, const struct lsd_need *need)
{
	if (core->lonely) {
		uint64_t wait_ns = ASK_FIRST_NS << u64_min(core->asks_row, ASK_SHIFT_MAX);

		core->asks_row++;
		core->say_ns = now_ns + about(core, u64_min(wait_ns, ASK_MOST_NS));
		return LSD_ASK;
	}
	core->say_ns = now_ns + about(core, PERIOD_NS);
	/* Others are found without it: the first announce comes at any time of a period. */
	if (!core->said && need->peers_count > 0) {
		core->said = true;
		core->say_ns = now_ns + rng_below(&core->rng, PERIOD_NS);
		return LSD_NOTHING;
	}
	if (need->peers_count == 0 && core->repeats_left > 0) {
		core->repeats_left--;
		core->say_ns = now_ns + about(core, REPEAT_NS);
	}
	return LSD_HERE;
}

enum lsd_words lsd_core_say(struct lsd_core *core, uint64_t now_ns, const struct lsd_need *need)
{
	enum lsd_words words = LSD_NOTHING;

	notice(core, now_ns, need);
	if (now_ns >= core->say_ns)
		words = announce(core, now_ns, need);
	else if (answer_due(core, now_ns, need))
		words = LSD_HERE;
	if (words == LSD_NOTHING)
		return words;
	/* Whatever it says, it has made itself known to who waited for that. */
	core->answer_ns = NEVER;
	core->said = true;
	core->said_ns = now_ns;
	return words;
}

/* ---- others ---- */

static struct lsd_heard *find(struct lsd_core *core, const struct peer_address *address)
{
	for (uint32_t i = 0; i < core->heard_count; i++)
		if (peer_address_equal(&core->heard[i].address, address))
			return &core->heard[i];
	return NULL;
}

/* The same words came over the other family a moment ago. A cookie is no secret: within a family
 * somebody else may say it, and whoever was heard at this address before is heard there again. */
static bool is_echo(const struct lsd_core *core, uint64_t now_ns, const struct lsd_caller *caller)
{
	bool is4 = peer_address_is4(&caller->address);

	for (uint32_t i = 0; caller->key != 0 && i < core->heard_count; i++) {
		const struct lsd_heard *heard = &core->heard[i];

		if (heard->key == caller->key && peer_address_is4(&heard->address) != is4 &&
			now_ns < heard->heard_ns + ECHO_NS)
			return true;
	}
	return false;
}

/* A place for one more: the one not heard of for longest goes. */
static struct lsd_heard *make_room(struct lsd_core *core)
{
	struct lsd_heard *oldest = &core->heard[0];

	if (core->heard_count < LSD_HEARD_MAX)
		return &core->heard[core->heard_count++];
	for (uint32_t i = 1; i < core->heard_count; i++)
		if (core->heard[i].heard_ns < oldest->heard_ns)
			oldest = &core->heard[i];
	return oldest;
}

enum memory { MEMORY_NEW, MEMORY_KNOWN, MEMORY_ECHO };

static enum memory remember(struct lsd_core *core, uint64_t now_ns, const struct lsd_caller *caller)
{
	struct lsd_heard *heard = find(core, &caller->address);
	bool known = heard != NULL && now_ns < heard->heard_ns + HEARD_LASTS_NS;

	if (heard == NULL && is_echo(core, now_ns, caller))
		return MEMORY_ECHO;
	if (heard == NULL)
		heard = make_room(core);
	*heard = (struct lsd_heard){
		.address = caller->address, .key = caller->key, .heard_ns = now_ns};
	return known ? MEMORY_KNOWN : MEMORY_NEW;
}

bool lsd_core_heard(struct lsd_core *core, uint64_t now_ns, const struct lsd_need *need,
	const struct lsd_caller *caller)
{
	enum memory memory = remember(core, now_ns, caller);
	bool asks = caller->wants == LSD_WANTS_UNKNOWN ? memory == MEMORY_NEW : caller->wants > 0;

	if (memory == MEMORY_ECHO)
		return false;
	if (asks) {
		asked(core, now_ns, need, caller->wants);
	} else if (caller->wants == 0) {
		core->answers_count++;
		core->answers_after_last++;
	}
	return need->complete ? asks && core->heard_count <= ROOM_SMALL : true;
}
