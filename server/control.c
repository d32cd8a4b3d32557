/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: POST /v1/OPERATION with a JSON object, answered by one; and what the tracker
 * counts. */
#include "server/control.h"

#include <stdlib.h>
#include <string.h>

#include "server/http.h"
#include "tracker/status.h"

static json_t *control_status(struct server *server, const json_t *request, struct failure *failure)
{
	json_t *status = status_json(server);

	(void)request;
	if (status == NULL)
		failure_set(failure, ERROR_MEMORY, "no memory for the status");
	return status;
}

static const struct {
	const char *path;
	json_t *(*run)(struct server *server, const json_t *request, struct failure *failure);
} operations[] = {
	{"/v1/status", control_status},
	{"/v1/arm", control_arm},
	{"/v1/disarm", control_disarm},
	{"/v1/node/list", control_node_list},
	{"/v1/node/show", control_node_show},
	{"/v1/node/set", control_node_set},
	{"/v1/node/forget", control_node_forget},
};

const char *json_member_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

uint64_t json_member_number(const json_t *object, const char *name)
{
	json_int_t number = json_integer_value(json_object_get(object, name));

	return number > 0 ? (uint64_t)number : 0;
}

static void reply_json(struct evhttp_request *request, int code, json_t *answer)
{
	char *text = answer != NULL ? json_dumps(answer, JSON_COMPACT) : NULL;

	if (text != NULL)
		http_reply_bytes(request, code, "application/json", text, strlen(text));
	else
		http_reply_text(request, HTTP_INTERNAL, "no memory for the answer");
	free(text);
	json_decref(answer);
}

static void reply_failure(struct evhttp_request *request, const struct failure *failure)
{
	int code = failure->error == ERROR_NOT_FOUND ? HTTP_NOTFOUND : HTTP_BADREQUEST;

	reply_json(request, code,
		json_pack(
			"{s:s, s:s}", "error", error_name(failure->error), "text", failure->text));
}

void control_request(struct evhttp_request *request, void *context)
{
	struct server *server = context;
	struct failure failure = {0};
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
	size_t operation = 0;
	size_t body_bytes;
	const uint8_t *body = http_body(request, REPORT_BYTES_MAX, &body_bytes);

	if (evhttp_request_get_command(request) == EVHTTP_REQ_GET &&
		status_handle_http(server->status, request))
		return;

	while (operation < ARRAY_COUNT(operations) &&
		(path == NULL || strcmp(path, operations[operation].path) != 0))
		operation++;
	if (operation == ARRAY_COUNT(operations)) {
		failure_set(&failure, ERROR_NOT_FOUND, "there is no such operation");
		reply_failure(request, &failure);
		return;
	}
	json_t *asked =
		body != NULL ? json_loadb((const char *)body, body_bytes, 0, NULL) : json_object();

	if (!json_is_object(asked)) {
		json_decref(asked);
		failure_set(&failure, ERROR_FORMAT, "a JSON object is wanted");
		reply_failure(request, &failure);
		return;
	}
	json_t *answer = operations[operation].run(server, asked, &failure);

	json_decref(asked);
	if (answer == NULL)
		reply_failure(request, &failure);
	else
		reply_json(request, HTTP_OK, answer);
}
