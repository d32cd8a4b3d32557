/* SPDX-License-Identifier: Apache-2.0 */
/* The lives of a machine: boot, assessment, commit, power cuts. */
#include "sim/invariants.h"
#include "sim/node.h"

/* ---- assessment and read-back ---- */

static void input_piece(struct sim_node *node, enum swarm_input_kind kind, uint32_t piece)
{
	struct swarm_input input = {.kind = kind,
		.piece = piece,
		.stale =
			kind == SWARM_IN_PIECE_ABSENT && !sim_disk_piece_blank(&node->disk, piece)};

	sim_node_input(node, &input);
}

static sim_event_function assess_next, read_back_next;

static void assessed(struct sim_world *world, void *context, uint64_t life)
{
	struct sim_node *node = context;

	if (life != node->life)
		return;
	uint32_t piece = node->assess_next_piece++;
	bool present = sim_disk_piece_readable(&node->disk, piece);

	if (present) {
		bitset_set(&node->written, piece);
		node->verified_something = true;
		if (node->boots_count == 1 && !bitset_has(&world->image.zero_pieces, piece))
			node->needed_bytes -=
				u64_min(node->needed_bytes, sim_piece_bytes(&world->image, piece));
	}
	input_piece(node, present ? SWARM_IN_PIECE_PRESENT : SWARM_IN_PIECE_ABSENT, piece);
	assess_next(world, node, life);
}

static void assess_next(struct sim_world *world, void *context, uint64_t life)
{
	struct sim_node *node = context;
	const struct sim_image *image = &world->image;
	uint64_t due_ns;
	bool ok;

	if (life != node->life)
		return;
	while (node->assess_next_piece < image->pieces_count &&
		swarm_piece_state(node->swarm, node->assess_next_piece) != SWARM_PIECE_UNKNOWN)
		node->assess_next_piece++; /* the engine did not wait for it */
	if (node->assess_next_piece == image->pieces_count) {
		struct swarm_input done = {.kind = SWARM_IN_ASSESS_DONE};

		sim_trace(world, "%s has assessed: %u pieces here", node->name,
			bitset_count(&node->written));
		sim_node_input(node, &done);
		return;
	}
	input_piece(node, SWARM_IN_PIECE_CHECKING, node->assess_next_piece);
	sim_disk_read(&node->disk, (uint64_t)node->assess_next_piece * image->piece_bytes,
		sim_piece_bytes(image, node->assess_next_piece), &due_ns, &ok);
	sim_schedule(world, due_ns, assessed, node, life);
}

static void committed(struct sim_world *world, void *context, uint64_t life_and_head)
{
	struct sim_node *node = context;
	bool head = (life_and_head & 1) != 0;

	if (life_and_head >> 1 != node->life)
		return;
	sim_disk_commit_done(&node->disk, head);
	if (!head) {
		sim_check_not_bootable(node);
		sim_schedule(world, sim_disk_commit(&node->disk, true), committed, node,
			node->life << 1 | 1);
		return;
	}
	node->state = SIM_FINISHED;
	world->settled_changed = true;
	node->finished_ns = world->now_ns;
	sim_trace(world, "%s has finished", node->name);
	sim_check_finished(node);
}

static void begin_commit(struct sim_node *node)
{
	sim_schedule(
		node->world, sim_disk_commit(&node->disk, false), committed, node, node->life << 1);
}

static void read_back_next(struct sim_world *world, void *context, uint64_t life)
{
	struct sim_node *node = context;
	const struct sim_image *image = &world->image;
	uint64_t due_ns;
	bool ok;

	if (life != node->life || node->state != SIM_COMPLETE)
		return;
	/* Past the page cache: what the medium has. */
	if (node->read_back_next_piece > 0 &&
		!sim_disk_piece_durable(&node->disk, node->read_back_next_piece - 1, true)) {
		uint32_t piece = node->read_back_next_piece - 1;

		/* The engine says COMPLETE once more when it is mended. */
		sim_trace(world, "%s: piece %u does not read back", node->name, piece);
		bitset_clear(&node->written, piece);
		node->state = SIM_RUNNING;
		input_piece(node, SWARM_IN_PIECE_BAD, piece);
		return;
	}
	if (node->read_back_next_piece == image->pieces_count) {
		begin_commit(node);
		return;
	}
	sim_disk_read(&node->disk, (uint64_t)node->read_back_next_piece * image->piece_bytes,
		sim_piece_bytes(image, node->read_back_next_piece), &due_ns, &ok);
	node->read_back_next_piece++;
	sim_schedule(world, due_ns, read_back_next, node, life);
}

