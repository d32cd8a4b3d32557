/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node of the server, how it is armed and what it reports, for unit tests.
 */
#ifndef TESTS_SUPPORT_NODE_H
#define TESTS_SUPPORT_NODE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/nodes_core.h"

#define MAC   "52:54:00:00:00:01"
#define START ((uint64_t)1700000000000)
#define DAY   ((uint64_t)24 * 3600 * 1000)

static const struct node_rules quiet = {.discover = false};
static const struct node_rules discover = {.discover = true};

static inline struct node fresh(void)
{
	struct node node;

	node_init(&node, MAC, START);
	return node;
}

static inline bool arm_with(struct node *node, uint64_t number, uint64_t now_ms)
{
	struct arm arm = {.number = number, .armed_ms = now_ms, .expires_ms = now_ms + DAY};

	memset(arm.infohash, 7, sizeof(arm.infohash));
	arm.image_bytes = 1000;
	return node_arm(node, &arm, now_ms, NULL);
}

static inline struct report report_of(enum report_event event, uint64_t arm)
{
	struct report report = {.event = event, .arm = arm, .boot_id = 11, .sequence = 1};

	report.stage = event == REPORT_HELLO ? STAGE_TARGET : STAGE_FETCH;
	report.error = event == REPORT_FAILED ? ERROR_DISK_NONE : ERROR_NONE;
	memset(report.head_tail_sha256, 0xab, SHA256_BYTES);
	return report;
}

static inline struct node_answer tell(
	struct node *node, enum report_event event, uint64_t arm, uint64_t now_ms)
{
	struct report report = report_of(event, arm);
	struct node_answer answer;

	node_report(node, &report, now_ms, &answer);
	return answer;
}

#endif
