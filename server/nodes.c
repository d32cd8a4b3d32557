/* SPDX-License-Identifier: Apache-2.0 */
/* The table of nodes: a sorted array of pointers, since nodes come seldom and are sought often. */
#include "server/nodes.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/log.h"

#define EVENTS_PENDING_MAX 4096

struct entry {
	struct node node; /* first: a node's address is its entry's */
	bool changed;
	bool disks_changed;
	uint32_t disks_count;
	struct report_disk *disks; /* while disks_changed */
};

struct pending_event {
	char node[NODE_ID_MAX];
	uint64_t at_ms;
	char *kind; /* kind, text and log are one allocation */
	char *text;
	char *log;
	size_t log_bytes;
};

struct nodes {
	struct database *database;
	struct entry **entries; /* by MAC address */
	size_t entries_count;
	bool changed;
	struct pending_event *events;
	size_t events_count;
};

/* Where mac is, or would be. */
static size_t position_of(const struct nodes *nodes, const char *mac)
{
	size_t low = 0;
	size_t high = nodes->entries_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(nodes->entries[middle]->node.id, mac) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct node *nodes_find(struct nodes *nodes, const char *mac)
{
	size_t at = position_of(nodes, mac);

	if (at == nodes->entries_count || strcmp(nodes->entries[at]->node.id, mac) != 0)
		return NULL;
	return &nodes->entries[at]->node;
}

static struct node *nodes_insert(struct nodes *nodes, const struct node *node)
{
	size_t at = position_of(nodes, node->id);
	struct entry *entry = nodes->entries_count < NODES_MAX ? calloc(1, sizeof(*entry)) : NULL;

	if (entry == NULL)
		return NULL;
	entry->node = *node;
	memmove(&nodes->entries[at + 1], &nodes->entries[at],
		(nodes->entries_count - at) * sizeof(nodes->entries[0]));
	nodes->entries[at] = entry;
	nodes->entries_count++;
	return &entry->node;
}

static bool insert_loaded(void *context, const struct node *node)
{
	return nodes_insert(context, node) != NULL;
}

struct nodes *nodes_create(struct database *database, struct failure *failure)
{
	struct nodes *nodes = calloc(1, sizeof(*nodes));

	if (nodes != NULL) {
		nodes->database = database;
		nodes->entries = calloc(NODES_MAX, sizeof(nodes->entries[0]));
		nodes->events = calloc(EVENTS_PENDING_MAX, sizeof(nodes->events[0]));
	}
	if (nodes == NULL || nodes->entries == NULL || nodes->events == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for the table of nodes");
		return nodes_destroy(nodes);
	}
	if (!database_load_nodes(database, insert_loaded, nodes, failure))
		return nodes_destroy(nodes);
	return nodes;
}

static void entry_free(struct entry *entry)
{
	free(entry->disks);
	free(entry);
}

static void events_clear(struct nodes *nodes)
{
	for (size_t i = 0; i < nodes->events_count; i++)
		free(nodes->events[i].kind);
	nodes->events_count = 0;
}

struct nodes *nodes_destroy(struct nodes *nodes)
{
	struct failure failure;

	if (nodes == NULL)
		return NULL;
	if (nodes->events != NULL && !nodes_commit(nodes, &failure))
		log_error("the last changes could not be saved: %s", failure.text);
	for (size_t i = 0; i < nodes->entries_count; i++)
		entry_free(nodes->entries[i]);
	if (nodes->events != NULL)
		events_clear(nodes);
	free(nodes->events);
	free(nodes->entries);
	free(nodes);
	return NULL;
}

static void entry_remove(struct nodes *nodes, size_t at)
{
	entry_free(nodes->entries[at]);
	nodes->entries_count--;
	memmove(&nodes->entries[at], &nodes->entries[at + 1],
		(nodes->entries_count - at) * sizeof(nodes->entries[0]));
}

/* Forgets the node of which least is known and that was silent longest. */
static bool make_room(struct nodes *nodes)
{
	size_t victim = nodes->entries_count;
	struct failure failure;

	for (size_t i = 0; i < nodes->entries_count; i++) {
		const struct node *node = &nodes->entries[i]->node;

		if (node->arm.number != 0 || node->has_inventory || node->name[0] != '\0')
			continue;
		if (victim == nodes->entries_count ||
			node->last_contact_ms < nodes->entries[victim]->node.last_contact_ms)
			victim = i;
	}
	if (victim == nodes->entries_count)
		return false;
	return nodes_forget(nodes, &nodes->entries[victim]->node, &failure);
}

struct node *nodes_meet(struct nodes *nodes, const char *mac, uint64_t now_ms)
{
	struct node *known = nodes_find(nodes, mac);
	struct node node;

	if (known != NULL)
		return known;
	if (nodes->entries_count == NODES_MAX && !make_room(nodes))
		return NULL;
	node_init(&node, mac, now_ms);
	known = nodes_insert(nodes, &node);
	if (known == NULL)
		return NULL;
	nodes_changed(nodes, known);
	nodes_event(nodes, known, now_ms, "new", "first contact", NULL, 0);
	return known;
}

struct node *nodes_next(struct nodes *nodes, const struct node *after)
{
	size_t at = after == NULL ? 0 : position_of(nodes, after->id) + 1;

	return at < nodes->entries_count ? &nodes->entries[at]->node : NULL;
}

size_t nodes_count(const struct nodes *nodes)
{
	return nodes->entries_count;
}

/* Lower case, and '-' of a MAC address as ':'. */
static bool begins_with(const char *id, const char *text)
{
	for (; *text != '\0'; text++, id++) {
		char c = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text;

		if (*id != c && !(*id == ':' && c == '-'))
			return false;
	}
	return true;
}

struct node *nodes_match(struct nodes *nodes, const char *text, struct failure *failure)
{
	char mac[NODE_MAC_CHARS + 1];
	struct node *found = NULL;
	size_t found_count = 0;

	if (mac_normalise(mac, text) && nodes_find(nodes, mac) != NULL)
		return nodes_find(nodes, mac);
	for (size_t i = 0; i < nodes->entries_count; i++) {
		struct node *node = &nodes->entries[i]->node;

		if (node->name[0] != '\0' && strcmp(node->name, text) == 0)
			return node;
		if (text[0] == '\0' || (!begins_with(node->id, text) &&
					       strncmp(node->name, text, strlen(text)) != 0))
			continue;
		found = node;
		found_count++;
	}
	if (found_count == 0)
		failure_set(failure, ERROR_NOT_FOUND,
			"no node is called '%s' (`swarmboot node list` shows them)", text);
	else if (found_count > 1)
		failure_set(
			failure, ERROR_USAGE, "'%s' could be any of %zu nodes", text, found_count);
	return found_count == 1 ? found : NULL;
}

void nodes_changed(struct nodes *nodes, struct node *node)
{
	((struct entry *)node)->changed = true;
	nodes->changed = true;
}

void nodes_set_disks(struct nodes *nodes, struct node *node, const struct report_disk *disks,
	uint32_t disks_count)
{
	struct entry *entry = (struct entry *)node;
	struct report_disk *copy = calloc(disks_count + 1, sizeof(*copy));

	if (copy == NULL) {
		log_error("no memory for the disks of %s", node->id);
		return;
	}
	memcpy(copy, disks, disks_count * sizeof(*copy));
	free(entry->disks);
	entry->disks = copy;
	entry->disks_count = disks_count;
	entry->disks_changed = true;
	nodes_changed(nodes, node);
}

bool nodes_disks(struct nodes *nodes, const struct node *node, struct report_disk *disks,
	uint32_t disks_max, uint32_t *disks_count, struct failure *failure)
{
	const struct entry *entry = (const struct entry *)node;

	if (!entry->disks_changed)
		return database_load_disks(
			nodes->database, node->id, disks, disks_max, disks_count, failure);
	*disks_count = (uint32_t)u64_min(entry->disks_count, disks_max);
	memcpy(disks, entry->disks, *disks_count * sizeof(*disks));
	return true;
}

void nodes_event(struct nodes *nodes, const struct node *node, uint64_t at_ms, const char *kind,
	const char *text, const char *log, size_t log_bytes)
{
	size_t kind_bytes = strlen(kind) + 1;
	size_t text_bytes = strlen(text) + 1;
	size_t kept_bytes = log != NULL ? u64_min(log_bytes, REPORT_LOG_MAX) : 0;
	char *copy = nodes->events_count < EVENTS_PENDING_MAX
			     ? malloc(kind_bytes + text_bytes + kept_bytes)
			     : NULL;

	if (copy == NULL) {
		log_warning("too many events at once; lost: %s %s %s", node->id, kind, text);
		return;
	}
	struct pending_event *event = &nodes->events[nodes->events_count++];

	*event = (struct pending_event){.at_ms = at_ms,
		.kind = copy,
		.text = copy + kind_bytes,
		.log = copy + kind_bytes + text_bytes,
		.log_bytes = kept_bytes};
	snprintf(event->node, sizeof(event->node), "%s", node->id);
	memcpy(event->kind, kind, kind_bytes);
	memcpy(event->text, text, text_bytes);
	if (kept_bytes > 0)
		memcpy(event->log, log, kept_bytes);
	nodes->changed = true;
}

static bool save_all(struct nodes *nodes, struct failure *failure)
{
	for (size_t i = 0; i < nodes->entries_count; i++) {
		struct entry *entry = nodes->entries[i];

		if (entry->changed && !database_save_node(nodes->database, &entry->node, failure))
			return false;
		if (entry->disks_changed && !database_save_disks(nodes->database, entry->node.id,
						    entry->disks, entry->disks_count, failure))
			return false;
	}
	for (size_t i = 0; i < nodes->events_count; i++) {
		const struct pending_event *event = &nodes->events[i];

		if (!database_add_event(nodes->database, event->node, event->at_ms, event->kind,
			    event->text, event->log, event->log_bytes, failure))
			return false;
	}
	return true;
}

bool nodes_commit(struct nodes *nodes, struct failure *failure)
{
	if (!nodes->changed)
		return true;
	if (!database_begin(nodes->database, failure))
		return false;
	if (!save_all(nodes, failure)) {
		database_rollback(nodes->database);
		return false;
	}
	if (!database_commit(nodes->database, failure))
		return false;
	for (size_t i = 0; i < nodes->entries_count; i++) {
		struct entry *entry = nodes->entries[i];

		entry->changed = entry->disks_changed = false;
		free(entry->disks);
		entry->disks = NULL;
	}
	events_clear(nodes);
	nodes->changed = false;
	return true;
}

bool nodes_forget(struct nodes *nodes, struct node *node, struct failure *failure)
{
	if (!database_forget_node(nodes->database, node->id, failure))
		return false;
	entry_remove(nodes, position_of(nodes, node->id));
	return true;
}
