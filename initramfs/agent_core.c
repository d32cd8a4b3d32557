/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's state machine: inputs become events, one table says where an event leads, and
 * entering a state queues its effects. */
#include "initramfs/agent_states.h"

#include <stdlib.h>

#define NEVER UINT64_MAX

static void effect_push(struct agent_core *core, const struct agent_effect *effect)
{
	/* The driver drains after every input, and no input queues more than a few. */
	if (core->effects_count == AGENT_EFFECTS_MAX)
		abort();
	core->effects[(core->effects_first + core->effects_count++) % AGENT_EFFECTS_MAX] = *effect;
}

static void effect_do(struct agent_core *core, enum agent_effect_kind kind)
{
	effect_push(core, &(struct agent_effect){.kind = kind});
}

static void effect_report(struct agent_core *core, enum report_event report)
{
	effect_push(core, &(struct agent_effect){.kind = AGENT_DO_REPORT, .report = report});
}

/* Exponential from 0.5 s to `max`, of which a random half is waited: a room of machines that lost
 * its server must not come back in step. */
static uint64_t backoff_ns(struct agent_core *core, uint64_t max_ns)
{
	uint64_t full_ns = (NS_PER_S / 2) << (core->tries < 10 ? core->tries : 10);

	core->tries++;
	full_ns = u64_min(full_ns, max_ns);
	return full_ns / 2 + rng_below(&core->rng, full_ns / 2 + 1);
}

/* Does what the state is for, for the first time or once more. */
static void state_try(struct agent_core *core)
{
	enum report_event report;

	core->retry_ns = NEVER;
	if (agent_state_report(core->state, &report))
		effect_report(core, report);
	else if (core->state == AGENT_PLAN)
		effect_do(core, AGENT_DO_ASK_PLAN);
	else if (core->state == AGENT_METAINFO)
		effect_do(core, AGENT_DO_ASK_METAINFO);
	else if (core->state == AGENT_TARGET || core->state == AGENT_INVENTORY)
		effect_do(core, AGENT_DO_SCAN);
}

static uint64_t state_limit_ns(const struct agent_core *core, uint64_t now_ns)
{
	switch (core->state) {
	case AGENT_HELLO:
	case AGENT_PLAN:
	case AGENT_METAINFO:
	case AGENT_INVENTORY_REPORT:
		return core->answered_ns + AGENT_UNANSWERED_NS_MAX;
	case AGENT_LEAVE:
		return now_ns + AGENT_LEAVE_NS_MAX;
	case AGENT_FINISHED:
		return now_ns + AGENT_FINISHED_NS_MAX;
	case AGENT_FAILED:
		return now_ns + AGENT_FAILED_NS_MAX;
	case AGENT_LINGER:
		return now_ns + core->settings.linger_ns;
	default:
		return NEVER;
	}
}

static void state_enter(struct agent_core *core, uint64_t now_ns, enum agent_state state)
{
	core->state = state;
	/* A failure is told with the stage it came from. */
	if (state < AGENT_FAILED)
		core->stage = (enum report_stage)agent_state_stage[state];
	core->tries = 0;
	core->limit_ns = state_limit_ns(core, now_ns);
	if (!agent_state_shows_progress(state))
		core->progress_ns = NEVER;
	else if (core->progress_ns == NEVER)
		core->progress_ns = now_ns;
	if (state == AGENT_TARGET || state == AGENT_INVENTORY)
		target_watch_start(&core->watch, now_ns, core->settings.settle_ns);
	state_try(core);
	switch (state) {
	case AGENT_HARDWARE:
		effect_do(core, AGENT_DO_BRING_UP);
		break;
	case AGENT_OPEN:
		effect_push(
			core, &(struct agent_effect){.kind = AGENT_DO_OPEN, .disk = core->chosen});
		break;
	case AGENT_ASSESS:
		core->transfer_runs = true;
		effect_do(core, AGENT_DO_TRANSFER);
		break;
	case AGENT_SEED:
		core->completed_ns = now_ns;
		effect_do(core, AGENT_DO_READ_BACK);
		break;
	case AGENT_LEAVE:
	case AGENT_FAILED:
		if (core->transfer_runs)
			effect_do(core, AGENT_DO_STOP);
		break;
	case AGENT_COMMIT:
		effect_do(core, AGENT_DO_COMMIT);
		break;
	case AGENT_END:
		effect_push(core, &(struct agent_effect){.kind = AGENT_DO_END, .end = core->end});
		break;
	default:
		break;
	}
}

