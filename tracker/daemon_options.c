/* SPDX-License-Identifier: Apache-2.0 */
/* The table of options of `swarmboot tracker`, and what is done with all of them alike. */
#include "tracker/daemon_options.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/log.h"

#define LISTEN_DEFAULT	   ":6969"
#define INTERVAL_S_DEFAULT 5
#define PEERS_MAX_DEFAULT  65536
#define SHARE_DEFAULT	   25

struct entry {
	struct option_description option; /* its value is filled in for each use */
	size_t offset;			  /* of the value in struct daemon_options */
	uint64_t min, max;		  /* of a number */
	const char *range;		  /* the same in words */
	bool (*check)(const char *text, struct failure *failure);
	bool reloads; /* a reload takes the new value */
};

static bool check_address(const char *text, struct failure *failure)
{
	struct sockaddr_storage address;
	unsigned address_bytes;

	return address_parse(text, &address, &address_bytes, failure);
}

static bool check_status_address(const char *text, struct failure *failure)
{
	return strcmp(text, "none") == 0 || check_address(text, failure);
}

static bool check_level(const char *text, struct failure *failure)
{
	enum log_level level;

	return log_level_parse(text, &level) ||
	       failure_set(
		       failure, ERROR_USAGE, "error, warning, info or debug, not \"%.40s\"", text);
}

static bool check_format(const char *text, struct failure *failure)
{
	return strcmp(text, "text") == 0 || strcmp(text, "json") == 0 ||
	       failure_set(failure, ERROR_USAGE, "text or json, not \"%.40s\"", text);
}

#define AT(member) .offset = offsetof(struct daemon_options, member)

static const struct entry entries[] = {
	{.option = {"listen", OPTION_TEXTS, NULL, "ADDR:PORT",
		 "where to serve HTTP; [::] or no address takes IPv4 and IPv6; may be repeated "
		 "(default :6969)"},
		AT(listen),
		.check = check_address},
	{.option = {"udp", OPTION_TEXTS, NULL, "ADDR:PORT",
		 "where to serve UDP; may be repeated (default: as HTTP)"},
		AT(udp),
		.check = check_address},
	{.option = {"interval", OPTION_DURATION, NULL, "TIME", "announce interval (default 5s)"},
		AT(interval_s),
		.min = 1,
		.max = 1800,
		.range = "1s to 30m"},
	{.option = {"allow", OPTION_TEXT, NULL, "FILE",
		 "serve only the infohashes in FILE, one a line in hex"},
		AT(allow_path),
		.reloads = true},
	{.option = {"sites", OPTION_TEXT, NULL, "FILE",
		 "table of sites and racks: whose subnet is in it, stands there"},
		AT(sites_path),
		.reloads = true},
	{.option = {"peers-max", OPTION_COUNT, NULL, "N",
		 "remember at most N peers (default 65536)"},
		AT(peers_max),
		.min = 1,
		.max = 100000000,
		.range = "1 to 100000000"},
	{.option = {"swarms-max", OPTION_COUNT, NULL, "N",
		 "and at most N swarms (default 1024, or twice what --allow lists)"},
		AT(swarms_max),
		.max = 1000000,
		.range = "0 to 1000000"},
	{.option = {"share-per-address", OPTION_COUNT, NULL, "PERCENT",
		 "of both, what one address may take; of IPv6, a /64 (default 25)"},
		AT(share_per_address),
		.min = 1,
		.max = 100,
		.range = "1 to 100"},
	{.option = {"requests-max", OPTION_COUNT, NULL, "N",
		 "announces and scrapes a second of one address (default 1000)"},
		AT(requests_max),
		.max = 1000000,
		.range = "0 to 1000000",
		.reloads = true},
	{.option = {"connections-max", OPTION_COUNT, NULL, "N",
		 "HTTP connections at a time (default 4096)"},
		AT(connections_max),
		.max = 1000000,
		.range = "0 to 1000000"},
	{.option = {"connections-per-address", OPTION_COUNT, NULL, "N",
		 "of them, those of one address (default 512)"},
		AT(connections_per_address),
		.max = 1000000,
		.range = "0 to 1000000",
		.reloads = true},
	{.option = {"status-listen", OPTION_TEXT, NULL, "ADDR:PORT",
		 "where to serve /metrics and /swarms, or none (default 127.0.0.1:6968)"},
		AT(status_listen),
		.check = check_status_address},
	{.option = CLUSTER_OPTION_MEMBERS(NULL), AT(cluster.members), .check = check_address},
	{.option = CLUSTER_OPTION_KEY(NULL), AT(cluster.key_path)},
	{.option = CLUSTER_OPTION_LISTEN(NULL), AT(cluster.listen), .check = check_address},
	{.option = CLUSTER_OPTION_GROUP(NULL), AT(cluster.group), .check = check_address},
	{.option = CLUSTER_OPTION_INTERFACE(NULL), AT(cluster.interface)},
	{.option = CLUSTER_OPTION_TTL(NULL),
		AT(cluster.ttl),
		.min = 1,
		.max = CLUSTER_TTL_MAX,
		.range = "1 to 255"},
	{.option = {"user", OPTION_TEXT, NULL, "NAME[:GROUP]",
		 "become this user once every address is bound"},
		AT(user)},
	{.option = {"log-level", OPTION_TEXT, NULL, "LEVEL",
		 "error, warning, info or debug (default info)"},
		AT(log_level),
		.check = check_level,
		.reloads = true},
	{.option = {"log-format", OPTION_TEXT, NULL, "FORMAT", "text or json (default text)"},
		AT(log_format),
		.check = check_format,
		.reloads = true},
	{.option = {"config", OPTION_TEXT, NULL, "FILE",
		 "more options, a line each: name = value; those given here win"},
		AT(config_path)},
	{.option = {"check-config", OPTION_FLAG, NULL, NULL,
		 "say whether options and files are fine, and exit"},
		AT(check_config),
		.reloads = true},
};

