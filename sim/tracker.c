/* SPDX-License-Identifier: Apache-2.0 */
/* Trackers as the engine's announces see them: the core of tracker/, as it ships. */
#include <inttypes.h>
#include <stdlib.h>

#include "sim/tracker.h"
#include "tracker/tracker_core.h"

#define SILENCE_NS	(4 * NS_PER_S)
#define STAYS_EVERY_NS	(5 * NS_PER_S)
#define INFOHASH_LETTER 'i' /* all over, as in the engine's settings */

static void create_core(struct sim_world *world, struct sim_tracker *tracker)
{
	struct tracker_core_settings settings = {.swarms_max = 1,
		.peers_max = world->nodes_max,
		.interval_s = tracker->interval_s,
		.places_max = SIM_RACKS_MAX + SIM_SITES_MAX,
		.replicated = true,
		.seed = rng_next(&world->rng)};
	size_t bytes = tracker_core_bytes(&settings);

	if (tracker->core_memory == NULL)
		tracker->core_memory = sim_allocate(1, bytes);
	tracker->core = tracker_core_create(&settings, tracker->core_memory, bytes);
}

void sim_tracker_add(struct sim_world *world, uint32_t interval_s)
{
	struct sim_tracker *tracker = &world->trackers[world->trackers_count++];

	*tracker = (struct sim_tracker){.alive = true, .interval_s = interval_s};
	tracker->stays = sim_allocate(world->nodes_max, sizeof(*tracker->stays));
	create_core(world, tracker);
}

void sim_tracker_destroy(struct sim_tracker *tracker)
{
	free(tracker->core_memory);
	free(tracker->stays);
}

void sim_tracker_add_for(struct sim_world *world, uint32_t interval_s, uint32_t site, uint32_t tier,
	uint32_t cluster)
{
	struct sim_tracker *tracker = &world->trackers[world->trackers_count];

	sim_tracker_add(world, interval_s);
	tracker->site = site;
	tracker->tier = tier;
	tracker->cluster = cluster;
}

uint32_t sim_tracker_list(struct sim_node *node, uint32_t tiers[static SIM_TRACKERS_MAX])
{
	const struct sim_world *world = node->world;
	uint32_t count = 0;

	for (uint32_t tier = 0; count < world->trackers_count; tier++)
		for (uint32_t i = 0; i < world->trackers_count; i++) {
			const struct sim_tracker *tracker = &world->trackers[i];
			bool other = tracker->site != SIM_SITE_NONE &&
				     tracker->site != sim_site_of(node);

			if (tracker->tier + other != tier)
				continue;
			node->trackers[count] = (uint8_t)i;
			tiers[count++] = tier;
		}
	return count;
}

static uint64_t now_ms(const struct sim_world *world)
{
	return world->now_ns / NS_PER_MS;
}

bool sim_tracker_knows(const struct sim_world *world, uint32_t tracker, const struct sim_node *node)
{
	struct tracker_record record;
	uint64_t cursor = 0;

	while (tracker_core_walk(world->trackers[tracker].core, now_ms(world), &cursor, &record))
		if (!record.stopped && peer_address_equal(&record.address, &node->address))
			return true;
	return false;
}

void sim_judge_trackers(struct sim_world *world, uint64_t unheard_ns_max)
{
	for (uint32_t i = 0; i < world->nodes_count; i++)
		if (world->nodes[i]->unheard_most_ns > unheard_ns_max)
			sim_violation(world, "trackers",
				"%s heard from no tracker for %" PRIu64 " ms",
				world->nodes[i]->name,
				world->nodes[i]->unheard_most_ns / NS_PER_MS);
}

/* It kept its peers in memory. */
void sim_tracker_die(struct sim_world *world, uint32_t tracker, bool silent)
{
	struct sim_tracker *dead = &world->trackers[tracker];

	dead->alive = false;
	dead->silent = silent;
	memset(dead->stays, 0, world->nodes_max * sizeof(*dead->stays));
	create_core(world, dead);
	sim_trace(world, "tracker %u dies", tracker);
}

static bool tell_each_other(const struct sim_tracker *a, const struct sim_tracker *b)
{
	return a != b && a->alive && b->alive && a->cluster != 0 && a->cluster == b->cluster;
}

