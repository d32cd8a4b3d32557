/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's state machine under a driver that remembers effects instead of doing them, and the
 * ways to the states where tests begin.
 */
#ifndef TESTS_SUPPORT_AGENT_WORLD_H
#define TESTS_SUPPORT_AGENT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "initramfs/agent_core.h"

#define S NS_PER_S

/* A driver that remembers effects instead of doing them. */
struct world {
	struct agent_core core;
	uint64_t now_ns;
	struct plan plan;
	struct report_disk disks[2];
	uint32_t disks_count;
	uint32_t seen[AGENT_DO_END + 1];
	uint32_t reports[REPORT_FAILED + 1];
	struct agent_effect last;
};

static inline void drain(struct world *world)
{
	struct agent_effect effect;

	while (agent_core_next_effect(&world->core, &effect)) {
		assert_int_equal(world->seen[AGENT_DO_END], 0);
		world->seen[effect.kind]++;
		if (effect.kind == AGENT_DO_REPORT)
			world->reports[effect.report]++;
		world->last = effect;
	}
}

static inline void give(struct world *world, struct agent_input input)
{
	agent_core_handle(&world->core, world->now_ns, &input);
	drain(world);
}

static inline void give_kind(struct world *world, enum agent_input_kind kind)
{
	give(world, (struct agent_input){.kind = kind});
}

static inline void give_reply(
	struct world *world, enum report_event report, struct report_reply reply)
{
	give(world,
		(struct agent_input){.kind = AGENT_IN_REPLY, .report = report, .reply = &reply});
}

static inline void give_no_reply(struct world *world, enum report_event report)
{
	give(world, (struct agent_input){.kind = AGENT_IN_NO_REPLY, .report = report});
}

static inline void give_failure(struct world *world, enum error error)
{
	struct failure failure = {.error = error, .text = "broken"};

	give(world, (struct agent_input){.kind = AGENT_IN_FAILED, .failure = &failure});
}

static inline void give_disks(struct world *world)
{
	give(world, (struct agent_input){.kind = AGENT_IN_DISKS,
			    .disks = world->disks,
			    .disks_count = world->disks_count});
}

/* Lets time pass, with a scan of the disks whenever one is asked for. */
static inline void pass(struct world *world, uint64_t duration_ns)
{
	uint64_t end_ns = world->now_ns + duration_ns;

	for (;;) {
		uint64_t deadline_ns = agent_core_deadline_ns(&world->core);
		uint32_t scans = world->seen[AGENT_DO_SCAN];

		if (deadline_ns > end_ns)
			break;
		world->now_ns = u64_max(world->now_ns, deadline_ns);
		give_kind(world, AGENT_IN_TICK);
		if (world->seen[AGENT_DO_SCAN] != scans)
			give_disks(world);
	}
	world->now_ns = end_ns;
}

static inline enum agent_state at(const struct world *world)
{
	return agent_core_state(&world->core);
}

static inline void start(struct world *world)
{
	struct agent_settings settings = {.seed = 7, .settle_ns = 10 * S, .linger_ns = 15 * S};

	memset(world, 0, sizeof(*world));
	world->now_ns = 5 * S;
	world->plan.seed_deadline_s = 100;
	strcpy(world->plan.target.serial, "A1");
	world->disks[0] = (struct report_disk){.name = "sda",
		.serial = "A1",
		.size_bytes = GIB,
		.sector_bytes = 512,
		.eligible = true};
	world->disks[1] = world->disks[0];
	strcpy(world->disks[1].name, "sdb");
	world->disks_count = 1;
	agent_core_init(&world->core, &settings);
	give_kind(world, AGENT_IN_START);
	assert_int_equal(world->last.kind, AGENT_DO_BRING_UP);
}

static inline void go_to_plan(struct world *world)
{
	start(world);
	give_kind(world, AGENT_IN_READY);
	assert_int_equal(world->reports[REPORT_HELLO], 1);
	give_reply(world, REPORT_HELLO, (struct report_reply){.acknowledged = true});
	assert_int_equal(at(world), AGENT_PLAN);
	assert_int_equal(world->seen[AGENT_DO_ASK_PLAN], 1);
}

static inline void give_plan(struct world *world, enum plan_action action)
{
	world->plan.action = action;
	give(world, (struct agent_input){.kind = AGENT_IN_PLAN, .plan = &world->plan});
}

static inline void go_to_target(struct world *world, enum plan_action action)
{
	go_to_plan(world);
	give_plan(world, action);
	assert_int_equal(world->seen[AGENT_DO_ASK_METAINFO], 1);
	give(world,
		(struct agent_input){
			.kind = AGENT_IN_METAINFO, .image_bytes = GIB, .image_sector_bytes = 512});
	assert_int_equal(at(world), AGENT_TARGET);
	assert_int_equal(world->seen[AGENT_DO_SCAN], 1);
	give_disks(world);
}

static inline void go_to_open(struct world *world, enum plan_action action)
{
	go_to_target(world, action);
	pass(world, 9 * S);
	assert_int_equal(world->seen[AGENT_DO_OPEN], 0);
	pass(world, 2 * S);
	assert_int_equal(world->seen[AGENT_DO_OPEN], 1);
	assert_int_equal(at(world), AGENT_OPEN);
}

static inline void go_to_seed(struct world *world)
{
	go_to_open(world, PLAN_IMAGE);
	give_kind(world, AGENT_IN_OPENED);
	assert_int_equal(world->seen[AGENT_DO_TRANSFER], 1);
	give_kind(world, AGENT_IN_ASSESSED);
	assert_int_equal(agent_core_stage(&world->core), STAGE_FETCH);
	give_kind(world, AGENT_IN_COMPLETE);
	assert_int_equal(world->seen[AGENT_DO_READ_BACK], 1);
	assert_int_equal(at(world), AGENT_SEED);
}

static inline void go_to_finishing(struct world *world)
{
	go_to_seed(world);
	give_kind(world, AGENT_IN_READ_BACK);
	give_reply(world, REPORT_PROGRESS, (struct report_reply){.release = true});
	assert_int_equal(at(world), AGENT_FINISHING);
	assert_int_equal(world->reports[REPORT_FINISHING], 1);
}

static inline void go_to_commit(struct world *world)
{
	go_to_finishing(world);
	give_reply(world, REPORT_FINISHING, (struct report_reply){.acknowledged = true});
	assert_int_equal(world->seen[AGENT_DO_STOP], 1);
	assert_int_equal(world->seen[AGENT_DO_COMMIT], 0);
	give_kind(world, AGENT_IN_STOPPED);
	assert_int_equal(world->seen[AGENT_DO_COMMIT], 1);
}

#endif
