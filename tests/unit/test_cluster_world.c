/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clusters of three to eight trackers under random faults, each run from a seed: members die, stop
 * and start again, links are cut, lose, double and delay, while hundreds of nodes announce, change
 * and leave. Invariants, looked at ten times a second:
 *   - two members that run and are connected do not differ for longer than one sync interval;
 *   - nothing that a member knew is lost when all is well again: in the end all books are equal;
 *   - memory is what was given (the address sanitizer looks, and so do we: guards).
 * CLUSTER_SEEDS=N runs N seeds; CLUSTER_SEED=S only that one.
 */
#include "tests/support/cluster_world.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define NODES	      300
#define FAULTS_MS     40000
#define ANNOUNCE_MS   5000
#define LIFE_MS	      24000 /* of a record; it expires a second later */
#define CHECK_MS      100
#define FAULT_MS      250
#define SETTLE_MS     2000 /* to be met again, when greetings are lost, too */
#define SEEDS_DEFAULT 24

enum known { UNKNOWN, LEECHER, SEEDER, STOPPED };

struct node {
	uint32_t member; /* where it announces as long as that answers */
	uint64_t due_ms;
	bool seeder;
	bool left;
};

struct opinion {
	enum known known;
	uint64_t announced_ms; /* of the world's time */
};

static struct world world;
static struct node nodes[NODES];
static struct opinion opinions[WORLD_MEMBERS_MAX][NODES];
static uint64_t restart_ms[WORLD_MEMBERS_MAX]; /* 0: not down */
static uint64_t resume_ms[WORLD_MEMBERS_MAX];
static uint64_t mend_ms[WORLD_MEMBERS_MAX][WORLD_MEMBERS_MAX];
static uint64_t differ_since_ms[WORLD_MEMBERS_MAX][WORLD_MEMBERS_MAX][NODES]; /* 0: they agree */
static char trouble[256];

static uint64_t below(uint64_t bound)
{
	return rng_below(&world.rng, bound);
}

/* Nodes. */

static void node_announce(uint32_t number, enum announce_event event)
{
	struct node *node = &nodes[number];

	for (uint32_t tries = 0; tries < world.members_count; tries++) {
		if (world_announce(&world, node->member, number % 5, number, node->seeder, event))
			return;
		node->member = (uint32_t)below(world.members_count);
	}
}

static void nodes_step(void)
{
	for (uint32_t i = 0; i < NODES; i++) {
		struct node *node = &nodes[i];

		if (world.now_ms < node->due_ms)
			continue;
		node->due_ms = world.now_ms + ANNOUNCE_MS;
		if (node->left) {
			node->left = below(3) != 0;
			if (!node->left)
				node_announce(i, ANNOUNCE_STARTED);
			continue;
		}
		node->left = below(20) == 0;
		node->seeder = node->seeder || below(10) == 0;
		if (below(4) == 0)
			node->member = (uint32_t)below(world.members_count);
		node_announce(i, node->left ? ANNOUNCE_STOPPED : ANNOUNCE_NONE);
	}
}

/* Faults. */

static uint32_t members_running(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < world.members_count; i++)
		count += world_runs(&world.members[i]);
	return count;
}

static void fault(void)
{
	uint32_t number = (uint32_t)below(world.members_count);
	uint32_t other = (uint32_t)below(world.members_count);
	uint64_t until_ms = world.now_ms + 200 + below(6000);

	switch (below(16)) {
	case 0:
		if (world_runs(&world.members[number]) && members_running() > 1) {
			world_kill(&world, number);
			restart_ms[number] = until_ms;
		}
		break;
	case 1:
		if (world_runs(&world.members[number]) && members_running() > 1) {
			world_stop(&world, number, true);
			resume_ms[number] = until_ms;
		}
		break;
	case 2:
	case 3:
		if (number != other) {
			world_link(&world, number, other, true);
			mend_ms[number][other] = until_ms;
		}
		break;
	case 4:
		world.loss_per_1000 = (uint32_t)below(50);
		world.double_per_1000 = (uint32_t)below(50);
		world.delay_ms_max = (uint32_t)below(10);
		break;
	default:
		break;
	}
}

