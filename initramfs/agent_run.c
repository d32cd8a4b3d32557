/* SPDX-License-Identifier: Apache-2.0 */
/* Drives the agent's state machine: inputs from the loop go in, effects are carried out. */
#include <signal.h>
#include <stdlib.h>

#include "initramfs/agent.h"
#include "initramfs/job.h"
#include "lib/log.h"
#include "runtime/clock.h"

#define SHOW_INTERVAL_S 5
#define LINGER_S	15

static void end(struct agent *agent, enum agent_end how)
{
	switch (how) {
	case AGENT_END_LOCAL:
		log_info("nothing more to do here: booting the local disk");
		break;
	case AGENT_END_RESCUE:
		agent->exit_status = AGENT_EXIT_RESCUE;
		break;
	case AGENT_END_FAILED:
		agent->exit_status = AGENT_EXIT_FAILED;
		break;
	case AGENT_END_PLANNED:
		if (agent->plan.end == PLAN_END_POWEROFF)
			agent->exit_status = AGENT_EXIT_POWEROFF;
		if (agent->plan.end == PLAN_END_STAY && agent->options->appliance) {
			log_info("done; staying, as the plan says");
			return;
		}
		break;
	}
	if (agent->options->stay)
		log_info("done; staying until SIGTERM");
	else
		event_base_loopexit(agent->base, NULL);
}

static void apply(struct agent *agent, const struct agent_effect *effect)
{
	switch (effect->kind) {
	case AGENT_DO_BRING_UP:
		agent_bring_up(agent);
		break;
	case AGENT_DO_REPORT:
		agent_report(agent, effect->report);
		break;
	case AGENT_DO_ASK_PLAN:
		agent_ask_plan(agent);
		break;
	case AGENT_DO_ASK_METAINFO:
		agent_ask_metainfo(agent);
		break;
	case AGENT_DO_SCAN:
		agent_scan(agent);
		break;
	case AGENT_DO_OPEN:
		agent_open_target(agent, effect->disk);
		break;
	case AGENT_DO_TRANSFER:
		agent_start_transfer(agent);
		break;
	case AGENT_DO_READ_BACK:
		transfer_readback(agent->transfer);
		break;
	case AGENT_DO_STOP:
		agent_stop_transfer(agent);
		break;
	case AGENT_DO_COMMIT:
		agent_commit(agent);
		break;
	case AGENT_DO_END:
		end(agent, effect->end);
		break;
	}
}

static void tick_schedule(struct agent *agent)
{
	uint64_t deadline_ns = agent_core_deadline_ns(&agent->core);
	uint64_t now_ns = clock_now_ns();

	if (deadline_ns == UINT64_MAX) {
		evtimer_del(agent->tick_event);
		return;
	}
	/* Rounded up: a tick that comes too early would come again at once. */
	struct timeval wait =
		clock_timeval(deadline_ns > now_ns ? deadline_ns - now_ns + NS_PER_US : 0);

	if (evtimer_add(agent->tick_event, &wait) != 0)
		abort();
}

/* What must be known before the core asks for a report of it. */
static void prepare(struct agent *agent, enum agent_state before)
{
	enum agent_state state = agent_core_state(&agent->core);
	struct failure failure;

	if (state == before)
		return;
	agent_show_state(agent, before);
	if (state == AGENT_FINISHING && !holdback_digest(agent->target.holdback, &crypto_digest_ops,
						agent->head_tail_sha256, &failure)) {
		struct agent_input input = {.kind = AGENT_IN_FAILED, .failure = &failure};

		agent_core_handle(&agent->core, clock_now_ns(), &input);
	}
}

void agent_give(struct agent *agent, const struct agent_input *input)
{
	enum agent_state before = agent_core_state(&agent->core);
	struct agent_effect effect;

	agent_core_handle(&agent->core, clock_now_ns(), input);
	prepare(agent, before);
	/* An effect that is answered at once comes back here: the outer call goes on draining. */
	if (agent->draining)
		return;
	agent->draining = true;
	while (agent_core_next_effect(&agent->core, &effect))
		apply(agent, &effect);
	agent->draining = false;
	tick_schedule(agent);
}

void agent_give_kind(struct agent *agent, enum agent_input_kind kind)
{
	struct agent_input input = {.kind = kind};

	agent_give(agent, &input);
}

void agent_give_failure(struct agent *agent, const struct failure *failure)
{
	struct agent_input input = {.kind = AGENT_IN_FAILED, .failure = failure};

	agent_give(agent, &input);
}