static void event_handle(struct agent_core *core, uint64_t now_ns, enum agent_event event)
{
	enum agent_state next = agent_next_state[core->state][event];

	if (next == AGENT_NOWHERE)
		return;
	if (event == EVENT_FAILED ||
		(event == EVENT_LIMIT && agent_state_needs_server(core->state)))
		core->end = AGENT_END_FAILED;
	if (next == AGENT_FINISHED)
		core->end = AGENT_END_PLANNED;
	state_enter(core, now_ns, next);
}

static void fail(struct agent_core *core, uint64_t now_ns, const struct failure *failure)
{
	/* The first cause is the one that people need; later ones follow from it. */
	if (agent_next_state[core->state][EVENT_FAILED] == AGENT_NOWHERE)
		return;
	core->failure = *failure;
	event_handle(core, now_ns, EVENT_FAILED);
}

static void fail_with(struct agent_core *core, uint64_t now_ns, enum error error, const char *text)
{
	struct failure failure;

	failure_text(&failure, error, text);
	fail(core, now_ns, &failure);
}

static void handle_plan(struct agent_core *core, uint64_t now_ns, const struct plan *plan)
{
	core->answered_ns = now_ns;
	if (core->state != AGENT_PLAN)
		return;
	core->plan = plan;
	switch (plan->action) {
	case PLAN_IMAGE:
	case PLAN_FINISHING:
		event_handle(core, now_ns, EVENT_PLAN_IMAGE);
		return;
	case PLAN_INVENTORY:
		event_handle(core, now_ns, EVENT_PLAN_INVENTORY);
		return;
	case PLAN_RESCUE:
		core->end = AGENT_END_RESCUE;
		event_handle(core, now_ns, EVENT_PLAN_LOCAL);
		return;
	case PLAN_LOCAL:
		event_handle(core, now_ns, EVENT_PLAN_LOCAL);
		return;
	}
	fail_with(core, now_ns, ERROR_UNSUPPORTED, "the plan asks for something unknown");
}

static void handle_later(struct agent_core *core, uint64_t now_ns, const struct agent_input *input)
{
	if (core->state != AGENT_PLAN && core->state != AGENT_METAINFO)
		return;
	uint64_t wait_ns = backoff_ns(core, 15 * NS_PER_S);

	if (input->answered) {
		core->answered_ns = now_ns;
		core->limit_ns = state_limit_ns(core, now_ns);
		/* At most five minutes, and never all at once. */
		uint64_t asked_ns = u64_min(input->retry_ms, 300000) * NS_PER_MS;

		if (asked_ns > 0)
			wait_ns = asked_ns + rng_below(&core->rng, asked_ns / 4 + 1);
	}
	core->retry_ns = now_ns + wait_ns;
}

static void leave_when_due(struct agent_core *core, uint64_t now_ns)
{
	if (core->state != AGENT_SEED)
		return;
	uint64_t deadline_ns;

	if (__builtin_mul_overflow(core->plan->seed_deadline_s, NS_PER_S, &deadline_ns) ||
		__builtin_add_overflow(deadline_ns, core->completed_ns, &deadline_ns))
		deadline_ns = NEVER;
	if (core->read_back && (core->released || now_ns >= deadline_ns))
		event_handle(core, now_ns, EVENT_LEAVE);
	else
		core->limit_ns = core->read_back ? deadline_ns : NEVER;
}

