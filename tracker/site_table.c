/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the site table. */
#include "tracker/site_table.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "lib/cleanup.h"
#include "runtime/socket.h"
#include "tracker/tracker.h"

#define WHERE_MAX 96
#define IPV4_BITS 32
#define IPV6_BITS 128

_Static_assert(2 * SITE_TRACKERS_MAX <= METAINFO_TRACKERS_MAX, "two sites' trackers fit");

/* What is being read, and where in it. */
struct reader {
	struct site_table *table;
	const char *name; /* of the file */
	char where[WHERE_MAX];
	struct failure *failure;
};

static bool refuse(const struct reader *reader, const char *what)
{
	return failure_set(
		reader->failure, ERROR_FORMAT, "%s: %s: %s", reader->name, reader->where, what);
}

/* A misspelt key is not an absent one. */
static bool keys_known(const struct reader *reader, json_t *object, const char *const *keys)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return refuse(reader, "an object is wanted");
	json_object_foreach(object, key, value)
	{
		const char *const *known = keys;

		while (*known != NULL && strcmp(*known, key) != 0)
			known++;
		if (*known == NULL)
			return failure_set(reader->failure, ERROR_FORMAT,
				"%s: %s: unknown key \"%.40s\"", reader->name, reader->where, key);
	}
	return true;
}

static bool read_name(
	const struct reader *reader, json_t *object, const char *key, char name[PEER_PLACE_MAX + 1])
{
	json_t *value = json_object_get(object, key);
	const char *text = json_string_value(value);
	size_t bytes_count = json_string_length(value);

	if (text == NULL || !peer_place_valid((const uint8_t *)text, bytes_count))
		return failure_set(reader->failure, ERROR_FORMAT,
			"%s: %s: \"%s\" is to be 1 to %d printable characters without spaces",
			reader->name, reader->where, key, PEER_PLACE_MAX);
	memcpy(name, text, bytes_count + 1);
	return true;
}

/* An optional list. False when there is something else. */
static bool get_list(const struct reader *reader, json_t *object, const char *key, json_t **list)
{
	*list = json_object_get(object, key);
	return *list == NULL || json_is_array(*list) ||
	       failure_set(reader->failure, ERROR_FORMAT, "%s: %s: \"%s\" is to be a list",
		       reader->name, reader->where, key);
}

/* ---- trackers ---- */

static bool is_tracker_url(const char *url, size_t bytes_count)
{
	size_t scheme_bytes = strncmp(url, "http://", 7) == 0  ? 7
			      : strncmp(url, "udp://", 6) == 0 ? 6
							       : 0;

	if (scheme_bytes == 0 || bytes_count >= METAINFO_URL_MAX || url[scheme_bytes] == '\0' ||
		url[scheme_bytes] == '/' || url[scheme_bytes] == ':')
		return false;
	for (size_t i = 0; i < bytes_count; i++)
		if (url[i] <= ' ' || url[i] > '~')
			return false;
	return true;
}

static bool read_trackers(struct reader *reader, json_t *object, struct site *site)
{
	json_t *list;

	if (!get_list(reader, object, "trackers", &list))
		return false;
	if (json_array_size(list) < 1 || json_array_size(list) > SITE_TRACKERS_MAX)
		return failure_set(reader->failure, ERROR_FORMAT,
			"%s: %s: 1 to %d \"trackers\" are wanted", reader->name, reader->where,
			SITE_TRACKERS_MAX);
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *value = json_array_get(list, i);
		const char *url = json_string_value(value);

		if (url == NULL || !is_tracker_url(url, json_string_length(value)))
			return failure_set(reader->failure, ERROR_FORMAT,
				"%s: %s.trackers[%zu]: a URL http://HOST:PORT/announce or "
				"udp://HOST:PORT of less than %d characters is wanted",
				reader->name, reader->where, i, METAINFO_URL_MAX);
		for (uint32_t k = 0; k < site->trackers_count; k++)
			if (strcmp(site->trackers[k], url) == 0)
				return failure_set(reader->failure, ERROR_FORMAT,
					"%s: %s.trackers[%zu]: %.100s is there already",
					reader->name, reader->where, i, url);
		memcpy(site->trackers[site->trackers_count++], url, strlen(url) + 1);
	}
	return true;
}

