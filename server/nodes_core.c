/* SPDX-License-Identifier: Apache-2.0 */
/* The state machine of a node: boots, plans, reports, arms. Pure. */
#include "server/nodes_core.h"

/* Copies what fits; both arrays end in NUL. */
static void text_copy(char *target, size_t capacity, const char *source)
{
	size_t length = strlen(source);

	if (length > capacity - 1)
		length = capacity - 1;
	memcpy(target, source, length);
	target[length] = '\0';
}

void node_init(struct node *node, const char *mac, uint64_t now_ms)
{
	memset(node, 0, sizeof(*node));
	text_copy(node->id, sizeof(node->id), mac);
	node->first_seen_ms = now_ms;
	node->last_contact_ms = now_ms;
}

static bool arm_runs(const struct node *node)
{
	return node->state == NODE_ARMED || node->state == NODE_IMAGING ||
	       node->state == NODE_FINISHING;
}

bool node_mark(struct node *node, enum node_mark mark, uint64_t now_ms)
{
	node->last_contact_ms = now_ms;
	/* The firmware and iPXE both ask by DHCP: only what comes after a script is a new boot. */
	if (mark == MARK_DHCP) {
		if (node->marks_ms[MARK_DHCP] != 0 && node->marks_ms[MARK_SCRIPT] == 0 &&
			now_ms - node->marks_ms[MARK_DHCP] < NODE_MARK_FRESH_MS)
			return false;
		memset(node->marks_ms, 0, sizeof(node->marks_ms));
	}
	if (mark == MARK_SCRIPT) {
		uint64_t dhcp_ms = node->marks_ms[MARK_DHCP];

		/* A machine with a fixed address, or whose DHCP was not seen, has no DHCP time. */
		if (node->marks_ms[MARK_SCRIPT] != 0 || now_ms - dhcp_ms > NODE_MARK_FRESH_MS)
			dhcp_ms = 0;
		memset(node->marks_ms, 0, sizeof(node->marks_ms));
		node->marks_ms[MARK_DHCP] = dhcp_ms;
	}
	if (node->marks_ms[mark] != 0 && mark > MARK_AGENT)
		return false;
	node->marks_ms[mark] = now_ms;
	if (arm_runs(node) || mark == MARK_DONE) {
		/* The arm remembers when each stage was first reached, over all its boots. */
		for (size_t i = 0; i < MARKS_COUNT; i++)
			if (node->arm.marks_ms[i] == 0 && node->marks_ms[i] >= node->arm.armed_ms)
				node->arm.marks_ms[i] = node->marks_ms[i];
	}
	return true;
}

static void arm_end(struct node *node, enum node_state state, const char *outcome, uint64_t now_ms)
{
	node->state = state;
	node->arm.open = state == NODE_DONE;
	node->arm.ended_ms = now_ms;
	text_copy(node->arm.outcome, sizeof(node->arm.outcome), outcome);
}

bool node_expire(struct node *node, uint64_t now_ms)
{
	/* Only the permission to start runs out: what was begun is finished, whatever the hour. */
	if (node->state != NODE_ARMED || node->arm.expires_ms == 0 || now_ms < node->arm.expires_ms)
		return false;
	arm_end(node, NODE_KNOWN, "expired", now_ms);
	return true;
}

bool node_boots_agent(struct node *node, const struct node_rules *rules, uint64_t now_ms)
{
	node_mark(node, MARK_SCRIPT, now_ms);
	node_expire(node, now_ms);
	if (arm_runs(node) || node->rescue)
		return true;
	/* An agent that cannot even say hello must not be booted for ever. */
	if (node->state != NODE_KNOWN || !rules->discover || node->has_inventory ||
		node->inventory_offered)
		return false;
	node->inventory_offered = true;
	return true;
}

