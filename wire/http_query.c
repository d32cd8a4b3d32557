/* SPDX-License-Identifier: Apache-2.0 */
/* Queries of announce and scrape, read from and written to their raw bytes. */
#include "wire/http_tracker.h"

/* What is still unread of a query. */
struct query {
	const char *next;
	const char *end;
};

struct parameter {
	const char *name;
	size_t name_bytes;
	const char *value; /* still escaped */
	size_t value_bytes;
};

/* The next "name=value" or "name"; empty ones are passed over. */
static bool next_parameter(struct query *query, struct parameter *parameter)
{
	while (query->next < query->end) {
		const char *start = query->next;
		size_t length = (size_t)(query->end - start);
		const char *stop = memchr(start, '&', length);

		query->next = stop == NULL ? query->end : stop + 1;
		if (stop != NULL)
			length = (size_t)(stop - start);
		if (length == 0)
			continue;
		const char *equals = memchr(start, '=', length);

		*parameter = (struct parameter){.name = start,
			.name_bytes = equals == NULL ? length : (size_t)(equals - start),
			.value = equals == NULL ? start + length : equals + 1};
		parameter->value_bytes = (size_t)(start + length - parameter->value);
		return true;
	}
	return false;
}

static bool is_named(const struct parameter *parameter, const char *name)
{
	return strlen(name) == parameter->name_bytes &&
	       memcmp(name, parameter->name, parameter->name_bytes) == 0;
}

static bool value_is(const struct parameter *parameter, const char *text)
{
	return strlen(text) == parameter->value_bytes &&
	       memcmp(text, parameter->value, parameter->value_bytes) == 0;
}

/* False when it comes out as more bytes than there is room for. A plus sign stands for itself:
 * infohashes are bytes, not form text. */
static bool unescape(
	const struct parameter *parameter, uint8_t *bytes, size_t capacity, size_t *bytes_count)
{
	size_t used = 0;

	for (size_t i = 0; i < parameter->value_bytes; i++) {
		uint8_t byte = (uint8_t)parameter->value[i];

		if (byte == '%') {
			if (parameter->value_bytes - i < 3)
				return false;
			unsigned high = hex_digit(parameter->value[i + 1]);
			unsigned low = hex_digit(parameter->value[i + 2]);

			if (high > 15 || low > 15)
				return false;
			byte = (uint8_t)(high << 4 | low);
			i += 2;
		}
		if (used == capacity)
			return false;
		bytes[used++] = byte;
	}
	*bytes_count = used;
	return true;
}

static bool take_bytes(const struct parameter *parameter, uint8_t *bytes, size_t bytes_count)
{
	size_t used;

	return unescape(parameter, bytes, bytes_count, &used) && used == bytes_count;
}

static bool take_unsigned(const struct parameter *parameter, uint64_t maximum, uint64_t *number)
{
	*number = 0;
	if (parameter->value_bytes == 0)
		return false;
	for (size_t i = 0; i < parameter->value_bytes; i++) {
		unsigned digit = hex_digit(parameter->value[i]);

		if (digit > 9 || *number > (maximum - digit) / 10)
			return false;
		*number = *number * 10 + digit;
	}
	return true;
}

/* Clients send eight hex digits or any other text: what matters is that it stays the same. */
static uint32_t take_key(const struct parameter *parameter)
{
	uint32_t key = 0;
	bool hex = parameter->value_bytes <= 8;

	for (size_t i = 0; hex && i < parameter->value_bytes; i++) {
		hex = hex_digit(parameter->value[i]) < 16;
		key = key << 4 | (hex_digit(parameter->value[i]) & 15);
	}
	if (hex)
		return key;
	key = 2166136261U; /* FNV-1a */
	for (size_t i = 0; i < parameter->value_bytes; i++)
		key = (key ^ (uint8_t)parameter->value[i]) * 16777619U;
	return key;
}

static void take_event(struct announce *announce, const struct parameter *parameter)
{
	if (value_is(parameter, "started"))
		announce->event = ANNOUNCE_STARTED;
	else if (value_is(parameter, "completed"))
		announce->event = ANNOUNCE_COMPLETED;
	else if (value_is(parameter, "stopped"))
		announce->event = ANNOUNCE_STOPPED;
	else /* "", and what may come, are no event */
		announce->paused = value_is(parameter, "paused");
}

/* An empty value is an unknown place. */
static bool take_place(const struct parameter *parameter, char place[static PEER_PLACE_MAX + 1])
{
	uint8_t name[PEER_PLACE_MAX];
	size_t name_bytes = 0;

	if (parameter->value_bytes == 0)
		return true;
	if (!unescape(parameter, name, sizeof(name), &name_bytes) ||
		!peer_place_valid(name, name_bytes))
		return false;
	memcpy(place, name, name_bytes);
	place[name_bytes] = '\0';
	return true;
}

