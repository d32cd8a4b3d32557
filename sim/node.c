/* SPDX-License-Identifier: Apache-2.0 */
/* A machine: its making, the answers it waits for, its engine's inputs. */
#include "sim/node.h"

#include <stdlib.h>

#include "sim/invariants.h"
#include "sim/tracker.h"

#define RATE_DEFAULT_BYTES_PER_S (50 * 1000 * 1000 / 8)
#define LATENCY_DEFAULT_NS	 (100 * NS_PER_US)
#define HASH_DEFAULT_BYTES_PER_S (1000 * MIB)
#define BUFFERS_DEFAULT		 24
#define LISTEN_PORT		 6881
#define NETWORK_10		 10
#define EFFECTS_DRAINED_MAX	 1000000

void sim_node_traits_default(struct sim_node_traits *traits)
{
	*traits = (struct sim_node_traits){
		.up_bytes_per_s = RATE_DEFAULT_BYTES_PER_S,
		.down_bytes_per_s = RATE_DEFAULT_BYTES_PER_S,
		.latency_ns = LATENCY_DEFAULT_NS,
		.hash_bytes_per_s = HASH_DEFAULT_BYTES_PER_S,
		.expect = SIM_EXPECT_FINISH,
	};
	sim_disk_traits_default(&traits->disk);
	swarm_limits_default(&traits->limits);
	traits->limits.buffers_count = BUFFERS_DEFAULT;
}

struct sim_node *sim_node_add_actor(struct sim_world *world, const char *what,
	const struct sim_node_traits *traits, const struct sim_actor *actor)
{
	struct sim_node *node = sim_allocate(1, sizeof(*node));
	uint32_t number = world->nodes_count;
	uint8_t ip[4] = {
		NETWORK_10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};

	if (number == world->nodes_max) {
		fprintf(stderr, "sim: more nodes than the scenario's nodes_max\n");
		abort();
	}
	node->world = world;
	node->number = number;
	snprintf(node->name, sizeof(node->name), "%s-%u", what, number);
	peer_address_from4(&node->address, ip, LISTEN_PORT);
	node->actor = actor;
	node->traits = *traits;
	node->link = (struct sim_link){.up_bytes_per_s = traits->up_bytes_per_s,
		.down = {.bytes_per_s = traits->down_bytes_per_s},
		.latency_ns = traits->latency_ns,
		.up_queue_bytes = traits->up_queue_bytes};
	node->tick_ns = UINT64_MAX;
	node->inbox.wake_ns = UINT64_MAX;
	node->slots_count = traits->limits.peers_max;
	node->slots = sim_allocate(node->slots_count, sizeof(*node->slots));
	world->nodes[world->nodes_count++] = node;
	return node;
}

struct sim_node *sim_node_add(
	struct sim_world *world, const char *what, const struct sim_node_traits *traits)
{
	struct sim_node *node = sim_node_add_actor(world, what, traits, &sim_engine_actor);
	const struct sim_image *image = &world->image;
	uint32_t buffers = traits->limits.buffers_count;

	sim_disk_create(&node->disk, world, &traits->disk);
	if (traits->holds_image)
		sim_disk_fill_image(&node->disk);
	else if (traits->old_system)
		sim_disk_fill_old(&node->disk);
	node->buffers = sim_allocate(buffers, sizeof(*node->buffers));
	for (uint32_t i = 0; i < buffers; i++) {
		node->buffers[i].marks =
			sim_allocate(image->granules_per_piece, sizeof(*node->buffers[i].marks));
		node->buffers[i].piece = UINT32_MAX;
	}
	for (uint32_t i = 0; i < node->slots_count; i++)
		node->slots[i].sending = sim_allocate(buffers, sizeof(*node->slots[i].sending));
	bitset_init(&node->written,
		sim_allocate(BITSET_WORDS(image->pieces_count), sizeof(*node->written.words)),
		image->pieces_count);
	return node;
}

static void drop_answers(struct sim_node *node)
{
	while (node->answers != NULL) {
		struct sim_answer *answer = node->answers;

		node->answers = answer->next;
		free(answer);
	}
}

void sim_node_destroy(struct sim_node *node)
{
	drop_answers(node);
	sim_link_reset(&node->link);
	sim_inbox_destroy(&node->inbox);
	swarm_destroy(node->swarm);
	if (node->buffers != NULL) {
		sim_disk_destroy(&node->disk);
		for (uint32_t i = 0; i < node->traits.limits.buffers_count; i++)
			free(node->buffers[i].marks);
	}
	for (uint32_t i = 0; i < node->slots_count; i++)
		free(node->slots[i].sending);
	free(node->slots);
	free(node->buffers);
	free(node->written.words);
	free(node->script);
	free(node);
}

struct sim_node *sim_node_at(struct sim_world *world, const struct peer_address *address)
{
	uint32_t number =
		(uint32_t)address->ip[13] << 16 | (uint32_t)address->ip[14] << 8 | address->ip[15];

	if (number >= world->nodes_count ||
		!peer_address_equal(&world->nodes[number]->address, address))
		return NULL;
	return world->nodes[number];
}

/* ---- answers ---- */

struct sim_answer *sim_node_answer(struct sim_node *node, enum swarm_input_kind kind)
{
	struct sim_answer *answer = sim_allocate(1, sizeof(*answer));

	answer->node = node;
	answer->life = node->life;
	answer->input.kind = kind;
	answer->next = node->answers;
	if (node->answers != NULL)
		node->answers->previous = answer;
	node->answers = answer;
	return answer;
}

