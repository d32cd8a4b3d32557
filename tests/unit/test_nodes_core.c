/* SPDX-License-Identifier: Apache-2.0 */
/* The state machine of a node on the server: told cases. */
#include "tests/support/node.h"

static void a_node_boots_locally_unless_armed(void **state)
{
	struct node node = fresh();

	(void)state;
	assert_false(node_boots_agent(&node, &quiet, START));
	assert_int_equal(node_plan(&node, &quiet, START), PLAN_LOCAL);
	assert_true(arm_with(&node, 1, START));
	assert_true(node_boots_agent(&node, &quiet, START));
	assert_int_equal(node_plan(&node, &quiet, START), PLAN_IMAGE);
	assert_int_equal(node.state, NODE_IMAGING);
}

static void inventory_is_offered_once(void **state)
{
	struct node node = fresh();

	(void)state;
	assert_true(node_boots_agent(&node, &discover, START));
	assert_int_equal(node_plan(&node, &discover, START), PLAN_INVENTORY);
	assert_false(node_boots_agent(&node, &discover, START));
	assert_true(tell(&node, REPORT_HELLO, 0, START).inventory);
	assert_int_equal(node_plan(&node, &discover, START), PLAN_LOCAL);
	assert_false(node_boots_agent(&node, &discover, START));
}

static void an_early_hello_is_no_inventory(void **state)
{
	struct node node = fresh();
	struct report report = report_of(REPORT_HELLO, 0);
	struct node_answer answer;

	(void)state;
	report.stage = STAGE_AGENT;
	report.disks_count = 1;
	node_report(&node, &report, START, &answer);
	assert_true(answer.inventory); /* shown */
	assert_false(node.has_inventory);
	assert_int_equal(node_plan(&node, &discover, START), PLAN_INVENTORY);
	tell(&node, REPORT_HELLO, 0, START);
	assert_true(node.has_inventory);
	/* A later early hello does not replace the settled one. */
	node_report(&node, &report, START, &answer);
	assert_false(answer.inventory);
}

static void finishing_is_durable_before_it_is_acknowledged(void **state)
{
	struct node node = fresh();
	struct node_answer answer;

	(void)state;
	assert_true(arm_with(&node, 1, START));
	assert_int_equal(node_plan(&node, &quiet, START), PLAN_IMAGE);
	answer = tell(&node, REPORT_FINISHING, 1, START);
	assert_true(answer.durable && answer.reply.acknowledged);
	assert_int_equal(node.state, NODE_FINISHING);
	assert_true(node.arm.digest_known);
	/* The acknowledgement was lost: the same again. */
	answer = tell(&node, REPORT_FINISHING, 1, START);
	assert_true(answer.durable && answer.reply.acknowledged);
	assert_int_equal(node_plan(&node, &quiet, START), PLAN_FINISHING);
	/* A torn commit: it fetches again, and asks again with another digest. */
	answer = tell(&node, REPORT_PROGRESS, 1, START);
	assert_true(answer.reply.acknowledged);
	assert_int_equal(node.state, NODE_FINISHING);
	answer = tell(&node, REPORT_FINISHED, 1, START);
	assert_true(answer.durable && answer.reply.acknowledged);
	assert_int_equal(node.state, NODE_DONE);
	assert_string_equal(node.arm.outcome, "done");
	answer = tell(&node, REPORT_FINISHED, 1, START);
	assert_true(answer.reply.acknowledged && !answer.changed);
}

static void an_old_finishing_request_after_the_end_changes_nothing(void **state)
{
	struct node node = fresh();
	struct report report = report_of(REPORT_FINISHING, 1);
	struct node_answer answer;

	(void)state;
	assert_true(arm_with(&node, 1, START));
	tell(&node, REPORT_FINISHING, 1, START);
	tell(&node, REPORT_FINISHED, 1, START);
	answer = tell(&node, REPORT_FINISHING, 1, START);
	assert_true(answer.reply.acknowledged);
	report.head_tail_sha256[0] ^= 1;
	node_report(&node, &report, START, &answer);
	assert_true(answer.reply.abort && !answer.reply.acknowledged);
	assert_int_equal(node.state, NODE_DONE);
	assert_int_equal(node.arm.head_tail_sha256[0], 0xab);
}