/* ---- nodes of the DHT ---- */

/* One that can be asked: not any address, and with a port. */
static bool node_parse(struct peer_address *node, const char *text)
{
	struct sockaddr_storage storage;
	struct failure failure;
	unsigned bytes;

	return address_parse(text, &storage, &bytes, &failure) &&
	       socket_address_from_sockaddr(node, (struct sockaddr *)&storage) && node->port != 0 &&
	       !socket_address_is_unspecified(node);
}

static bool read_dht(struct reader *reader, json_t *object, struct site *site)
{
	json_t *list;

	if (!get_list(reader, object, "dht", &list))
		return false;
	if (json_array_size(list) > SITE_DHT_MAX)
		return failure_set(reader->failure, ERROR_FORMAT,
			"%s: %s: at most %d nodes of the \"dht\" are wanted", reader->name,
			reader->where, SITE_DHT_MAX);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));
		struct peer_address node;

		if (text == NULL || !node_parse(&node, text))
			return failure_set(reader->failure, ERROR_FORMAT,
				"%s: %s.dht[%zu]: a node's address is wanted, as "
				"\"10.1.0.1:6881\" or \"[fd00:1::1]:6881\"",
				reader->name, reader->where, i);
		for (uint32_t k = 0; k < site->dht_count; k++)
			if (peer_address_equal(&site->dht[k], &node))
				return failure_set(reader->failure, ERROR_FORMAT,
					"%s: %s.dht[%zu]: %s is there already", reader->name,
					reader->where, i, text);
		site->dht[site->dht_count++] = node;
	}
	return true;
}

/* ---- subnets ---- */

static bool bit_is_set(const uint8_t ip[static 16], uint32_t bit)
{
	return (ip[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

/* "10.1.0.0/16", "fd00:1::/32", or an address alone. */
static bool read_subnet(struct site_place *place, const char *text)
{
	struct peer_address address = {0};
	size_t ip_bytes = strcspn(text, "/");
	uint32_t bits = 0;

	if (!peer_address_ip_read(&address, text, ip_bytes))
		return false;
	uint32_t most = peer_address_is4(&address) ? IPV4_BITS : IPV6_BITS;
	const char *at = text + ip_bytes;

	if (*at == '\0') {
		bits = most;
	} else {
		size_t digits = strspn(++at, "0123456789");

		if (digits < 1 || digits > 3 || at[digits] != '\0')
			return false;
		bits = (uint32_t)strtoul(at, NULL, 10);
	}
	if (bits > most)
		return false;
	for (uint32_t bit = IPV6_BITS - most + bits; bit < IPV6_BITS; bit++)
		if (bit_is_set(address.ip, bit))
			return false;
	memcpy(place->ip, address.ip, sizeof(place->ip));
	place->prefix_bits = (uint8_t)bits;
	return true;
}

static bool add_place(struct reader *reader, const struct site_place *place, size_t position)
{
	struct site_table *table = reader->table;

	for (uint32_t i = 0; i < table->places_count; i++)
		if (table->places[i].prefix_bits == place->prefix_bits &&
			memcmp(table->places[i].ip, place->ip, sizeof(place->ip)) == 0)
			return failure_set(reader->failure, ERROR_FORMAT,
				"%s: %s.subnets[%zu]: it is site %s's already", reader->name,
				reader->where, position, table->places[i].site);
	if (table->places_count == SITE_PLACES_MAX)
		return failure_set(reader->failure, ERROR_LIMIT, "%s: %s: more than %d subnets",
			reader->name, reader->where, SITE_PLACES_MAX);
	table->places[table->places_count++] = *place;
	return true;
}

static bool read_subnets(struct reader *reader, json_t *object, const char *site, const char *rack)
{
	json_t *list;

	if (!get_list(reader, object, "subnets", &list))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));
		struct site_place place = {0};

		if (text == NULL || !read_subnet(&place, text))
			return failure_set(reader->failure, ERROR_FORMAT,
				"%s: %s.subnets[%zu]: a subnet is wanted, as \"10.1.0.0/16\" or "
				"\"fd00:1::/32\", with no bit set behind its prefix",
				reader->name, reader->where, i);
		snprintf(place.site, sizeof(place.site), "%s", site);
		snprintf(place.rack, sizeof(place.rack), "%s", rack);
		if (!add_place(reader, &place, i))
			return false;
	}
	return true;
}

