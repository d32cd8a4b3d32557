/* SPDX-License-Identifier: Apache-2.0 */
/* TCP in the simulated network: what a flow gets, alone, beside others, and where frames are lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "sim/link.h"
#include "sim/node.h"

#define NODES 9
#define RATE  UINT64_C(6000000)
#define BLOCK 100000

/* What each node heard, by its number. */
struct heard {
	uint64_t bytes;
	uint64_t last_ns;
	uint32_t connected;
	uint32_t failed;
	uint32_t disconnected;
	uint32_t sent;
	uint32_t words; /* control messages */
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
	heard->words += message->kind == SIM_CONTROL;
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

static struct sim_world *begin(uint64_t latency_ns, uint32_t loss_per_million, uint64_t rate)
{
	struct sim_world *world = sim_world_create(1, NODES);
	struct sim_node_traits traits;

	sim_image_make(world, MIB, (uint32_t)MIB, 0, 0);
	sim_tcp_traits_default(&world->tcp);
	world->window_bytes = 4 * MIB;
	sim_node_traits_default(&traits);
	traits.up_bytes_per_s = traits.down_bytes_per_s = rate;
	traits.latency_ns = latency_ns;
	for (uint32_t i = 0; i < NODES; i++) {
		traits.loss_per_million = i == 0 ? loss_per_million : 0;
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

static void connect_nodes(struct sim_world *world, uint32_t from, uint32_t to)
{
	world->nodes[from]->slots[0].connecting = true;
	sim_connect(world->nodes[from], 0, 0, &world->nodes[to]->address);
	sim_run(world, world->now_ns + NS_PER_S, never);
}

static void send_blocks(struct sim_world *world, uint32_t from, uint32_t count, uint32_t bytes)
{
	struct sim_slot *at = &world->nodes[from]->slots[0];

	for (uint32_t i = 0; i < count; i++) {
		struct sim_message *message =
			sim_message_create(bytes > 0 ? SIM_BLOCK : SIM_CONTROL, 0, 0);

		message->message.length = bytes;
		message->wire_bytes = PEER_PIECE_HEAD_BYTES + bytes;
		sim_send(at->connection, at->end, message);
	}
}

/* When the last of what is under way has arrived, from now on. */
static uint64_t settle_ms(struct sim_world *world, uint32_t to)
{
	uint64_t start_ns = world->now_ns;

	sim_run(world, start_ns + 300 * NS_PER_S, never);
	return (heard_by(world->nodes[to])->last_ns - start_ns) / NS_PER_MS;
}

static void one_flow_fills_its_link(void **state)
{
	struct sim_world *world = begin(50 * NS_PER_US, 0, RATE);

	(void)state;
	connect_nodes(world, 1, 0);
	send_blocks(world, 1, 300, BLOCK); /* 30 MB: 5 s */
	assert_in_range(settle_ms(world, 0), 5000, 5250);
	world = sim_world_destroy(world);
}

static void eight_flows_fill_one_downlink_and_share_it(void **state)
{
	struct sim_world *world = begin(50 * NS_PER_US, 0, RATE);
	uint64_t least = UINT64_MAX;

	(void)state;
	for (uint32_t from = 1; from < NODES; from++)
		connect_nodes(world, from, 0);
	for (uint32_t from = 1; from < NODES; from++)
		send_blocks(world, from, 150, BLOCK); /* 15 MB each: 20 s in all */
	uint64_t start_ns = world->now_ns;

	sim_run(world, start_ns + 10 * NS_PER_S, never);
	for (uint32_t from = 1; from < NODES; from++)
		least = u64_min(least, heard_by(world->nodes[from])->sent);
	assert_true(least >= 20); /* of 75, were they all alike */
	assert_in_range(heard_by(world->nodes[0])->bytes, 52000000, 61000000);
	world = sim_world_destroy(world);
}

static void two_per_cent_of_loss_slow_a_flow_as_theory_says(void **state)
{
	struct sim_world *world = begin(5 * NS_PER_MS, 20000, 125000000);

	(void)state;
	connect_nodes(world, 1, 0);
	send_blocks(world, 1, 200, BLOCK);
	/* Mathis: 1448 bytes / 20 ms * 1.22 / sqrt(0.02) = 0.62 MB/s: 32 s for 20 MB. */
	assert_in_range(settle_ms(world, 0), 16000, 64000);
	world = sim_world_destroy(world);
}

static void a_little_loss_on_a_short_link_costs_little(void **state)
{
	struct sim_world *world = begin(50 * NS_PER_US, 100, RATE);

	(void)state;
	connect_nodes(world, 1, 0);
	send_blocks(world, 1, 300, BLOCK);
	assert_in_range(settle_ms(world, 0), 5000, 5500);
	world = sim_world_destroy(world);
}

static void after_idle_time_a_flow_starts_slowly(void **state)
{
	struct sim_world *world = begin(10 * NS_PER_MS, 0, 125000000);
	(void)state;
	connect_nodes(world, 1, 0);
	send_blocks(world, 1, 200, BLOCK);
	sim_run(world, world->now_ns + 50 * NS_PER_S, never);
	world->now_ns += 5 * NS_PER_S;
	/* An open window would have it there after 20 ms of latency and 8 ms of sending. */
	send_blocks(world, 1, 10, BLOCK);
	assert_in_range(settle_ms(world, 0), 120, 400);
	world = sim_world_destroy(world);
}

static void a_word_waits_behind_what_the_socket_has_taken(void **state)
{
	struct sim_world *world = begin(50 * NS_PER_US, 0, RATE);

	(void)state;
	connect_nodes(world, 1, 0);
	send_blocks(world, 1, 1, 0);
	assert_in_range(settle_ms(world, 0), 0, 1);
	send_blocks(world, 1, 100, BLOCK);
	sim_run(world, world->now_ns + NS_PER_S, never);
	uint64_t start_ns = world->now_ns;
	send_blocks(world, 1, 1, 0);
	/* 128 KiB in the socket at 6 MB/s, and a queue of less than 100 ms. */
	sim_run(world, start_ns + 15 * NS_PER_MS, never);
	assert_int_equal(heard_by(world->nodes[0])->words, 1);
	sim_run(world, start_ns + 250 * NS_PER_MS, never);
	assert_int_equal(heard_by(world->nodes[0])->words, 2);
	world = sim_world_destroy(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_flow_fills_its_link),
		cmocka_unit_test(eight_flows_fill_one_downlink_and_share_it),
		cmocka_unit_test(two_per_cent_of_loss_slow_a_flow_as_theory_says),
		cmocka_unit_test(a_little_loss_on_a_short_link_costs_little),
		cmocka_unit_test(after_idle_time_a_flow_starts_slowly),
		cmocka_unit_test(a_word_waits_behind_what_the_socket_has_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
