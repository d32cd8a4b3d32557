/* SPDX-License-Identifier: Apache-2.0 */
/* Where a node stands, in words. */
#include "server/situation.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/units.h"

#define SILENT_MS 10000 /* an agent that works reports every second */

/* What comes after each stage of a boot into the agent, and how long that may take. */
static const struct {
	uint64_t limit_ms;
	const char *came;
	const char *missing;
} steps[] = {
	[MARK_DHCP] = {60000, "address asked for", "script never asked for"},
	[MARK_SCRIPT] = {60000, "script handed out", "kernel never fetched"},
	[MARK_KERNEL] = {180000, "kernel fetched", "agent never reported"},
	[MARK_AGENT] = {60000, "agent reported", "plan never asked for"},
};

static void say(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(char *text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, SITUATION_TEXT_MAX, format, arguments);
	va_end(arguments);
}

static const char *ago(char text[static UNITS_TEXT_MAX], uint64_t then_ms, uint64_t now_ms)
{
	return duration_format(text, now_ms > then_ms ? (now_ms - then_ms) / 1000 : 0);
}

/* The agent is on its way, or should be. */
static bool expects_agent(const struct node *node)
{
	return node->state == NODE_ARMED || node->state == NODE_IMAGING ||
	       node->state == NODE_FINISHING || node->rescue ||
	       (node->state == NODE_KNOWN && node->inventory_offered && !node->has_inventory);
}

/* The last stage that this boot reached, or MARKS_COUNT. */
static size_t last_mark(const struct node *node)
{
	for (size_t i = MARKS_COUNT; i-- > 0;)
		if (node->marks_ms[i] != 0)
			return i;
	return MARKS_COUNT;
}

/* An arm begins with a boot that comes after it. */
static bool boot_is_old(const struct node *node, size_t mark)
{
	return mark == MARKS_COUNT ||
	       (node->state == NODE_ARMED && node->marks_ms[mark] < node->arm.armed_ms);
}

static bool situation_boot(const struct node *node, uint64_t now_ms, size_t mark, char *text)
{
	char age[UNITS_TEXT_MAX];
	uint64_t age_ms = now_ms - node->marks_ms[mark];
	bool late = age_ms > steps[mark].limit_ms && now_ms > node->marks_ms[mark];

	ago(age, node->marks_ms[mark], now_ms);
	if (late)
		say(text, "%s %s ago, %s", steps[mark].came, age, steps[mark].missing);
	else
		say(text, "%s %s ago", steps[mark].came, age);
	return late;
}

static bool situation_working(const struct node *node, uint64_t now_ms, char *text)
{
	char age[UNITS_TEXT_MAX];
	static const char *const words[] = {[STAGE_AGENT] = "starting",
		[STAGE_PLAN] = "fetching its plan",
		[STAGE_TARGET] = "waiting for its disk",
		[STAGE_ASSESS] = "reading what its disk holds",
		[STAGE_FETCH] = "fetching",
		[STAGE_SEED] = "complete; reading back and serving others",
		[STAGE_FINISH] = "committing",
		[STAGE_DONE] = "done"};

	if (now_ms > node->last_contact_ms && now_ms - node->last_contact_ms > SILENT_MS) {
		say(text, "silent for %s (%s)", ago(age, node->last_contact_ms, now_ms),
			words[node->progress.stage]);
		return true;
	}
	say(text, "%s", words[node->progress.stage]);
	return false;
}

static bool situation_resting(const struct node *node, uint64_t now_ms, size_t mark, char *text)
{
	char age[UNITS_TEXT_MAX];

	switch (node->state) {
	case NODE_DONE:
		say(text, "done %s ago%s", ago(age, node->arm.ended_ms, now_ms),
			mark == MARK_SCRIPT ? "; boots its disk" : "");
		return false;
	case NODE_FAILED:
		say(text, "%s: %s", error_name(node->error), node->error_text);
		return true;
	default:
		if (mark == MARK_DHCP)
			return situation_boot(node, now_ms, MARK_DHCP, text);
		say(text, "seen %s ago%s%s", ago(age, node->last_contact_ms, now_ms),
			node->has_inventory ? "" : "; no inventory",
			strcmp(node->arm.outcome, "expired") == 0 ? "; its arm expired" : "");
		return false;
	}
}

bool node_situation(const struct node *node, uint64_t now_ms, char text[static SITUATION_TEXT_MAX])
{
	char age[UNITS_TEXT_MAX];
	size_t mark = last_mark(node);

	if (!expects_agent(node))
		return situation_resting(node, now_ms, mark, text);
	if (boot_is_old(node, mark)) {
		bool late = now_ms > node->arm.armed_ms + 60000;

		say(text, "armed %s ago, %s", ago(age, node->arm.armed_ms, now_ms),
			late ? "never booted from the network since" : "to be booted");
		return late;
	}
	if (mark < ARRAY_COUNT(steps))
		return situation_boot(node, now_ms, mark, text);
	return situation_working(node, now_ms, text);
}

uint64_t node_eta_s(const struct node *node)
{
	const struct node_progress *progress = &node->progress;

	if (node->state != NODE_IMAGING || progress->rate_bytes_per_s == 0)
		return UINT64_MAX;
	return (progress->bytes_total - progress->bytes_durable) / progress->rate_bytes_per_s;
}