static void two_arms_image_twice_and_no_more(void **state)
{
	struct node node = fresh();
	unsigned imaged = 0;

	(void)state;
	for (uint64_t number = 1; number <= 2; number++) {
		assert_true(arm_with(&node, number, START));
		assert_false(node.arm.digest_known);
		imaged += node_plan(&node, &quiet, START) == PLAN_IMAGE;
		tell(&node, REPORT_FINISHING, number, START);
		tell(&node, REPORT_FINISHED, number, START);
		for (int i = 0; i < 3; i++) {
			assert_false(node_boots_agent(&node, &quiet, START));
			assert_int_equal(node_plan(&node, &quiet, START), PLAN_LOCAL);
		}
	}
	assert_int_equal(imaged, 2);
}

static void an_arm_that_was_not_begun_is_replaced(void **state)
{
	struct node node = fresh();

	(void)state;
	assert_true(arm_with(&node, 1, START));
	assert_true(arm_with(&node, 2, START));
	assert_int_equal(node.arm.number, 2);
	assert_int_equal(node_plan(&node, &quiet, START), PLAN_IMAGE);
	assert_false(arm_with(&node, 3, START));
	assert_int_equal(node.arm.number, 2);
	tell(&node, REPORT_FINISHING, 2, START);
	assert_false(arm_with(&node, 3, START));
	assert_true(tell(&node, REPORT_FINISHED, 1, START).reply.abort);
	assert_int_equal(node.state, NODE_FINISHING);
}

static void a_disarmed_node_is_told_to_stop(void **state)
{
	static const enum report_event events[] = {
		REPORT_PROGRESS, REPORT_FINISHING, REPORT_FINISHED, REPORT_FAILED};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(events); i++) {
		struct node node = fresh();

		assert_true(arm_with(&node, 1, START));
		assert_int_equal(node_plan(&node, &quiet, START), PLAN_IMAGE);
		assert_true(node_disarm(&node, START));
		struct node_answer answer = tell(&node, events[i], 1, START);

		assert_true(answer.reply.abort && !answer.reply.acknowledged);
		assert_int_equal(node.state, NODE_KNOWN);
		assert_false(node_boots_agent(&node, &quiet, START));
		assert_false(node_disarm(&node, START));
	}
}

static void only_the_permission_to_start_expires(void **state)
{
	struct node node = fresh();

	(void)state;
	assert_true(arm_with(&node, 1, START));
	assert_false(node_expire(&node, START + DAY - 1));
	assert_true(node_boots_agent(&node, &quiet, START + DAY - 1));
	assert_false(node_boots_agent(&node, &quiet, START + DAY));
	assert_int_equal(node.state, NODE_KNOWN);
	assert_string_equal(node.arm.outcome, "expired");
	assert_int_equal(node_plan(&node, &quiet, START + DAY), PLAN_LOCAL);
	assert_true(tell(&node, REPORT_PROGRESS, 1, START + DAY).reply.abort);

	assert_true(arm_with(&node, 2, START));
	assert_int_equal(node_plan(&node, &quiet, START), PLAN_IMAGE);
	assert_false(node_expire(&node, START + 2 * DAY));
	assert_true(node_boots_agent(&node, &quiet, START + 2 * DAY));
	assert_int_equal(node_plan(&node, &quiet, START + 2 * DAY), PLAN_IMAGE);
}

static void a_failed_report_spends_the_arm(void **state)
{
	struct node node = fresh();
	struct node_answer answer;

	(void)state;
	assert_true(arm_with(&node, 1, START));
	assert_int_equal(node_plan(&node, &quiet, START), PLAN_IMAGE);
	answer = tell(&node, REPORT_FAILED, 1, START);
	assert_true(answer.durable && answer.reply.acknowledged);
	assert_int_equal(node.state, NODE_FAILED);
	assert_int_equal(node.error, ERROR_DISK_NONE);
	assert_false(node_boots_agent(&node, &discover, START));
	assert_int_equal(node_plan(&node, &discover, START), PLAN_LOCAL);
	/* Its answer was lost. */
	answer = tell(&node, REPORT_FAILED, 1, START);
	assert_true(answer.reply.acknowledged && !answer.changed);
	assert_true(tell(&node, REPORT_FINISHING, 1, START).reply.abort);
}