static void mend(bool everything)
{
	for (uint32_t i = 0; i < world.members_count; i++) {
		if (restart_ms[i] != 0 && (everything || world.now_ms >= restart_ms[i])) {
			world_start(&world, i);
			restart_ms[i] = 0;
		}
		if (resume_ms[i] != 0 && (everything || world.now_ms >= resume_ms[i])) {
			world_stop(&world, i, false);
			resume_ms[i] = 0;
		}
		for (uint32_t j = 0; j < world.members_count; j++)
			if (mend_ms[i][j] != 0 && (everything || world.now_ms >= mend_ms[i][j])) {
				world_link(&world, i, j, false);
				mend_ms[i][j] = 0;
			}
	}
	if (everything) {
		world.loss_per_1000 = 0;
		world.double_per_1000 = 0;
	}
}

/* Invariants. */

static void ask(uint32_t number)
{
	struct world_member *member = &world.members[number];
	struct tracker_record record;
	uint64_t cursor = 0;

	memset(opinions[number], 0, sizeof(opinions[number]));
	while (tracker_core_walk(member->book, world_clock(member), &cursor, &record)) {
		uint32_t node = (uint32_t)record.address.ip[14] << 8 | record.address.ip[15];

		opinions[number][node] = (struct opinion){
			record.stopped ? STOPPED : (record.seeder ? SEEDER : LEECHER),
			world.now_ms - record.age_ms};
	}
}

static bool connected(uint32_t a, uint32_t b)
{
	uint64_t since_ms =
		u64_max(u64_max(world.members[a].settled_ms, world.members[b].settled_ms),
			world.joined_ms[a][b]);

	return world_runs(&world.members[a]) && world_runs(&world.members[b]) && !world.cut[a][b] &&
	       world.now_ms - since_ms > SETTLE_MS;
}

/* What a knows, b knows, or something younger. What expires just now may be gone here or there. */
static bool agree(const struct opinion *a, const struct opinion *b)
{
	return a->known == UNKNOWN || a->known == b->known ||
	       world.now_ms - a->announced_ms > LIFE_MS ||
	       (b->known != UNKNOWN && b->announced_ms >= a->announced_ms) ||
	       (a->known == STOPPED && b->known == UNKNOWN);
}

static bool disagreement(uint32_t a, uint32_t b, uint32_t node, uint64_t for_ms)
{
	const struct opinion *one = &opinions[a][node];
	const struct opinion *two = &opinions[b][node];

	snprintf(trouble, sizeof(trouble),
		"at %" PRIu64 " ms, for %" PRIu64 " ms: member %u says %d of node %u (%" PRIu64
		" ms old), %u says %d (%" PRIu64 " ms)",
		world.now_ms, for_ms, a, one->known, node, world.now_ms - one->announced_ms, b,
		two->known, world.now_ms - two->announced_ms);
	return false;
}

static bool agree_in_time(uint32_t a, uint32_t b)
{
	for (uint32_t node = 0; node < NODES; node++) {
		uint64_t *since_ms = &differ_since_ms[a][b][node];

		if (!connected(a, b) || agree(&opinions[a][node], &opinions[b][node]))
			*since_ms = 0;
		else if (*since_ms == 0)
			*since_ms = world.now_ms;
		else if (world.now_ms - *since_ms > CLUSTER_SYNC_INTERVAL_MS)
			return disagreement(a, b, node, world.now_ms - *since_ms);
	}
	return true;
}

static bool agree_now(uint32_t a, uint32_t b)
{
	for (uint32_t node = 0; node < NODES; node++)
		if (!agree(&opinions[a][node], &opinions[b][node]))
			return disagreement(a, b, node, 0);
	return true;
}

