/* SPDX-License-Identifier: Apache-2.0 */
/* Answering who wants to know the tracker's numbers. */
#include "tracker/status.h"

#include "tracker/metrics.h"
#include "tracker/tracker_private.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/log.h"

#define TIMEOUT_S	  10
#define HEADERS_BYTES_MAX 8192
#define BODY_BYTES_MAX	  1024

struct status {
	struct event_base *base;
	struct tracker *tracker;
	struct census *census;
	struct evhttp *http; /* NULL: does not listen */
	struct evconnlistener *listener;
	struct event *second; /* listens again after it ran out of descriptors */
};

/* One request while peers are counted for it. */
struct question {
	struct status *status;
	struct evhttp_request *request;
	bool metrics;
	bool one; /* swarm only */
	uint8_t infohash[SHA1_BYTES];
};

static void reply(struct evhttp_request *request, int code, const char *type)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);

	if (evhttp_add_header(headers, "Content-Type", type) != 0 ||
		evhttp_add_header(headers, "Cache-Control", "no-store") != 0)
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
	else
		evhttp_send_reply(request, code, NULL, NULL);
}

static void reply_text(struct evhttp_request *request, int code, const char *text)
{
	if (evbuffer_add_printf(evhttp_request_get_output_buffer(request), "%s\n", text) < 0)
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
	else
		reply(request, code, "text/plain; charset=utf-8");
}

static int compare(const void *a, const void *b)
{
	return memcmp(((const struct scrape_entry *)a)->infohash,
		((const struct scrape_entry *)b)->infohash, SHA1_BYTES);
}

static void answer_swarms(const struct question *question, const struct census_result *result,
	const struct tracker_statistics *statistics)
{
	struct tracker_core *core = question->status->tracker->core;
	struct scrape_entry *swarms = calloc((size_t)statistics->swarms_count + 1, sizeof(*swarms));
	char *text = NULL;

	if (swarms != NULL) {
		size_t count = tracker_core_scrape_all(
			core, tracker_now_us() / 1000, swarms, statistics->swarms_count);
		qsort(swarms, count, sizeof(*swarms), compare);
		json_t *json = view_json(question->status->tracker, statistics, result, swarms,
			count, question->one ? question->infohash : NULL);

		text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
		json_decref(json);
	}
	if (text == NULL || evbuffer_add_printf(evhttp_request_get_output_buffer(question->request),
				    "%s\n", text) < 0)
		evhttp_send_error(question->request, HTTP_INTERNAL, NULL);
	else
		reply(question->request, HTTP_OK, "application/json");
	free(text);
	free(swarms);
}

static void answer(const struct question *question, const struct census_result *result)
{
	struct tracker_statistics statistics;

	tracker_statistics(question->status->tracker, &statistics);
	if (!question->metrics)
		answer_swarms(question, result, &statistics);
	else if (!metrics_write(evhttp_request_get_output_buffer(question->request),
			 question->status->tracker, &statistics, result))
		evhttp_send_error(question->request, HTTP_INTERNAL, NULL);
	else
		reply(question->request, HTTP_OK, METRICS_CONTENT_TYPE);
}

/* What is asked for; false when that was answered already. */
static bool question_read(struct question *question, struct evhttp_request *request)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
	const char *query = uri != NULL ? evhttp_uri_get_query(uri) : NULL;
	struct evkeyvalq values;

	*question = (struct question){.request = request};
	question->metrics = path != NULL && strcmp(path, "/metrics") == 0;
	if (question->metrics || query == NULL)
		return true;
	if (evhttp_parse_query_str(query, &values) != 0) {
		reply_text(request, HTTP_BADREQUEST, "the query is malformed");
		return false;
	}
	const char *hex = evhttp_find_header(&values, "infohash");
	bool fine = hex == NULL || hex_read(question->infohash, SHA1_BYTES, hex);

	question->one = hex != NULL;
	evhttp_clear_headers(&values);
	if (!fine)
		reply_text(request, HTTP_BADREQUEST, "infohash is 40 hex digits");
	return fine;
}

static bool is_ours(struct evhttp_request *request)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;

	return path != NULL && (strcmp(path, "/metrics") == 0 || strcmp(path, "/swarms") == 0);
}

