/* SPDX-License-Identifier: Apache-2.0 */
/* Trackers as the engine's announces see them. */
#include <inttypes.h>

#include "sim/tracker.h"

#define SILENCE_NS     (4 * NS_PER_S)
#define PEERS_MAX      50
#define EXPIRES_ROUNDS 3
#define DRAWN_FROM_MIN 512 /* nodes */
#define DRAWS_MAX      400

void sim_tracker_add(struct sim_world *world, uint32_t interval_s)
{
	struct sim_tracker *tracker = &world->trackers[world->trackers_count++];

	*tracker = (struct sim_tracker){.alive = true, .interval_s = interval_s};
	tracker->expires_ns = sim_allocate(world->nodes_max, sizeof(*tracker->expires_ns));
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

bool sim_tracker_knows(const struct sim_world *world, uint32_t tracker, const struct sim_node *node)
{
	return world->trackers[tracker].expires_ns[node->number] > world->now_ns;
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

void sim_tracker_die(struct sim_world *world, uint32_t tracker, bool silent)
{
	world->trackers[tracker].alive = false;
	world->trackers[tracker].silent = silent;
	/* It kept its peers in memory. */
	memset(world->trackers[tracker].expires_ns, 0,
		world->nodes_max * sizeof(*world->trackers[tracker].expires_ns));
	sim_trace(world, "tracker %u dies", tracker);
}

void sim_tracker_revive(struct sim_world *world, uint32_t tracker)
{
	struct sim_tracker *back = &world->trackers[tracker];

	for (uint32_t i = 0; i < world->trackers_count && back->cluster != 0; i++)
		if (world->trackers[i].alive && world->trackers[i].cluster == back->cluster) {
			memcpy(back->expires_ns, world->trackers[i].expires_ns,
				world->nodes_max * sizeof(*back->expires_ns));
			break;
		}
	back->alive = true;
	sim_trace(world, "tracker %u is back", tracker);
}

void sim_tracker_register(struct sim_node *node)
{
	for (uint32_t i = 0; i < node->world->trackers_count; i++)
		node->world->trackers[i].expires_ns[node->number] = UINT64_MAX;
}

static bool is_named(const struct sim_node *node, const struct sim_tracker *tracker, uint32_t other)
{
	return other != node->number && tracker->expires_ns[other] > node->world->now_ns;
}

/* Every peer that the tracker names has the same chance: a reservoir of as many as are wanted. */
static uint32_t choose_from_all(struct sim_node *node, const struct sim_tracker *tracker,
	uint32_t wanted, uint32_t chosen[static PEERS_MAX])
{
	struct sim_world *world = node->world;
	uint32_t chosen_count = 0;
	uint64_t seen_count = 0;

	for (uint32_t i = 0; i < world->nodes_count; i++) {
		if (!is_named(node, tracker, i))
			continue;
		seen_count++;
		if (chosen_count < wanted) {
			chosen[chosen_count++] = i;
			continue;
		}
		uint64_t place = rng_below(&world->rng, seen_count);

		if (place < wanted)
			chosen[place] = i;
	}
	return chosen_count;
}

/* The same, by drawing numbers until there are enough: nobody looks through thousands. Fewer than
 * are wanted when many are not there. */
static uint32_t draw(struct sim_node *node, const struct sim_tracker *tracker, uint32_t wanted,
	uint32_t chosen[static PEERS_MAX])
{
	struct sim_world *world = node->world;
	uint32_t chosen_count = 0;

	for (uint32_t i = 0; i < DRAWS_MAX && chosen_count < wanted; i++) {
		uint32_t other = (uint32_t)rng_below(&world->rng, world->nodes_count);
		bool again = !is_named(node, tracker, other);

		for (uint32_t k = 0; k < chosen_count && !again; k++)
			again = chosen[k] == other;
		if (!again)
			chosen[chosen_count++] = other;
	}
	return chosen_count;
}

static void name_peers(
	struct sim_node *node, const struct sim_tracker *tracker, uint32_t wanted, uint64_t due_ns)
{
	struct sim_world *world = node->world;
	uint32_t chosen[PEERS_MAX];
	uint32_t chosen_count = 0;

	if (world->nodes_count >= DRAWN_FROM_MIN)
		chosen_count = draw(node, tracker, wanted, chosen);
	if (world->nodes_count < DRAWN_FROM_MIN || chosen_count < wanted)
		chosen_count = choose_from_all(node, tracker, wanted, chosen);
	for (uint32_t i = 0; i < chosen_count; i++) {
		struct sim_answer *answer = sim_node_answer(node, SWARM_IN_ADDRESS);

		answer->input.address = world->nodes[chosen[i]]->address;
		sim_node_answer_at(answer, due_ns);
	}
}

/* By those of its cluster, too. */
static void expires_at(struct sim_node *node, const struct sim_tracker *told, uint64_t at_ns)
{
	struct sim_world *world = node->world;

	for (uint32_t i = 0; i < world->trackers_count; i++) {
		struct sim_tracker *tracker = &world->trackers[i];

		if (tracker == told ||
			(tracker->alive && told->cluster != 0 && tracker->cluster == told->cluster))
			tracker->expires_ns[node->number] = at_ns;
	}
}

void sim_tracker_announce(struct sim_node *node, const struct swarm_effect *effect)
{
	struct sim_world *world = node->world;
	struct sim_tracker *tracker = &world->trackers[node->trackers[effect->tracker]];
	struct sim_answer *answer = sim_node_answer(node, SWARM_IN_TRACKER_REPLY);
	uint64_t due_ns = world->now_ns + 2 * node->link.latency_ns;

	answer->input.tracker = effect->tracker;
	answer->input.ok = tracker->alive;
	answer->input.interval_s = tracker->interval_s;
	if (!tracker->alive) {
		if (tracker->silent)
			due_ns += SILENCE_NS;
		sim_node_answer_at(answer, due_ns);
		return;
	}
	if (effect->event == ANNOUNCE_STOPPED) {
		expires_at(node, tracker, 0);
	} else {
		expires_at(node, tracker,
			world->now_ns + EXPIRES_ROUNDS * tracker->interval_s * NS_PER_S);
		node->unheard_most_ns =
			u64_max(node->unheard_most_ns, due_ns - u64_min(due_ns, node->heard_ns));
		node->heard_ns = u64_max(node->heard_ns, due_ns);
		/* Production's reply comes before its peers or after them; here they come first. */
		name_peers(node, tracker, (uint32_t)u64_min(effect->numwant, PEERS_MAX), due_ns);
	}
	sim_node_answer_at(answer, due_ns);
}
