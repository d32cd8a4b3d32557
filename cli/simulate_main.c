/* SPDX-License-Identifier: Apache-2.0 */
/* `swarmboot simulate`: a wave in virtual time, by the engine that ships. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/simulate_report.h"
#include "runtime/memory.h"

#define KEYS_MAX    32
#define OPTIONS_MAX (KEYS_MAX + 8)
#define QUIET_NS    NS_PER_S /* what is over by then needs no progress line */

struct simulate_options {
	const char *values[KEYS_MAX]; /* by key; NULL: not given */
	const char *scenario;
	const char *trace;
	struct option_texts what_if;
	struct option_texts out;
	uint64_t seed;
	uint64_t seeds;
	bool json;
};

struct waves {
	struct simulate_variant variants[SIMULATE_VARIANTS_MAX];
	size_t variants_count;
	struct progress progress;
	uint64_t begun_ns;
	double before_bytes;  /* of the runs that are over */
	double running_bytes; /* of the one that is not, all of it */
};

static volatile sig_atomic_t stop_wanted;

static void on_signal(int number)
{
	(void)number;
	stop_wanted = 1;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* ---- what is asked ---- */

static const char about[] =
	"Says how long it would take to image a room of machines, what the server's link would\n"
	"carry, and what limits it, by running the engine that ships in virtual time. Rates are\n"
	"as sold: 1Gbit, 150MB/s. The same seed gives the same answer.\n"
	"\n"
	"  swarmboot simulate --nodes 100 --image 50GB --link 1Gbit\n"
	"  swarmboot simulate --nodes 100 --image disk.torrent --what-if link=10Gbit\n"
	"  swarmboot simulate --scenario hall.txt --seeds 10 --out hall.svg --out hall.csv";

static size_t describe_keys(struct simulate_options *options, struct option_description *list)
{
	size_t count = 0;

	for (size_t i = 0; i < simulate_keys_count && i < KEYS_MAX; i++)
		list[count++] = (struct option_description){simulate_keys[i].name, OPTION_TEXT,
			&options->values[i], simulate_keys[i].argument, simulate_keys[i].help};
	return count;
}

static enum parse_result parse(struct simulate_options *options, int argc, char **argv)
{
	struct option_description list[OPTIONS_MAX] = {{0}};
	const struct option_description more[] = {
		{"scenario", OPTION_TEXT, &options->scenario, "FILE",
			"read these from lines `key = value`; options come after it"},
		{"what-if", OPTION_TEXTS, &options->what_if, "KEY=VALUE[,...]",
			"the same with this changed, side by side (repeatable)"},
		{"seed", OPTION_COUNT, &options->seed, "N", "of all that is random (1)"},
		{"seeds", OPTION_COUNT, &options->seeds, "N", "run so many seeds, show the spread"},
		{"out", OPTION_TEXTS, &options->out, "FILE.svg|FILE.csv|FILE.json",
			"write a plot or every node's times (repeatable)"},
		{"json", OPTION_FLAG, &options->json, NULL, "print JSON instead of text"},
		{"trace", OPTION_TEXT, &options->trace, "FILE",
			"write all that happens, a line each (first run)"},
	};
	size_t keys = describe_keys(options, list);
	const struct command_description description = {
		.usage = "swarmboot simulate [option...]",
		.about = about,
		.options = list,
	};
	size_t operands_count;

	memcpy(list + keys, more, sizeof(more));
	return command_parse(&description, argc, argv, NULL, &operands_count);
}

static const char *suffix_of(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot != NULL ? dot : "";
}

static bool check_options(const struct simulate_options *options, struct failure *failure)
{
	if (options->seeds < 1 || options->seeds > SIMULATE_SEEDS_MAX)
		return failure_set(failure, ERROR_USAGE, "--seeds wants 1 to %u, not %llu",
			SIMULATE_SEEDS_MAX, (unsigned long long)options->seeds);
	if (options->what_if.count + 1 > SIMULATE_VARIANTS_MAX)
		return failure_set(failure, ERROR_USAGE, "--what-if can be given %u times",
			SIMULATE_VARIANTS_MAX - 1);
	for (size_t i = 0; i < options->out.count; i++) {
		const char *suffix = suffix_of(options->out.texts[i]);

		if (strcmp(suffix, ".svg") != 0 && strcmp(suffix, ".csv") != 0 &&
			strcmp(suffix, ".json") != 0)
			return failure_set(failure, ERROR_USAGE,
				"--out wants a name that ends in .svg, .csv or .json, not "
				"\"%.100s\"",
				options->out.texts[i]);
	}
	return true;
}

static bool add_variant(struct waves *waves, const struct simulate_description *base,
	const char *what_if, uint64_t seeds, struct failure *failure)
{
	struct simulate_variant *variant = &waves->variants[waves->variants_count];
	struct failure cause;

	*variant = (struct simulate_variant){.description = *base};
	snprintf(
		variant->name, sizeof(variant->name), "%s", what_if != NULL ? what_if : "as given");
	if (what_if != NULL && !simulate_set_list(&variant->description, what_if, &cause))
		return failure_set(failure, cause.error, "--what-if: %.200s", cause.text);
	if (!simulate_complete(&variant->description, &cause))
		return failure_set(failure, cause.error, "%s%.200s",
			what_if != NULL ? "--what-if: " : "--", cause.text);
	simulate_model_choose(&variant->model, &variant->description);
	simulate_bound_find(&variant->bound, &variant->description, &variant->model);
	variant->runs = memory_allocate(seeds, sizeof(*variant->runs));
	waves->variants_count++;
	return true;
}

static bool describe_waves(
	struct waves *waves, const struct simulate_options *options, struct failure *failure)
{
	struct simulate_description base;
	struct failure cause;

	simulate_defaults(&base);
	if (options->scenario != NULL && !simulate_read_file(&base, options->scenario, failure))
		return false;
	for (size_t i = 0; i < simulate_keys_count; i++)
		if (options->values[i] != NULL &&
			!simulate_set(&base, simulate_keys[i].name, options->values[i], &cause))
			return failure_set(failure, cause.error, "--%.200s", cause.text);
	if (!add_variant(waves, &base, NULL, options->seeds, failure))
		return false;
	for (size_t i = 0; i < options->what_if.count; i++)
		if (!add_variant(waves, &base, options->what_if.texts[i], options->seeds, failure))
			return false;
	return true;
}

/* ---- running ---- */

static double bytes_of(const struct simulate_variant *variant)
{
	return (double)variant->model.sample_bytes * (double)variant->description.nodes_count;
}

static bool watch(void *context, double done)
{
	struct waves *waves = context;

	if (now_ns() - waves->begun_ns >= QUIET_NS)
		progress_show(&waves->progress,
			(uint64_t)(waves->before_bytes + done * waves->running_bytes));
	return !stop_wanted;
}

static int compare_runs(const void *left, const void *right)
{
	const struct simulate_run *const *a = left;
	const struct simulate_run *const *b = right;

	return ((*a)->last_s > (*b)->last_s) - ((*a)->last_s < (*b)->last_s);
}

static void find_typical(struct simulate_variant *variant)
{
	const struct simulate_run **order = memory_allocate(variant->runs_count, sizeof(*order));

	for (size_t i = 0; i < variant->runs_count; i++)
		order[i] = &variant->runs[i];
	qsort(order, variant->runs_count, sizeof(const struct simulate_run *), compare_runs);
	variant->typical = (size_t)(order[(variant->runs_count - 1) / 2] - variant->runs);
	free(order);
}

/* Seeds outside, so that a stop leaves all variants equally far. */
static void run_waves(struct waves *waves, const struct simulate_options *options, FILE *trace)
{
	double whole = 0;

	for (size_t i = 0; i < waves->variants_count; i++)
		whole += bytes_of(&waves->variants[i]) * (double)options->seeds;
	progress_start(&waves->progress, "simulate", (uint64_t)whole);
	waves->begun_ns = now_ns();
	for (uint64_t seed = 0; seed < options->seeds && !stop_wanted; seed++)
		for (size_t i = 0; i < waves->variants_count && !stop_wanted; i++) {
			struct simulate_variant *variant = &waves->variants[i];

			waves->running_bytes = bytes_of(variant);
			simulate_run_one(&variant->runs[variant->runs_count++], variant,
				options->seed + seed, trace, watch, waves);
			trace = NULL;
			waves->before_bytes += waves->running_bytes;
		}
	if (waves->progress.shown_ns != waves->progress.start_ns && !stop_wanted)
		progress_end(&waves->progress, (uint64_t)whole);
	for (size_t i = 0; i < waves->variants_count; i++)
		if (waves->variants[i].runs_count > 0)
			find_typical(&waves->variants[i]);
		else /* stopped before it began: nothing is known of it or of those after it */
			waves->variants_count = i;
}

/* ---- showing ---- */

static bool write_file(const char *path, const struct waves *waves, struct failure *failure)
{
	const char *suffix = suffix_of(path);
	FILE *file = fopen(path, "we");
	bool written;

	if (file == NULL)
		return failure_errno(failure, ERROR_SYSTEM, "--out: cannot write %s", path);
	if (strcmp(suffix, ".svg") == 0)
		simulate_write_svg(file, waves->variants, waves->variants_count);
	else if (strcmp(suffix, ".csv") == 0)
		simulate_write_csv(file, waves->variants, waves->variants_count);
	else
		simulate_write_json(file, waves->variants, waves->variants_count);
	written = ferror(file) == 0;
	if (fclose(file) != 0 || !written)
		return failure_errno(failure, ERROR_SYSTEM, "--out: cannot write %s", path);
	return true;
}

static bool show(
	const struct waves *waves, const struct simulate_options *options, struct failure *failure)
{
	if (options->json)
		simulate_write_json(stdout, waves->variants, waves->variants_count);
	else if (waves->variants_count > 0)
		simulate_report_one(stdout, &waves->variants[0]);
	if (!options->json && waves->variants_count > 1) {
		putchar('\n');
		simulate_report_table(stdout, waves->variants, waves->variants_count);
	}
	if (fflush(stdout) != 0 || ferror(stdout))
		return failure_errno(failure, ERROR_SYSTEM, "cannot write the answer");
	for (size_t i = 0; i < options->out.count; i++)
		if (!write_file(options->out.texts[i], waves, failure))
			return false;
	return true;
}

static bool all_good(const struct waves *waves)
{
	for (size_t i = 0; i < waves->variants_count; i++)
		for (size_t j = 0; j < waves->variants[i].runs_count; j++) {
			const struct simulate_run *run = &waves->variants[i].runs[j];

			if (run->fault[0] != '\0' ||
				run->finished_count < waves->variants[i].description.nodes_count)
				return false;
		}
	return true;
}

static int simulate(struct waves *waves, const struct simulate_options *options)
{
	struct failure failure;
	FILE *trace = NULL;

	if (!check_options(options, &failure) || !describe_waves(waves, options, &failure))
		return command_fail("simulate", &failure);
	if (options->trace != NULL && (trace = fopen(options->trace, "we")) == NULL) {
		failure_errno(&failure, ERROR_SYSTEM, "--trace: cannot write %s", options->trace);
		return command_fail("simulate", &failure);
	}
	(void)signal(SIGINT, on_signal);
	(void)signal(SIGTERM, on_signal);
	run_waves(waves, options, trace);
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);

	bool traced = trace == NULL || ferror(trace) == 0;

	if ((trace != NULL && fclose(trace) != 0) || !traced) {
		failure_errno(&failure, ERROR_SYSTEM, "--trace: cannot write %s", options->trace);
		return command_fail("simulate", &failure);
	}
	if (!show(waves, options, &failure))
		return command_fail("simulate", &failure);
	return !stop_wanted && all_good(waves) ? EXIT_OK : EXIT_FAILED;
}

int simulate_main(int argc, char **argv)
{
	struct simulate_options options = {.seed = 1, .seeds = 1};
	struct waves *waves;
	int status;

	switch (parse(&options, argc, argv)) {
	case PARSE_HELP:
		return EXIT_OK;
	case PARSE_WRONG:
		return EXIT_USAGE;
	case PARSE_OK:
		break;
	}
	waves = memory_allocate(1, sizeof(*waves));
	status = simulate(waves, &options);
	for (size_t i = 0; i < ARRAY_COUNT(waves->variants); i++) {
		struct simulate_variant *variant = &waves->variants[i];

		for (size_t j = 0; j < variant->runs_count; j++)
			simulate_run_free(&variant->runs[j]);
		free(variant->runs);
	}
	free(waves);
	return status;
}