static void a_failure_before_the_plan_spends_the_arm_of_its_own_boot_only(void **state)
{
	struct node node = fresh();

	(void)state;
	/* The inventory boot 11 is still there when the node is armed: its failure is not the
	 * arm's. */
	tell(&node, REPORT_HELLO, 0, START);
	assert_true(arm_with(&node, 1, START));
	assert_true(tell(&node, REPORT_FAILED, 0, START).reply.acknowledged);
	assert_int_equal(node.state, NODE_ARMED);
	struct report report = report_of(REPORT_FAILED, 0);
	struct node_answer answer;

	report.boot_id = 12;
	node_report(&node, &report, START, &answer);
	assert_true(answer.reply.acknowledged);
	assert_int_equal(node.state, NODE_FAILED);
}

static void a_failure_shows_the_disks_that_it_saw(void **state)
{
	struct node node = fresh();
	struct report report = report_of(REPORT_FAILED, 0);
	struct node_answer answer;

	(void)state;
	/* Nothing was known before: whatever was seen is shown, and is nothing to choose from. */
	report.stage = STAGE_PLAN;
	report.disks_count = 1;
	node_report(&node, &report, START, &answer);
	assert_true(answer.inventory && !answer.inventory_adds);
	assert_false(node.has_inventory);
	/* The disks were waited for. */
	report.stage = STAGE_TARGET;
	node_report(&node, &report, START, &answer);
	assert_true(answer.inventory && !answer.inventory_adds);
	assert_true(node.has_inventory);
	/* One that was not waited for may be missing: what is known stays to choose from. */
	report.stage = STAGE_PLAN;
	node_report(&node, &report, START, &answer);
	assert_true(answer.inventory && answer.inventory_adds);
	assert_true(node.has_inventory);
	/* Waited for, and none came. */
	report.stage = STAGE_TARGET;
	report.disks_count = 0;
	node_report(&node, &report, START, &answer);
	assert_true(answer.inventory && !answer.inventory_adds);
	assert_false(node.has_inventory);
}

static void known_disks_stay_beside_those_seen(void **state)
{
	static struct report_disk seen[REPORT_DISKS_MAX];
	static struct report_disk known[REPORT_DISKS_MAX];

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		known[i] = (struct report_disk){.size_bytes = 1000, .sector_bytes = 512};
		known[i].serial[0] = i < 2 ? 'T' : 'B'; /* two twins and another */
		known[i].name[0] = (char)('a' + i);
	}
	/* The same disk has another name in another boot. */
	seen[0] = known[0];
	seen[0].name[0] = 'z';
	assert_int_equal(node_disks_add(seen, 1, known, 3), 3);
	assert_int_equal(seen[0].name[0], 'z');
	assert_int_equal(seen[1].name[0], 'b');
	assert_int_equal(seen[2].serial[0], 'B');
	assert_int_equal(node_disks_add(seen, 3, known, 3), 3);
	/* A disk that may not be overwritten any more is not the one that was known. */
	seen[2].eligible = true;
	assert_int_equal(node_disks_add(seen, 3, known, 3), 4);
	for (uint32_t i = 0; i < REPORT_DISKS_MAX; i++)
		known[i] = (struct report_disk){.size_bytes = 2000 + i};
	assert_int_equal(node_disks_add(seen, 4, known, REPORT_DISKS_MAX), REPORT_DISKS_MAX);
}

static void a_commit_that_the_server_forgot_is_believed(void **state)
{
	struct node node = fresh();

	(void)state;
	/* A restored backup says `armed`; the node says that it is done. */
	assert_true(arm_with(&node, 1, START));
	struct node_answer answer = tell(&node, REPORT_FINISHED, 1, START);

	assert_true(answer.durable && answer.reply.acknowledged);
	assert_int_equal(node.state, NODE_DONE);
	assert_false(node_boots_agent(&node, &quiet, START));
}

