/* SPDX-License-Identifier: Apache-2.0 */
/* What came out of simulated waves, as text for people. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "cli/simulate_report.h"
#include "lib/cleanup.h"
#include "runtime/memory.h"

#define PLOT_COLUMNS   64
#define PLOT_ROWS      8
#define NEAR_LIMIT     0.9  /* of the longest: also worth naming */
#define NEAR_BOUND     1.15 /* times the bound: nothing to look for */
#define READ_BACK_MUCH 0.25 /* of the bound: worth naming in a table */
#define BUFFERS_FEW    24
#define MINUTE	       60
#define HOUR	       3600

const char *simulate_time(char text[static SIMULATE_TIME_MAX], double seconds)
{
	uint64_t whole = (uint64_t)(seconds + 0.5);

	if (seconds < MINUTE)
		snprintf(text, SIMULATE_TIME_MAX, seconds < 10 ? "%.2f s" : "%.1f s", seconds);
	else if (whole < HOUR)
		snprintf(text, SIMULATE_TIME_MAX, "%" PRIu64 " min %" PRIu64 " s", whole / MINUTE,
			whole % MINUTE);
	else
		snprintf(text, SIMULATE_TIME_MAX, "%" PRIu64 " h %" PRIu64 " min", whole / HOUR,
			whole / MINUTE % MINUTE);
	return text;
}

const char *simulate_bytes(char text[static SIMULATE_TIME_MAX], double bytes)
{
	static const char *const names[] = {"B", "KB", "MB", "GB", "TB", "PB"};
	size_t unit = 0;

	while (bytes >= 999.5 && unit + 1 < ARRAY_COUNT(names)) {
		bytes /= 1000;
		unit++;
	}
	snprintf(text, SIMULATE_TIME_MAX, bytes >= 100 || unit == 0 ? "%.0f %s" : "%.1f %s", bytes,
		names[unit]);
	return text;
}

/* ---- the wave in words ---- */

static void print_rate(FILE *file, uint64_t bytes_per_s)
{
	double mbits = (double)bytes_per_s * 8 / MILLION;

	fprintf(file, mbits >= 1000 ? "%g Gbit/s" : "%g Mbit/s",
		mbits >= 1000 ? mbits / 1000 : mbits);
}

static void print_wave(FILE *file, const struct simulate_variant *variant)
{
	const struct simulate_description *d = &variant->description;
	const struct simulate_model *model = &variant->model;
	char text[SIMULATE_TIME_MAX];
	double piece_mib = (double)d->piece_bytes / (double)MIB;

	fprintf(file, "%" PRIu64 " node%s", d->nodes_count, d->nodes_count == 1 ? "" : "s");
	if (d->racks_count > 0)
		fprintf(file, " in %" PRIu64 " rack%s", d->racks_count,
			d->racks_count == 1 ? "" : "s");
	fprintf(file, ", an image of %s", simulate_bytes(text, (double)d->image_bytes));
	if (model->wire_bytes != d->image_bytes)
		fprintf(file, " (%s to send)", simulate_bytes(text, (double)model->wire_bytes));
	fprintf(file, " in pieces of %g MiB, links of ", piece_mib);
	print_rate(file, d->down_bytes_per_s);
	fprintf(file, " (%s/s of payload)\n",
		simulate_bytes(text, (double)simulate_payload_rate(d->down_bytes_per_s)));
	fprintf(file, "simulated: the engine that ships, blocks of %u KiB, ",
		model->limits.block_bytes / (unsigned)KIB);
	if (model->sample_pieces_count == model->pieces_count)
		fprintf(file, "all %u pieces", model->pieces_count);
	else
		fprintf(file, "%u of %u pieces; the rest as the middle of these",
			model->sample_pieces_count, model->pieces_count);
	if (variant->runs_count == 1)
		fprintf(file, "; seed %" PRIu64 "\n\n", variant->runs[0].seed);
	else
		fprintf(file, "; %zu seeds from %" PRIu64 "\n\n", variant->runs_count,
			variant->runs[0].seed);
}

static void spread(const struct simulate_variant *variant, double *least, double *most)
{
	*least = INFINITY;
	*most = 0;
	for (size_t i = 0; i < variant->runs_count; i++) {
		*least = fmin(*least, variant->runs[i].last_s);
		*most = fmax(*most, variant->runs[i].last_s);
	}
}