void sim_node_completed(struct sim_node *node)
{
	sim_trace(node->world, "%s is complete", node->name);
	node->state = SIM_COMPLETE;
	node->completed_ns = node->world->now_ns;
	if (!node->traits.read_back) {
		begin_commit(node);
		return;
	}
	node->read_back_next_piece = 0;
	read_back_next(node->world, node, node->life);
}

/* ---- power ---- */

void sim_node_boot(struct sim_node *node)
{
	struct sim_world *world = node->world;
	struct swarm_input start = {.kind = SWARM_IN_START};
	struct swarm_input assess_done = {.kind = SWARM_IN_ASSESS_DONE};

	if (node->listening)
		return;
	node->boots_count++;
	node->powered = true;
	node->listening = true;
	node->state = SIM_RUNNING;
	node->tick_ns = UINT64_MAX;
	node->hash_free_ns = 0;
	node->assess_next_piece = 0;
	node->verified_something = false;
	node->heard_ns = world->now_ns;
	if (node->boots_count == 1) {
		node->started_ns = world->now_ns;
		node->needed_bytes = world->image.distinct_bytes;
	}
	sim_trace(world, "%s boots", node->name);
	if (node->actor != &sim_engine_actor)
		return;
	sim_node_create_engine(node);
	sim_node_input(node, &start);
	if (node->traits.knows != NULL)
		sim_node_input(node, &(struct swarm_input){.kind = SWARM_IN_ADDRESS,
					     .source = SWARM_SOURCE_LOCAL,
					     .address = node->traits.knows->address});
	if (node->traits.origin)
		return;
	if (node->boots_count == 1 && !node->traits.reassess && !node->traits.holds_image)
		sim_node_input(node, &assess_done);
	else
		assess_next(world, node, node->life);
}

static void boot_due(struct sim_world *world, void *context, uint64_t unused)
{
	(void)world;
	(void)unused;
	sim_node_boot(context);
}

void sim_node_boot_at(struct sim_node *node, uint64_t at_ns)
{
	sim_schedule(node->world, at_ns, boot_due, node, 0);
}

static void end_life(struct sim_node *node, bool told)
{
	struct swarm_status status;

	for (uint32_t i = 0; i < node->slots_count; i++) {
		struct sim_slot *slot = &node->slots[i];

		slot->connecting = false;
		if (slot->connection != NULL && told)
			sim_close(slot->connection, slot->end);
		else if (slot->connection != NULL)
			sim_cut(slot->connection, slot->end);
		sim_node_unbind(node, i, slot->connection);
	}
	sim_link_reset(&node->link);
	node->life++;
	node->powered = false;
	node->listening = false;
	if (node->swarm != NULL) {
		swarm_status(node->swarm, &status);
		node->wasted_bytes += status.wasted_bytes;
		node->swarm = swarm_destroy(node->swarm);
	}
	for (uint32_t i = 0; node->buffers != NULL && i < node->traits.limits.buffers_count; i++) {
		uint32_t *marks = node->buffers[i].marks;

		node->buffers[i] = (struct sim_buffer){.piece = UINT32_MAX, .marks = marks};
	}
	if (node->state != SIM_FINISHED)
		node->state = SIM_OFF;
}

void sim_node_power_cut(struct sim_node *node)
{
	if (!node->powered)
		return;
	sim_trace(node->world, "%s loses power", node->name);
	end_life(node, false);
	if (node->buffers == NULL)
		return;
	sim_disk_power_cut(&node->disk);
	bitset_clear_all(&node->written);
	sim_check_not_bootable(node);
}

static void cut_due(struct sim_world *world, void *context, uint64_t unused)
{
	(void)world;
	(void)unused;
	sim_node_power_cut(context);
}

void sim_node_power_cut_at(struct sim_node *node, uint64_t at_ns)
{
	sim_schedule(node->world, at_ns, cut_due, node, 0);
}

void sim_node_kill(struct sim_node *node)
{
	if (!node->listening)
		return;
	sim_trace(node->world, "%s is killed", node->name);
	end_life(node, true);
	node->powered = true; /* the host refuses connections at once */
	if (node->buffers == NULL)
		return;
	sim_disk_process_death(&node->disk);
	bitset_clear_all(&node->written);
	sim_check_not_bootable(node);
}