enum announce_key {
	KEY_INFO_HASH,
	KEY_PEER_ID,
	KEY_PORT,
	KEY_UPLOADED,
	KEY_DOWNLOADED,
	KEY_LEFT,
	KEY_EVENT,
	KEY_NUMWANT,
	KEY_KEY,
	KEY_COMPACT,
	KEY_NO_PEER_ID,
	KEY_SITE,
	KEY_RACK,
	KEYS_COUNT
};

static const struct {
	const char *name;
	const char *complaint; /* NULL: a value that makes no sense is ignored */
} announce_keys[KEYS_COUNT] = {
	[KEY_INFO_HASH] = {"info_hash", "info_hash is not 20 bytes"},
	[KEY_PEER_ID] = {"peer_id", "peer_id is not 20 bytes"},
	[KEY_PORT] = {"port", "port is not a port"},
	[KEY_UPLOADED] = {"uploaded", "uploaded is not a number"},
	[KEY_DOWNLOADED] = {"downloaded", "downloaded is not a number"},
	[KEY_LEFT] = {"left", "left is not a number"},
	[KEY_EVENT] = {"event", NULL},
	[KEY_NUMWANT] = {"numwant", NULL},
	[KEY_KEY] = {"key", NULL},
	[KEY_COMPACT] = {"compact", NULL},
	[KEY_NO_PEER_ID] = {"no_peer_id", NULL},
	[KEY_SITE] = {"sb_site", "sb_site is not the name of a place"},
	[KEY_RACK] = {"sb_rack", "sb_rack is not the name of a place"},
};

static bool take(
	struct announce *announce, enum announce_key key, const struct parameter *parameter)
{
	uint64_t number;

	switch (key) {
	case KEY_INFO_HASH:
		return take_bytes(parameter, announce->infohash, SHA1_BYTES);
	case KEY_PEER_ID:
		return take_bytes(parameter, announce->peer_id, sizeof(announce->peer_id));
	case KEY_PORT:
		if (!take_unsigned(parameter, UINT16_MAX, &number))
			return false;
		announce->port = (uint16_t)number;
		return true;
	case KEY_UPLOADED:
		return take_unsigned(parameter, UINT64_MAX, &announce->uploaded_bytes);
	case KEY_DOWNLOADED:
		return take_unsigned(parameter, UINT64_MAX, &announce->downloaded_bytes);
	case KEY_LEFT:
		return take_unsigned(parameter, UINT64_MAX, &announce->left_bytes);
	case KEY_EVENT:
		take_event(announce, parameter);
		return true;
	case KEY_NUMWANT:
		if (take_unsigned(parameter, UINT32_MAX, &number))
			announce->numwant = (uint32_t)number;
		return true;
	case KEY_KEY:
		announce->key = take_key(parameter);
		return true;
	case KEY_COMPACT:
		announce->compact = !value_is(parameter, "0");
		return true;
	case KEY_NO_PEER_ID:
		announce->no_peer_id = value_is(parameter, "1");
		return true;
	case KEY_SITE:
		return take_place(parameter, announce->site);
	case KEY_RACK:
		return take_place(parameter, announce->rack);
	case KEYS_COUNT:
		break;
	}
	return true;
}

/* Takes the keys from `first` on. Returns which were there, as bits. */
static uint32_t take_all(struct announce *announce, enum announce_key first, const char *query,
	size_t query_bytes, const char **reason)
{
	struct query rest = {.next = query, .end = query + query_bytes};
	struct parameter parameter;
	uint32_t seen = 0;

	*reason = "";
	while (next_parameter(&rest, &parameter))
		for (unsigned key = first; key < KEYS_COUNT; key++) {
			if (!is_named(&parameter, announce_keys[key].name) ||
				(seen >> key & 1) != 0)
				continue;
			seen |= (uint32_t)1 << key;
			if (!take(announce, (enum announce_key)key, &parameter)) {
				*reason = announce_keys[key].complaint;
				return seen;
			}
		}
	return seen;
}

bool http_announce_parse(
	struct announce *announce, const char *query, size_t query_bytes, const char **reason)
{
	*announce = (struct announce){
		.left_bytes = UINT64_MAX, .numwant = ANNOUNCE_NUMWANT_DEFAULT, .compact = true};
	uint32_t seen = take_all(announce, KEY_INFO_HASH, query, query_bytes, reason);

	if ((*reason)[0] != '\0')
		return false;
	if ((seen & 1 << KEY_INFO_HASH) == 0)
		*reason = "info_hash is missing";
	else if ((seen & 1 << KEY_PEER_ID) == 0)
		*reason = "peer_id is missing";
	else if ((seen & 1 << KEY_PORT) == 0)
		*reason = "port is missing";
	return (*reason)[0] == '\0';
}

bool http_place_parse(
	struct announce *announce, const char *target, size_t target_bytes, const char **reason)
{
	const char *mark = memchr(target, '?', target_bytes);

	*reason = "";
	if (mark == NULL)
		return true;
	take_all(announce, KEY_SITE, mark + 1, (size_t)(target + target_bytes - mark - 1), reason);
	return (*reason)[0] == '\0';
}

