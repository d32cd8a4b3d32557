/* SPDX-License-Identifier: Apache-2.0 */
/* A small blocking HTTP client over the control socket. */
#include "server/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "images/store.h"
#include "lib/cleanup.h"
#include "server/server.h"

#define ANSWER_BYTES_MAX (64 * MIB)
#define ANSWER_WAIT_S	 60

static int socket_open(const char *state, struct failure *failure)
{
	struct sockaddr_un where = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = ANSWER_WAIT_S};
	int descriptor;

	if (snprintf(where.sun_path, sizeof(where.sun_path), "%s/%s", state, CONTROL_SOCKET) >=
		(int)sizeof(where.sun_path)) {
		failure_set(failure, ERROR_LIMIT, "the path of the state directory is too long");
		return -1;
	}
	descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (descriptor < 0) {
		failure_errno(failure, ERROR_SYSTEM, "cannot make a socket");
		return -1;
	}
	if (setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
		connect(descriptor, (const struct sockaddr *)(const void *)&where, sizeof(where)) ==
			0)
		return descriptor;
	if (errno == ENOENT || errno == ECONNREFUSED)
		failure_set(failure, ERROR_SERVER,
			"no server runs with the state directory %s: start it with `swarmboot up`, "
			"or say --state",
			state);
	else
		failure_errno(
			failure, ERROR_SYSTEM, "cannot reach the server at %s", where.sun_path);
	close(descriptor);
	return -1;
}

static bool send_all(int descriptor, const char *bytes, size_t bytes_count)
{
	while (bytes_count > 0) {
		ssize_t sent = send(descriptor, bytes, bytes_count, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return false;
		bytes += sent;
		bytes_count -= (size_t)sent;
	}
	return true;
}

/* Everything until the server closes; NUL at the end. */
static char *receive_all(int descriptor, size_t *bytes_count)
{
	size_t capacity = 64 * KIB;
	char *bytes = malloc(capacity);

	*bytes_count = 0;
	while (bytes != NULL) {
		if (*bytes_count + 1 == capacity) {
			char *larger =
				capacity < ANSWER_BYTES_MAX ? realloc(bytes, capacity * 2) : NULL;

			if (larger == NULL)
				break;
			bytes = larger;
			capacity *= 2;
		}
		ssize_t got =
			recv(descriptor, bytes + *bytes_count, capacity - 1 - *bytes_count, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		*bytes_count += (size_t)got;
		if (got == 0) {
			bytes[*bytes_count] = '\0';
			return bytes;
		}
	}
	free(bytes);
	return NULL;
}

/* Status line, headers, body. */
static json_t *answer_read(const char *bytes, size_t bytes_count, struct failure *failure)
{
	const char *body = strstr(bytes, "\r\n\r\n");
	json_t *answer = body != NULL ? json_loadb(body + 4,
						bytes_count - (size_t)(body + 4 - bytes), 0, NULL)
				      : NULL;

	if (answer == NULL || strncmp(bytes, "HTTP/1.", 7) != 0) {
		failure_set(failure, ERROR_FORMAT, "the server's answer is not understood");
		json_decref(answer);
		return NULL;
	}
	if (strncmp(bytes + 8, " 200", 4) == 0)
		return answer;
	const char *name = json_string_value(json_object_get(answer, "error"));
	const char *text = json_string_value(json_object_get(answer, "text"));
	enum error error = name != NULL ? error_from_name(name, strlen(name)) : ERRORS_COUNT;

	failure_set(failure, error != ERRORS_COUNT ? error : ERROR_SERVER, "%s",
		text != NULL ? text : "the server refuses without a reason");
	json_decref(answer);
	return NULL;
}

json_t *client_call(
	const char *state, const char *operation, json_t *request, struct failure *failure)
{
	SCOPED(free) char *body = json_dumps(request, JSON_COMPACT);
	const char *text = body != NULL ? body : "{}";
	char head[256];
	size_t bytes_count;

	json_decref(request);
	SCOPED(fd)
	int descriptor = socket_open(state != NULL ? state : store_default_state(), failure);

	if (descriptor < 0)
		return NULL;
	snprintf(head, sizeof(head),
		"POST /v1/%s HTTP/1.0\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n", operation,
		strlen(text));
	if (!send_all(descriptor, head, strlen(head)) ||
		!send_all(descriptor, text, strlen(text))) {
		failure_errno(failure, ERROR_SYSTEM, "cannot talk to the server");
		return NULL;
	}
	SCOPED(free) char *answer = receive_all(descriptor, &bytes_count);

	if (answer == NULL) {
		failure_set(failure, ERROR_SERVER, "the server does not answer");
		return NULL;
	}
	return answer_read(answer, bytes_count, failure);
}
