/* SPDX-License-Identifier: Apache-2.0 */
/* build/sim/sim: runs a scenario from one or many seeds and prints what it measured. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

#include "sim/scenario.h"

#define EXIT_USAGE 2

static const char usage[] =
	"usage: sim SCENARIO [--seed=N] [--seeds=COUNT] [--trace=FILE] [--timeline]\n"
	"       sim --list\n"
	"\n"
	"  --seed=N       first seed (default 1); decimal, or hexadecimal after 0x\n"
	"  --seeds=COUNT  run as many seeds, from the first on (default 1)\n"
	"  --trace=FILE   write what happens, a line each; - is standard output\n"
	"  --timeline     print how full the links are, a line each second of virtual time\n"
	"  --list         names of the scenarios, and what each shows\n"
	"\n"
	"exit status: 0 all good, 1 a seed failed (its replay line is printed), 2 usage\n";

struct options {
	const struct sim_scenario *scenario;
	uint64_t seed;
	uint64_t seeds_count;
	const char *trace_path;
	bool timeline;
	bool list;
	bool help;
};

static bool parse_number(const char *text, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 0);
	return errno == 0 && end != text && *end == '\0' && text[0] != '-';
}

static bool parse_options(struct options *options, int argc, char **argv)
{
	static const struct option longs[] = {{"seed", required_argument, NULL, 's'},
		{"seeds", required_argument, NULL, 'n'}, {"trace", required_argument, NULL, 't'},
		{"list", no_argument, NULL, 'l'}, {"timeline", no_argument, NULL, 'i'},
		{"help", no_argument, NULL, 'h'}, {0}};
	int letter;

	*options = (struct options){.seed = 1, .seeds_count = 1};
	while ((letter = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (letter == 's' && parse_number(optarg, &options->seed))
			continue;
		if (letter == 'n' && parse_number(optarg, &options->seeds_count) &&
			options->seeds_count > 0)
			continue;
		if (letter == 't')
			options->trace_path = optarg;
		else if (letter == 'i')
			options->timeline = true;
		else if (letter == 'l')
			options->list = true;
		else if (letter == 'h')
			options->help = true;
		else
			return false;
	}
	if (options->list || options->help)
		return optind == argc;
	if (optind + 1 != argc)
		return false;
	options->scenario = sim_scenario_find(argv[optind]);
	if (options->scenario == NULL)
		fprintf(stderr, "sim: no scenario is named %s (see sim --list)\n", argv[optind]);
	return options->scenario != NULL;
}

static void print_seconds(const char *label, uint64_t ns)
{
	printf(" %s %" PRIu64 ".%02" PRIu64 " s", label, ns / NS_PER_S,
		ns % NS_PER_S / (10 * NS_PER_MS));
}

static void print_percent(const char *label, uint64_t part, uint64_t whole)
{
	uint64_t hundredths = whole > 0 ? part * 100 / whole : 0;

	printf(" %s %" PRIu64 ".%02" PRIu64, label, hundredths / 100, hundredths % 100);
}

static void print_result(
	const struct options *options, uint64_t seed, const struct sim_result *result)
{
	printf("%s seed=%" PRIu64 " %s: %" PRIu32 "/%" PRIu32 " finished", options->scenario->name,
		seed, result->good ? "good" : "FAILED", result->finished_count,
		result->nodes_count);
	if (result->failed_count > 0)
		printf(", %" PRIu32 " reported an error", result->failed_count);
	putchar(',');
	print_seconds("first", result->first_finish_ns);
	print_seconds("last", result->last_finish_ns);
	print_seconds("bound", result->bound_ns);
	printf(" (%s)", bound_part_name(result->bound_by));
	print_percent("ratio", result->last_finish_ns, result->bound_ns);
	print_percent("origin copies", result->origin_sent_bytes, result->distinct_bytes);
	if (result->racks_in_bytes > 0)
		print_percent("copies into racks", result->racks_in_bytes, result->distinct_bytes);
	printf(" wasted %" PRIu64 " KiB bans %" PRIu32 " effects<=%" PRIu32 " events %" PRIu64 "\n",
		result->wasted_bytes / KIB, result->bans_count, result->effects_most_count,
		result->events_count);
	if (result->violation.checker[0] != '\0') {
		printf("  [%s]", result->violation.checker);
		print_seconds("at", result->violation.at_ns);
		printf(": %s%s\n", result->violation.text, result->good ? " (as it must)" : "");
	}
	if (!result->good && result->violation.checker[0] == '\0')
		printf("  nothing was caught; [%s] had to be\n", options->scenario->must_violate);
	if (!result->good)
		printf("replay: build/sim/sim %s --seed=%" PRIu64 "\n", options->scenario->name,
			seed);
	fflush(stdout);
}

static bool run_seeds(const struct options *options, FILE *trace)
{
	uint64_t bad_count = 0;

	for (uint64_t i = 0; i < options->seeds_count; i++) {
		struct sim_result result;

		sim_scenario_run(options->scenario, options->seed + i, trace,
			options->timeline ? stdout : NULL, &result);
		print_result(options, options->seed + i, &result);
		bad_count += !result.good;
	}
	return bad_count == 0;
}

int main(int argc, char **argv)
{
	struct options options;
	FILE *trace = NULL;

	if (!parse_options(&options, argc, argv)) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (options.help) {
		fputs(usage, stdout);
		return EXIT_SUCCESS;
	}
	for (uint32_t i = 0; options.list && i < sim_scenarios_count; i++)
		printf("%-28s %s%s\n", sim_scenarios[i]->name, sim_scenarios[i]->shows,
			sim_scenarios[i]->manual  ? " (manual)"
			: sim_scenarios[i]->large ? " (large)"
						  : "");
	if (options.list)
		return EXIT_SUCCESS;
	if (options.trace_path != NULL && strcmp(options.trace_path, "-") == 0)
		trace = stdout;
	else if (options.trace_path != NULL)
		trace = fopen(options.trace_path, "we");
	if (options.trace_path != NULL && trace == NULL) {
		fprintf(stderr, "sim: %s: %s\n", options.trace_path, strerror(errno));
		return EXIT_FAILURE;
	}
	bool good = run_seeds(&options, trace);

	if (trace != NULL && trace != stdout && fclose(trace) != 0) {
		fprintf(stderr, "sim: %s: %s\n", options.trace_path, strerror(errno));
		return EXIT_FAILURE;
	}
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