static void take_answer(struct sim_answer *answer)
{
	if (answer->previous != NULL)
		answer->previous->next = answer->next;
	else
		answer->node->answers = answer->next;
	if (answer->next != NULL)
		answer->next->previous = answer->previous;
}

void sim_node_answer_drop(struct sim_answer *answer)
{
	take_answer(answer);
	free(answer);
}

/* What the answer means for the world, before the engine hears it. */
static void settle_answer(struct sim_node *node, struct sim_answer *answer)
{
	const struct swarm_input *input = &answer->input;
	struct sim_buffer *buffer =
		input->buffer < node->traits.limits.buffers_count && input->kind == SWARM_IN_HASHED
			? &node->buffers[input->buffer]
			: NULL;

	if (buffer != NULL) {
		buffer->hashing = false;
		node->verified_something = node->verified_something || input->ok;
		node->pieces_hashed_wrong_count += !input->ok;
	}
	if (input->kind == SWARM_IN_WRITTEN) {
		sim_disk_write_done(answer->write);
		if (answer->input.buffer != SWARM_BUFFER_NONE)
			node->buffers[input->buffer].writing_count--;
		if (input->ok)
			bitset_set(&node->written, input->piece);
		else
			bitset_clear(&node->written, input->piece);
	}
	if (input->kind == SWARM_IN_FLUSHED)
		sim_disk_flush_done(&node->disk, answer->flush_through, input->ok);
}

static void answer_due(struct sim_world *world, void *context, uint64_t unused)
{
	struct sim_answer *answer = context;
	struct sim_node *node = answer->node;

	(void)world;
	(void)unused;
	take_answer(answer);
	if (answer->life == node->life) {
		settle_answer(node, answer);
		sim_node_input(node, &answer->input);
	}
	free(answer);
}

void sim_node_answer_at(struct sim_answer *answer, uint64_t due_ns)
{
	sim_schedule(answer->node->world, due_ns, answer_due, answer, 0);
}

/* ---- the engine ---- */

static void *engine_allocate(void *context, size_t bytes)
{
	sim_check_allocation(context, bytes);
	return sim_allocate(1, bytes);
}

static void engine_release(void *context, void *memory)
{
	(void)context;
	free(memory);
}

void sim_peer_id_write(uint8_t peer_id[static PEER_ID_BYTES], const struct sim_node *node)
{
	snprintf((char *)peer_id, PEER_ID_BYTES, "-SB0001-%05u%06u", node->number % 100000,
		(unsigned)(node->boots_count % 1000000));
}

void sim_node_create_engine(struct sim_node *node)
{
	struct sim_world *world = node->world;
	uint32_t tiers[SIM_TRACKERS_MAX] = {0};
	struct swarm_settings settings = {
		.length_bytes = world->image.length_bytes,
		.piece_bytes = world->image.piece_bytes,
		.pieces_count = world->image.pieces_count,
		.piece_hashes = world->image.piece_hashes,
		.frames = node->traits.decode_bytes_per_s > 0,
		.piece_hash_bytes = SIM_HASH_BYTES,
		.zero_pieces = &world->image.zero_pieces,
		.leaves = !node->traits.no_leaves,
		.pex = !node->traits.no_pex,
		.origin = node->traits.origin,
		.relay = node->traits.relay,
		.all_durable = node->traits.origin,
		.listen_port = LISTEN_PORT,
		.trackers_count = sim_tracker_list(node, tiers),
		.tracker_tiers = tiers,
		.seed = world->seed * 1000003 + node->number * 101 + node->boots_count,
		.limits = node->traits.limits,
	};
	struct swarm_allocator allocator = {engine_allocate, engine_release, node};

	if (!node->traits.hides_place) {
		sim_place_write(settings.rack, 'r', node->traits.rack);
		sim_place_write(settings.site, 's', sim_site_of(node));
	}
	memset(settings.infohash, 'i', sizeof(settings.infohash));
	sim_peer_id_write(settings.peer_id, node);
	node->swarm_sealed = false;
	node->swarm_bytes = 0;
	node->swarm = swarm_create(&settings, &allocator);
	node->swarm_sealed = true;
	if (node->swarm == NULL)
		sim_violation(world, "create", "%s: swarm_create refused its settings", node->name);
}

static void tick_due(struct sim_world *world, void *context, uint64_t life)
{
	struct sim_node *node = context;
	struct swarm_input tick = {.kind = SWARM_IN_TICK};

	if (life != node->life || node->swarm == NULL || node->tick_ns != world->now_ns)
		return;
	node->tick_ns = UINT64_MAX;
	uint64_t deadline_ns = swarm_deadline_ns(node->swarm);

	sim_check_tick(node, deadline_ns);
	if (deadline_ns <= world->now_ns)
		sim_node_input(node, &tick);
	else
		sim_node_input(node, NULL);
}

void sim_node_input(struct sim_node *node, const struct swarm_input *input)
{
	struct sim_world *world = node->world;
	struct swarm_effect effect;
	uint32_t effects = 0;

	if (node->swarm == NULL)
		return;
	if (input != NULL)
		swarm_handle(node->swarm, world->now_ns, input);
	while (effects <= EFFECTS_DRAINED_MAX && swarm_next_effect(node->swarm, &effect)) {
		effects++;
		sim_node_apply(node, &effect);
	}
	sim_check_effects(node, effects);
	sim_check_undurable(node);
	uint64_t deadline_ns = u64_max(swarm_deadline_ns(node->swarm), world->now_ns);

	if (deadline_ns != UINT64_MAX && deadline_ns < node->tick_ns) {
		node->tick_ns = deadline_ns;
		sim_schedule(world, deadline_ns, tick_due, node, node->life);
	}
}
