/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's HTTP client against a server that says exactly what each case needs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "initramfs/agent_http.h"
#include "runtime/clock.h"

struct world {
	struct event_base *base;
	struct evconnlistener *listener;
	struct agent_http *http;
	const char *say; /* what the server answers, and then closes; NULL: nothing, ever */
	char heard[4096];
	struct bufferevent *connections[16];
	size_t connections_count;
	uint16_t port;
	/* the answer */
	int calls;
	int status;
	uint64_t retry_after_s;
	char body[256];
	char problem[128];
};

static void on_read(struct bufferevent *connection, void *context)
{
	struct world *world = context;
	size_t used = strlen(world->heard);

	used += bufferevent_read(connection, world->heard + used, sizeof(world->heard) - 1 - used);
	world->heard[used] = '\0';
	if (world->say != NULL)
		bufferevent_write(connection, world->say, strlen(world->say));
}

static void on_written(struct bufferevent *connection, void *context)
{
	struct world *world = context;

	if (world->say != NULL && world->heard[0] != '\0')
		shutdown(bufferevent_getfd(connection), SHUT_WR);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t descriptor,
	struct sockaddr *from, int from_bytes, void *context)
{
	struct world *world = context;
	struct bufferevent *connection =
		bufferevent_socket_new(world->base, descriptor, BEV_OPT_CLOSE_ON_FREE);

	(void)listener;
	(void)from;
	(void)from_bytes;
	assert_true(world->connections_count < ARRAY_COUNT(world->connections));
	world->connections[world->connections_count++] = connection;
	bufferevent_setcb(connection, on_read, on_written, NULL, world);
	bufferevent_enable(connection, EV_READ | EV_WRITE);
}

static int make_world(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t address_bytes = sizeof(address);
	char url[64];

	world->base = event_base_new();
	world->listener = evconnlistener_new_bind(world->base, on_accept, world,
		LEV_OPT_CLOSE_ON_FREE, 16, (struct sockaddr *)&address, sizeof(address));
	if (world->listener == NULL || getsockname(evconnlistener_get_fd(world->listener),
					       (struct sockaddr *)&address, &address_bytes) != 0)
		return -1;
	world->port = ntohs(address.sin_port);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", world->port);
	world->http = agent_http_create(world->base, url, NULL);
	*state = world;
	return world->http != NULL ? 0 : -1;
}

static int free_world(void **state)
{
	struct world *world = *state;

	agent_http_destroy(world->http);
	for (size_t i = 0; i < world->connections_count; i++)
		bufferevent_free(world->connections[i]);
	if (world->listener != NULL)
		evconnlistener_free(world->listener);
	event_base_free(world->base);
	free(world);
	return 0;
}

static void on_done(void *context, const struct http_answer *answer)
{
	struct world *world = context;

	world->calls++;
	world->status = answer->status;
	world->retry_after_s = answer->retry_after_s;
	snprintf(world->body, sizeof(world->body), "%.*s", (int)answer->body_bytes,
		answer->body != NULL ? (const char *)answer->body : "");
	snprintf(world->problem, sizeof(world->problem), "%s",
		answer->problem != NULL ? answer->problem : "");
	event_base_loopexit(world->base, NULL);
}

/* Asks, and runs until the answer is there. */
static void ask(struct world *world, const char *body)
{
	struct http_request request = {.path = "/v1/thing?a=b",
		.body = (const uint8_t *)body,
		.body_bytes = body != NULL ? strlen(body) : 0,
		.answer_bytes_max = 100,
		.timeout_s = 1,
		.done = on_done,
		.context = world};

	world->calls = 0;
	agent_http_start(world->http, &request);
	assert_int_equal(world->calls, 0);
	event_base_dispatch(world->base);
	/* Whatever is left to clean up must not call a second time. */
	event_base_loop(world->base, EVLOOP_NONBLOCK);
	assert_int_equal(world->calls, 1);
}

static void a_get_is_asked_and_answered(void **state)
{
	struct world *world = *state;

	world->say = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
	ask(world, NULL);
	assert_int_equal(world->status, 200);
	assert_string_equal(world->body, "hello");
	assert_non_null(strstr(world->heard, "GET /v1/thing?a=b HTTP/1.1\r\n"));
	assert_non_null(strstr(world->heard, "Host: 127.0.0.1:"));
}