static void traffic_is_summed_over_boots(void **state)
{
	struct node node = fresh();
	struct report report = report_of(REPORT_PROGRESS, 1);
	struct node_answer answer;

	(void)state;
	assert_true(arm_with(&node, 1, START));
	report.bytes_total = 1000;
	report.bytes_received = 400;
	report.bytes_from_origin = 100;
	node_report(&node, &report, START, &answer);
	report.boot_id = 12;
	report.bytes_received = 50;
	report.bytes_from_origin = 20;
	node_report(&node, &report, START + 1000, &answer);
	report.bytes_received = 60;
	report.sequence = 0; /* overtaken on another connection */
	node_report(&node, &report, START + 1000, &answer);
	assert_int_equal(node.progress.traffic.received_bytes, 50);
	assert_int_equal(node.arm.traffic.received_bytes, 400);
	report.event = REPORT_FINISHED;
	report.sequence = 3;
	report.bytes_total = 0; /* counters left out */
	report.bytes_received = 0;
	node_report(&node, &report, START + 2000, &answer);
	assert_int_equal(node.arm.traffic.received_bytes, 450);
	assert_int_equal(node.arm.traffic.from_origin_bytes, 120);
}

static void stages_have_times_of_the_boot_and_of_the_arm(void **state)
{
	struct node node = fresh();

	(void)state;
	assert_true(arm_with(&node, 1, START));
	assert_true(node_mark(&node, MARK_DHCP, START + 1000));
	assert_false(node_mark(&node, MARK_DHCP, START + 2000)); /* iPXE after the firmware */
	assert_true(node_boots_agent(&node, &quiet, START + 3000));
	assert_true(node_mark(&node, MARK_KERNEL, START + 4000));
	assert_int_equal(node.marks_ms[MARK_DHCP], START + 1000);
	tell(&node, REPORT_HELLO, 0, START + 5000);
	assert_int_equal(node.marks_ms[MARK_AGENT], START + 5000);
	assert_int_equal(node_plan(&node, &quiet, START + 6000), PLAN_IMAGE);
	tell(&node, REPORT_PROGRESS, 1, START + 7000);
	assert_int_equal(node.marks_ms[MARK_FETCH], START + 7000);
	/* The power was cut: a new boot, which never came to its kernel. */
	assert_true(node_mark(&node, MARK_DHCP, START + 60000));
	assert_int_equal(node.marks_ms[MARK_KERNEL], 0);
	assert_true(node_boots_agent(&node, &quiet, START + 61000));
	assert_int_equal(node.marks_ms[MARK_SCRIPT], START + 61000);
	assert_int_equal(node.marks_ms[MARK_FETCH], 0);
	assert_int_equal(node.arm.marks_ms[MARK_DHCP], START + 1000);
	assert_int_equal(node.arm.marks_ms[MARK_FETCH], START + 7000);
}

static void a_wave_is_held_by_those_who_need_it(void **state)
{
	struct node node = fresh();
	uint8_t infohash[SHA1_BYTES];
	uint8_t other[SHA1_BYTES] = {0};

	(void)state;
	memset(infohash, 7, sizeof(infohash));
	assert_false(node_holds_wave(&node, infohash, START));
	assert_true(arm_with(&node, 1, START));
	assert_true(node_holds_wave(&node, infohash, START));
	assert_false(node_holds_wave(&node, other, START));
	assert_false(node_holds_wave(&node, infohash, START + NODE_SILENT_MS));
	tell(&node, REPORT_PROGRESS, 1, START + NODE_SILENT_MS);
	assert_true(node_holds_wave(&node, infohash, START + NODE_SILENT_MS + 1000));
	struct report report = report_of(REPORT_PROGRESS, 1);
	struct node_answer answer;

	report.stage = STAGE_SEED;
	node_report(&node, &report, START + NODE_SILENT_MS + 2000, &answer);
	assert_false(node_holds_wave(&node, infohash, START + NODE_SILENT_MS + 2000));
	/* Back at the beginning after a power cut. */
	report.stage = STAGE_ASSESS;
	report.boot_id = 12;
	node_report(&node, &report, START + NODE_SILENT_MS + 3000, &answer);
	assert_true(node_holds_wave(&node, infohash, START + NODE_SILENT_MS + 3000));
	tell(&node, REPORT_FAILED, 1, START + NODE_SILENT_MS + 4000);
	assert_false(node_holds_wave(&node, infohash, START + NODE_SILENT_MS + 4000));
}

