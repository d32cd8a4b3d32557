/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing a command's options by its description, its --help, and the table of commands. */
#include "cli/command_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/units.h"

#define VERSION_TEXT "0.1.0"

static void print_help(const struct command_description *description)
{
	printf("usage: %s\n\n%s\n", description->usage, description->about);
	if (description->options != NULL && description->options[0].name != NULL)
		printf("\noptions:\n");
	for (const struct option_description *option = description->options;
		option != NULL && option->name != NULL; option++) {
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s", option->name,
			option->argument != NULL ? " " : "",
			option->argument != NULL ? option->argument : "");
		printf("  %-28s %s\n", left, option->help);
	}
	printf("  %-28s %s\n", "--help", "print this and exit");
}

static enum parse_result wrong(
	const struct command_description *description, const char *problem, const char *subject)
{
	fprintf(stderr, "swarmboot: %s%s%s\nusage: %s\n", problem, subject != NULL ? ": " : "",
		subject != NULL ? subject : "", description->usage);
	return PARSE_WRONG;
}

static bool count_parse(const char *text, uint64_t *value)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0';
}

bool option_take(const struct option_description *option, const char *text)
{
	switch (option->kind) {
	case OPTION_FLAG:
		*(bool *)option->value = true;
		return true;
	case OPTION_TEXT:
		*(const char **)option->value = text;
		return text[0] != '\0';
	case OPTION_TEXTS: {
		struct option_texts *texts = option->value;

		if (texts->count == OPTION_TEXTS_MAX || text[0] == '\0')
			return false;
		texts->texts[texts->count++] = text;
		return true;
	}
	case OPTION_SIZE:
		return size_parse(text, option->value);
	case OPTION_COUNT:
		return count_parse(text, option->value);
	case OPTION_DURATION:
		return duration_parse(text, option->value);
	case OPTION_RATE:
		return rate_parse(text, option->value);
	}
	return false;
}

const struct option_description *option_find(
	const struct command_description *description, const char *name, size_t name_bytes)
{
	for (const struct option_description *option = description->options;
		option != NULL && option->name != NULL; option++)
		if (strlen(option->name) == name_bytes &&
			memcmp(option->name, name, name_bytes) == 0)
			return option;
	return NULL;
}

/* argv[*at] begins with "--" and is not "--help" or "--". */
static enum parse_result parse_option(
	const struct command_description *description, int argc, char **argv, int *at)
{
	const char *word = argv[*at];
	const char *equals = strchr(word, '=');
	size_t name_bytes = equals != NULL ? (size_t)(equals - word) - 2 : strlen(word) - 2;
	const struct option_description *option = option_find(description, word + 2, name_bytes);
	const char *text = "";

	if (option == NULL)
		return wrong(description, "unknown option", word);
	if (option->kind == OPTION_FLAG) {
		if (equals != NULL)
			return wrong(description, "this option takes no value", word);
	} else if (equals != NULL) {
		text = equals + 1;
	} else if (*at + 1 < argc) {
		text = argv[++*at];
	} else {
		return wrong(description, "this option needs a value", word);
	}
	if (!option_take(option, text)) {
		char subject[256];

		snprintf(subject, sizeof(subject), "--%s wants %s, not \"%s\"", option->name,
			option->argument != NULL ? option->argument : "a value", text);
		return wrong(description, "wrong value", subject);
	}
	return PARSE_OK;
}

enum parse_result command_parse(const struct command_description *description, int argc,
	char **argv, const char **operands, size_t *operands_count)
{
	bool options_ended = false;

	*operands_count = 0;
	for (int at = 1; at < argc; at++) {
		const char *word = argv[at];

		if (!options_ended && strcmp(word, "--") == 0) {
			options_ended = true;
		} else if (!options_ended &&
			   (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
			print_help(description);
			return PARSE_HELP;
		} else if (!options_ended && strncmp(word, "--", 2) == 0) {
			enum parse_result result = parse_option(description, argc, argv, &at);

			if (result != PARSE_OK)
				return result;
		} else if (!options_ended && word[0] == '-' && word[1] != '\0') {
			return wrong(description, "unknown option", word);
		} else if (*operands_count == description->operands_max) {
			return wrong(description, "unexpected argument", word);
		} else {
			operands[(*operands_count)++] = word;
		}
	}
	if (*operands_count < description->operands_min)
		return wrong(description, "an argument is missing", NULL);
	return PARSE_OK;
}

int command_fail(const char *command, const struct failure *failure)
{
	fprintf(stderr, "swarmboot %s: %s (%s)\n", command, failure->text,
		error_name(failure->error));
	return failure->error == ERROR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

bool address_parse(const char *text, struct sockaddr_storage *address, unsigned *address_bytes,
	struct failure *failure)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 3];
	uint64_t port;

	if (colon == NULL || (size_t)(colon - text) >= sizeof(host) ||
		!count_parse(colon + 1, &port) || port > UINT16_MAX)
		return failure_set(failure, ERROR_USAGE,
			"\"%s\" is not ADDR:PORT (a numeric address and a port up to 65535)", text);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	memset(address, 0, sizeof(*address));

	struct sockaddr_in *v4 = (struct sockaddr_in *)address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
	size_t host_bytes = strlen(host);

	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		*address_bytes = sizeof(*v4);
		return true;
	}
	if (host_bytes == 0) {
		v6->sin6_addr = in6addr_any;
	} else {
		if (host_bytes < 2 || host[0] != '[' || host[host_bytes - 1] != ']')
			return failure_set(failure, ERROR_USAGE,
				"\"%s\" is not ADDR:PORT (names are not looked up; IPv6 goes in "
				"brackets)",
				text);
		host[host_bytes - 1] = '\0';
		if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) != 1)
			return failure_set(
				failure, ERROR_USAGE, "\"%s\" is not [IPv6 address]:PORT", text);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)port);
	*address_bytes = sizeof(*v6);
	return true;
}

static void print_commands(FILE *stream, const char *program, const char *about,
	const struct command *commands, size_t commands_count)
{
	fprintf(stream, "usage: %s COMMAND [argument...]\n\n%s\n\ncommands:\n", program, about);
	for (size_t i = 0; i < commands_count; i++)
		fprintf(stream, "  %-12s %s\n", commands[i].name, commands[i].summary);
	fprintf(stream, "\n\"%s COMMAND --help\" says more; \"%s --version\" the version.\n",
		program, program);
}

int command_dispatch(const char *program, const char *about, const struct command *commands,
	size_t commands_count, int argc, char **argv)
{
	if (argc < 2) {
		print_commands(stderr, program, about, commands, commands_count);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
		strcmp(argv[1], "help") == 0) {
		print_commands(stdout, program, about, commands, commands_count);
		return EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("%s %s\n", program, VERSION_TEXT);
		return EXIT_OK;
	}
	for (size_t i = 0; i < commands_count; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].main(argc - 1, argv + 1);
	fprintf(stderr, "%s: unknown command \"%s\"; \"%s --help\" lists them\n", program, argv[1],
		program);
	return EXIT_USAGE;
}
