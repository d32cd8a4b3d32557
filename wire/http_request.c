/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of HTTP requests: one request line, header fields of which two matter. */
#include "wire/http_request.h"

struct text {
	const char *start;
	const char *end;
};

/* The next line without its end; false when its end has not come. */
static bool next_line(struct text *rest, struct text *line)
{
	const char *stop = memchr(rest->start, '\n', (size_t)(rest->end - rest->start));

	if (stop == NULL)
		return false;
	*line = (struct text){.start = rest->start, .end = stop};
	if (line->end > line->start && line->end[-1] == '\r')
		line->end--;
	rest->start = stop + 1;
	return true;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* name is in lower case. */
static bool text_is(const struct text *text, const char *name)
{
	size_t length = strlen(name);

	if ((size_t)(text->end - text->start) != length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (lower(text->start[i]) != name[i])
			return false;
	return true;
}

static void trim(struct text *text)
{
	while (text->start < text->end && (*text->start == ' ' || *text->start == '\t'))
		text->start++;
	while (text->end > text->start && (text->end[-1] == ' ' || text->end[-1] == '\t'))
		text->end--;
}

/* What is before the separator, which both lose; everything when there is none. */
static struct text cut(struct text *text, char separator)
{
	const char *stop = memchr(text->start, separator, (size_t)(text->end - text->start));
	struct text before = {.start = text->start, .end = stop == NULL ? text->end : stop};

	text->start = stop == NULL ? text->end : stop + 1;
	return before;
}

/* "http://host/path" to "/path"; false when it is neither that nor "/path". */
static bool target_to_path(struct text *target)
{
	static const char scheme[] = "http://";
	struct text head = *target;

	for (const char *c = target->start; c < target->end; c++)
		if ((uint8_t)*c <= ' ' || *c == 0x7f)
			return false;
	if ((size_t)(target->end - target->start) >= sizeof(scheme) - 1) {
		head.end = head.start + sizeof(scheme) - 1;
		if (text_is(&head, scheme)) {
			const char *path = memchr(head.end, '/', (size_t)(target->end - head.end));

			target->start = path == NULL ? target->end : path;
		}
	}
	return target->start < target->end && *target->start == '/';
}

static bool take_request_line(struct http_request *request, struct text line)
{
	struct text method = cut(&line, ' ');
	struct text target = cut(&line, ' ');

	request->status = 400;
	if (method.start == method.end || !target_to_path(&target))
		return false;
	if (text_is(&line, "http/1.0"))
		request->old = true;
	else if (!text_is(&line, "http/1.1")) {
		struct text protocol = cut(&line, '/');

		request->status = text_is(&protocol, "http") ? 505 : 400;
		return false;
	}
	request->keep_alive = !request->old;
	if (method.end - method.start != 3 || memcmp(method.start, "GET", 3) != 0) {
		request->status = 405;
		return false;
	}
	request->status = 200;
	struct text path = cut(&target, '?');

	request->path = path.start;
	request->path_bytes = (size_t)(path.end - path.start);
	request->query = target.start;
	request->query_bytes = (size_t)(target.end - target.start);
	return true;
}

/* False when it is not a field, or says that a body follows. */
static bool take_field(struct http_request *request, struct text line)
{
	if (memchr(line.start, ':', (size_t)(line.end - line.start)) == NULL ||
		memchr(line.start, '\0', (size_t)(line.end - line.start)) != NULL)
		return false;
	struct text name = cut(&line, ':');

	trim(&line);
	if (text_is(&name, "transfer-encoding"))
		return false;
	if (text_is(&name, "content-length"))
		return text_is(&line, "0");
	if (!text_is(&name, "connection"))
		return true;
	while (line.start < line.end) {
		struct text option = cut(&line, ',');

		trim(&option);
		if (text_is(&option, "close"))
			request->keep_alive = false;
		else if (text_is(&option, "keep-alive") && request->old)
			request->keep_alive = true;
	}
	return true;
}

enum http_request_state http_request_parse(
	struct http_request *request, const uint8_t *bytes, size_t bytes_count)
{
	struct text rest = {.start = (const char *)bytes, .end = (const char *)bytes + bytes_count};
	struct text line = {.start = rest.start, .end = rest.start};

	*request = (struct http_request){.status = 200};
	/* Empty lines before a request are forgiven (RFC 9112, 2.2). */
	while (line.start == line.end)
		if (!next_line(&rest, &line))
			return HTTP_REQUEST_PART;
	if (!take_request_line(request, line))
		return HTTP_REQUEST_WRONG;
	for (;;) {
		if (!next_line(&rest, &line))
			return HTTP_REQUEST_PART;
		if (line.start == line.end)
			break;
		if (!take_field(request, line)) {
			request->status = 400;
			return HTTP_REQUEST_WRONG;
		}
	}
	request->head_bytes = (size_t)((const uint8_t *)rest.start - bytes);
	return HTTP_REQUEST_WHOLE;
}