static void print_limits(FILE *file, const struct simulate_variant *variant)
{
	const struct simulate_bound *bound = &variant->bound;
	char text[SIMULATE_TIME_MAX];

	fprintf(file, "  limited by     %s (%s)", bound->limits[0].name,
		simulate_time(text, bound->limits[0].seconds));
	for (size_t i = 1; i < bound->limits_count; i++)
		if (bound->limits[i].seconds >= bound->limits[0].seconds * NEAR_LIMIT)
			fprintf(file, ", %s (%s)", bound->limits[i].name,
				simulate_time(text, bound->limits[i].seconds));
	if (bound->read_back_s > 0)
		fprintf(file, "; then reading back (%s)", simulate_time(text, bound->read_back_s));
	fputc('\n', file);
}

/* Only when the wave is far above its bound. */
static void print_advice(
	FILE *file, const struct simulate_variant *variant, const struct simulate_run *run)
{
	if (run->last_s <= variant->bound.seconds * NEAR_BOUND)
		return;
	fprintf(file, "  links were     origin %.0f %% busy, nodes %.0f %% out and %.0f %% in\n",
		100 * run->origin_up_busy, 100 * run->node_up_busy, 100 * run->node_down_busy);
	if (variant->model.limits.buffers_count < BUFFERS_FEW)
		fprintf(file,
			"                 %u piece buffers are few: try more memory, or smaller "
			"pieces\n",
			variant->model.limits.buffers_count);
	else if (run->last_s - run->median_s > 0.1 * run->median_s)
		fputs("                 the last nodes are far behind the others\n", file);
}

static void print_finish(FILE *file, const struct simulate_variant *variant)
{
	const struct simulate_run *run = simulate_typical(variant);
	double wire = (double)variant->model.wire_bytes;
	char text[SIMULATE_TIME_MAX];
	double least, most;

	if (run->finished_count > 0) {
		fprintf(file, "  first node     %s\n", simulate_time(text, run->first_s));
		fprintf(file, "  median         %s\n", simulate_time(text, run->median_s));
		fprintf(file, "  last node      %s", simulate_time(text, run->last_s));
		fprintf(file, ", %.2f times the lower bound of %s\n",
			run->last_s / variant->bound.seconds,
			simulate_time(text, variant->bound.seconds));
	}
	if (variant->runs_count > 1) {
		spread(variant, &least, &most);
		fprintf(file, "  of all seeds   the last node at %s", simulate_time(text, least));
		fprintf(file, " to %s\n", simulate_time(text, most));
	}
	if (run->unsteady)
		fprintf(file,
			"  uncertain      the speed still changed in the middle of the sample: "
			"simulate more (--sample %u, or all)\n",
			4 * variant->model.sample_pieces_count);
	print_limits(file, variant);
	fprintf(file, "  origin sent    %s, ",
		simulate_bytes(text, (double)run->origin_sent_bytes));
	fprintf(file, "%.2f copies of what there is to send\n",
		(double)run->origin_sent_bytes / wire);
	if (variant->description.racks_count > 0)
		fprintf(file, "  into racks     %.2f copies through %" PRIu64 " uplinks\n",
			(double)run->racks_in_bytes / wire, variant->description.racks_count);
	fprintf(file, "  nodes received %s together, %.2f %% of it needlessly\n",
		simulate_bytes(text, (double)run->received_bytes),
		run->received_bytes > 0
			? 100 * (double)run->wasted_bytes / (double)run->received_bytes
			: 0);
	print_advice(file, variant, run);
}

/* ---- finish times as a plot ---- */

