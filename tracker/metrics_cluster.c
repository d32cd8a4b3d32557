/* SPDX-License-Identifier: Apache-2.0 */
/* What a tracker's cluster counts, as metrics and as JSON. */
#include "tracker/metrics_private.h"

#include <stdio.h>

#include "tracker/cluster.h"

#define PREFIX METRICS_PREFIX "cluster_"

/* "10.0.0.1:6970", "[fd00::1]:6970". */
#define MEMBER_TEXT_MAX (PEER_IP_TEXT_MAX + 10)

static const char *member_name(
	char name[static MEMBER_TEXT_MAX], const struct peer_address *address)
{
	char ip[PEER_IP_TEXT_MAX];
	bool ipv4 = peer_address_is4(address);

	peer_address_ip_write(ip, address);
	snprintf(name, MEMBER_TEXT_MAX, "%s%s%s:%u", ipv4 ? "" : "[", ip, ipv4 ? "" : "]",
		address->port);
	return name;
}

/* Counters that have one name and differ in a label, and those without one. */
struct counter {
	const char *name;
	const char *label; /* "": none */
	const char *value;
	const char *help;
	size_t offset;
};

#define AT(member) offsetof(struct cluster_statistics, member)

static const struct counter counters[] = {
	{"datagrams", "direction", "received", "Datagrams between members.",
		AT(datagrams_received)},
	{"datagrams", "direction", "sent", "", AT(datagrams_sent)},
	{"bytes", "direction", "received", "Bytes of these datagrams.", AT(bytes_received)},
	{"bytes", "direction", "sent", "", AT(bytes_sent)},
	{"records", "direction", "received", "Peers told of, repetitions not counted.",
		AT(records_received)},
	{"records", "direction", "sent", "", AT(records_sent)},
	{"dropped", "cause", "forged", "Datagrams that were not believed.", AT(forged)},
	{"dropped", "cause", "replayed", "", AT(replayed)},
	{"dropped", "cause", "strange", "", AT(strange)},
	{"dropped", "cause", "malformed", "", AT(malformed)},
	{"batches_lost", "", "", "Batches that had to be asked for.", AT(lost)},
	{"batches_repaired", "", "", "Batches that came when asked for.", AT(repaired)},
	{"batches_passed_on", "", "", "Batches of others sent to one that asked.", AT(passed_on)},
	{"challenges", "", "", "Challenges sent to new boots of members.", AT(challenges_sent)},
	{"members_met", "", "", "Boots of members that proved to have the key.", AT(members_met)},
	{"catch_ups", "", "", "Catch-ups from another member.", AT(catch_ups)},
	{"catch_ups_failed", "", "", "Catch-ups that did not come to their end.",
		AT(catch_ups_failed)},
	{"changes_lost", "", "", "Changes that were too many to be told one by one.",
		AT(changes_lost)},
};

static uint64_t counter_value(
	const struct counter *counter, const struct cluster_statistics *statistics)
{
	uint64_t value;

	memcpy(&value, (const char *)statistics + counter->offset, sizeof(value));
	return value;
}

static void write_counters(struct metrics *metrics, const struct cluster_statistics *statistics)
{
	for (size_t i = 0; i < ARRAY_COUNT(counters); i++) {
		const struct counter *counter = &counters[i];
		unsigned long long value = counter_value(counter, statistics);
		char name[64];

		snprintf(name, sizeof(name), PREFIX "%s_total", counter->name);
		if (i == 0 || strcmp(counters[i - 1].name, counter->name) != 0)
			metrics_family(metrics, name, "counter", counter->help);
		if (counter->label[0] == '\0')
			metrics_add(metrics, "%s %llu\n", name, value);
		else
			metrics_add(metrics, "%s{%s=\"%s\"} %llu\n", name, counter->label,
				counter->value, value);
	}
}

enum member_number { MEMBER_LIVE, MEMBER_SILENT, MEMBER_PEERS, MEMBER_BEHIND, MEMBER_NUMBERS };

static uint64_t member_number(const struct cluster_member *member, enum member_number which)
{
	switch (which) {
	case MEMBER_LIVE:
		return member->live;
	case MEMBER_SILENT:
		return member->silent_ms / 1000;
	case MEMBER_PEERS:
		return member->peers_count;
	default:
		return member->behind;
	}
}