static bool rack_is_new(const struct reader *reader, json_t *racks, size_t position)
{
	const char *name =
		json_string_value(json_object_get(json_array_get(racks, position), "name"));

	for (size_t i = 0; i < position; i++)
		if (strcmp(json_string_value(json_object_get(json_array_get(racks, i), "name")),
			    name) == 0)
			return refuse(reader, "a rack of that name is there already");
	return true;
}

static bool read_racks(struct reader *reader, json_t *object, const struct site *site)
{
	static const char *const keys[] = {"name", "subnets", NULL};
	char where[WHERE_MAX];
	char rack[PEER_PLACE_MAX + 1];
	json_t *list;
	bool fine = true;

	if (!get_list(reader, object, "racks", &list))
		return false;
	memcpy(where, reader->where, sizeof(where));
	for (size_t i = 0; fine && i < json_array_size(list); i++) {
		json_t *item = json_array_get(list, i);

		snprintf(reader->where, sizeof(reader->where), "%.40s.racks[%zu]", where, i);
		fine = keys_known(reader, item, keys) && read_name(reader, item, "name", rack) &&
		       rack_is_new(reader, list, i) && read_subnets(reader, item, site->name, rack);
	}
	memcpy(reader->where, where, sizeof(where));
	return fine;
}

/* ---- sites ---- */

static bool read_site(struct reader *reader, json_t *object)
{
	static const char *const keys[] = {
		"name", "trackers", "fallback", "dht", "subnets", "racks", NULL};
	struct site_table *table = reader->table;
	struct site *site = &table->sites[table->sites_count];

	if (!keys_known(reader, object, keys) || !read_name(reader, object, "name", site->name))
		return false;
	if (site_table_find(table, site->name) != NULL)
		return refuse(reader, "a site of that name is there already");
	table->sites_count++;
	return (json_object_get(object, "fallback") == NULL ||
		       read_name(reader, object, "fallback", site->fallback)) &&
	       read_trackers(reader, object, site) && read_dht(reader, object, site) &&
	       read_subnets(reader, object, site->name, "") && read_racks(reader, object, site);
}

/* Once all are known. */
static bool fallbacks_exist(struct reader *reader)
{
	const struct site_table *table = reader->table;

	for (uint32_t i = 0; i < table->sites_count; i++) {
		const struct site *site = &table->sites[i];

		snprintf(reader->where, sizeof(reader->where), "sites[%" PRIu32 "].fallback", i);
		if (strcmp(site->fallback, site->name) == 0)
			return refuse(reader, "a site cannot fall back to itself");
		if (site->fallback[0] != '\0' && site_table_find(table, site->fallback) == NULL)
			return refuse(reader, "there is no such site in the table");
	}
	return true;
}

static bool read_table(struct reader *reader, json_t *root)
{
	static const char *const keys[] = {"sites", NULL};
	json_t *list;

	if (!keys_known(reader, root, keys) || !get_list(reader, root, "sites", &list))
		return false;
	if (json_array_size(list) < 1 || json_array_size(list) > SITES_MAX)
		return failure_set(reader->failure, ERROR_FORMAT,
			"%s: 1 to %d \"sites\" are wanted", reader->name, SITES_MAX);
	for (size_t i = 0; i < json_array_size(list); i++) {
		snprintf(reader->where, sizeof(reader->where), "sites[%zu]", i);
		if (!read_site(reader, json_array_get(list, i)))
			return false;
	}
	return fallbacks_exist(reader);
}

