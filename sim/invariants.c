/* SPDX-License-Identifier: Apache-2.0 */
/* The checkers. */
#include "sim/invariants.h"

#include <inttypes.h>

#define SWARM_BYTES_MAX	     (16 * MIB) /* beside the piece buffers */
#define TICKS_IN_PLACE_MAX   1000
#define EFFECTS_PER_PEER     8
#define EFFECTS_PER_PIECE    4
#define UNDURABLE_PIECES_MIN 2

void sim_check_allocation(struct sim_node *node, size_t bytes)
{
	node->swarm_bytes += bytes;
	if (node->swarm_sealed)
		sim_violation(node->world, "memory", "%s allocates %zu bytes after its creation",
			node->name, bytes);
	if (node->swarm_bytes > SWARM_BYTES_MAX)
		sim_violation(node->world, "memory", "%s: the engine takes %" PRIu64 " bytes",
			node->name, node->swarm_bytes);
}

void sim_check_effects(struct sim_node *node, uint32_t effects_count)
{
	const struct swarm_limits *limits = &node->traits.limits;

	if (effects_count <= node->effects_most_count)
		return;
	uint64_t effects_max =
		(uint64_t)limits->peers_max * (EFFECTS_PER_PEER + limits->requests_per_peer_max +
						      limits->incoming_requests_max) +
		EFFECTS_PER_PIECE * (uint64_t)node->world->image.pieces_count;

	node->effects_most_count = effects_count;
	if (effects_count > effects_max)
		sim_violation(node->world, "effects", "%s: %u effects of one input", node->name,
			effects_count);
}

void sim_check_tick(struct sim_node *node, uint64_t deadline_ns)
{
	if (deadline_ns > node->world->now_ns || node->last_tick_ns != node->world->now_ns)
		node->ticks_in_place_count = 0;
	node->last_tick_ns = node->world->now_ns;
	if (++node->ticks_in_place_count > TICKS_IN_PLACE_MAX)
		sim_violation(
			node->world, "effects", "%s: its deadline does not move on", node->name);
}

static struct sim_buffer *existing_buffer(struct sim_node *node, uint32_t buffer)
{
	if (buffer < node->traits.limits.buffers_count)
		return &node->buffers[buffer];
	sim_violation(node->world, "buffers", "%s: buffer %u does not exist", node->name, buffer);
	return NULL;
}

bool sim_check_place(struct sim_node *node, uint32_t buffer, uint32_t piece)
{
	struct sim_buffer *at = existing_buffer(node, buffer);

	if (at == NULL)
		return false;
	if (at->hashing || at->writing_count > 0 || at->sending_count > 0 ||
		(at->receiving_count > 0 && at->piece != piece)) {
		sim_violation(node->world, "buffers",
			"%s: piece %u arrives in buffer %u that holds piece %u "
			"(hashing %d, writing %u, sending %u, receiving %u)",
			node->name, piece, buffer, at->piece, at->hashing, at->writing_count,
			at->sending_count, at->receiving_count);
		return false;
	}
	/* Whatever was in it before is not this piece. */
	if (at->piece != piece)
		for (uint32_t i = 0; i < node->world->image.granules_per_piece; i++)
			at->marks[i] = sim_wrong_mark(node->world);
	return true;
}

bool sim_check_hash(struct sim_node *node, uint32_t buffer, uint32_t piece)
{
	struct sim_buffer *at = existing_buffer(node, buffer);

	if (at == NULL)
		return false;
	if (at->hashing || at->receiving_count > 0 || at->piece != piece) {
		sim_violation(node->world, "buffers",
			"%s: hashes piece %u in buffer %u of piece %u (hashing %d, receiving %u)",
			node->name, piece, buffer, at->piece, at->hashing, at->receiving_count);
		return false;
	}
	return true;
}

bool sim_check_write(struct sim_node *node, uint32_t buffer, uint32_t piece)
{
	struct sim_buffer *at = existing_buffer(node, buffer);

	if (at == NULL)
		return false;
	if (at->hashing || at->receiving_count > 0) {
		sim_violation(node->world, "buffers",
			"%s: writes piece %u from buffer %u in use (hashing %d, receiving %u)",
			node->name, piece, buffer, at->hashing, at->receiving_count);
		return false;
	}
	sim_check_marks(node, "writes", piece, 0, at->marks,
		sim_piece_granules(&node->world->image, piece));
	return true;
}

void sim_check_first_write(struct sim_node *node, uint32_t piece)
{
	const struct sim_image *image = &node->world->image;

	if (piece >= image->pieces_count)
		sim_violation(node->world, "first write", "%s: piece %u does not exist", node->name,
			piece);
	/* An image of nothing but zeros has no piece to wait for. */
	if (!node->verified_something && image->distinct_bytes > 0)
		sim_violation(node->world, "first write",
			"%s writes piece %u before any piece was verified", node->name, piece);
}

void sim_check_marks(struct sim_node *node, const char *doing, uint32_t piece,
	uint32_t first_granule, const uint32_t *marks, uint32_t marks_count)
{
	const struct sim_image *image = &node->world->image;
	const uint32_t *right =
		image->marks + (size_t)piece * image->granules_per_piece + first_granule;

	if (node->disk.corrupted || memcmp(marks, right, marks_count * sizeof(*marks)) == 0)
		return;
	sim_violation(node->world, "wrong data", "%s %s wrong bytes of piece %u", node->name, doing,
		piece);
}