static void on_counted_at_once(void *context, const struct census_result *result)
{
	answer(context, result);
}

bool status_handle_http(struct status *status, struct evhttp_request *request)
{
	struct question question;

	if (!is_ours(request))
		return false;
	if (!question_read(&question, request))
		return true;
	question.status = status;
	census_now(status->census, on_counted_at_once, &question);
	return true;
}

/* The one who asked went away. */
static void on_closed(struct evhttp_connection *connection, void *context)
{
	struct question *question = context;

	(void)connection;
	census_cancel(question->status->census, question);
	free(question);
}

static void on_counted(void *context, const struct census_result *result)
{
	struct question *question = context;

	evhttp_connection_set_closecb(evhttp_request_get_connection(question->request), NULL, NULL);
	answer(question, result);
	free(question);
}

static void on_request(struct evhttp_request *request, void *context)
{
	struct status *status = context;
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
	struct question *question;

	if (!is_ours(request)) {
		if (path != NULL && strcmp(path, "/health") == 0)
			reply_text(request, HTTP_OK, "ok");
		else if (path != NULL && strcmp(path, "/") == 0)
			reply_text(request, HTTP_OK, "/metrics\n/swarms\n/health");
		else
			reply_text(request, HTTP_NOTFOUND, "there is nothing here");
		return;
	}
	question = malloc(sizeof(*question));
	if (question == NULL) {
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
		return;
	}
	if (!question_read(question, request)) {
		free(question);
		return;
	}
	question->status = status;
	if (!census_request(status->census, on_counted, question)) {
		free(question);
		reply_text(request, HTTP_SERVUNAVAIL, "too many ask at once");
		return;
	}
	evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_closed, question);
}

struct status *status_create(
	struct event_base *base, struct tracker *tracker, struct failure *failure)
{
	struct status *status = calloc(1, sizeof(*status));

	if (status == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for the status");
		return NULL;
	}
	status->base = base;
	status->tracker = tracker;
	status->census = census_create(base, tracker, failure);
	return status->census != NULL ? status : status_destroy(status);
}

struct status *status_destroy(struct status *status)
{
	if (status == NULL)
		return NULL;
	/* Ends connections, and with them the questions that wait. */
	if (status->http != NULL)
		evhttp_free(status->http);
	if (status->second != NULL)
		event_free(status->second);
	census_destroy(status->census);
	free(status);
	return NULL;
}

/* Out of descriptors, a waiting connection would wake the loop without end: look away until the
 * next second. */
static void on_accept_failed(struct evconnlistener *listener, void *context)
{
	(void)context;
	if (evconnlistener_disable(listener) != 0)
		log_error("tracker: cannot pause listening");
}

static void on_second(evutil_socket_t fd, short events, void *context)
{
	struct status *status = context;

	(void)fd;
	(void)events;
	if (evconnlistener_enable(status->listener) != 0)
		log_error("tracker: cannot listen again");
}

bool status_listen(struct status *status, struct sockaddr_storage *address, struct failure *failure)
{
	int fd = tracker_bind(address, SOCK_STREAM, failure);
	struct timeval second = {.tv_sec = 1};
	struct evhttp_bound_socket *bound;

	if (fd < 0)
		return false;
	status->second = event_new(status->base, -1, EV_PERSIST, on_second, status);
	status->http = evhttp_new(status->base);
	if (status->second == NULL || status->http == NULL ||
		(bound = evhttp_accept_socket_with_handle(status->http, fd)) == NULL) {
		close(fd);
		return failure_set(failure, ERROR_MEMORY, "cannot watch the status socket");
	}
	status->listener = evhttp_bound_socket_get_listener(bound);
	evconnlistener_set_error_cb(status->listener, on_accept_failed);
	if (event_add(status->second, &second) != 0)
		return failure_set(failure, ERROR_MEMORY, "cannot start a timer");
	evhttp_set_timeout(status->http, TIMEOUT_S);
	evhttp_set_max_headers_size(status->http, HEADERS_BYTES_MAX);
	evhttp_set_max_body_size(status->http, BODY_BYTES_MAX);
	evhttp_set_allowed_methods(status->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_gencb(status->http, on_request, status);
	return true;
}
