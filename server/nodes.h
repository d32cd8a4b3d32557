/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All nodes of the site in memory, by MAC address, with the database behind them. A change is
 * marked and saved with the next commit: once a second, or at once when an answer depends on it.
 */
#ifndef SERVER_NODES_H
#define SERVER_NODES_H

#include "server/database.h"

#define NODES_MAX 16384

struct nodes;

/* Loads what the database knows; the database is borrowed. */
MUST_USE struct nodes *nodes_create(struct database *database, struct failure *failure);
/* Saves first, as far as that works. */
struct nodes *nodes_destroy(struct nodes *nodes);

/* mac must be normalised. NULL: not known. Valid until nodes_forget. */
struct node *nodes_find(struct nodes *nodes, const char *mac);
/* Adds it when it is new. NULL: there are too many; a node without arm, name and inventory makes
 * room when there is one. */
struct node *nodes_meet(struct nodes *nodes, const char *mac, uint64_t now_ms);
/* In order of MAC address: start with NULL. */
struct node *nodes_next(struct nodes *nodes, const struct node *after);
size_t nodes_count(const struct nodes *nodes);

/* The one node that text names: MAC, name, or a unique beginning of either. */
MUST_USE struct node *nodes_match(struct nodes *nodes, const char *text, struct failure *failure);

/* The node's saved part changed. */
void nodes_changed(struct nodes *nodes, struct node *node);
/* Its disks, to be saved with the node. */
void nodes_set_disks(struct nodes *nodes, struct node *node, const struct report_disk *disks,
	uint32_t disks_count);
MUST_USE bool nodes_disks(struct nodes *nodes, const struct node *node, struct report_disk *disks,
	uint32_t disks_max, uint32_t *disks_count, struct failure *failure);
/* A line of history, saved with the next commit. log may be NULL. */
void nodes_event(struct nodes *nodes, const struct node *node, uint64_t at_ms, const char *kind,
	const char *text, const char *log, size_t log_bytes);

/* Everything that changed is on the medium when it returns true; else it stays marked. */
MUST_USE bool nodes_commit(struct nodes *nodes, struct failure *failure);
MUST_USE bool nodes_forget(struct nodes *nodes, struct node *node, struct failure *failure);

#endif