static bool reply_suffices(enum report_event report, const struct report_reply *reply)
{
	/* Before a plan is known any answer shows that the server hears us. */
	return report == REPORT_HELLO || reply->acknowledged;
}

static void handle_own_reply(
	struct agent_core *core, uint64_t now_ns, const struct agent_input *input)
{
	const struct report_reply *reply = input->reply;

	core->answered_ns = now_ns;
	if (reply_suffices(input->report, reply) ||
		(reply->abort && (core->state == AGENT_FAILED || core->state == AGENT_FINISHED))) {
		event_handle(core, now_ns, EVENT_ANSWERED);
		return;
	}
	uint64_t wait_ns = backoff_ns(core, 5 * NS_PER_S);

	if (reply->retry_ms > 0)
		wait_ns = u64_min(reply->retry_ms, 60000) * NS_PER_MS;
	core->retry_ns = now_ns + wait_ns;
}

/* Answers of the server to a report: orders first, then what the state waits for. */
static void handle_reply(struct agent_core *core, uint64_t now_ns, const struct agent_input *input)
{
	const struct report_reply *reply = input->reply;
	enum report_event own;

	if (input->report == REPORT_PROGRESS)
		core->progress_pending = false;
	core->released |= reply->release;
	if (reply->abort && core->plan != NULL && core->state < AGENT_LEAVE &&
		input->report != REPORT_HELLO) {
		fail_with(core, now_ns, ERROR_ABORTED,
			reply->text[0] != '\0' ? reply->text : "disarmed on the server");
		return;
	}
	leave_when_due(core, now_ns);
	if (agent_state_report(core->state, &own) && own == input->report &&
		core->retry_ns == NEVER)
		handle_own_reply(core, now_ns, input);
}

static void handle_no_reply(
	struct agent_core *core, uint64_t now_ns, const struct agent_input *input)
{
	enum report_event own;

	if (input->report == REPORT_PROGRESS)
		core->progress_pending = false;
	if (agent_state_report(core->state, &own) && own == input->report &&
		core->retry_ns == NEVER)
		core->retry_ns = now_ns + backoff_ns(core, 5 * NS_PER_S);
}

static void handle_disks(struct agent_core *core, uint64_t now_ns, const struct agent_input *input)
{
	struct failure failure;

	if (core->state != AGENT_TARGET && core->state != AGENT_INVENTORY)
		return;
	enum target_verdict verdict = target_watch_disks(
		&core->watch, now_ns, input->disks, input->disks_count, input->probing);

	if (verdict == TARGET_WAIT) {
		core->retry_ns = now_ns + NS_PER_S / 2;
		return;
	}
	if (core->state == AGENT_INVENTORY) {
		event_handle(core, now_ns, EVENT_SETTLED);
		return;
	}
	if (verdict == TARGET_RESTLESS) {
		fail_with(core, now_ns, ERROR_DISK_AMBIGUOUS,
			"the disks of this machine keep changing");
		return;
	}
	struct target_need need = {.rule = &core->plan->target,
		.image_bytes = core->image_bytes,
		.image_sector_bytes = core->image_sector_bytes};

	if (target_choose(&need, input->disks, input->disks_count, &core->chosen, &failure))
		event_handle(core, now_ns, EVENT_SETTLED);
	else if (failure.error == ERROR_DISK_NONE && target_watch_hopes(&core->watch, now_ns))
		core->retry_ns = now_ns + NS_PER_S / 2;
	else
		fail(core, now_ns, &failure);
}