static void rescue_boots_once_and_leaves_the_arm_alone(void **state)
{
	struct node node = fresh();

	(void)state;
	node.rescue = true;
	assert_true(node_boots_agent(&node, &quiet, START));
	assert_int_equal(node_plan(&node, &quiet, START), PLAN_RESCUE);
	assert_false(node_boots_agent(&node, &quiet, START));
	assert_true(arm_with(&node, 1, START));
	node.rescue = true;
	assert_int_equal(node_plan(&node, &quiet, START), PLAN_RESCUE);
	assert_int_equal(node.state, NODE_ARMED);
	assert_int_equal(node_plan(&node, &quiet, START), PLAN_IMAGE);
}

static void addresses_have_one_form(void **state)
{
	char mac[NODE_MAC_CHARS + 1];
	static const char *const wrong[] = {"", "52", "52:54:00:12:34", "52:54:00:12:34:5",
		"52:54:00:12:34:56:78", "52:54:00:12:34:5g", "52-54:00:12:34:56", "5254.0012.3456",
		"00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "52:54:00:12:34:56 ",
		" 52:54:00:12:34:56", "525400123456ab", "52:54:00:12:34:56${x}"};

	(void)state;
	assert_true(mac_normalise(mac, "52:54:00:AB:cd:EF"));
	assert_string_equal(mac, "52:54:00:ab:cd:ef");
	assert_true(mac_normalise(mac, "52-54-00-AB-CD-EF"));
	assert_string_equal(mac, "52:54:00:ab:cd:ef");
	assert_true(mac_normalise(mac, "525400abcdef"));
	assert_string_equal(mac, "52:54:00:ab:cd:ef");
	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++)
		assert_false(mac_normalise(mac, wrong[i]));
}

static void names_lead_back(void **state)
{
	(void)state;
	for (int i = 0; i < NODE_STATES_COUNT; i++) {
		enum node_state found;

		assert_true(node_state_from_name(&found, node_state_name((enum node_state)i)));
		assert_int_equal(found, i);
		assert_false(node_state_from_name(&found, "nonsense"));
	}
	for (int i = 0; i < LOCAL_BOOTS_COUNT; i++) {
		enum local_boot found;

		assert_true(local_boot_from_name(&found, local_boot_name((enum local_boot)i)));
		assert_int_equal(found, i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_boots_locally_unless_armed),
		cmocka_unit_test(inventory_is_offered_once),
		cmocka_unit_test(an_early_hello_is_no_inventory),
		cmocka_unit_test(finishing_is_durable_before_it_is_acknowledged),
		cmocka_unit_test(an_old_finishing_request_after_the_end_changes_nothing),
		cmocka_unit_test(two_arms_image_twice_and_no_more),
		cmocka_unit_test(an_arm_that_was_not_begun_is_replaced),
		cmocka_unit_test(a_disarmed_node_is_told_to_stop),
		cmocka_unit_test(only_the_permission_to_start_expires),
		cmocka_unit_test(a_failed_report_spends_the_arm),
		cmocka_unit_test(a_failure_before_the_plan_spends_the_arm_of_its_own_boot_only),
		cmocka_unit_test(a_failure_shows_the_disks_that_it_saw),
		cmocka_unit_test(known_disks_stay_beside_those_seen),
		cmocka_unit_test(a_commit_that_the_server_forgot_is_believed),
		cmocka_unit_test(traffic_is_summed_over_boots),
		cmocka_unit_test(stages_have_times_of_the_boot_and_of_the_arm),
		cmocka_unit_test(a_wave_is_held_by_those_who_need_it),
		cmocka_unit_test(rescue_boots_once_and_leaves_the_arm_alone),
		cmocka_unit_test(addresses_have_one_form),
		cmocka_unit_test(names_lead_back),
	};

	return cmocka_run_group_tests_name("nodes_core", tests, NULL, NULL);
}
