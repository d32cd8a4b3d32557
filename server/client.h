/* SPDX-License-Identifier: Apache-2.0 */
/* The commands' side of the control socket, and what they print. */
#ifndef SERVER_CLIENT_H
#define SERVER_CLIENT_H

#include <jansson.h>
#include <stdio.h>

#include "lib/failure.h"

/* Asks the server that runs with this state directory (NULL: the default); takes over `request`
 * (may be NULL). The caller releases the answer. A refusal by the server is a failure. */
MUST_USE json_t *client_call(
	const char *state, const char *operation, json_t *request, struct failure *failure);

/* A page of status: server, images, nodes, what happened last. columns and rows bound it; 0: as
 * much as there is. */
void status_print(FILE *out, const json_t *status, unsigned columns, unsigned rows);
/* Nodes with their disks. */
void node_list_print(FILE *out, const json_t *status);
void node_print(FILE *out, const json_t *node);
void disks_print(FILE *out, const json_t *disks);

/* Width and height of the terminal behind `out`; false when it is none. */
bool terminal_size(FILE *out, unsigned *columns, unsigned *rows);

#endif