enum plan_action node_plan(struct node *node, const struct node_rules *rules, uint64_t now_ms)
{
	node_mark(node, MARK_PLAN, now_ms);
	node_expire(node, now_ms);
	if (node->rescue) {
		node->rescue = false;
		return PLAN_RESCUE;
	}
	if (node->state == NODE_ARMED)
		node->state = NODE_IMAGING;
	if (node->state == NODE_IMAGING)
		return PLAN_IMAGE;
	if (node->state == NODE_FINISHING)
		return PLAN_FINISHING;
	if (node->state == NODE_KNOWN && rules->discover && !node->has_inventory)
		return PLAN_INVENTORY;
	return PLAN_LOCAL;
}

bool node_arm(struct node *node, const struct arm *arm, uint64_t now_ms, struct failure *failure)
{
	node_expire(node, now_ms);
	if (node->state == NODE_IMAGING || node->state == NODE_FINISHING)
		return failure_text(failure, ERROR_EXISTS,
			"it is being imaged; wait for its end, or disarm it first");
	node->arm = *arm;
	node->arm.open = true;
	node->state = NODE_ARMED;
	node->error = ERROR_NONE;
	node->error_text[0] = '\0';
	node->boot_id_before_arm = node->boot_id;
	memset(&node->progress, 0, sizeof(node->progress));
	return true;
}

bool node_disarm(struct node *node, uint64_t now_ms)
{
	if (!arm_runs(node))
		return false;
	arm_end(node, NODE_KNOWN, "disarmed", now_ms);
	return true;
}

/* Counters restart with every boot of the agent: the arm keeps the sum of the earlier ones. */
static void progress_new_boot(struct node *node, uint64_t boot_id)
{
	struct arm_traffic *sum = &node->arm.traffic;
	const struct arm_traffic *last = &node->progress.traffic;

	sum->received_bytes += last->received_bytes;
	sum->from_origin_bytes += last->from_origin_bytes;
	sum->sent_bytes += last->sent_bytes;
	sum->wasted_bytes += last->wasted_bytes;
	memset(&node->progress, 0, sizeof(node->progress));
	node->progress.boot_id = boot_id;
}

static void progress_take(struct node *node, const struct report *report, uint64_t now_ms)
{
	struct node_progress *progress = &node->progress;

	if (progress->boot_id != report->boot_id)
		progress_new_boot(node, report->boot_id);
	/* Reports of one boot may overtake each other on different connections. */
	if (report->sequence < progress->sequence)
		return;
	uint64_t elapsed_ms = now_ms - progress->heard_ms;

	if (progress->heard_ms != 0 && elapsed_ms > 0 && elapsed_ms < NODE_SILENT_MS &&
		report->bytes_durable >= progress->bytes_durable) {
		uint64_t gained = report->bytes_durable - progress->bytes_durable;
		uint64_t rate = gained < UINT64_MAX / 1000 ? gained * 1000 / elapsed_ms : 0;

		/* About eight reports of memory: flushes make durable bytes come in steps. */
		progress->rate_bytes_per_s = progress->rate_bytes_per_s / 8 * 7 + rate / 8;
	}
	progress->sequence = report->sequence;
	progress->heard_ms = now_ms;
	progress->stage = report->stage;
	progress->bytes_total = report->bytes_total;
	progress->bytes_durable = u64_min(report->bytes_durable, report->bytes_total);
	progress->bytes_zero = report->bytes_zero;
	progress->bytes_present = report->bytes_present;
	progress->traffic.received_bytes = report->bytes_received;
	progress->traffic.from_origin_bytes = report->bytes_from_origin;
	progress->traffic.sent_bytes = report->bytes_sent;
	progress->traffic.wasted_bytes = report->bytes_wasted;
	progress->peers_count = report->peers_count;
	progress->readback_bytes = report->readback_bytes;
	progress->memory_resident_bytes = report->memory_resident_bytes;
}

/* Events may carry the counters or leave them out. */
static void progress_take_event(struct node *node, const struct report *report, uint64_t now_ms)
{
	if (report->bytes_total != 0 || report->boot_id != node->progress.boot_id)
		progress_take(node, report, now_ms);
}

