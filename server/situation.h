/* SPDX-License-Identifier: Apache-2.0 */
/* One sentence about where a node stands, and which stage never came. */
#ifndef SERVER_SITUATION_H
#define SERVER_SITUATION_H

#include "server/nodes_core.h"

#define SITUATION_TEXT_MAX 256

/* Writes the sentence; true when something that should have come did not. */
bool node_situation(const struct node *node, uint64_t now_ms, char text[static SITUATION_TEXT_MAX]);

/* Seconds until every byte is durable at the present rate; UINT64_MAX: unknown. */
uint64_t node_eta_s(const struct node *node);

#endif
