/* SPDX-License-Identifier: Apache-2.0 */
/* What came out of simulated waves, as CSV, JSON and SVG. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "cli/simulate_report.h"
#include "cli/svg_plot.h"
#include "lib/cleanup.h"
#include "runtime/memory.h"

#define SUBTITLE_MAX 256

/* ---- CSV ---- */

static void put_quoted(FILE *file, const char *text)
{
	fputc('"', file);
	for (; *text != '\0'; text++) {
		if (*text == '"')
			fputc('"', file);
		fputc(*text, file);
	}
	fputc('"', file);
}

static void put_time(FILE *file, double seconds)
{
	if (seconds >= 0)
		fprintf(file, ",%.3f", seconds);
	else
		fputc(',', file);
}

void simulate_write_csv(FILE *file, const struct simulate_variant *variants, size_t variants_count)
{
	fputs("variant,seed,node,rack,start_s,complete_s,finished_s,received_bytes,"
	      "from_origin_bytes,sent_bytes\n",
		file);
	for (size_t i = 0; i < variants_count; i++)
		for (size_t j = 0; j < variants[i].runs_count; j++) {
			const struct simulate_run *run = &variants[i].runs[j];
			const struct simulate_description *d = &variants[i].description;

			for (uint64_t k = 0; k < d->nodes_count; k++) {
				const struct simulate_node *node = &run->nodes[k];

				put_quoted(file, variants[i].name);
				fprintf(file, ",%" PRIu64 ",%" PRIu64 ",", run->seed, k + 1);
				if (d->racks_count > 0)
					fprintf(file, "%u", simulate_rack(d, k) + 1);
				put_time(file, node->start_s);
				put_time(file, node->complete_s);
				put_time(file, node->finished_s);
				fprintf(file, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n",
					node->received_bytes, node->received_from_origin_bytes,
					node->sent_bytes);
			}
		}
}

/* ---- JSON ---- */

