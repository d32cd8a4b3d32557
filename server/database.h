/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's durable state: nodes, their disks, arms and events, in one SQLite file (WAL,
 * synchronous=FULL: a commit that returned survives a power cut). One thread.
 */
#ifndef SERVER_DATABASE_H
#define SERVER_DATABASE_H

#include "server/nodes_core.h"

#define DATABASE_EVENTS_MAX 100000 /* older ones are forgotten */

struct database;

/* Opens or creates; brings an older schema up to date; refuses a newer one. */
MUST_USE struct database *database_open(const char *path, struct failure *failure);
struct database *database_close(struct database *database);

/* Several changes in one commit. begin may be left out: every change is then its own commit. A
 * rollback follows a failed commit by itself. */
MUST_USE bool database_begin(struct database *database, struct failure *failure);
MUST_USE bool database_commit(struct database *database, struct failure *failure);
void database_rollback(struct database *database);

MUST_USE bool database_save_node(
	struct database *database, const struct node *node, struct failure *failure);
/* Replaces what is known of the node's disks. */
MUST_USE bool database_save_disks(struct database *database, const char *node,
	const struct report_disk *disks, uint32_t disks_count, struct failure *failure);
/* Removes the node, its disks and its arms; its events stay. */
MUST_USE bool database_forget_node(
	struct database *database, const char *node, struct failure *failure);

/* Appends to the history. Text is cut at 1 KiB, log at REPORT_LOG_MAX. */
MUST_USE bool database_add_event(struct database *database, const char *node, uint64_t at_ms,
	const char *kind, const char *text, const char *log, size_t log_bytes,
	struct failure *failure);

/* Calls back with every node; its progress is empty. The pointers live during the call. */
MUST_USE bool database_load_nodes(struct database *database,
	bool (*on_node)(void *context, const struct node *node), void *context,
	struct failure *failure);
MUST_USE bool database_load_disks(struct database *database, const char *node,
	struct report_disk *disks, uint32_t disks_max, uint32_t *disks_count,
	struct failure *failure);

/* Newest first. node NULL: of all. */
struct database_event {
	const char *node;
	uint64_t at_ms;
	const char *kind;
	const char *text;
	const char *log;
};
MUST_USE bool database_list_events(struct database *database, const char *node, uint32_t limit,
	void (*on_event)(void *context, const struct database_event *event), void *context,
	struct failure *failure);

/* The largest arm number ever given. */
MUST_USE bool database_last_arm(
	struct database *database, uint64_t *number, struct failure *failure);

#endif
