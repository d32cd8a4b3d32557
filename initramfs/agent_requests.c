/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent asks and tells its server over HTTP. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "initramfs/agent.h"
#include "lib/log.h"
#include "runtime/budget.h"
#include "runtime/clock.h"

#define ANSWER_BYTES_MAX   (64 * KIB)
#define REPORT_TIMEOUT_S   10
#define PLAN_TIMEOUT_S	   10
#define METAINFO_TIMEOUT_S 120

static void say_later(struct agent *agent, const char *what, const struct http_answer *answer)
{
	/* Once is enough for the person who reads the screen. */
	if (agent->server_silent)
		return;
	agent->server_silent = true;
	if (answer->status == 0)
		log_warning("%s: the server %s is not heard: %s", what, agent->options->server,
			answer->problem);
	else
		log_warning("%s: the server says %d; trying again", what, answer->status);
}

/* True when the answer is one to look into; else the core has been told. */
static bool answer_usable(struct agent *agent, const char *what, const struct http_answer *answer)
{
	struct failure failure;

	if (answer->status == 200) {
		agent->server_silent = false;
		return true;
	}
	if (answer->status == 0 || answer->status == 408 || answer->status == 429 ||
		answer->status >= 500) {
		struct agent_input later = {.kind = AGENT_IN_LATER,
			.answered = answer->status != 0,
			.retry_ms = answer->retry_after_s * 1000};

		say_later(agent, what, answer);
		agent_give(agent, &later);
		return false;
	}
	failure_set(&failure, answer->status == 404 ? ERROR_NOT_FOUND : ERROR_SERVER,
		"%s: the server refuses it with status %d", what, answer->status);
	agent_give_failure(agent, &failure);
	return false;
}

static void plan_answered(void *context, const struct http_answer *answer)
{
	struct agent *agent = context;
	struct plan_check check = {
		.trusted = &agent->trusted, .machine = &agent->machine, .nonce = agent->nonce};
	struct failure failure = {0};

	if (agent_core_state(&agent->core) != AGENT_PLAN || !answer_usable(agent, "plan", answer))
		return;
	if (!agent_plan_check(&check, answer->body, answer->body_bytes, &agent->plan,
		    &agent->claimed_arm, &failure)) {
		memset(&agent->plan, 0, sizeof(agent->plan));
		agent_give_failure(agent, &failure);
		return;
	}
	struct agent_input input = {.kind = AGENT_IN_PLAN, .plan = &agent->plan};

	agent_give(agent, &input);
}

void agent_ask_plan(struct agent *agent)
{
	char path[1024];
	struct failure failure;

	crypto_random(agent->nonce, sizeof(agent->nonce));
	if (!agent_plan_path(path, sizeof(path), agent->node, &agent->machine, agent->nonce)) {
		failure_set(&failure, ERROR_LIMIT, "the request for a plan is too long");
		agent_give_failure(agent, &failure);
		return;
	}
	struct http_request request = {.path = path,
		.answer_bytes_max = 2 * PLAN_BYTES_MAX,
		.timeout_s = PLAN_TIMEOUT_S,
		.done = plan_answered,
		.context = agent};

	agent_http_start(agent->http, &request);
}

static void metainfo_answered(void *context, const struct http_answer *answer)
{
	struct agent *agent = context;
	struct failure failure = {0};

	if (agent_core_state(&agent->core) != AGENT_METAINFO ||
		!answer_usable(agent, "metainfo", answer))
		return;
	free(agent->metainfo_bytes);
	agent->metainfo_bytes = malloc(answer->body_bytes > 0 ? answer->body_bytes : 1);
	if (agent->metainfo_bytes == NULL) {
		failure_set(&failure, ERROR_MEMORY, "no memory for metainfo of %zu bytes",
			answer->body_bytes);
		agent_give_failure(agent, &failure);
		return;
	}
	if (answer->body_bytes > 0)
		memcpy(agent->metainfo_bytes, answer->body, answer->body_bytes);
	agent->metainfo_good = agent_metainfo_check(&agent->plan, &agent->trusted,
		agent->metainfo_bytes, answer->body_bytes, &agent->metainfo, &failure);
	if (!agent->metainfo_good) {
		agent_give_failure(agent, &failure);
		return;
	}
	agent->metainfo_bytes = budget_shrink_metainfo(&agent->metainfo, agent->metainfo_bytes);
	struct agent_input input = {.kind = AGENT_IN_METAINFO,
		.image_bytes = agent->metainfo.length_bytes,
		.image_sector_bytes = agent->metainfo.sector_bytes};

	agent_give(agent, &input);
}