static void check_announced(struct sim_node *node, uint32_t piece)
{
	bool here = piece < node->world->image.pieces_count &&
		    (node->traits.origin || bitset_has(&node->written, piece));

	if (here && node->have_checked_piece == piece &&
		node->have_checked_ns == node->world->now_ns)
		return; /* the same word to the next peer */
	node->have_checked_piece = piece;
	node->have_checked_ns = node->world->now_ns;
	if (!here || !sim_disk_piece_readable(&node->disk, piece))
		sim_violation(node->world, "have", "%s announces piece %u, which it lacks",
			node->name, piece);
}

void sim_check_have(struct sim_node *node, const struct peer_message *message)
{
	uint32_t pieces_count = node->world->image.pieces_count;

	if (node->disk.corrupted)
		return;
	if (message->id == PEER_HAVE)
		check_announced(node, message->index);
	for (uint32_t piece = 0; message->id == PEER_HAVE_ALL && piece < pieces_count; piece++)
		check_announced(node, piece);
	for (uint32_t piece = 0; message->id == PEER_BITFIELD && piece < 8 * message->bytes_count;
		piece++)
		if ((message->bytes[piece / 8] << piece % 8 & 0x80) != 0)
			check_announced(node, piece);
	if (message->id == PEER_EXTENDED && message->begin == PEER_EXTENSION_HAVES)
		for (uint32_t i = 0; i < message->bytes_count / sizeof(uint32_t); i++)
			check_announced(node, be32_read(message->bytes + i * sizeof(uint32_t)));
}

static bool faulty_disk(const struct sim_disk_traits *traits)
{
	return traits->flush_does_nothing || traits->write_fail_from > 0 ||
	       traits->flush_fail_from > 0 || traits->write_fail_one_in > 0 ||
	       traits->flush_fail_one_in > 0 || traits->corrupt_write > 0;
}

void sim_check_undurable(struct sim_node *node)
{
	const struct sim_image *image = &node->world->image;
	uint64_t bytes = 0;

	if (node->disk.writes_count == node->undurable_seen_count ||
		faulty_disk(&node->traits.disk))
		return;
	node->undurable_seen_count = node->disk.writes_count;
	for (const struct sim_write *write = node->disk.writes; write != NULL; write = write->next)
		if (!bitset_has(&image->zero_pieces, write->piece))
			bytes += sim_piece_bytes(image, write->piece);
	if (bytes > u64_max(node->traits.limits.undurable_bytes_max,
			    (uint64_t)UNDURABLE_PIECES_MIN * image->piece_bytes))
		sim_violation(node->world, "undurable",
			"%s has %" PRIu64 " bytes written and not durable, limit %" PRIu64,
			node->name, bytes, node->traits.limits.undurable_bytes_max);
}

void sim_check_durable(struct sim_node *node, uint32_t piece)
{
	if (piece >= node->world->image.pieces_count ||
		(!node->disk.corrupted && !sim_disk_piece_durable(&node->disk, piece, true)))
		sim_violation(node->world, "durable",
			"%s calls piece %u durable; a power cut could lose it", node->name, piece);
}

void sim_check_complete(struct sim_node *node)
{
	struct swarm_status status;

	if (node->disk.corrupted)
		return;
	for (uint32_t piece = 0; piece < node->world->image.pieces_count; piece++)
		if (!sim_disk_piece_durable(&node->disk, piece, true)) {
			sim_violation(node->world, "complete",
				"%s says complete; a power cut could lose piece %u", node->name,
				piece);
			return;
		}
	swarm_status(node->swarm, &status);
	if (!status.complete || status.left_bytes != 0 ||
		status.pieces_durable_count != node->world->image.pieces_count)
		sim_violation(node->world, "complete",
			"%s says complete; its status has %" PRIu64 " bytes left, %u pieces",
			node->name, status.left_bytes, status.pieces_durable_count);
}

void sim_check_finished(struct sim_node *node)
{
	for (uint32_t piece = 0; piece < node->world->image.pieces_count; piece++)
		if (!sim_disk_piece_durable(&node->disk, piece, false)) {
			sim_violation(node->world, "finished",
				"%s has finished; piece %u on the medium is not the image's",
				node->name, piece);
			return;
		}
}

void sim_check_not_bootable(struct sim_node *node)
{
	if (!node->traits.disk.holdback || !sim_disk_head_boots(&node->disk))
		return;
	for (uint32_t piece = 0; piece < node->world->image.pieces_count; piece++)
		if (!sim_disk_piece_durable(&node->disk, piece, false)) {
			sim_violation(node->world, "half-written boots",
				"%s: head on the medium, piece %u is not", node->name, piece);
			return;
		}
}

static bool outcome_fits(const struct sim_node *node)
{
	bool finished = node->state == SIM_FINISHED;
	bool failed = node->state == SIM_FAILED;

	switch (node->traits.expect) {
	case SIM_EXPECT_FINISH:
		return finished;
	case SIM_EXPECT_FINISH_OR_ERROR:
		return finished || failed;
	case SIM_EXPECT_ERROR:
		return failed;
	case SIM_EXPECT_UNFINISHED:
		return !finished && node->state != SIM_COMPLETE;
	case SIM_EXPECT_NOTHING:
		return true;
	}
	return false;
}

void sim_check_outcomes(struct sim_world *world)
{
	static const char *const states[] = {"off", "running", "complete", "finished", "failed"};

	for (uint32_t i = 0; i < world->nodes_count; i++) {
		struct sim_node *node = world->nodes[i];
		struct swarm_status status = {0};

		if (node->actor != &sim_engine_actor || node->traits.origin || outcome_fits(node))
			continue;
		if (node->swarm != NULL)
			swarm_status(node->swarm, &status);
		sim_violation(world, "outcome",
			"%s is %s at the end (%u of %u pieces durable, %u peers)", node->name,
			states[node->state], status.pieces_durable_count, world->image.pieces_count,
			status.peers_count);
	}
}