static void handle_tick(struct agent_core *core, uint64_t now_ns)
{
	if (now_ns >= core->limit_ns) {
		core->limit_ns = NEVER;
		if (core->state == AGENT_SEED)
			leave_when_due(core, now_ns);
		else if (core->state == AGENT_LEAVE)
			fail_with(core, now_ns, ERROR_TIMEOUT, "the transfer did not stop");
		else
			event_handle(core, now_ns, EVENT_LIMIT);
	}
	if (now_ns >= core->retry_ns)
		state_try(core);
	if (now_ns >= core->progress_ns) {
		uint64_t interval_ms = core->plan->report_interval_ms;

		interval_ms = interval_ms == 0 ? 1000 : u64_min(u64_max(interval_ms, 100), 60000);
		core->progress_ns = now_ns + interval_ms * NS_PER_MS;
		if (!core->progress_pending)
			effect_report(core, REPORT_PROGRESS);
		core->progress_pending = true;
	}
}

void agent_core_handle(struct agent_core *core, uint64_t now_ns, const struct agent_input *input)
{
	static const uint8_t plain_event[AGENT_INPUTS_COUNT] = {
		[AGENT_IN_START] = EVENT_START,
		[AGENT_IN_OPENED] = EVENT_OPENED,
		[AGENT_IN_INSTALLED] = EVENT_INSTALLED,
		[AGENT_IN_ASSESSED] = EVENT_ASSESSED,
		[AGENT_IN_COMPLETE] = EVENT_COMPLETE,
		[AGENT_IN_COMMITTED] = EVENT_COMMITTED,
	};

	switch (input->kind) {
	case AGENT_IN_TICK:
		handle_tick(core, now_ns);
		return;
	case AGENT_IN_READY:
		core->answered_ns = now_ns;
		event_handle(core, now_ns, EVENT_READY);
		return;
	case AGENT_IN_REPLY:
		handle_reply(core, now_ns, input);
		return;
	case AGENT_IN_NO_REPLY:
		handle_no_reply(core, now_ns, input);
		return;
	case AGENT_IN_PLAN:
		handle_plan(core, now_ns, input->plan);
		return;
	case AGENT_IN_METAINFO:
		core->image_bytes = input->image_bytes;
		core->image_sector_bytes = input->image_sector_bytes;
		event_handle(core, now_ns, EVENT_METAINFO);
		return;
	case AGENT_IN_LATER:
		handle_later(core, now_ns, input);
		return;
	case AGENT_IN_DISKS:
		handle_disks(core, now_ns, input);
		return;
	case AGENT_IN_READ_BACK:
		core->read_back = core->state == AGENT_SEED;
		leave_when_due(core, now_ns);
		return;
	case AGENT_IN_STOPPED:
		core->transfer_runs = false;
		event_handle(core, now_ns, EVENT_STOPPED);
		return;
	case AGENT_IN_FAILED:
		fail(core, now_ns, input->failure);
		return;
	default:
		event_handle(core, now_ns, (enum agent_event)plain_event[input->kind]);
		return;
	}
}

void agent_core_init(struct agent_core *core, const struct agent_settings *settings)
{
	memset(core, 0, sizeof(*core));
	core->settings = *settings;
	core->state = AGENT_OFF;
	core->end = AGENT_END_LOCAL;
	core->retry_ns = core->progress_ns = core->limit_ns = NEVER;
	rng_seed(&core->rng, settings->seed);
}

bool agent_core_next_effect(struct agent_core *core, struct agent_effect *effect)
{
	if (core->effects_count == 0)
		return false;
	*effect = core->effects[core->effects_first];
	core->effects_first = (core->effects_first + 1) % AGENT_EFFECTS_MAX;
	core->effects_count--;
	return true;
}

uint64_t agent_core_deadline_ns(const struct agent_core *core)
{
	return u64_min(core->limit_ns, u64_min(core->retry_ns, core->progress_ns));
}

enum agent_state agent_core_state(const struct agent_core *core)
{
	return core->state;
}

enum report_stage agent_core_stage(const struct agent_core *core)
{
	return core->stage;
}

const struct failure *agent_core_failure(const struct agent_core *core)
{
	return &core->failure;
}
