/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's interface of a running server: JSON over HTTP on the socket control.sock in the
 * state directory (docs/control.md). Handlers here, the client's side in client.h. */
#ifndef SERVER_CONTROL_H
#define SERVER_CONTROL_H

#include <jansson.h>

#include "server/server.h"

/* Everything that `swarmboot status --json` prints. The caller releases it. */
json_t *status_json(struct server *server);

/* One node; disks and history when `full`. */
json_t *node_json(struct server *server, const struct node *node, bool full);

/* Each takes the request's JSON and returns the answer, or NULL and a failure. */
json_t *control_arm(struct server *server, const json_t *request, struct failure *failure);
json_t *control_disarm(struct server *server, const json_t *request, struct failure *failure);
json_t *control_node_list(struct server *server, const json_t *request, struct failure *failure);
json_t *control_node_show(struct server *server, const json_t *request, struct failure *failure);
json_t *control_node_set(struct server *server, const json_t *request, struct failure *failure);
json_t *control_node_forget(struct server *server, const json_t *request, struct failure *failure);

/* The text of a member, "" when absent or of another type. */
const char *json_member_text(const json_t *object, const char *name);
uint64_t json_member_number(const json_t *object, const char *name);

#endif
