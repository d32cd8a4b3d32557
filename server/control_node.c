/* SPDX-License-Identifier: Apache-2.0 */
/* Arms and settings of nodes, by the operator's wish. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "server/arm_choice_core.h"
#include "server/control.h"

#define EXPIRES_DEFAULT_S ((uint64_t)24 * 3600)
#define EXPIRES_MAX_S	  ((uint64_t)10 * 365 * 24 * 3600)

/* Nodes as they were before a request changed them. */
struct changes {
	struct undo {
		struct node *node;
		struct node before;
	} * list;
	size_t count;
};

static struct undo *undo_add(struct changes *changes, struct node *node)
{
	struct undo *list = realloc(changes->list, (changes->count + 1) * sizeof(*list));

	if (list == NULL)
		return NULL;
	changes->list = list;
	list[changes->count] = (struct undo){.node = node, .before = *node};
	return &list[changes->count++];
}

/* What one request wants of every node that it names. */
struct arm_order {
	struct arm arm; /* all but number and target */
	struct arm_wish wish;
	struct changes changes;
};

static json_t *result_failure(const char *node, const struct failure *failure)
{
	return json_pack("{s:s, s:b, s:s, s:s}", "node", node, "ok", 0, "error",
		error_name(failure->error), "text", failure->text);
}

static bool order_read(struct server *server, const json_t *request, struct arm_order *order,
	struct failure *failure)
{
	uint64_t now_ms = server_now_ms(server);
	const char *end = json_member_text(request, "end");
	uint64_t expires_s = json_member_number(request, "expires_s");
	uint64_t sector_bytes = json_member_number(request, "sector_bytes");
	struct image *image =
		image_open(&server->store, json_member_text(request, "image"), failure);

	if (image == NULL)
		return false;
	memset(order, 0, sizeof(*order));
	snprintf(order->arm.image, sizeof(order->arm.image), "%s", image->name);
	memcpy(order->arm.infohash, image->metainfo.infohash, SHA1_BYTES);
	order->arm.image_bytes = image->metainfo.length_bytes;
	order->wish.image_bytes = image->metainfo.length_bytes;
	order->wish.image_sector_bytes = image->metainfo.sector_bytes;
	image_close(image);
	if (end[0] != '\0' && !plan_end_from_name(&order->arm.end, end))
		return failure_set(
			failure, ERROR_USAGE, "'%s' is no end: reboot, poweroff or stay", end);
	if (sector_bytes > UINT32_MAX || expires_s > EXPIRES_MAX_S)
		return failure_set(failure, ERROR_USAGE, "a number is too large");
	order->wish.disk = json_member_text(request, "disk");
	order->wish.size_bytes = json_member_number(request, "size_bytes");
	order->wish.sector_bytes = (uint32_t)sector_bytes;
	order->arm.armed_ms = now_ms;
	order->arm.expires_ms = now_ms + 1000 * (expires_s != 0 ? expires_s : EXPIRES_DEFAULT_S);
	return true;
}

static bool target_choose(struct server *server, const struct node *node,
	const struct arm_wish *wish, struct target_rule *target, struct failure *failure)
{
	uint32_t disks_count;

	if (!node->has_inventory)
		return arm_pin(target, wish, failure);
	SCOPED(free) struct report_disk *disks = calloc(REPORT_DISKS_MAX, sizeof(*disks));

	if (disks == NULL)
		return failure_set(failure, ERROR_MEMORY, "no memory");
	return nodes_disks(server->nodes, node, disks, REPORT_DISKS_MAX, &disks_count, failure) &&
	       arm_choose(target, wish, disks, disks_count, failure);
}