void agent_ask_metainfo(struct agent *agent)
{
	struct http_request request = {.path = agent->plan.metainfo_path,
		.answer_bytes_max = AGENT_METAINFO_BYTES_MAX,
		.timeout_s = METAINFO_TIMEOUT_S,
		.done = metainfo_answered,
		.context = agent};
	struct failure failure;

	if (request.path[0] != '/') {
		failure_set(&failure, ERROR_FORMAT, "the plan names no metainfo");
		agent_give_failure(agent, &failure);
		return;
	}
	agent_http_start(agent->http, &request);
}

static void report_counters(struct agent *agent, struct report *report)
{
	const struct swarm_status *swarm = &agent->status.swarm;

	report->memory_resident_bytes = budget_resident_bytes();
	if (agent->metainfo_good)
		report->bytes_total = agent->metainfo.length_bytes;
	if (agent->transfer != NULL)
		transfer_status(agent->transfer, &agent->status);
	report->bytes_durable =
		agent->target.installed ? report->bytes_total : swarm->durable_bytes;
	report->bytes_zero = swarm->zero_bytes;
	report->bytes_present = swarm->present_bytes;
	report->bytes_received = swarm->received_bytes;
	report->bytes_from_origin = swarm->received_from_origin_bytes;
	report->bytes_sent = swarm->sent_bytes;
	report->bytes_wasted = swarm->wasted_bytes;
	report->peers_count = swarm->peers_count;
	report->readback_bytes = agent->status.readback_bytes;
}

static void report_fill(struct agent *agent, enum report_event event, struct report *report,
	char log[static REPORT_LOG_MAX])
{
	const struct failure *failure = agent_core_failure(&agent->core);

	report->event = event;
	snprintf(report->node, sizeof(report->node), "%s", agent->node);
	snprintf(report->uuid, sizeof(report->uuid), "%s", agent->machine.uuid);
	snprintf(report->serial, sizeof(report->serial), "%s", agent->machine.serial);
	report->boot_id = agent->boot_id;
	report->sequence = ++agent->sequence;
	report->arm = agent->plan.arm != 0 ? agent->plan.arm : agent->claimed_arm;
	report->stage = agent_core_stage(&agent->core);
	report->uptime_ms = clock_now_ns() / NS_PER_MS;
	report->firmware_uefi = agent->machine.firmware_uefi;
	report_counters(agent, report);
	if (event == REPORT_FINISHING)
		memcpy(report->head_tail_sha256, agent->head_tail_sha256, SHA256_BYTES);
	if (event == REPORT_FAILED) {
		report->error = failure->error;
		snprintf(report->text, sizeof(report->text), "%s", failure->text);
		report->log = log;
		report->log_bytes = log_tail(log, REPORT_LOG_MAX);
	}
	if (event != REPORT_FAILED && event != REPORT_HELLO)
		return;
	memcpy(report->disks, agent->inventory.disks,
		agent->inventory.disks_count * sizeof(report->disks[0]));
	report->disks_count = agent->inventory.disks_count;
	memcpy(report->functions_without_driver, agent->functions, sizeof(agent->functions));
	report->functions_count = agent->functions_count;
}

struct report_call {
	struct agent *agent;
	enum report_event event;
};

static void report_answered(void *context, const struct http_answer *answer)
{
	struct report_call *call = context;
	struct agent *agent = call->agent;
	struct report_reply reply;
	struct agent_input input = {.kind = AGENT_IN_NO_REPLY, .report = call->event};

	free(call);
	if (answer->status == 200 && report_reply_parse(&reply, answer->body, answer->body_bytes)) {
		agent->server_silent = false;
		input.kind = AGENT_IN_REPLY;
		input.reply = &reply;
	} else {
		say_later(agent, "report", answer);
	}
	agent_give(agent, &input);
}

void agent_report(struct agent *agent, enum report_event event)
{
	struct report *report = calloc(1, sizeof(*report));
	uint8_t *bytes = malloc(REPORT_BYTES_MAX);
	char *log = malloc(REPORT_LOG_MAX);
	struct report_call *call = malloc(sizeof(*call));

	if (report == NULL || bytes == NULL || log == NULL || call == NULL) {
		log_error("out of memory");
		abort();
	}
	*call = (struct report_call){.agent = agent, .event = event};
	report_fill(agent, event, report, log);
	size_t bytes_count = report_write(report, bytes, REPORT_BYTES_MAX);
	struct http_request request = {.path = "/v1/node/report",
		.body = bytes,
		.body_bytes = bytes_count,
		.answer_bytes_max = ANSWER_BYTES_MAX,
		.timeout_s = REPORT_TIMEOUT_S,
		.done = report_answered,
		.context = call};

	/* Its limits are those of the format: it always fits. */
	if (bytes_count == 0)
		abort();
	agent_http_start(agent->http, &request);
	free(report);
	free(bytes);
	free(log);
}
