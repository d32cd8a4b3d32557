/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams of local service discovery: see lsd.h. */
#include "wire/lsd.h"

#define METHOD	   "BT-SEARCH * HTTP/1."
#define WANTS_MAX  1000
#define HASH_CHARS (2 * SHA1_BYTES)

struct span {
	const uint8_t *bytes;
	size_t count;
};

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* ---- reading ---- */

/* Takes the next line off the rest, without its end. A last line without one counts. */
static struct span next_line(struct span *rest)
{
	const uint8_t *end = rest->count > 0 ? memchr(rest->bytes, '\n', rest->count) : NULL;
	size_t count = end != NULL ? (size_t)(end - rest->bytes) : rest->count;
	struct span line = {rest->bytes, count};
	size_t taken = count + (end != NULL);

	rest->bytes += taken;
	rest->count -= taken;
	if (line.count > 0 && line.bytes[line.count - 1] == '\r')
		line.count--;
	return line;
}

/* "Name: value": true when the name is that one; the value has no blanks around it. */
static bool header_is(struct span line, const char *name, struct span *value)
{
	size_t name_bytes = strlen(name);

	if (line.count <= name_bytes || line.bytes[name_bytes] != ':')
		return false;
	for (size_t i = 0; i < name_bytes; i++)
		if (lower(line.bytes[i]) != (uint8_t)name[i])
			return false;
	value->bytes = line.bytes + name_bytes + 1;
	value->count = line.count - name_bytes - 1;
	while (value->count > 0 && is_blank(value->bytes[0])) {
		value->bytes++;
		value->count--;
	}
	while (value->count > 0 && is_blank(value->bytes[value->count - 1]))
		value->count--;
	return true;
}

/* False: not a number of decimal digits up to `most`. */
static bool read_number(struct span value, uint32_t most, uint32_t *number)
{
	uint64_t result = 0;

	if (value.count == 0)
		return false;
	for (size_t i = 0; i < value.count; i++) {
		if (value.bytes[i] < '0' || value.bytes[i] > '9')
			return false;
		result = result * 10 + (uint64_t)(value.bytes[i] - '0');
		if (result > most)
			return false;
	}
	*number = (uint32_t)result;
	return true;
}

static void take_infohash(struct lsd_search *search, struct span value)
{
	uint8_t *infohash;

	if (value.count != HASH_CHARS || search->infohashes_count == LSD_INFOHASHES_MAX)
		return;
	infohash = search->infohashes[search->infohashes_count];
	for (size_t i = 0; i < SHA1_BYTES; i++) {
		unsigned high = hex_digit((char)value.bytes[2 * i]);
		unsigned low = hex_digit((char)value.bytes[2 * i + 1]);

		if (high > 15 || low > 15)
			return;
		infohash[i] = (uint8_t)(high << 4 | low);
	}
	search->infohashes_count++;
}

static void take_cookie(struct lsd_search *search, struct span value)
{
	if (value.count > LSD_COOKIE_MAX)
		return;
	printable_copy(search->cookie, sizeof(search->cookie), value.bytes, value.count);
}

static void take_header(struct lsd_search *search, struct span line)
{
	struct span value;
	uint32_t number;

	if (header_is(line, "port", &value)) {
		if (read_number(value, UINT16_MAX, &number))
			search->port = (uint16_t)number;
	} else if (header_is(line, "infohash", &value)) {
		take_infohash(search, value);
	} else if (header_is(line, "cookie", &value)) {
		take_cookie(search, value);
	} else if (header_is(line, "sb-wants", &value)) {
		if (read_number(value, WANTS_MAX, &number))
			search->wants = number;
	}
}

bool lsd_parse(struct lsd_search *search, const uint8_t *bytes, size_t bytes_count)
{
	struct span rest = {bytes, bytes_count};
	struct span line;

	memset(search, 0, sizeof(*search));
	search->wants = LSD_WANTS_UNKNOWN;
	if (bytes_count > LSD_BYTES_MAX)
		return false;
	line = next_line(&rest);
	if (line.count != sizeof(METHOD) || memcmp(line.bytes, METHOD, sizeof(METHOD) - 1) != 0)
		return false;
	while (rest.count > 0) {
		line = next_line(&rest);
		if (line.count == 0)
			break;
		take_header(search, line);
	}
	return search->port != 0 && search->infohashes_count > 0;
}

/* ---- writing ---- */

struct writer {
	uint8_t *bytes;
	size_t capacity;
	size_t used;
	bool overflow;
};

static void put(struct writer *writer, const char *text)
{
	size_t count = strlen(text);

	if (writer->overflow || writer->capacity - writer->used < count) {
		writer->overflow = true;
		return;
	}
	memcpy(writer->bytes + writer->used, text, count);
	writer->used += count;
}

static void put_number(struct writer *writer, uint32_t number)
{
	char text[12];
	size_t at = sizeof(text) - 1;

	text[at] = '\0';
	do {
		text[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	put(writer, text + at);
}

static bool cookie_valid(const char *cookie)
{
	for (; *cookie != '\0'; cookie++)
		if (hex_digit(*cookie) > 15 &&
			(lower((uint8_t)*cookie) < 'a' || lower((uint8_t)*cookie) > 'z'))
			return false;
	return true;
}

size_t lsd_write(const struct lsd_search *search, bool ipv6, uint8_t *bytes, size_t capacity)
{
	struct writer writer = {.bytes = bytes, .capacity = capacity};
	char hash[HASH_CHARS + 1];

	if (search->infohashes_count == 0 || search->infohashes_count > LSD_INFOHASHES_MAX ||
		!cookie_valid(search->cookie))
		return 0;
	put(&writer, METHOD "1\r\nHost: ");
	put(&writer, ipv6 ? "[" LSD_GROUP6 "]" : LSD_GROUP4);
	put(&writer, ":6771\r\nPort: ");
	put_number(&writer, search->port);
	for (uint32_t i = 0; i < search->infohashes_count; i++) {
		hex_write(hash, search->infohashes[i], SHA1_BYTES);
		put(&writer, "\r\nInfohash: ");
		put(&writer, hash);
	}
	if (search->cookie[0] != '\0') {
		put(&writer, "\r\ncookie: ");
		put(&writer, search->cookie);
	}
	if (search->wants != LSD_WANTS_UNKNOWN) {
		put(&writer, "\r\nSb-Wants: ");
		put_number(&writer, search->wants);
	}
	put(&writer, "\r\n\r\n\r\n");
	return writer.overflow ? 0 : writer.used;
}