static void reply_abort(struct node_answer *answer, const char *text)
{
	answer->reply.abort = true;
	text_copy(answer->reply.text, sizeof(answer->reply.text), text);
}

/* A report that names no arm speaks of the current one, unless its boot began before that. */
static bool report_is_current(const struct node *node, const struct report *report)
{
	if (report->arm != 0)
		return node->arm.open && report->arm == node->arm.number;
	return arm_runs(node) && report->boot_id != node->boot_id_before_arm;
}

static void report_hello(
	struct node *node, const struct report *report, uint64_t now_ms, struct node_answer *answer)
{
	/* Before the disks were waited for, a list of them may lack some: good to show, not to arm.
	 */
	bool settled = report->stage >= STAGE_TARGET;

	answer->reply.acknowledged = true;
	answer->inventory = settled || (!node->has_inventory && report->disks_count > 0);
	node->has_inventory |= settled;
	node->firmware_uefi = report->firmware_uefi;
	if (report->uuid[0] != '\0')
		text_copy(node->uuid, sizeof(node->uuid), report->uuid);
	if (report->serial[0] != '\0')
		text_copy(node->serial, sizeof(node->serial), report->serial);
	/* An agent that came by another way than our script has passed no stage of it. */
	if (report->boot_id != node->boot_id)
		memset(node->marks_ms + MARK_AGENT, 0,
			(MARKS_COUNT - MARK_AGENT) * sizeof(node->marks_ms[0]));
	node_mark(node, MARK_AGENT, now_ms);
	answer->changed = true;
}

static void report_progress(
	struct node *node, const struct report *report, uint64_t now_ms, struct node_answer *answer)
{
	answer->reply.acknowledged = true;
	if (!arm_runs(node))
		return;
	/* The plan went out, but the record of that was lost with the server. */
	if (node->state == NODE_ARMED && report->arm != 0) {
		node->state = NODE_IMAGING;
		answer->changed = answer->state_changed = true;
	}
	progress_take(node, report, now_ms);
	if (report->stage >= STAGE_FETCH && node->marks_ms[MARK_FETCH] == 0)
		answer->changed |= node_mark(node, MARK_FETCH, now_ms);
}

static void report_finishing(
	struct node *node, const struct report *report, uint64_t now_ms, struct node_answer *answer)
{
	if (node->state == NODE_DONE) {
		/* An old request that arrives after the end changes nothing; the same bytes may
		 * be written again. */
		if (node->arm.digest_known && memcmp(node->arm.head_tail_sha256,
						      report->head_tail_sha256, SHA256_BYTES) == 0)
			answer->reply.acknowledged = true;
		else
			reply_abort(answer, "this arm is done already");
		return;
	}
	progress_take_event(node, report, now_ms);
	answer->state_changed = node->state != NODE_FINISHING;
	node->state = NODE_FINISHING;
	node->arm.digest_known = true;
	memcpy(node->arm.head_tail_sha256, report->head_tail_sha256, SHA256_BYTES);
	node_mark(node, MARK_FINISH, now_ms);
	answer->reply.acknowledged = true;
	answer->durable = answer->changed = true;
}

static void report_finished(
	struct node *node, const struct report *report, uint64_t now_ms, struct node_answer *answer)
{
	answer->reply.acknowledged = true;
	if (node->state == NODE_DONE)
		return;
	/* From `finishing`; or from earlier when this server's state is older than the node's, as
	 * after a restored backup: the disk is committed, so the node is done. */
	progress_take_event(node, report, now_ms);
	progress_new_boot(node, report->boot_id);
	arm_end(node, NODE_DONE, "done", now_ms);
	node_mark(node, MARK_DONE, now_ms);
	answer->durable = answer->changed = answer->state_changed = true;
}