void sim_tracker_revive(struct sim_world *world, uint32_t tracker)
{
	struct sim_tracker *back = &world->trackers[tracker];
	struct tracker_record record;

	back->alive = true;
	for (uint32_t i = 0; i < world->trackers_count; i++) {
		uint64_t cursor = 0;

		while (tell_each_other(back, &world->trackers[i]) &&
			tracker_core_walk(world->trackers[i].core, now_ms(world), &cursor, &record))
			tracker_core_record(back->core, now_ms(world), &record);
	}
	sim_trace(world, "tracker %u is back", tracker);
}

/* What this one was told, those of its cluster know at once. */
static void tell_cluster(struct sim_world *world, struct sim_tracker *told)
{
	struct tracker_record record;

	while (tracker_core_next_change(told->core, now_ms(world), &record))
		for (uint32_t i = 0; i < world->trackers_count; i++)
			if (tell_each_other(told, &world->trackers[i]))
				tracker_core_record(
					world->trackers[i].core, now_ms(world), &record);
}

static void announce(struct sim_node *node, struct sim_tracker *tracker, struct announce *announce,
	struct announce_reply *reply)
{
	struct sim_world *world = node->world;

	memset(announce->infohash, INFOHASH_LETTER, sizeof(announce->infohash));
	announce->port = node->address.port;
	if (!world->places_untold && (!node->traits.hides_place || world->places_by_subnet)) {
		sim_place_write(announce->rack, 'r', node->traits.rack);
		sim_place_write(announce->site, 's', sim_site_of(node));
	}
	tracker_core_announce(tracker->core, now_ms(world), announce, node->address.ip, reply);
	tell_cluster(world, tracker);
}

static void stay(struct sim_node *node, struct sim_tracker *tracker)
{
	struct announce_reply reply;
	struct announce begins = {.left_bytes = node->world->image.length_bytes};

	announce(node, tracker, &begins, &reply);
}

void sim_tracker_register(struct sim_node *node)
{
	for (uint32_t i = 0; i < node->world->trackers_count; i++) {
		node->world->trackers[i].stays[node->number] = true;
		stay(node, &node->world->trackers[i]);
	}
}

/* Those that stay announce as often as they must. */
static void renew_those_that_stay(struct sim_world *world, struct sim_tracker *tracker)
{
	if (world->now_ns < tracker->stayed_ns + STAYS_EVERY_NS)
		return;
	tracker->stayed_ns = world->now_ns;
	for (uint32_t i = 0; i < world->nodes_count; i++)
		if (tracker->stays[i])
			stay(world->nodes[i], tracker);
}

void sim_tracker_announce(struct sim_node *node, const struct swarm_effect *effect)
{
	struct sim_world *world = node->world;
	struct sim_tracker *tracker = &world->trackers[node->trackers[effect->tracker]];
	struct sim_answer *answer = sim_node_answer(node, SWARM_IN_TRACKER_REPLY);
	uint64_t due_ns = world->now_ns + 2 * node->link.latency_ns;
	struct announce_reply reply;
	struct announce said = {.left_bytes = effect->left_bytes,
		.event = effect->event,
		.numwant = effect->numwant};

	answer->input.tracker = effect->tracker;
	answer->input.ok = tracker->alive;
	answer->input.interval_s = tracker->interval_s;
	if (!tracker->alive) {
		if (tracker->silent)
			due_ns += SILENCE_NS;
		sim_node_answer_at(answer, due_ns);
		return;
	}
	renew_those_that_stay(world, tracker);
	announce(node, tracker, &said, &reply);
	if (effect->event != ANNOUNCE_STOPPED) {
		node->unheard_most_ns =
			u64_max(node->unheard_most_ns, due_ns - u64_min(due_ns, node->heard_ns));
		node->heard_ns = u64_max(node->heard_ns, due_ns);
	}
	for (uint32_t i = 0; i < reply.peers_count; i++) {
		struct sim_answer *named = sim_node_answer(node, SWARM_IN_TRACKER_PEER);

		named->input.tracker = effect->tracker;
		named->input.address = reply.peers[i];
		sim_node_answer_at(named, due_ns);
	}
	sim_node_answer_at(answer, due_ns);
}