static void write_catch_up(struct metrics *metrics, const struct tracker *tracker)
{
	struct cluster_catch_up now;
	bool runs = tracker_cluster_catch_up(tracker, &now);

	metrics_family(metrics, PREFIX "catching_up", "gauge",
		"1: another member's whole book is coming.");
	metrics_add(metrics, PREFIX "catching_up %d\n", runs);
	metrics_family(metrics, PREFIX "catching_up_records", "gauge",
		"Peers that came in the catch-up that runs.");
	metrics_add(metrics, PREFIX "catching_up_records %llu\n",
		runs ? (unsigned long long)now.records_count : 0);
}

void metrics_write_cluster(struct metrics *metrics, const struct tracker *tracker)
{
	static const struct {
		const char *name;
		const char *help;
	} numbers[MEMBER_NUMBERS] = {
		[MEMBER_LIVE] = {PREFIX "member_live", "1: the member was heard lately."},
		[MEMBER_SILENT] = {PREFIX "member_silent_seconds",
			"Since the member was last heard; not of one that never was."},
		[MEMBER_PEERS] = {PREFIX "member_peers", "Peers in the member's book."},
		[MEMBER_BEHIND] = {PREFIX "member_behind_batches",
			"Batches of the member that are not here yet."}};
	struct cluster_statistics statistics;
	struct cluster_member members[CLUSTER_MEMBERS_MAX];
	char name[MEMBER_TEXT_MAX];

	if (!tracker_cluster_statistics(tracker, &statistics))
		return;
	uint32_t count = tracker_cluster_members(tracker, members);
	for (int number = 0; number < MEMBER_NUMBERS; number++) {
		metrics_family(metrics, numbers[number].name, "gauge", numbers[number].help);
		for (uint32_t i = 0; i < count; i++)
			if (members[i].met || number == MEMBER_LIVE)
				metrics_add(metrics, "%s{member=\"%s\"} %llu\n",
					numbers[number].name,
					member_name(name, &members[i].address),
					(unsigned long long)member_number(
						&members[i], (enum member_number)number));
	}
	write_catch_up(metrics, tracker);
	write_counters(metrics, &statistics);
}

/* What nobody knows of a member that was never heard is null. */
static json_t *if_met(const struct cluster_member *member, uint64_t value)
{
	return member->met ? json_integer((json_int_t)value) : json_null();
}

static json_t *members_json(const struct tracker *tracker)
{
	struct cluster_member members[CLUSTER_MEMBERS_MAX];
	uint32_t count = tracker_cluster_members(tracker, members);
	char name[MEMBER_TEXT_MAX];
	json_t *list = json_array();

	for (uint32_t i = 0; i < count; i++) {
		const struct cluster_member *member = &members[i];

		/* A list that misses one would be a lie: none then. */
		if (json_array_append_new(
			    list, json_pack("{s:s, s:b, s:b, s:o, s:o, s:o}", "address",
					  member_name(name, &member->address), "met",
					  (int)member->met, "live", (int)member->live, "silent_ms",
					  if_met(member, member->silent_ms), "peers",
					  if_met(member, member->peers_count), "behind_batches",
					  if_met(member, member->behind))) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *catch_up_json(const struct tracker *tracker)
{
	struct cluster_catch_up now;
	char name[MEMBER_TEXT_MAX];

	if (!tracker_cluster_catch_up(tracker, &now))
		return json_null();
	return json_pack("{s:s, s:I, s:I}", "from", member_name(name, &now.from), "records",
		(json_int_t)now.records_count, "running_ms", (json_int_t)now.running_ms);
}

json_t *view_cluster_json(const struct tracker *tracker)
{
	struct cluster_statistics statistics;
	char name[64];

	if (!tracker_cluster_statistics(tracker, &statistics))
		return json_null();
	json_t *json = json_object();
	bool fine = json_object_set_new(json, "members", members_json(tracker)) == 0 &&
		    json_object_set_new(json, "catching_up", catch_up_json(tracker)) == 0;

	for (size_t i = 0; fine && i < ARRAY_COUNT(counters); i++) {
		snprintf(name, sizeof(name), "%s%s%s", counters[i].name,
			counters[i].label[0] != '\0' ? "_" : "", counters[i].value);
		fine = json_object_set_new(json, name,
			       json_integer(
				       (json_int_t)counter_value(&counters[i], &statistics))) == 0;
	}
	if (fine)
		return json;
	json_decref(json);
	return NULL;
}