static bool check(void)
{
	for (uint32_t i = 0; i < world.members_count; i++)
		if (world_runs(&world.members[i]))
			ask(i);
	for (uint32_t a = 0; a < world.members_count; a++)
		for (uint32_t b = 0; b < world.members_count; b++)
			if (a != b && !agree_in_time(a, b))
				return false;
	return true;
}

/* A run. */

static bool run_faults(void)
{
	uint64_t end_ms = world.now_ms + FAULTS_MS;

	for (uint64_t step = 0; world.now_ms < end_ms; step++) {
		world_step(&world);
		nodes_step();
		mend(false);
		if (step % (FAULT_MS / WORLD_STEP_MS) == 0)
			fault();
		if (step % (CHECK_MS / WORLD_STEP_MS) == 0 && !check())
			return false;
	}
	return true;
}

/* Nobody announces any more: what any member knows now, all know soon. */
static bool run_heal(void)
{
	static struct opinion before[WORLD_MEMBERS_MAX][NODES];

	mend(true);
	for (uint32_t i = 0; i < world.members_count; i++)
		ask(i);
	memcpy(before, opinions, sizeof(before));
	world_run(&world, SETTLE_MS + CLUSTER_SYNC_INTERVAL_MS);
	for (uint32_t i = 0; i < world.members_count; i++)
		ask(i);
	for (uint32_t a = 0; a < world.members_count; a++)
		for (uint32_t b = 0; b < world.members_count; b++)
			if (a != b && !agree_now(a, b))
				return false;
	/* Also what one member alone knew. */
	for (uint32_t i = 0; i < world.members_count; i++)
		for (uint32_t node = 0; node < NODES; node++)
			if (!agree(&before[i][node], &opinions[0][node]))
				return disagreement(i, 0, node, 0);
	return true;
}

static bool run(uint64_t seed)
{
	memset(restart_ms, 0, sizeof(restart_ms));
	memset(resume_ms, 0, sizeof(resume_ms));
	memset(mend_ms, 0, sizeof(mend_ms));
	memset(nodes, 0, sizeof(nodes));
	memset(differ_since_ms, 0, sizeof(differ_since_ms));
	world_create(&world, seed, 3 + (uint32_t)(seed % 6));
	world.ring_batches = seed % 3 == 0 ? 64 : 0; /* or so few that only a catch-up helps */
	world.group = seed % 4 == 0;
	for (uint32_t i = 0; i < world.members_count; i++)
		world_start(&world, i);
	for (uint32_t i = 0; i < NODES; i++)
		nodes[i] = (struct node){.member = (uint32_t)below(world.members_count),
			.due_ms = world.now_ms + below(ANNOUNCE_MS)};
	bool good = run_faults() && run_heal();

	world_destroy(&world);
	return good;
}

static void random_faults(void **state)
{
	const char *one = getenv("CLUSTER_SEED");
	const char *many = getenv("CLUSTER_SEEDS");
	uint64_t first = one != NULL ? strtoull(one, NULL, 0) : 1;
	uint64_t count = one != NULL ? 1 : many != NULL ? strtoull(many, NULL, 0) : SEEDS_DEFAULT;
	uint64_t sent = 0;
	uint64_t lost = 0;
	uint64_t catch_ups = 0;
	uint64_t broken = 0;

	(void)state;
	for (uint64_t seed = first; seed < first + count; seed++) {
		if (!run(seed))
			fail_msg("CLUSTER_SEED=%" PRIu64 ": %s", seed, trouble);
		sent += world.sent;
		lost += world.lost;
		catch_ups += world.catch_ups;
		broken += world.catch_ups_broken;
	}
	printf("# %" PRIu64 " seeds, %d nodes: datagrams sent %" PRIu64 ", lost %" PRIu64
	       "; catch-ups %" PRIu64 ", broken %" PRIu64 "\n",
		count, NODES, sent, lost, catch_ups, broken);
	/* The faults were there. */
	assert_true(one != NULL || (lost > 0 && catch_ups > 0 && broken > 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(random_faults)};

	return cmocka_run_group_tests_name("cluster_world", tests, NULL, NULL);
}
