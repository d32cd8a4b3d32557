/* SPDX-License-Identifier: Apache-2.0 */
/* The state machine of a node on the server: every sequence of events up to a depth, with the
 * promises checked after each step. */
#include "tests/support/node.h"

/* Every sequence of events: what has happened so far, beside the node. */
enum event {
	EVENT_BOOT,
	EVENT_PLAN,
	EVENT_HELLO,
	EVENT_PROGRESS,
	EVENT_FINISHING,
	EVENT_FINISHED,
	EVENT_FAILED,
	EVENT_OLD_FINISHING,
	EVENT_OLD_FINISHED,
	EVENT_OLD_FAILED,
	EVENT_ARM,
	EVENT_DISARM,
	EVENT_DAY_PASSES,
	EVENTS_COUNT
};

struct history {
	struct node node;
	uint64_t now_ms;
	uint64_t arms;	   /* given */
	uint64_t imagings; /* arms that came to an image plan */
	uint64_t imaged_arm;
};

/* What no event may break. */
static void check_always(const struct history *history)
{
	const struct node *node = &history->node;

	assert_true(history->imagings <= history->arms);
	if (node->state == NODE_FINISHING)
		assert_true(node->arm.digest_known && node->arm.open);
	if (node->state == NODE_ARMED || node->state == NODE_IMAGING)
		assert_true(node->arm.open && node->arm.outcome[0] == '\0');
	if (node->state == NODE_FAILED || node->state == NODE_KNOWN)
		assert_false(node->arm.open);
}

static void happen_plan(struct history *history)
{
	enum node_state before = history->node.state;
	enum plan_action action = node_plan(&history->node, &quiet, history->now_ms);

	if (action == PLAN_IMAGE && before == NODE_ARMED) {
		history->imagings++;
		assert_true(history->node.arm.number > history->imaged_arm);
		history->imaged_arm = history->node.arm.number;
	}
	if (action == PLAN_IMAGE)
		assert_true(before == NODE_ARMED || before == NODE_IMAGING);
	if (action == PLAN_FINISHING)
		assert_true(before == NODE_FINISHING && history->node.arm.digest_known);
	if (before == NODE_DONE || before == NODE_FAILED || before == NODE_KNOWN)
		assert_int_equal(action, PLAN_LOCAL);
}

static void happen_report(struct history *history, enum report_event event, bool old)
{
	struct node before = history->node;
	uint64_t arm = old ? before.arm.number + 1000000 : before.arm.number;
	struct node_answer answer = tell(&history->node, event, arm, history->now_ms);

	assert_false(answer.reply.acknowledged && answer.reply.abort);
	if (old && arm != 0) {
		assert_true(answer.reply.abort);
		before.last_contact_ms = history->node.last_contact_ms;
		assert_memory_equal(&before, &history->node, sizeof(before));
	}
	if (answer.reply.abort)
		assert_true(before.state == history->node.state && !answer.durable);
	if (before.state != history->node.state)
		assert_true(answer.changed && answer.state_changed);
	if (event == REPORT_FINISHING && answer.reply.acknowledged)
		assert_true(history->node.state == NODE_DONE ||
			    (history->node.state == NODE_FINISHING && answer.durable));
	if (event == REPORT_FINISHED && answer.reply.acknowledged)
		assert_int_equal(history->node.state, NODE_DONE);
	if (history->node.state == NODE_DONE && before.state != NODE_DONE)
		assert_true(answer.durable && event == REPORT_FINISHED);
}

static void happen(struct history *history, enum event event)
{
	struct node *node = &history->node;
	bool runs = node->state == NODE_ARMED || node->state == NODE_IMAGING ||
		    node->state == NODE_FINISHING;

	history->now_ms += 1000;
	switch (event) {
	case EVENT_BOOT:
		if (node_boots_agent(node, &quiet, history->now_ms))
			assert_true(runs);
		break;
	case EVENT_PLAN:
		happen_plan(history);
		break;
	case EVENT_ARM:
		if (arm_with(node, history->arms + 1, history->now_ms))
			history->arms++;
		break;
	case EVENT_DISARM:
		assert_int_equal(node_disarm(node, history->now_ms), runs);
		break;
	case EVENT_DAY_PASSES:
		history->now_ms += DAY;
		break;
	case EVENT_OLD_FINISHING:
		happen_report(history, REPORT_FINISHING, true);
		break;
	case EVENT_OLD_FINISHED:
		happen_report(history, REPORT_FINISHED, true);
		break;
	case EVENT_OLD_FAILED:
		happen_report(history, REPORT_FAILED, true);
		break;
	default:
		happen_report(
			history, (enum report_event)(event - EVENT_HELLO) + REPORT_HELLO, false);
		break;
	}
	check_always(history);
}

static void explore(const struct history *history, unsigned depth, uint64_t *sequences)
{
	if (depth == 0) {
		++*sequences;
		return;
	}
	for (int event = 0; event < EVENTS_COUNT; event++) {
		struct history next = *history;

		happen(&next, (enum event)event);
		explore(&next, depth - 1, sequences);
	}
}

static void no_sequence_of_events_breaks_a_promise(void **state)
{
	static const enum event prefixes[][4] = {
		{EVENT_HELLO, EVENT_BOOT, EVENT_HELLO, EVENT_BOOT},
		{EVENT_HELLO, EVENT_ARM, EVENT_PLAN, EVENT_PROGRESS},
		{EVENT_ARM, EVENT_PLAN, EVENT_FINISHING, EVENT_PLAN},
		{EVENT_ARM, EVENT_PLAN, EVENT_FINISHING, EVENT_FINISHED},
		{EVENT_ARM, EVENT_PLAN, EVENT_FAILED, EVENT_BOOT},
		{EVENT_ARM, EVENT_PLAN, EVENT_DISARM, EVENT_ARM},
	};
	uint64_t sequences = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
		struct history history = {.node = fresh(), .now_ms = START};

		for (size_t j = 0; j < ARRAY_COUNT(prefixes[i]); j++)
			happen(&history, prefixes[i][j]);
		explore(&history, 4, &sequences);
	}
	assert_int_equal(sequences, 6 * 28561);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_sequence_of_events_breaks_a_promise),
	};

	return cmocka_run_group_tests_name("nodes_sequences", tests, NULL, NULL);
}