static void print_plot(FILE *file, const struct simulate_variant *variant)
{
	const struct simulate_run *run = simulate_typical(variant);
	uint64_t nodes_count = variant->description.nodes_count;
	double most_s = fmax(run->last_s, variant->bound.seconds);
	uint64_t finished[PLOT_COLUMNS] = {0};
	size_t bound_column = (size_t)(variant->bound.seconds / most_s * (PLOT_COLUMNS - 1));
	char text[SIMULATE_TIME_MAX];

	for (uint64_t i = 0; i < nodes_count; i++)
		for (size_t column = 0; column < PLOT_COLUMNS; column++)
			finished[column] +=
				run->nodes[i].finished_s >= 0 &&
				run->nodes[i].finished_s <=
					most_s * (double)(column + 1) / PLOT_COLUMNS + 1e-9;
	fprintf(file, "\n  nodes finished (: the lower bound)\n");
	for (size_t row = PLOT_ROWS; row-- > 0;) {
		if (row == PLOT_ROWS - 1)
			fprintf(file, "  %5" PRIu64 " |", nodes_count);
		else
			fputs("        |", file);
		for (size_t column = 0; column < PLOT_COLUMNS; column++) {
			bool lit = finished[column] * PLOT_ROWS >= nodes_count * (row + 1);

			fputc(lit ? '#' : column == bound_column ? ':' : ' ', file);
		}
		fputc('\n', file);
	}
	fprintf(file, "      0 +");
	for (size_t column = 0; column < PLOT_COLUMNS; column++)
		fputc('-', file);
	fprintf(file, "\n         0%*s\n", PLOT_COLUMNS - 1, simulate_time(text, most_s));
}

static void print_trouble(FILE *file, const struct simulate_variant *variant)
{
	uint64_t nodes_count = variant->description.nodes_count;
	char text[SIMULATE_TIME_MAX];

	for (size_t i = 0; i < variant->runs_count; i++) {
		const struct simulate_run *run = &variant->runs[i];

		if (run->fault[0] != '\0')
			fprintf(file,
				"  FAULT          seed %" PRIu64
				": the engine broke a promise, which is a bug: %s\n",
				run->seed, run->fault);
		else if (run->interrupted)
			fprintf(file,
				"  stopped        seed %" PRIu64 ": after %s of simulated time, "
				"with %.0f %% of the bytes received and %" PRIu64 " of %" PRIu64
				" nodes finished\n",
				run->seed, simulate_time(text, run->end_s), 100 * run->share_done,
				run->finished_count, nodes_count);
		else if (run->finished_count < nodes_count)
			fprintf(file,
				"  UNFINISHED     seed %" PRIu64 ": %" PRIu64 " of %" PRIu64
				" nodes had not finished after %s\n",
				run->seed, nodes_count - run->finished_count, nodes_count,
				simulate_time(text, run->end_s));
	}
}

void simulate_report_one(FILE *file, const struct simulate_variant *variant)
{
	print_wave(file, variant);
	print_finish(file, variant);
	print_trouble(file, variant);
	if (simulate_typical(variant)->finished_count > 0)
		print_plot(file, variant);
}

/* ---- variants side by side ---- */

void simulate_report_table(
	FILE *file, const struct simulate_variant *variants, size_t variants_count)
{
	int width = 8;

	for (size_t i = 0; i < variants_count; i++)
		width = (int)u64_max((uint64_t)width, strlen(variants[i].name));
	fprintf(file, "%-*s  %14s  %14s  %14s  %6s  %7s  %7s  %s\n", width, "variant", "first node",
		"last node", "lower bound", "ratio", "copies", "to last", "limited by");
	for (size_t i = 0; i < variants_count; i++) {
		const struct simulate_variant *variant = &variants[i];
		const struct simulate_run *run = simulate_typical(variant);
		double wire = (double)variant->model.wire_bytes;
		double reference_s = simulate_typical(&variants[0])->last_s;
		char first[SIMULATE_TIME_MAX], last[SIMULATE_TIME_MAX], bound[SIMULATE_TIME_MAX];
		char against[SIMULATE_TIME_MAX] = "";
		bool whole = run->finished_count == variant->description.nodes_count;

		if (whole && i > 0 && reference_s > 0)
			snprintf(against, sizeof(against), "%+.0f %%",
				100 * (run->last_s / reference_s - 1));
		fprintf(file, "%-*s  %14s  %14s  %14s  %6.2f  %7.2f  %7s  %s", width, variant->name,
			run->finished_count > 0 ? simulate_time(first, run->first_s) : "-",
			whole ? simulate_time(last, run->last_s) : "unfinished",
			simulate_time(bound, variant->bound.seconds),
			whole ? run->last_s / variant->bound.seconds : 0,
			(double)run->origin_sent_bytes / wire, against,
			variant->bound.limits[0].name);
		fputs(variant->bound.read_back_s > variant->bound.seconds * READ_BACK_MUCH
				? ", then reading back\n"
				: "\n",
			file);
	}
	for (size_t i = 0; i < variants_count; i++)
		print_trouble(file, &variants[i]);
}
