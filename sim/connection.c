/* SPDX-License-Identifier: Apache-2.0 */
/* How connections begin and end: accepted, refused, closed, cut. */
#include <stdlib.h>

#include "sim/link.h"
#include "sim/node.h"

static sim_event_function syn_arrives, connect_answer, accept_arrives, close_arrives, cut_noticed;

static struct sim_connection *connection_create(
	struct sim_node *node, uint32_t slot, uint32_t generation, struct sim_node *to)
{
	struct sim_connection *connection = sim_allocate(1, sizeof(*connection));
	struct sim_world *world = node->world;

	connection->next = world->connections;
	world->connections = connection;
	connection->ends[0] = (struct sim_end){node, slot, generation, false};
	connection->ends[1] = (struct sim_end){to, SWARM_PEER_NONE, 0, false};
	for (uint32_t i = 0; i < 2; i++) {
		connection->streams[i].connection = connection;
		connection->streams[i].from = i;
		connection->streams[i].stall_offset = UINT64_MAX;
		if (world->tcp.on)
			connection->streams[i].tcp = sim_tcp_create();
	}
	connection->latency_ns = node->link.latency_ns;
	if (to != NULL) {
		connection->routes[0] = sim_route_find(node, to);
		connection->routes[1] = sim_route_find(to, node);
		connection->latency_ns += to->link.latency_ns + connection->routes[0].latency_ns;
	}
	return connection;
}

void sim_connect(struct sim_node *node, uint32_t slot, uint32_t generation,
	const struct peer_address *address)
{
	struct sim_world *world = node->world;
	struct sim_node *to = sim_node_at(world, address);
	struct sim_connection *connection = connection_create(node, slot, generation, to);

	sim_schedule(world, world->now_ns + connection->latency_ns, syn_arrives, connection,
		node->boots_count);
}

static void syn_arrives(struct sim_world *world, void *context, uint64_t boot)
{
	struct sim_connection *connection = context;
	struct sim_node *to = connection->ends[1].node;
	bool powered = to != NULL && to->powered;
	/* A host without power never answers; one without a listener refuses. */
	uint64_t answer_ns = powered ? connection->latency_ns : world->dead_host_ns;

	connection->ends[1].open = powered && to->listening;
	sim_schedule(world, world->now_ns + answer_ns, connect_answer, connection, boot);
}

static void connect_answer(struct sim_world *world, void *context, uint64_t boot)
{
	struct sim_connection *connection = context;
	struct sim_end *here = &connection->ends[0];
	struct sim_end *there = &connection->ends[1];
	bool accepted = there->open;

	there->open = false;
	if (here->node->boots_count != boot || !here->node->powered)
		return;
	if (!sim_node_expects(here->node, here->slot, here->generation))
		return;
	if (!accepted) {
		here->node->actor->connect_failed(here->node, here->slot, here->generation);
		return;
	}
	here->open = true;
	sim_node_bind(here->node, here->slot, connection, 0);
	sim_schedule(world, world->now_ns + connection->latency_ns, accept_arrives, connection, 0);
	here->node->actor->connected(here->node, here->slot, here->generation);
}

static void accept_arrives(struct sim_world *world, void *context, uint64_t unused)
{
	struct sim_connection *connection = context;
	struct sim_end *there = &connection->ends[1];
	struct sim_node *from = connection->ends[0].node;
	/* What accept(2) says: the host's address and a port of the moment. */
	struct peer_address address = from->address;

	(void)unused;
	address.port = (uint16_t)(32768 + rng_below(&world->rng, 28232));
	if (!there->node->powered) {
		sim_schedule(
			world, world->now_ns + world->dead_host_ns, cut_noticed, connection, 0);
		return;
	}
	there->open = true;
	if (!there->node->listening || !connection->ends[0].open ||
		!there->node->actor->accepted(there->node, connection, &address)) {
		there->open = false;
		sim_schedule(world, world->now_ns + connection->latency_ns, close_arrives,
			connection, 0);
	}
}

static void purge_end(struct sim_connection *connection, uint32_t end)
{
	connection->ends[end].open = false;
	sim_stream_purge(&connection->streams[end]);
}

static void close_arrives(struct sim_world *world, void *context, uint64_t end)
{
	struct sim_connection *connection = context;
	struct sim_end *here = &connection->ends[end];

	(void)world;
	if (!here->open)
		return;
	purge_end(connection, (uint32_t)end);
	sim_node_unbind(here->node, here->slot, connection);
	here->node->actor->disconnected(here->node, here->slot, here->generation);
	sim_stream_clear_wire(&connection->streams[0]);
	sim_stream_clear_wire(&connection->streams[1]);
}

void sim_close(struct sim_connection *connection, uint32_t end)
{
	struct sim_end *here = &connection->ends[end];
	struct sim_world *world = here->node->world;

	if (!here->open)
		return;
	purge_end(connection, end);
	sim_node_unbind(here->node, here->slot, connection);
	sim_schedule(
		world, world->now_ns + connection->latency_ns, close_arrives, connection, 1 - end);
}

static void cut_noticed(struct sim_world *world, void *context, uint64_t end)
{
	close_arrives(world, context, end);
}

void sim_cut(struct sim_connection *connection, uint32_t end)
{
	struct sim_world *world = connection->ends[end].node->world;

	purge_end(connection, end);
	sim_schedule(world, world->now_ns + world->dead_host_ns, cut_noticed, connection, 1 - end);
}

void sim_connections_destroy(struct sim_world *world)
{
	while (world->connections != NULL) {
		struct sim_connection *connection = world->connections;

		world->connections = connection->next;
		for (uint32_t i = 0; i < 2; i++) {
			sim_stream_purge(&connection->streams[i]);
			sim_stream_clear_wire(&connection->streams[i]);
			free(connection->streams[i].tcp);
		}
		free(connection);
	}
}