/* Gives the node its arm, in memory: control_arm commits them all at once. */
static json_t *arm_one(struct server *server, struct node *node, struct arm_order *order)
{
	struct arm arm = order->arm;
	struct failure failure = {0};
	json_t *shown;

	/* node_arm refuses what is being imaged, whatever its disks are. */
	bool begun = node->state == NODE_IMAGING || node->state == NODE_FINISHING;

	if (!begun && !target_choose(server, node, &order->wish, &arm.target, &failure)) {
		json_t *result = result_failure(node->id, &failure);

		shown = node_json(server, node, true);
		(void)json_object_set(result, "disks", json_object_get(shown, "disks"));
		json_decref(shown);
		return result;
	}
	/* Larger than any number given before, even when the database is an older copy. */
	arm.number = u64_max(server->last_arm + 1, server_now_ms(server));
	struct undo *undo = undo_add(&order->changes, node);

	if (undo == NULL) {
		failure_set(&failure, ERROR_MEMORY, "no memory");
		return result_failure(node->id, &failure);
	}
	if (!node_arm(node, &arm, server_now_ms(server), &failure))
		return result_failure(node->id, &failure);
	server->last_arm = arm.number;
	nodes_changed(server->nodes, node);
	server_node_event(server, node, "armed", "armed with %s", arm.image);
	shown = node_json(server, node, false);
	json_t *result = json_pack(
		"{s:s, s:b, s:O}", "node", node->id, "ok", 1, "arm", json_object_get(shown, "arm"));

	json_decref(shown);
	return result;
}

/* Calls for every node of the request: "all": true, or "nodes": [names]. */
static json_t *for_nodes(struct server *server, const json_t *request,
	json_t *(*run)(struct server *server, struct node *node, void *context), void *context)
{
	json_t *results = json_array();
	json_t *names = json_object_get(request, "nodes");
	struct failure failure = {0};

	if (json_is_true(json_object_get(request, "all")))
		for (struct node *node = nodes_next(server->nodes, NULL); node != NULL;
			node = nodes_next(server->nodes, node))
			(void)json_array_append_new(results, run(server, node, context));
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));
		struct node *node = nodes_match(server->nodes, name != NULL ? name : "", &failure);

		(void)json_array_append_new(results,
			node != NULL ? run(server, node, context)
				     : result_failure(name != NULL ? name : "?", &failure));
	}
	return json_pack("{s:o}", "results", results);
}

/* What was changed is on the medium, or is as it was before. Takes over the answer. */
static json_t *commit_or_undo(
	struct server *server, struct changes *changes, json_t *answer, struct failure *failure)
{
	bool committed = nodes_commit(server->nodes, failure);

	for (size_t i = changes->count; !committed && i-- > 0;)
		*changes->list[i].node = changes->list[i].before;
	free(changes->list);
	if (committed)
		return answer;
	json_decref(answer);
	return NULL;
}

static json_t *arm_run(struct server *server, struct node *node, void *context)
{
	return arm_one(server, node, context);
}

json_t *control_arm(struct server *server, const json_t *request, struct failure *failure)
{
	struct arm_order order;

	if (!order_read(server, request, &order, failure))
		return NULL;
	json_t *answer = for_nodes(server, request, arm_run, &order);

	answer = commit_or_undo(server, &order.changes, answer, failure);
	server_sync_origins(server);
	return answer;
}

static json_t *disarm_run(struct server *server, struct node *node, void *context)
{
	struct failure failure = {0};
	const char *was = node_state_name(node->state);

	if (undo_add(context, node) == NULL || !node_disarm(node, server_now_ms(server))) {
		failure_set(&failure, ERROR_NOT_ARMED, "it is not armed (%s)", was);
		return result_failure(node->id, &failure);
	}
	nodes_changed(server->nodes, node);
	server_node_event(server, node, "disarmed", "disarmed (was %s)", was);
	return json_pack("{s:s, s:b, s:s}", "node", node->id, "ok", 1, "was", was);
}

json_t *control_disarm(struct server *server, const json_t *request, struct failure *failure)
{
	struct changes changes = {0};
	json_t *answer = for_nodes(server, request, disarm_run, &changes);

	return commit_or_undo(server, &changes, answer, failure);
}

static struct node *node_named(
	struct server *server, const json_t *request, struct failure *failure)
{
	return nodes_match(server->nodes, json_member_text(request, "node"), failure);
}

