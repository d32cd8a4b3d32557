/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands of the swarmboot program and their options. A command describes itself once; --help,
 * parsing and "unknown option" messages come from that description.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "lib/failure.h"

/* Exit statuses of every command. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

enum option_kind {
	OPTION_FLAG,	 /* bool * */
	OPTION_TEXT,	 /* const char ** */
	OPTION_TEXTS,	 /* struct option_texts *: may be given several times */
	OPTION_SIZE,	 /* uint64_t *: bytes, with KiB, MiB, ... */
	OPTION_COUNT,	 /* uint64_t * */
	OPTION_DURATION, /* uint64_t *: seconds */
	OPTION_RATE,	 /* uint64_t *: bytes a second */
};

#define OPTION_TEXTS_MAX 64

struct option_texts {
	const char *texts[OPTION_TEXTS_MAX];
	size_t count;
};

struct option_description {
	const char *name; /* "listen" for --listen; NULL ends the list */
	enum option_kind kind;
	void *value;
	const char *argument; /* "ADDR:PORT" */
	const char *help;
};

struct command_description {
	const char *usage; /* "swarmboot fetch METAINFO --to FILE-OR-DEVICE [option...]" */
	const char *about; /* a paragraph; may end with examples */
	const struct option_description *options;
	size_t operands_min;
	size_t operands_max; /* SIZE_MAX: any number */
};

/* Parses argv (argv[0] is the command's name). On --help prints help to standard output and returns
 * PARSE_HELP (exit 0); on a mistake prints one clear line and the usage to standard error and
 * returns PARSE_WRONG (exit EXIT_USAGE). Operands may stand anywhere; "--" ends options. */
enum parse_result { PARSE_OK, PARSE_HELP, PARSE_WRONG };
MUST_USE enum parse_result command_parse(const struct command_description *description, int argc,
	char **argv, const char **operands, size_t *operands_count);

/* Options from a file, for commands that run for long: lines `name = value`, named as the options
 * of the description, an option that may be repeated on a line for each value, `yes` or `no` for a
 * flag. Spaces around name and value mean nothing, nor do blank lines and lines that begin with #;
 * there are no quotes. What argv gives (which command_parse has accepted) is left as it is: the
 * command line wins. `check` (or NULL) is asked about an option after each value that it took.
 *
 * Values point into *text, which the caller frees when the last of them is out of use, also after a
 * failure. A failure is "PATH:LINE: text". */
#define COMMAND_CONFIG_BYTES_MAX 65536
MUST_USE bool command_config(const struct command_description *description, int argc, char **argv,
	const char *path,
	bool (*check)(const struct option_description *option, struct failure *failure),
	char **text, struct failure *failure);

/* Says "swarmboot COMMAND: text" on standard error; returns EXIT_FAILED (EXIT_USAGE for
 * ERROR_USAGE). */
int command_fail(const char *command, const struct failure *failure);

/* "ADDR:PORT", "[V6]:PORT", ":PORT" ([::], which takes IPv4 too unless IPV6_V6ONLY is set); numeric
 * only. */
struct sockaddr_storage;
MUST_USE bool address_parse(const char *text, struct sockaddr_storage *address,
	unsigned *address_bytes, struct failure *failure);

/* Trackers, into METAINFO_TRACKERS_MAX of them: each text is a tier, "URL" or "URL,URL...". */
struct tracker_url;
MUST_USE bool tracker_tiers_parse(const struct option_texts *tiers, struct tracker_url *trackers,
	uint32_t *trackers_count, struct failure *failure);

/* One entry of a table of commands; `main` gets argv from the command's own name on. */
struct command {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *summary;
};

/* Runs the command that argv[1] names; handles --help, --version and unknown names. */
int command_dispatch(const char *program, const char *about, const struct command *commands,
	size_t commands_count, int argc, char **argv);

/* A progress line on a terminal (rewritten in place, four times a second) or, elsewhere, a line
 * every ten seconds: "import  45 %  1.2 of 2.0 GiB  310 MiB/s  ETA 2 s". */
struct progress {
	const char *what;
	uint64_t total_bytes;
	uint64_t
		start_bytes; /* done before: not counted in the rate; set it after progress_start */
	uint64_t start_ns;
	uint64_t shown_ns;
	const char *note; /* shown at the line's end, or NULL */
	bool quiet;	  /* kept by progress_start */
};
void progress_start(struct progress *progress, const char *what, uint64_t total_bytes);
void progress_show(struct progress *progress, uint64_t done_bytes);
void progress_end(struct progress *progress, uint64_t done_bytes);

#endif