static void set_count(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

static void set_real(json_t *object, const char *name, double value)
{
	json_object_set_new(object, name, value >= 0 ? json_real(value) : json_null());
}

static json_t *run_object(const struct simulate_variant *variant, const struct simulate_run *run)
{
	uint64_t nodes_count = variant->description.nodes_count;
	json_t *object = json_object();
	json_t *finished = json_array();

	set_count(object, "seed", run->seed);
	set_count(object, "finished", run->finished_count);
	set_real(object, "first_s", run->finished_count > 0 ? run->first_s : -1);
	set_real(object, "median_s", run->finished_count > 0 ? run->median_s : -1);
	set_real(object, "last_s", run->finished_count == nodes_count ? run->last_s : -1);
	set_count(object, "origin_sent_bytes", run->origin_sent_bytes);
	set_count(object, "into_racks_bytes", run->racks_in_bytes);
	set_count(object, "received_bytes", run->received_bytes);
	set_count(object, "wasted_bytes", run->wasted_bytes);
	set_real(object, "origin_copies",
		(double)run->origin_sent_bytes / (double)variant->model.wire_bytes);
	set_real(object, "origin_up_busy", run->origin_up_busy);
	set_real(object, "nodes_up_busy", run->node_up_busy);
	set_real(object, "nodes_down_busy", run->node_down_busy);
	set_count(object, "events", run->events_count);
	json_object_set_new(object, "uncertain", json_boolean(run->unsteady));
	json_object_set_new(object, "interrupted", json_boolean(run->interrupted));
	json_object_set_new(
		object, "fault", run->fault[0] != '\0' ? json_string(run->fault) : json_null());
	for (uint64_t i = 0; i < nodes_count; i++)
		json_array_append_new(finished, run->nodes[i].finished_s >= 0
							? json_real(run->nodes[i].finished_s)
							: json_null());
	json_object_set_new(object, "finished_s", finished);
	return object;
}

static json_t *variant_object(const struct simulate_variant *variant)
{
	const struct simulate_model *model = &variant->model;
	const struct simulate_bound *bound = &variant->bound;
	json_t *object = json_object();
	json_t *limits = json_object();
	json_t *runs = json_array();

	json_object_set_new(object, "variant", json_string(variant->name));
	set_count(object, "nodes", variant->description.nodes_count);
	set_count(object, "racks", variant->description.racks_count);
	set_count(object, "image_bytes", variant->description.image_bytes);
	set_count(object, "wire_bytes", model->wire_bytes);
	set_count(object, "pieces", model->pieces_count);
	set_count(object, "pieces_simulated", model->sample_pieces_count);
	set_count(object, "block_bytes", model->limits.block_bytes);
	set_count(object, "buffers", model->limits.buffers_count);
	set_real(object, "bound_s", bound->seconds);
	set_real(object, "read_back_s", bound->read_back_s);
	json_object_set_new(object, "limited_by", json_string(bound->limits[0].name));
	for (size_t i = 0; i < bound->limits_count; i++)
		set_real(limits, bound->limits[i].name, bound->limits[i].seconds);
	json_object_set_new(object, "limits_s", limits);
	for (size_t i = 0; i < variant->runs_count; i++)
		json_array_append_new(runs, run_object(variant, &variant->runs[i]));
	json_object_set_new(object, "runs", runs);
	return object;
}

void simulate_write_json(FILE *file, const struct simulate_variant *variants, size_t variants_count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < variants_count; i++)
		json_array_append_new(list, variant_object(&variants[i]));
	/* A failed write is seen in the file. */
	(void)json_dumpf(list, file, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	fputc('\n', file);
	json_decref(list);
}

/* ---- SVG ---- */

static int compare_times(const void *left, const void *right)
{
	double a = *(const double *)left;
	double b = *(const double *)right;

	return (a > b) - (a < b);
}

/* How many nodes had finished, over time; the caller frees x and y. */
static void finish_series(struct svg_series *series, const struct simulate_variant *variant)
{
	const struct simulate_run *run = simulate_typical(variant);
	double *x = memory_allocate(run->finished_count + 1, sizeof(*x));
	double *y = memory_allocate(run->finished_count + 1, sizeof(*y));
	size_t count = 1;

	for (uint64_t i = 0; i < variant->description.nodes_count; i++)
		if (run->nodes[i].finished_s >= 0)
			x[count++] = run->nodes[i].finished_s;
	qsort(x + 1, count - 1, sizeof(*x), compare_times);
	for (size_t i = 0; i < count; i++)
		y[i] = (double)i;
	*series = (struct svg_series){
		.name = variant->name,
		.x = x,
		.y = y,
		.points_count = count,
		.mark_x = variant->bound.seconds,
	};
}

void simulate_write_svg(FILE *file, const struct simulate_variant *variants, size_t variants_count)
{
	SCOPED(free) struct svg_series *series = memory_allocate(variants_count, sizeof(*series));
	const struct simulate_description *d = &variants[0].description;
	char image[SIMULATE_TIME_MAX];
	char subtitle[SUBTITLE_MAX];
	struct svg_plot plot = {
		.title = "Nodes finished",
		.subtitle = subtitle,
		.x_label = "seconds; dashed: the lower bound",
		.y_label = "nodes",
		.series = series,
		.series_count = variants_count,
		.steps = true,
	};

	snprintf(subtitle, sizeof(subtitle),
		"%" PRIu64 " nodes, an image of %s, links of %g Mbit/s", d->nodes_count,
		simulate_bytes(image, (double)d->image_bytes),
		(double)d->down_bytes_per_s * 8 / MILLION);
	for (size_t i = 0; i < variants_count; i++)
		finish_series(&series[i], &variants[i]);
	svg_plot_write(file, &plot);
	for (size_t i = 0; i < variants_count; i++) {
		free((void *)(uintptr_t)series[i].x);
		free((void *)(uintptr_t)series[i].y);
	}
}
