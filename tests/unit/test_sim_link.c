/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated network: rates, latency, shares, order, and ends of connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "sim/link.h"
#include "sim/node.h"

#define NODES	   4
#define RATE	   1000000
#define LATENCY_NS (5 * NS_PER_MS)
#define BLOCK	   100000

/* What each node heard, by its number. */
struct heard {
	uint64_t bytes;
	uint64_t last_ns;
	uint32_t connected;
	uint32_t failed;
	uint32_t disconnected;
	uint32_t sent;
	uint32_t order[8];
	uint32_t orders_count;
};

static struct heard *heard_by(struct sim_node *node)
{
	return node->script;
}

static void on_connected(struct sim_node *node, uint32_t slot, uint32_t generation)
{
	(void)slot;
	(void)generation;
	heard_by(node)->connected++;
}

static void on_failed(struct sim_node *node, uint32_t slot, uint32_t generation)
{
	(void)slot;
	(void)generation;
	heard_by(node)->failed++;
}

static bool on_accepted(struct sim_node *node, struct sim_connection *connection,
	const struct peer_address *address)
{
	uint32_t slot = 0;

	(void)address;
	while (node->slots[slot].connection != NULL)
		slot++;
	connection->ends[1].slot = slot;
	sim_node_bind(node, slot, connection, 1);
	return true;
}

static void on_disconnected(struct sim_node *node, uint32_t slot, uint32_t generation)
{
	(void)slot;
	(void)generation;
	heard_by(node)->disconnected++;
}

static void on_block_begins(
	struct sim_node *node, const struct sim_end *end, struct sim_message *message)
{
	(void)node;
	(void)end;
	message->place = SWARM_PLACE_DISCARD;
}

static void on_received(
	struct sim_node *node, const struct sim_end *end, struct sim_message *message)
{
	struct heard *heard = heard_by(node);

	(void)end;
	heard->bytes += message->message.length;
	heard->last_ns = node->world->now_ns;
	if (heard->orders_count < ARRAY_COUNT(heard->order))
		heard->order[heard->orders_count++] = message->message.index;
}

static void on_sent(struct sim_node *node, const struct sim_end *end, struct sim_message *message)
{
	(void)end;
	(void)message;
	heard_by(node)->sent++;
}

static const struct sim_actor actor = {
	.connected = on_connected,
	.connect_failed = on_failed,
	.accepted = on_accepted,
	.disconnected = on_disconnected,
	.block_begins = on_block_begins,
	.received = on_received,
	.block_sent = on_sent,
};

static struct sim_world *begin(void)
{
	struct sim_world *world = sim_world_create(1, NODES);
	struct sim_node_traits traits;

	sim_image_make(world, MIB, (uint32_t)MIB, 0, 0);
	sim_node_traits_default(&traits);
	traits.up_bytes_per_s = RATE;
	traits.down_bytes_per_s = RATE;
	traits.latency_ns = LATENCY_NS;
	for (uint32_t i = 0; i < NODES; i++) {
		struct sim_node *node = sim_node_add_actor(world, "node", &traits, &actor);

		node->script = sim_allocate(1, sizeof(struct heard));
		sim_node_boot(node);
	}
	return world;
}

static bool never(struct sim_world *world)
{
	(void)world;
	return false;
}

static void connect_nodes(struct sim_world *world, uint32_t from, uint32_t to, uint32_t slot)
{
	world->nodes[from]->slots[slot].connecting = true;
	sim_connect(world->nodes[from], slot, 0, &world->nodes[to]->address);
	sim_run(world, world->now_ns + NS_PER_S, never);
}

static void send_piece(
	struct sim_world *world, uint32_t from, uint32_t slot, uint32_t index, uint32_t bytes)
{
	struct sim_slot *at = &world->nodes[from]->slots[slot];
	struct sim_message *message = sim_message_create(bytes > 0 ? SIM_BLOCK : SIM_CONTROL, 0, 0);

	message->message.index = index;
	message->message.length = bytes;
	message->wire_bytes = PEER_PIECE_HEAD_BYTES + bytes;
	sim_send(at->connection, at->end, message);
}

static void a_block_takes_its_bytes_over_the_rate_and_the_latency(void **state)
{
	struct sim_world *world = begin();

	(void)state;
	connect_nodes(world, 0, 1, 0);
	assert_int_equal(heard_by(world->nodes[0])->connected, 1);
	uint64_t start_ns = world->now_ns;
	uint64_t expected_ns = (BLOCK + PEER_PIECE_HEAD_BYTES) * NS_PER_S / RATE + 2 * LATENCY_NS;

	send_piece(world, 0, 0, 0, BLOCK);
	sim_run(world, start_ns + NS_PER_S, never);
	assert_int_equal(heard_by(world->nodes[1])->bytes, BLOCK);
	assert_int_equal(heard_by(world->nodes[0])->sent, 1);
	assert_in_range(heard_by(world->nodes[1])->last_ns - start_ns, expected_ns,
		expected_ns + NS_PER_MS);
	world = sim_world_destroy(world);
}