static void report_failed(
	struct node *node, const struct report *report, uint64_t now_ms, struct node_answer *answer)
{
	answer->reply.acknowledged = true;
	answer->changed = true;
	answer->inventory = true;
	/* What it saw is what there is. None is to be shown as none, but is nothing to choose
	 * from when it is armed again. Before the disks were waited for, one that is not there may
	 * only be late: to choose from the rest would be to choose another disk. */
	if (report->stage < STAGE_TARGET)
		answer->inventory_adds = node->has_inventory;
	else
		node->has_inventory = report->disks_count > 0;
	if (node->state == NODE_DONE)
		return;
	node->error = report->error;
	text_copy(node->error_text, sizeof(node->error_text), report->text);
	if (!arm_runs(node))
		return;
	progress_new_boot(node, report->boot_id);
	arm_end(node, NODE_FAILED, "failed", now_ms);
	answer->durable = answer->state_changed = true;
}

static bool same_disk(const struct report_disk *a, const struct report_disk *b)
{
	return strcmp(a->serial, b->serial) == 0 && strcmp(a->wwn, b->wwn) == 0 &&
	       a->size_bytes == b->size_bytes && a->sector_bytes == b->sector_bytes &&
	       a->eligible == b->eligible;
}

/* Of the first disks_count, how many are this one? Twins count each. */
static uint32_t same_disks_count(
	const struct report_disk *disks, uint32_t disks_count, const struct report_disk *disk)
{
	uint32_t same_count = 0;

	for (uint32_t i = 0; i < disks_count; i++)
		same_count += same_disk(&disks[i], disk);
	return same_count;
}

uint32_t node_disks_add(struct report_disk *disks, uint32_t disks_count,
	const struct report_disk *known, uint32_t known_count)
{
	uint32_t seen_count = disks_count;

	for (uint32_t i = 0; i < known_count && disks_count < REPORT_DISKS_MAX; i++)
		if (same_disks_count(known, i, &known[i]) >=
			same_disks_count(disks, seen_count, &known[i]))
			disks[disks_count++] = known[i];
	return disks_count;
}

void node_report(
	struct node *node, const struct report *report, uint64_t now_ms, struct node_answer *answer)
{
	bool current = report_is_current(node, report);

	memset(answer, 0, sizeof(*answer));
	node->last_contact_ms = now_ms;
	if (report->event == REPORT_FAILED && node->state == NODE_FAILED && report->arm != 0 &&
		report->arm == node->arm.number) {
		/* The answer to the first one was lost. */
		answer->reply.acknowledged = true;
		return;
	}
	if (!current && report->arm != 0) {
		reply_abort(answer, "this is not the node's current arm");
		return;
	}
	if (!current && (report->event == REPORT_FINISHING || report->event == REPORT_FINISHED)) {
		reply_abort(answer, "the node is not armed");
		return;
	}
	if (!current && report->event == REPORT_FAILED && arm_runs(node)) {
		/* About an earlier boot than the arm: to be known, but it does not spend the arm.
		 */
		answer->reply.acknowledged = true;
		return;
	}
	switch (report->event) {
	case REPORT_HELLO:
		report_hello(node, report, now_ms, answer);
		break;
	case REPORT_PROGRESS:
		report_progress(node, report, now_ms, answer);
		break;
	case REPORT_FINISHING:
		report_finishing(node, report, now_ms, answer);
		break;
	case REPORT_FINISHED:
		report_finished(node, report, now_ms, answer);
		break;
	case REPORT_FAILED:
		report_failed(node, report, now_ms, answer);
		break;
	}
	if (report->boot_id != node->boot_id) {
		node->boot_id = report->boot_id;
		answer->changed = true;
	}
}

bool node_holds_wave(
	const struct node *node, const uint8_t infohash[static SHA1_BYTES], uint64_t now_ms)
{
	if (node->state != NODE_ARMED && node->state != NODE_IMAGING)
		return false;
	if (memcmp(node->arm.infohash, infohash, SHA1_BYTES) != 0)
		return false;
	if (node->progress.stage >= STAGE_SEED)
		return false;
	return now_ms - u64_max(node->last_contact_ms, node->arm.armed_ms) < NODE_SILENT_MS;
}