bool agent_start_job(struct agent *agent, void (*work)(void *context), void (*done)(void *context))
{
	struct failure failure;

	if (!job_start(agent->base, work, done, agent, &failure)) {
		agent_give_failure(agent, &failure);
		return false;
	}
	agent->jobs_count++;
	return true;
}

void agent_job_ended(struct agent *agent)
{
	agent->jobs_count--;
}

static void on_tick(evutil_socket_t descriptor, short what, void *context)
{
	(void)descriptor;
	(void)what;
	agent_give_kind(context, AGENT_IN_TICK);
}

static void on_show(evutil_socket_t descriptor, short what, void *context)
{
	(void)descriptor;
	(void)what;
	agent_show_progress(context);
}

static void on_terminate(evutil_socket_t number, short what, void *context)
{
	struct agent *agent = context;

	(void)what;
	log_info("%s", number == SIGINT ? "interrupted" : "terminated");
	if (agent_core_state(&agent->core) != AGENT_END)
		agent->exit_status = AGENT_EXIT_FAILED;
	event_base_loopexit(agent->base, NULL);
}

static bool start(struct agent *agent, struct failure *failure)
{
	const struct agent_options *options = agent->options;
	struct agent_settings settings = {.settle_ns = options->settle_s * NS_PER_S,
		.linger_ns = options->appliance ? LINGER_S * NS_PER_S : 0};
	struct timeval show = {.tv_sec = SHOW_INTERVAL_S};

	if (!trusted_keys_load(&agent->trusted, options->keys, failure))
		return false;
	agent->base = event_base_new();
	if (agent->base == NULL)
		return failure_set(failure, ERROR_SYSTEM, "cannot make an event loop");
	agent->http = agent_http_create(agent->base, options->server, failure);
	if (agent->http == NULL)
		return false;
	crypto_random(&settings.seed, sizeof(settings.seed));
	crypto_random(&agent->boot_id, sizeof(agent->boot_id));
	/* Positive for whoever keeps it in a signed integer, and never 0. */
	agent->boot_id = agent->boot_id >> 1 | 1;
	agent_core_init(&agent->core, &settings);
	agent->tick_event = evtimer_new(agent->base, on_tick, agent);
	agent->show_event = event_new(agent->base, -1, EV_PERSIST, on_show, agent);
	agent->terminate_event = evsignal_new(agent->base, SIGTERM, on_terminate, agent);
	agent->interrupt_event = evsignal_new(agent->base, SIGINT, on_terminate, agent);
	if (agent->tick_event == NULL || agent->show_event == NULL ||
		agent->terminate_event == NULL || agent->interrupt_event == NULL ||
		evtimer_add(agent->show_event, &show) != 0 ||
		evsignal_add(agent->terminate_event, NULL) != 0 ||
		evsignal_add(agent->interrupt_event, NULL) != 0)
		return failure_set(failure, ERROR_MEMORY, "no memory for events");
	return true;
}

static void event_release(struct event *event)
{
	if (event != NULL)
		event_free(event);
}

int agent_run(const struct agent_options *options)
{
	struct agent *agent = calloc(1, sizeof(*agent));
	struct failure failure = {0};

	if (agent == NULL)
		return AGENT_EXIT_FAILED;
	agent->options = options;
	agent->exit_status = AGENT_EXIT_DONE;
	if (start(agent, &failure)) {
		agent_give_kind(agent, AGENT_IN_START);
		event_base_dispatch(agent->base);
		/* A disk must not be closed under a thread that writes to it. */
		while (agent->jobs_count > 0 && event_base_loop(agent->base, EVLOOP_ONCE) == 0)
			;
	} else {
		log_error("%s", failure.text);
		agent->exit_status =
			failure.error == ERROR_USAGE ? AGENT_EXIT_USAGE : AGENT_EXIT_FAILED;
	}
	int exit_status = agent->exit_status;

	agent->http = agent_http_destroy(agent->http);
	agent_close_target(agent);
	event_release(agent->tick_event);
	event_release(agent->show_event);
	event_release(agent->terminate_event);
	event_release(agent->interrupt_event);
	event_release(agent->stopped_event);
	if (agent->base != NULL)
		event_base_free(agent->base);
	agent->modules = modules_destroy(agent->modules);
	free(agent->metainfo_bytes);
	free(agent);
	return exit_status;
}