static void connections_share_an_uplink_evenly(void **state)
{
	struct sim_world *world = begin();

	(void)state;
	for (uint32_t to = 1; to < NODES; to++)
		connect_nodes(world, 0, to, to);
	uint64_t start_ns = world->now_ns;

	for (uint32_t to = 1; to < NODES; to++)
		for (uint32_t i = 0; i < 10; i++)
			send_piece(world, 0, to, i, BLOCK);
	/* Two thirds of the time all three need. */
	sim_run(world, start_ns + 2 * NS_PER_S + 2 * LATENCY_NS, never);
	for (uint32_t to = 1; to < NODES; to++)
		assert_in_range(heard_by(world->nodes[to])->bytes, 5 * BLOCK, 7 * BLOCK);
	world = sim_world_destroy(world);
}

static void senders_share_a_downlink(void **state)
{
	struct sim_world *world = begin();
	uint64_t in_all;

	(void)state;
	for (uint32_t from = 1; from < NODES; from++)
		connect_nodes(world, from, 0, 0);
	uint64_t start_ns = world->now_ns;

	for (uint32_t from = 1; from < NODES; from++)
		for (uint32_t i = 0; i < 20; i++)
			send_piece(world, from, 0, from, BLOCK);
	sim_run(world, start_ns + 3 * NS_PER_S, never);
	in_all = heard_by(world->nodes[0])->bytes;
	assert_in_range(in_all, 2600000, 3000000);
	for (uint32_t from = 1; from < NODES; from++)
		assert_in_range(heard_by(world->nodes[from])->sent, 7, 13);
	world = sim_world_destroy(world);
}

static void control_passes_blocks_that_have_not_begun(void **state)
{
	struct sim_world *world = begin();

	(void)state;
	connect_nodes(world, 0, 1, 0);
	send_piece(world, 0, 0, 10, BLOCK);
	send_piece(world, 0, 0, 11, BLOCK);
	send_piece(world, 0, 0, 1, 0);
	sim_run(world, world->now_ns + NS_PER_S, never);
	const struct heard *heard = heard_by(world->nodes[1]);

	assert_int_equal(heard->orders_count, 3);
	assert_int_equal(heard->order[0], 10);
	assert_int_equal(heard->order[1], 1);
	assert_int_equal(heard->order[2], 11);
	world = sim_world_destroy(world);
}

static void a_closed_end_is_heard_of_and_a_cut_one_only_after_a_while(void **state)
{
	struct sim_world *world = begin();

	(void)state;
	connect_nodes(world, 0, 1, 0);
	connect_nodes(world, 2, 3, 0);
	struct sim_slot *slot = &world->nodes[0]->slots[0];

	sim_close(slot->connection, slot->end);
	sim_node_power_cut(world->nodes[2]);
	sim_run(world, world->now_ns + NS_PER_S, never);
	assert_int_equal(heard_by(world->nodes[1])->disconnected, 1);
	assert_int_equal(heard_by(world->nodes[3])->disconnected, 0);
	sim_run(world, world->now_ns + world->dead_host_ns, never);
	assert_int_equal(heard_by(world->nodes[3])->disconnected, 1);
	world = sim_world_destroy(world);
}

static void a_dead_process_refuses_and_a_dead_host_is_silent(void **state)
{
	struct sim_world *world = begin();

	(void)state;
	sim_node_power_cut(world->nodes[1]);
	world->nodes[2]->listening = false;
	connect_nodes(world, 0, 1, 0);
	assert_int_equal(heard_by(world->nodes[0])->failed, 0);
	connect_nodes(world, 0, 2, 1);
	assert_int_equal(heard_by(world->nodes[0])->failed, 1);
	sim_run(world, world->now_ns + world->dead_host_ns, never);
	assert_int_equal(heard_by(world->nodes[0])->failed, 2);
	world = sim_world_destroy(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_takes_its_bytes_over_the_rate_and_the_latency),
		cmocka_unit_test(connections_share_an_uplink_evenly),
		cmocka_unit_test(senders_share_a_downlink),
		cmocka_unit_test(control_passes_blocks_that_have_not_begun),
		cmocka_unit_test(a_closed_end_is_heard_of_and_a_cut_one_only_after_a_while),
		cmocka_unit_test(a_dead_process_refuses_and_a_dead_host_is_silent),
	};

	return cmocka_run_group_tests_name("sim_link", tests, NULL, NULL);
}