static void a_post_carries_its_body(void **state)
{
	struct world *world = *state;

	world->say = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	ask(world, "d5:eventi1ee");
	assert_int_equal(world->status, 200);
	assert_non_null(strstr(world->heard, "POST /v1/thing?a=b HTTP/1.1\r\n"));
	assert_non_null(strstr(world->heard, "\r\n\r\nd5:eventi1ee"));
}

static void later_says_when(void **state)
{
	struct world *world = *state;

	world->say = "HTTP/1.1 503 Busy\r\nRetry-After: 37\r\nContent-Length: 0\r\n\r\n";
	ask(world, NULL);
	assert_int_equal(world->status, 503);
	assert_int_equal(world->retry_after_s, 37);
}

static void silence_ends_after_the_time(void **state)
{
	struct world *world = *state;
	uint64_t start_ns = clock_now_ns();

	ask(world, NULL);
	assert_int_equal(world->status, 0);
	assert_true(world->problem[0] != '\0');
	assert_in_range(clock_now_ns() - start_ns, 900 * NS_PER_MS, 3 * NS_PER_S);
}

static void a_trickle_ends_after_the_time_too(void **state)
{
	struct world *world = *state;
	uint64_t start_ns = clock_now_ns();

	/* A body that never comes whole. */
	world->say = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello";
	ask(world, NULL);
	assert_int_equal(world->status, 0);
	assert_true(clock_now_ns() - start_ns < 3 * NS_PER_S);
}

static void an_answer_too_long_is_none(void **state)
{
	struct world *world = *state;
	char say[1024];

	snprintf(say, sizeof(say), "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n%0500d", 7);
	world->say = say;
	ask(world, NULL);
	assert_int_equal(world->status, 0);
	world->say = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n";
	ask(world, NULL);
	assert_int_equal(world->status, 0);
}

static void garbage_is_no_answer(void **state)
{
	struct world *world = *state;

	world->say = "SSH-2.0-OpenSSH\r\n\r\n";
	ask(world, NULL);
	assert_int_equal(world->status, 0);
	world->say = "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n";
	ask(world, NULL);
	assert_int_equal(world->status, 0);
}

static void nobody_there_is_said_at_once(void **state)
{
	struct world *world = *state;
	uint64_t start_ns = clock_now_ns();

	evconnlistener_free(world->listener);
	world->listener = NULL;
	ask(world, NULL);
	assert_int_equal(world->status, 0);
	assert_true(world->problem[0] != '\0');
	assert_true(clock_now_ns() - start_ns < 900 * NS_PER_MS);
}

static void what_is_under_way_is_dropped_without_a_call(void **state)
{
	struct world *world = *state;
	struct http_request request = {.path = "/",
		.answer_bytes_max = 100,
		.timeout_s = 5,
		.done = on_done,
		.context = world};

	agent_http_start(world->http, &request);
	event_base_loop(world->base, EVLOOP_ONCE);
	world->http = agent_http_destroy(world->http);
	event_base_loop(world->base, EVLOOP_NONBLOCK);
	assert_int_equal(world->calls, 0);
}

static void urls_that_are_not_a_server_are_refused(void **state)
{
	struct world *world = *state;
	static const char *const urls[] = {"", "10.0.0.1:80", "ftp://10.0.0.1", "http://",
		"http://10.0.0.1/path", "http://10.0.0.1:99999", "https://10.0.0.1",
		"http://server:8080"};
	struct failure failure;

	for (size_t i = 0; i < ARRAY_COUNT(urls); i++) {
		assert_null(agent_http_create(world->base, urls[i], &failure));
		assert_int_equal(failure.error, ERROR_USAGE);
	}
	struct agent_http *v6 = agent_http_create(world->base, "http://[::1]:8080", &failure);

	assert_non_null(v6);
	agent_http_destroy(v6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_world, free_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_get_is_asked_and_answered),
		TEST(a_post_carries_its_body),
		TEST(later_says_when),
		TEST(silence_ends_after_the_time),
		TEST(a_trickle_ends_after_the_time_too),
		TEST(an_answer_too_long_is_none),
		TEST(garbage_is_no_answer),
		TEST(nobody_there_is_said_at_once),
		TEST(what_is_under_way_is_dropped_without_a_call),
		TEST(urls_that_are_not_a_server_are_refused),
	};

	/* The test's own server writes to connections that the client has closed. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("agent_http", tests, NULL, NULL);
}