json_t *control_node_list(struct server *server, const json_t *request, struct failure *failure)
{
	json_t *list = json_array();

	(void)request;
	(void)failure;
	for (struct node *node = nodes_next(server->nodes, NULL); node != NULL;
		node = nodes_next(server->nodes, node))
		(void)json_array_append_new(list, node_json(server, node, true));
	return json_pack("{s:o}", "nodes", list);
}

json_t *control_node_show(struct server *server, const json_t *request, struct failure *failure)
{
	struct node *node = node_named(server, request, failure);

	return node != NULL ? node_json(server, node, true) : NULL;
}

static bool name_is_fine(struct server *server, const char *name, struct failure *failure)
{
	char mac[NODE_MAC_CHARS + 1];

	if (strlen(name) >= NODE_NAME_MAX || mac_normalise(mac, name) ||
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
			strlen(name))
		return failure_set(failure, ERROR_USAGE,
			"'%s' is no name for a node: letters, digits, '.', '_', '-'", name);
	for (struct node *node = nodes_next(server->nodes, NULL); node != NULL;
		node = nodes_next(server->nodes, node))
		if (name[0] != '\0' && strcmp(node->name, name) == 0)
			return failure_set(
				failure, ERROR_EXISTS, "%s is called %s already", node->id, name);
	return true;
}

static bool rack_is_fine(const char *rack, struct failure *failure)
{
	return rack[0] == '\0' || peer_place_valid((const uint8_t *)rack, strlen(rack)) ||
	       failure_set(failure, ERROR_USAGE,
		       "'%s' is no name for a rack: 1 to %d printable characters without spaces",
		       rack, PEER_PLACE_MAX);
}

json_t *control_node_set(struct server *server, const json_t *request, struct failure *failure)
{
	struct node *node = node_named(server, request, failure);
	const json_t *name = json_object_get(request, "name");
	const char *method = json_member_text(request, "local_boot");
	const json_t *rack = json_object_get(request, "rack");
	enum local_boot local_boot;

	if (node == NULL)
		return NULL;
	local_boot = node->local_boot;
	if (method[0] != '\0' && !local_boot_from_name(&local_boot, method)) {
		failure_set(failure, ERROR_USAGE,
			"'%s' is no way to boot: auto, exit, sanboot or esp", method);
		return NULL;
	}
	if (json_is_string(rack) && !rack_is_fine(json_string_value(rack), failure))
		return NULL;
	if (json_is_string(name) && strcmp(node->name, json_string_value(name)) != 0) {
		if (!name_is_fine(server, json_string_value(name), failure))
			return NULL;
		snprintf(node->name, sizeof(node->name), "%s", json_string_value(name));
	}
	node->local_boot = local_boot;
	if (json_is_string(rack))
		snprintf(node->rack, sizeof(node->rack), "%s", json_string_value(rack));
	if (json_is_boolean(json_object_get(request, "rescue")))
		node->rescue = json_is_true(json_object_get(request, "rescue"));
	if (json_is_true(json_object_get(request, "inventory")))
		node->has_inventory = node->inventory_offered = false;
	nodes_changed(server->nodes, node);
	return nodes_commit(server->nodes, failure) ? node_json(server, node, false) : NULL;
}

json_t *control_node_forget(struct server *server, const json_t *request, struct failure *failure)
{
	struct node *node = node_named(server, request, failure);

	if (node == NULL)
		return NULL;
	if (node->state == NODE_ARMED || node->state == NODE_IMAGING ||
		node->state == NODE_FINISHING) {
		failure_set(failure, ERROR_EXISTS, "%s is %s: disarm it first", node->id,
			node_state_name(node->state));
		return NULL;
	}
	json_t *answer = json_pack("{s:s}", "forgotten", node->id);

	if (nodes_commit(server->nodes, failure) && nodes_forget(server->nodes, node, failure))
		return answer;
	json_decref(answer);
	return NULL;
}
