/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP requests over evhttp, each on a connection of its own. */
#include "initramfs/agent_http.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "lib/log.h"

#define HEADERS_BYTES_MAX (16 * KIB)

struct call {
	LIST_ENTRY(call) link;
	struct agent_http *http;
	struct evhttp_connection *connection;
	struct evhttp_request *request; /* NULL once it was answered or cancelled */
	struct event *timer;		/* the time limit; afterwards the end */
	const char *problem;
	void (*done)(void *context, const struct http_answer *answer);
	void *context;
};

struct agent_http {
	struct event_base *base;
	char host[128];
	char authority[160]; /* for the Host header */
	uint16_t port;
	LIST_HEAD(, call) calls;
};

/* Names would have to be looked up, which a machine without its system cannot. */
static bool is_numeric(const char *host)
{
	uint8_t ip[16];

	return evutil_inet_pton(AF_INET, host, ip) == 1 ||
	       evutil_inet_pton(AF_INET6, host, ip) == 1;
}

struct agent_http *agent_http_create(
	struct event_base *base, const char *url, struct failure *failure)
{
	struct evhttp_uri *parsed = evhttp_uri_parse(url);
	const char *scheme = parsed != NULL ? evhttp_uri_get_scheme(parsed) : NULL;
	const char *host = parsed != NULL ? evhttp_uri_get_host(parsed) : NULL;
	const char *path = parsed != NULL ? evhttp_uri_get_path(parsed) : NULL;
	int port = parsed != NULL ? evhttp_uri_get_port(parsed) : -1;
	struct agent_http *http = NULL;

	if (scheme == NULL || strcmp(scheme, "http") != 0 || host == NULL || host[0] == '\0' ||
		(path != NULL && path[0] != '\0' && strcmp(path, "/") != 0) ||
		strlen(host) >= sizeof(http->host)) {
		failure_set(failure, ERROR_USAGE,
			"the server's URL is not http://ADDRESS:PORT: %.100s", url);
	} else if ((http = calloc(1, sizeof(*http))) == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for the HTTP client");
	} else {
		http->base = base;
		http->port = port > 0 ? (uint16_t)port : 80;
		snprintf(http->authority, sizeof(http->authority), "%s:%u", host, http->port);
		/* Brackets belong to the URL, not to the address. */
		snprintf(http->host, sizeof(http->host), "%s", host[0] == '[' ? host + 1 : host);
		http->host[strcspn(http->host, "]")] = '\0';
		LIST_INIT(&http->calls);
		if (!is_numeric(http->host)) {
			failure_set(failure, ERROR_USAGE,
				"the server's address is not numeric: %.100s", url);
			http = agent_http_destroy(http);
		}
	}
	if (parsed != NULL)
		evhttp_uri_free(parsed);
	return http;
}

static void call_free(struct call *call)
{
	LIST_REMOVE(call, link);
	if (call->request != NULL)
		evhttp_cancel_request(call->request);
	if (call->connection != NULL)
		evhttp_connection_free(call->connection);
	if (call->timer != NULL)
		event_free(call->timer);
	free(call);
}

struct agent_http *agent_http_destroy(struct agent_http *http)
{
	if (http == NULL)
		return NULL;
	while (!LIST_EMPTY(&http->calls))
		call_free(LIST_FIRST(&http->calls));
	free(http);
	return NULL;
}

/* The time limit has passed, or the answer was handed over: either way this is the end. */
static void call_timer(evutil_socket_t descriptor, short what, void *context)
{
	struct call *call = context;

	(void)descriptor;
	(void)what;
	if (call->request != NULL || call->connection == NULL) {
		struct http_answer none = {
			.problem = call->problem != NULL ? call->problem : "it took too long"};

		call->done(call->context, &none);
	}
	call_free(call);
}

static void call_finish_soon(struct call *call)
{
	struct timeval now = {0};

	/* A connection must not be freed from its own request's callback. */
	event_add(call->timer, &now);
}

static uint64_t retry_after_s(struct evhttp_request *request)
{
	const char *text =
		evhttp_find_header(evhttp_request_get_input_headers(request), "Retry-After");
	char *end;

	if (text == NULL)
		return 0;
	unsigned long long seconds = strtoull(text, &end, 10);

	return *end == '\0' && seconds < 86400 ? seconds : 0;
}

static void call_answered(struct evhttp_request *request, void *context)
{
	struct call *call = context;
	struct http_answer answer = {.problem = call->problem};

	call->request = NULL;
	if (request != NULL && evhttp_request_get_response_code(request) != 0) {
		struct evbuffer *body = evhttp_request_get_input_buffer(request);

		answer.status = evhttp_request_get_response_code(request);
		answer.body_bytes = evbuffer_get_length(body);
		answer.body = evbuffer_pullup(body, -1);
		answer.retry_after_s = retry_after_s(request);
	} else if (answer.problem == NULL) {
		answer.problem = "it cannot be reached";
	}
	call_finish_soon(call);
	call->done(call->context, &answer);
}

static void call_error(enum evhttp_request_error error, void *context)
{
	struct call *call = context;

	switch (error) {
	case EVREQ_HTTP_TIMEOUT:
		call->problem = "it does not answer";
		break;
	case EVREQ_HTTP_EOF:
		call->problem = "it closed the connection";
		break;
	case EVREQ_HTTP_DATA_TOO_LONG:
		call->problem = "its answer is too long";
		break;
	default:
		call->problem = "its answer is not HTTP";
		break;
	}
}

static bool call_send(struct call *call, const struct http_request *wanted)
{
	struct agent_http *http = call->http;

	call->connection = evhttp_connection_base_new(http->base, NULL, http->host, http->port);
	struct evhttp_request *request = evhttp_request_new(call_answered, call);

	if (call->connection == NULL || request == NULL) {
		if (request != NULL)
			evhttp_request_free(request);
		return false;
	}
	evhttp_connection_set_timeout(call->connection, (int)wanted->timeout_s);
	evhttp_connection_set_retries(call->connection, 0);
	evhttp_connection_set_max_headers_size(call->connection, HEADERS_BYTES_MAX);
	evhttp_connection_set_max_body_size(call->connection, (ev_ssize_t)wanted->answer_bytes_max);
	evhttp_request_set_error_cb(request, call_error);
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);

	evhttp_add_header(headers, "Host", http->authority);
	evhttp_add_header(headers, "Connection", "close");
	if (wanted->body != NULL && evbuffer_add(evhttp_request_get_output_buffer(request),
					    wanted->body, wanted->body_bytes) != 0) {
		evhttp_request_free(request);
		return false;
	}
	call->request = request;
	/* On failure it has freed the request, or has told call_answered. */
	if (evhttp_make_request(call->connection, request,
		    wanted->body != NULL ? EVHTTP_REQ_POST : EVHTTP_REQ_GET, wanted->path) == 0)
		return true;
	call->request = NULL;
	return false;
}

void agent_http_start(struct agent_http *http, const struct http_request *request)
{
	struct call *call = calloc(1, sizeof(*call));
	struct timeval limit = {.tv_sec = request->timeout_s};

	if (call == NULL)
		abort();
	call->http = http;
	call->done = request->done;
	call->context = request->context;
	call->timer = evtimer_new(http->base, call_timer, call);
	if (call->timer == NULL)
		abort();
	LIST_INSERT_HEAD(&http->calls, call, link);
	event_add(call->timer, &limit);
	if (call_send(call, request))
		return;
	if (call->connection != NULL)
		evhttp_connection_free(call->connection);
	call->connection = NULL;
	call->problem = "no connection can be made";
	call_finish_soon(call);
}