bool http_scrape_parse(uint8_t (*hashes)[SHA1_BYTES], uint32_t *hashes_count, const char *query,
	size_t query_bytes, const char **reason)
{
	struct query rest = {.next = query, .end = query + query_bytes};
	struct parameter parameter;

	*reason = "";
	*hashes_count = 0;
	while (next_parameter(&rest, &parameter)) {
		if (!is_named(&parameter, "info_hash"))
			continue;
		if (*hashes_count == SCRAPE_HASHES_MAX) {
			*reason = "too many infohashes";
			return false;
		}
		if (!take_bytes(&parameter, hashes[*hashes_count], SHA1_BYTES)) {
			*reason = announce_keys[KEY_INFO_HASH].complaint;
			return false;
		}
		(*hashes_count)++;
	}
	return true;
}

/* Text into a caller's buffer; overflow is remembered. */
struct text_writer {
	char *text;
	size_t capacity;
	size_t used;
	bool overflow;
};

static void put_char(struct text_writer *writer, char c)
{
	if (writer->used + 1 >= writer->capacity)
		writer->overflow = true;
	else
		writer->text[writer->used++] = c;
}

static void put_text(struct text_writer *writer, const char *text)
{
	for (; *text != '\0'; text++)
		put_char(writer, *text);
}

static void put_escaped(struct text_writer *writer, const uint8_t *bytes, size_t bytes_count)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < bytes_count; i++) {
		uint8_t c = bytes[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			     (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_' || c == '~';

		if (plain) {
			put_char(writer, (char)c);
			continue;
		}
		put_char(writer, '%');
		put_char(writer, digits[c >> 4]);
		put_char(writer, digits[c & 15]);
	}
}

static void put_unsigned(struct text_writer *writer, const char *name, uint64_t number)
{
	char digits[21];
	size_t first = sizeof(digits) - 1;

	digits[first] = '\0';
	do {
		digits[--first] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	put_text(writer, name);
	put_text(writer, digits + first);
}

static void put_place(struct text_writer *writer, const char *name, const char *place)
{
	if (place[0] == '\0')
		return;
	put_text(writer, name);
	put_escaped(writer, (const uint8_t *)place, strlen(place));
}

static size_t finish(struct text_writer *writer)
{
	if (writer->overflow || writer->capacity == 0)
		return 0;
	writer->text[writer->used] = '\0';
	return writer->used;
}

size_t http_announce_write(const struct announce *announce, char *query, size_t capacity)
{
	static const char *const events[] = {[ANNOUNCE_COMPLETED] = "&event=completed",
		[ANNOUNCE_STARTED] = "&event=started",
		[ANNOUNCE_STOPPED] = "&event=stopped",
		[ANNOUNCE_NONE] = ""};
	struct text_writer writer = {.text = query, .capacity = capacity};
	uint8_t key[4];
	char key_hex[9];

	put_text(&writer, "info_hash=");
	put_escaped(&writer, announce->infohash, SHA1_BYTES);
	put_text(&writer, "&peer_id=");
	put_escaped(&writer, announce->peer_id, sizeof(announce->peer_id));
	put_unsigned(&writer, "&port=", announce->port);
	put_unsigned(&writer, "&uploaded=", announce->uploaded_bytes);
	put_unsigned(&writer, "&downloaded=", announce->downloaded_bytes);
	put_unsigned(&writer, "&left=", announce->left_bytes);
	put_unsigned(&writer, "&compact=", announce->compact);
	if (announce->no_peer_id)
		put_text(&writer, "&no_peer_id=1");
	if (announce->numwant != ANNOUNCE_NUMWANT_DEFAULT)
		put_unsigned(&writer, "&numwant=", announce->numwant);
	be32_write(key, announce->key);
	hex_write(key_hex, key, sizeof(key));
	put_text(&writer, "&key=");
	put_text(&writer, key_hex);
	if (announce->paused && announce->event == ANNOUNCE_NONE)
		put_text(&writer, "&event=paused");
	else if ((size_t)announce->event < ARRAY_COUNT(events))
		put_text(&writer, events[announce->event]);
	put_place(&writer, "&sb_site=", announce->site);
	put_place(&writer, "&sb_rack=", announce->rack);
	return finish(&writer);
}

size_t http_place_write(const struct announce *announce, char *query, size_t capacity)
{
	struct text_writer writer = {.text = query, .capacity = capacity};

	put_place(&writer, "?sb_site=", announce->site);
	put_place(&writer, writer.used > 0 ? "&sb_rack=" : "?sb_rack=", announce->rack);
	return finish(&writer);
}

size_t http_scrape_write(
	const uint8_t (*hashes)[SHA1_BYTES], uint32_t hashes_count, char *query, size_t capacity)
{
	struct text_writer writer = {.text = query, .capacity = capacity};

	for (uint32_t i = 0; i < hashes_count; i++) {
		put_text(&writer, i == 0 ? "info_hash=" : "&info_hash=");
		put_escaped(&writer, hashes[i], SHA1_BYTES);
	}
	return finish(&writer);
}