static const struct entry *entry_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(entries); i++)
		if (strcmp(entries[i].option.name, name) == 0)
			return &entries[i];
	abort(); /* descriptions are made from the table */
}

/* `value` is what the entry describes, as in struct daemon_options. */
static bool value_check(const struct entry *entry, const void *value, struct failure *failure)
{
	const char *text;
	const struct option_texts *texts = value;
	uint64_t number;

	switch (entry->option.kind) {
	case OPTION_FLAG:
		return true;
	case OPTION_TEXT:
		text = *(const char *const *)value;
		return text == NULL || entry->check == NULL || entry->check(text, failure);
	case OPTION_TEXTS:
		for (size_t i = 0; i < texts->count; i++)
			if (entry->check != NULL && !entry->check(texts->texts[i], failure))
				return false;
		return true;
	case OPTION_SIZE:
	case OPTION_COUNT:
	case OPTION_DURATION:
	case OPTION_RATE:
		break;
	}
	number = *(const uint64_t *)value;
	return (number >= entry->min && number <= entry->max) ||
	       failure_set(failure, ERROR_USAGE, "must be %s", entry->range);
}

static bool option_check(const struct option_description *option, struct failure *failure)
{
	return value_check(entry_find(option->name), option->value, failure);
}

/* As given on the command line; what a file gives is named by its line. */
static bool given_check(const struct option_description *option, struct failure *failure)
{
	struct failure why = {0};

	return option_check(option, &why) ||
	       failure_set(failure, why.error, "--%s: %.200s", option->name, why.text);
}

static enum parse_result read_all(struct daemon_options *options,
	const struct command_description *description, int argc, char **argv,
	struct failure *failure)
{
	const char *operands[1];
	size_t operands_count = 0;
	enum parse_result result =
		command_parse(description, argc, argv, operands, &operands_count);

	if (result != PARSE_OK)
		return result;
	for (const struct option_description *option = description->options; option->name != NULL;
		option++)
		if (!given_check(option, failure))
			return PARSE_WRONG;
	if (options->config_path != NULL &&
		!command_config(description, argc, argv, options->config_path, option_check,
			&options->config_text, failure))
		return PARSE_WRONG;
	if (options->listen.count == 0)
		options->listen.texts[options->listen.count++] = LISTEN_DEFAULT;
	return PARSE_OK;
}

enum parse_result daemon_options_read(
	struct daemon_options *options, int argc, char **argv, struct failure *failure)
{
	struct option_description descriptions[ARRAY_COUNT(entries) + 1] = {0};
	const struct command_description description = {
		.usage = "swarmboot tracker [--config FILE] [--listen ADDR:PORT] [option...]",
		.about =
			"Tells BitTorrent clients of each other, over HTTP and UDP, until SIGTERM. "
			"SIGHUP reads\nthe files again and forgets nobody. `swarmboot tracker "
			"status` shows one that runs.",
		.options = descriptions};

	*options = (struct daemon_options){.interval_s = INTERVAL_S_DEFAULT,
		.peers_max = PEERS_MAX_DEFAULT,
		.share_per_address = SHARE_DEFAULT,
		.cluster.ttl = CLUSTER_TTL_DEFAULT,
		.log_level = "info",
		.log_format = "text"};
	for (size_t i = 0; i < ARRAY_COUNT(entries); i++) {
		descriptions[i] = entries[i].option;
		descriptions[i].value = (char *)options + entries[i].offset;
	}
	return read_all(options, &description, argc, argv, failure);
}

void daemon_options_release(struct daemon_options *options)
{
	free(options->config_text);
	*options = (struct daemon_options){0};
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_texts(const struct option_texts *a, const struct option_texts *b)
{
	for (size_t i = 0; i < a->count && i < b->count; i++)
		if (!same_text(a->texts[i], b->texts[i]))
			return false;
	return a->count == b->count;
}

static bool same_value(enum option_kind kind, const void *a, const void *b)
{
	switch (kind) {
	case OPTION_FLAG:
		return *(const bool *)a == *(const bool *)b;
	case OPTION_TEXT:
		return same_text(*(const char *const *)a, *(const char *const *)b);
	case OPTION_TEXTS:
		return same_texts(a, b);
	case OPTION_SIZE:
	case OPTION_COUNT:
	case OPTION_DURATION:
	case OPTION_RATE:
		break;
	}
	return *(const uint64_t *)a == *(const uint64_t *)b;
}

void daemon_options_fixed(const struct daemon_options *before, const struct daemon_options *now,
	void (*changed)(const char *name))
{
	for (size_t i = 0; i < ARRAY_COUNT(entries); i++)
		if (!entries[i].reloads && !same_value(entries[i].option.kind,
						   (const char *)before + entries[i].offset,
						   (const char *)now + entries[i].offset))
			changed(entries[i].option.name);
}