struct site_table *site_table_parse(
	const char *text, size_t text_bytes, const char *name, struct failure *failure)
{
	struct reader reader = {.name = name, .where = "the whole", .failure = failure};
	json_error_t error;
	json_t *root = json_loadb(text, text_bytes, JSON_REJECT_DUPLICATES, &error);

	if (root == NULL) {
		failure_set(failure, ERROR_FORMAT, "%s: line %d, column %d: %s", name, error.line,
			error.column, error.text);
		return NULL;
	}
	reader.table = calloc(1, sizeof(*reader.table));
	if (reader.table == NULL)
		failure_set(failure, ERROR_MEMORY, "no memory for %s", name);
	else if (!read_table(&reader, root))
		reader.table = site_table_free(reader.table);
	json_decref(root);
	return reader.table;
}

struct site_table *site_table_load(const char *path, struct failure *failure)
{
	SCOPED(file) FILE *file = fopen(path, "re");
	SCOPED(free) char *text = malloc(SITE_TABLE_BYTES_MAX + 1);

	if (file == NULL) {
		failure_errno(failure, ERROR_SYSTEM, "cannot read %s", path);
		return NULL;
	}
	if (text == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for %s", path);
		return NULL;
	}
	size_t text_bytes = fread(text, 1, SITE_TABLE_BYTES_MAX + 1, file);

	if (ferror(file)) {
		failure_errno(failure, ERROR_SYSTEM, "cannot read %s", path);
		return NULL;
	}
	if (text_bytes > SITE_TABLE_BYTES_MAX) {
		failure_set(failure, ERROR_LIMIT, "%s is longer than %d bytes", path,
			(int)SITE_TABLE_BYTES_MAX);
		return NULL;
	}
	return site_table_parse(text, text_bytes, path, failure);
}

struct site_table *site_table_free(struct site_table *table)
{
	free(table);
	return NULL;
}

/* ---- questions ---- */

const struct site *site_table_find(const struct site_table *table, const char *name)
{
	for (uint32_t i = 0; i < table->sites_count; i++)
		if (strcmp(table->sites[i].name, name) == 0)
			return &table->sites[i];
	return NULL;
}

static void add_trackers(
	struct tracker_url *trackers, uint32_t *count, const struct site *site, uint32_t tier)
{
	for (uint32_t i = 0; i < site->trackers_count; i++) {
		memcpy(trackers[*count].url, site->trackers[i], sizeof(trackers[*count].url));
		trackers[(*count)++].tier = tier;
	}
}

uint32_t site_table_trackers(
	const struct site_table *table, const char *site, struct tracker_url *trackers)
{
	const struct site *own = site_table_find(table, site);
	uint32_t count = 0;

	if (own == NULL)
		return 0;
	add_trackers(trackers, &count, own, 0);
	if (own->fallback[0] != '\0')
		add_trackers(trackers, &count, site_table_find(table, own->fallback), 1);
	return count;
}

uint32_t site_table_dht(const struct site_table *table, const char *site,
	struct peer_address *nodes, uint32_t nodes_max)
{
	uint32_t count = 0;

	for (uint32_t turn = 0; turn < SITE_DHT_MAX; turn++)
		for (uint32_t i = 0; i < table->sites_count && count < nodes_max; i++) {
			const struct site *other = &table->sites[i];

			if (turn < other->dht_count && strcmp(other->name, site) != 0)
				nodes[count++] = other->dht[turn];
		}
	return count;
}

bool site_table_place(
	const struct site_table *table, struct tracker *tracker, struct failure *failure)
{
	tracker_forget_subnets(tracker);
	for (uint32_t i = 0; i < table->places_count; i++) {
		const struct site_place *place = &table->places[i];

		if (!tracker_place_subnet(
			    tracker, place->ip, place->prefix_bits, place->site, place->rack))
			return failure_set(failure, ERROR_LIMIT,
				"the tracker has no room for the subnets of site %s", place->site);
	}
	return true;
}
