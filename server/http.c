/* SPDX-License-Identifier: Apache-2.0 */
/* Answers, queries and bodies; and which path goes where on the machines' port. */
#include "server/http.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"

#define RETRY_AFTER_S "5"

void http_reply_bytes(struct evhttp_request *request, int code, const char *type, const void *bytes,
	size_t bytes_count)
{
	struct evbuffer *body = evhttp_request_get_output_buffer(request);
	char length[32];

	snprintf(length, sizeof(length), "%zu", bytes_count);
	if (evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", type) !=
			0 ||
		evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Length",
			length) != 0 ||
		evbuffer_add(body, bytes, bytes_count) != 0) {
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
		return;
	}
	evhttp_send_reply(request, code, NULL, NULL);
}

void http_reply_text(struct evhttp_request *request, int code, const char *text)
{
	char line[512];

	snprintf(line, sizeof(line), "%s\n", text);
	http_reply_bytes(request, code, "text/plain; charset=utf-8", line, strlen(line));
}

void http_reply_later(struct evhttp_request *request, const char *why)
{
	if (evhttp_add_header(
		    evhttp_request_get_output_headers(request), "Retry-After", RETRY_AFTER_S) != 0)
		log_error("no memory for a header");
	http_reply_text(request, HTTP_SERVUNAVAIL, why);
}

bool http_query_parse(struct http_query *query, struct evhttp_request *request)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *text = uri != NULL ? evhttp_uri_get_query(uri) : NULL;

	query->parsed = evhttp_parse_query_str(text != NULL ? text : "", &query->values) == 0;
	return query->parsed;
}

void http_query_clear(struct http_query *query)
{
	if (query->parsed)
		evhttp_clear_headers(&query->values);
}

bool http_query_get(const struct http_query *query, const char *name, char *value, size_t capacity)
{
	const char *found = evhttp_find_header(&query->values, name);

	value[0] = '\0';
	if (found == NULL)
		return true;
	if (strlen(found) >= capacity)
		return false;
	memcpy(value, found, strlen(found) + 1);
	return true;
}

const uint8_t *http_body(struct evhttp_request *request, size_t bytes_max, size_t *bytes_count)
{
	struct evbuffer *body = evhttp_request_get_input_buffer(request);

	*bytes_count = evbuffer_get_length(body);
	if (*bytes_count == 0 || *bytes_count > bytes_max)
		return NULL;
	return evbuffer_pullup(body, -1);
}

static bool is_read(struct evhttp_request *request)
{
	enum evhttp_cmd_type method = evhttp_request_get_command(request);

	return method == EVHTTP_REQ_GET || method == EVHTTP_REQ_HEAD;
}

static void dispatch_read(struct server *server, struct evhttp_request *request, const char *path)
{
	static const char images[] = "/v1/images/";

	if (strcmp(path, "/boot.ipxe") == 0)
		serve_boot_entry(server, request);
	else if (strcmp(path, "/v1/boot") == 0)
		serve_boot(server, request);
	else if (strcmp(path, "/boot/kernel") == 0)
		serve_boot_file(server, request, server->kernel_path, true);
	else if (strcmp(path, "/boot/initramfs") == 0)
		serve_boot_file(server, request, server->initramfs_path, false);
	else if (strcmp(path, "/boot/local.efi") == 0)
		serve_boot_file(server, request, server->local_efi_path, false);
	else if (strcmp(path, "/v1/node/plan") == 0)
		serve_plan(server, request);
	else if (strncmp(path, images, sizeof(images) - 1) == 0)
		serve_metainfo(server, request, path + sizeof(images) - 1);
	else
		http_reply_text(request, HTTP_NOTFOUND, "there is nothing here");
}

void serve_node_request(struct evhttp_request *request, void *context)
{
	struct server *server = context;
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;

	if (path == NULL || strlen(evhttp_request_get_uri(request)) > NODE_URI_MAX) {
		http_reply_text(request, HTTP_BADREQUEST, "the address is malformed or too long");
		return;
	}
	if (tracker_handle_http(server->tracker, request))
		return;
	if (strcmp(path, "/v1/node/report") == 0) {
		if (evhttp_request_get_command(request) == EVHTTP_REQ_POST)
			serve_report(server, request);
		else
			http_reply_text(request, HTTP_BADMETHOD, "reports are posted");
		return;
	}
	if (is_read(request))
		dispatch_read(server, request, path);
	else
		http_reply_text(request, HTTP_BADMETHOD, "this can only be read");
}
