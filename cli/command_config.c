/* SPDX-License-Identifier: Apache-2.0 */
/* Options from a file: `name = value`, with the place of every mistake. */
#include "cli/command_private.h"

#include <fcntl.h>
#include <errno.h>
#include <stdlib.h>

#include "lib/cleanup.h"

#define PATH_SHOWN_MAX 100

struct config {
	const struct command_description *description;
	const char *path;
	bool (*check)(const struct option_description *option, struct failure *failure);
	int argc;
	char **argv;
	size_t *lines; /* of each option: where it was given last, 0: nowhere */
};

static const char *path_shown(const char *path)
{
	size_t bytes = strlen(path);

	return bytes > PATH_SHOWN_MAX ? path + bytes - PATH_SHOWN_MAX : path;
}

/* NUL-terminated and on the heap; NULL with a failure. */
static char *file_read(const char *path, struct failure *failure)
{
	SCOPED(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;

	if (fd < 0) {
		failure_errno(failure, ERROR_SYSTEM, "cannot read %s", path_shown(path));
		return NULL;
	}
	char *text = malloc(COMMAND_CONFIG_BYTES_MAX + 2);
	if (text == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for %s", path_shown(path));
		return NULL;
	}
	while (used <= COMMAND_CONFIG_BYTES_MAX) {
		ssize_t got = read(fd, text + used, COMMAND_CONFIG_BYTES_MAX + 1 - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			failure_errno(failure, ERROR_SYSTEM, "cannot read %s", path_shown(path));
			free(text);
			return NULL;
		}
		if (got == 0)
			break;
		used += (size_t)got;
	}
	text[used] = '\0';
	if (used > COMMAND_CONFIG_BYTES_MAX || memchr(text, '\0', used) != NULL) {
		failure_set(failure, ERROR_USAGE, "%s is no file of options (text, at most %d KiB)",
			path_shown(path), COMMAND_CONFIG_BYTES_MAX / 1024);
		free(text);
		return NULL;
	}
	return text;
}

static char *trim(char *text)
{
	text += strspn(text, " \t\r");
	for (size_t bytes = strlen(text); bytes > 0 && strchr(" \t\r", text[bytes - 1]) != NULL;)
		text[--bytes] = '\0';
	return text;
}

/* argv, which is without mistakes, gives this option. */
static bool on_command_line(const struct config *config, const struct option_description *wanted)
{
	for (int at = 1; at < config->argc; at++) {
		const char *word = config->argv[at];

		if (strcmp(word, "--") == 0)
			return false;
		if (strncmp(word, "--", 2) != 0)
			continue;
		const struct option_description *option =
			option_find(config->description, word + 2, strcspn(word + 2, "="));

		if (option == wanted)
			return true;
		/* Its value is no option, whatever it looks like. */
		if (option != NULL && option->kind != OPTION_FLAG && strchr(word, '=') == NULL)
			at++;
	}
	return false;
}

static bool take(const struct option_description *option, const char *value, const char **wanted)
{
	*wanted = option->argument != NULL ? option->argument : "a value";
	if (option->kind != OPTION_FLAG)
		return option_take(option, value);
	*wanted = "yes or no";
	*(bool *)option->value = strcmp(value, "yes") == 0;
	return *(bool *)option->value || strcmp(value, "no") == 0;
}

static bool take_line(struct config *config, char *line, size_t number, struct failure *failure)
{
	const char *path = path_shown(config->path);
	const char *wanted;
	struct failure why = {0};
	char *name = trim(line);

	if (name[0] == '\0' || name[0] == '#')
		return true;
	char *equals = strchr(name, '=');
	if (equals == NULL)
		return failure_set(failure, ERROR_USAGE, "%s:%zu: not `name = value`: %.60s", path,
			number, name);
	*equals = '\0';
	name = trim(name);
	char *value = trim(equals + 1);
	const struct option_description *option =
		option_find(config->description, name, strlen(name));
	if (option == NULL || strcmp(name, "config") == 0)
		return failure_set(failure, ERROR_USAGE,
			"%s:%zu: unknown option \"%.40s\": they are those of --help, without "
			"dashes",
			path, number, name);
	size_t *given = &config->lines[option - config->description->options];
	if (*given != 0 && option->kind != OPTION_TEXTS)
		return failure_set(failure, ERROR_USAGE, "%s:%zu: %s was given on line %zu already",
			path, number, name, *given);
	*given = number;
	if (on_command_line(config, option))
		return true;
	if (!take(option, value, &wanted))
		return failure_set(failure, ERROR_USAGE, "%s:%zu: %s wants %s, not \"%.40s\"", path,
			number, name, wanted, value);
	if (config->check != NULL && !config->check(option, &why))
		return failure_set(
			failure, ERROR_USAGE, "%s:%zu: %s: %.120s", path, number, name, why.text);
	return true;
}

bool command_config(const struct command_description *description, int argc, char **argv,
	const char *path,
	bool (*check)(const struct option_description *option, struct failure *failure),
	char **text, struct failure *failure)
{
	struct config config = {.description = description,
		.path = path,
		.check = check,
		.argc = argc,
		.argv = argv};
	size_t options_count = 0;
	size_t number = 0;
	bool fine = true;

	*text = file_read(path, failure);
	if (*text == NULL)
		return false;
	while (description->options[options_count].name != NULL)
		options_count++;
	config.lines = calloc(options_count + 1, sizeof(*config.lines));
	if (config.lines == NULL)
		return failure_set(failure, ERROR_MEMORY, "no memory for %s", path_shown(path));
	for (char *line = *text, *end; fine && line != NULL; line = end) {
		end = strchr(line, '\n');
		if (end != NULL)
			*end++ = '\0';
		fine = take_line(&config, line, ++number, failure);
	}
	free(config.lines);
	return fine;
}
