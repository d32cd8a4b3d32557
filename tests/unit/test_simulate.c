/* SPDX-License-Identifier: Apache-2.0 */
/* What operators say of a wave, how finely it is simulated, its lower bound, and plots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/simulate_report.h"
#include "cli/svg_plot.h"

static void describe(struct simulate_variant *variant, const char *list)
{
	struct failure failure;

	*variant = (struct simulate_variant){0};
	simulate_defaults(&variant->description);
	if (!simulate_set_list(&variant->description, list, &failure) ||
		!simulate_complete(&variant->description, &failure))
		fail_msg("%s: %s", list, failure.text);
	simulate_model_choose(&variant->model, &variant->description);
	simulate_bound_find(&variant->bound, &variant->description, &variant->model);
}

static void what_is_not_said_follows_from_what_is(void **state)
{
	struct simulate_variant variant;
	const struct simulate_description *d = &variant.description;

	(void)state;
	describe(&variant, "nodes = 3, link=2.5Gbit, disk=150MB/s, up=1Gbit, image=50GB");
	assert_int_equal(d->nodes_count, 3);
	assert_int_equal(d->down_bytes_per_s, 312500000);
	assert_int_equal(d->up_bytes_per_s, 125000000);
	assert_int_equal(d->origin_bytes_per_s, 312500000);
	assert_int_equal(d->disk_read_bytes_per_s, 150000000);
	assert_int_equal(d->image_bytes, 50000000000);
	assert_int_equal(d->piece_bytes, 4 * MIB);
}

static void a_bad_list_says_what_is_wrong(void **state)
{
	static const char *const lists[][2] = {
		{"link", "\"link\" is not KEY=VALUE"},
		{"", "\"\" is not KEY=VALUE"},
		{"nodes=3,,link=1Gbit", "\"\" is not KEY=VALUE"},
		{"speed=1Gbit", "there is no key \"speed\" (--help lists them)"},
		{"nodes=0", "nodes wants N, not \"0\""},
		{"nodes=3 ,link=fast", "link wants RATE, not \"fast\""},
		{"read-back=maybe", "read-back wants yes|no, not \"maybe\""},
		{"zeros=-1%", "zeros wants PERCENT%, not \"-1%\""},
		{"zeros=nan%", "zeros wants PERCENT%, not \"nan%\""},
		{"sample=3", "sample wants auto|all|PIECES, not \"3\""},
		{"stagger=100h", "stagger wants TIME, not \"100h\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
		struct simulate_description d;
		struct failure failure = {0};

		simulate_defaults(&d);
		assert_false(simulate_set_list(&d, lists[i][0], &failure));
		assert_string_equal(failure.text, lists[i][1]);
	}
}

static void small_waves_are_fine_and_large_ones_samples(void **state)
{
	struct simulate_variant variant;
	const struct simulate_model *model = &variant.model;

	(void)state;
	describe(&variant, "nodes=16,image=256MiB,link=100Mbit");
	assert_int_equal(model->limits.block_bytes, 16 * KIB);
	assert_int_equal(model->sample_pieces_count, 256);
	describe(&variant, "nodes=1000,image=50GB,link=10Gbit");
	assert_in_range(model->limits.block_bytes, 32 * KIB, MIB);
	assert_int_equal(model->pieces_count, 11921);
	assert_in_range(model->sample_pieces_count, 100, 2000);
	assert_int_equal(model->sample_bytes, model->sample_pieces_count * 4 * MIB);
	/* A slow link would be busy for long with large requests. */
	describe(&variant, "nodes=1000,image=50GB,link=10Mbit");
	assert_int_equal(model->limits.block_bytes, 16 * KIB);
	/* A sample must not be over while nodes still start. */
	describe(&variant, "nodes=100,image=50GB,stagger=1m");
	assert_int_equal(model->sample_pieces_count, model->pieces_count);
	/* What is asked for is done. */
	describe(&variant, "nodes=100,image=50GB,sample=all,detail=fine");
	assert_int_equal(model->limits.block_bytes, 16 * KIB);
	assert_int_equal(model->sample_pieces_count, model->pieces_count);
	describe(&variant, "nodes=2,image=1GiB,sample=100");
	assert_int_equal(model->sample_pieces_count, 100);
}

static void zeros_are_not_sent(void **state)
{
	struct simulate_variant variant;

	(void)state;
	describe(&variant, "nodes=2,image=100MiB,zeros=65%");
	assert_int_equal(variant.model.wire_bytes, 35 * MIB);
	assert_int_equal(variant.model.written_bytes, 35 * MIB);
	assert_int_equal(variant.model.pieces_count, 35);
}

static void the_bound_names_what_is_slowest(void **state)
{
	static const char *const cases[][2] = {
		{"nodes=8,image=10GB,link=1Gbit", "the origin's link"},
		{"nodes=8,image=10GB,link=1Gbit,origin-link=10Gbit", "the nodes' links"},
		{"nodes=8,image=10GB,link=1Gbit,up=100Mbit,origin-link=1Gbit",
			"all uplinks together"},
		{"nodes=8,image=10GB,link=10Gbit,disk=100MB/s", "the nodes' disks"},
		{"nodes=8,image=10GB,link=40Gbit,disk=4GB/s,hash=500MB/s", "hashing and unpacking"},
		{"nodes=8,image=10GB,link=1Gbit,racks=2,rack-uplink=500Mbit", "the racks' uplinks"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct simulate_variant variant;

		describe(&variant, cases[i][0]);
		assert_string_equal(variant.bound.limits[0].name, cases[i][1]);
		for (size_t j = 1; j < variant.bound.limits_count; j++)
			assert_true(variant.bound.limits[j].seconds <=
				    variant.bound.limits[j - 1].seconds);
	}
}

static void times_and_bytes_are_for_people(void **state)
{
	char text[SIMULATE_TIME_MAX];

	(void)state;
	assert_string_equal(simulate_time(text, 0.5), "0.50 s");
	assert_string_equal(simulate_time(text, 59.96), "60.0 s");
	assert_string_equal(simulate_time(text, 125.4), "2 min 5 s");
	assert_string_equal(simulate_time(text, 3599.7), "1 h 0 min");
	assert_string_equal(simulate_bytes(text, 999), "999 B");
	assert_string_equal(simulate_bytes(text, 50e9), "50.0 GB");
	assert_string_equal(simulate_bytes(text, 999.9e6), "1.0 GB");
}

static size_t count(const char *text, const char *word)
{
	size_t times = 0;

	for (; (text = strstr(text, word)) != NULL; text++)
		times++;
	return times;
}

static char *draw(const struct svg_plot *plot)
{
	char *text = NULL;
	size_t bytes_count = 0;
	FILE *file = open_memstream(&text, &bytes_count);

	assert_non_null(file);
	svg_plot_write(file, plot);
	assert_int_equal(fclose(file), 0);
	return text;
}

static void a_plot_has_its_lines_and_no_markup_of_others(void **state)
{
	const double x[] = {0, 10, 20};
	const double y[] = {0, 1, 2};
	const struct svg_series series[] = {{"a <b> & \"c\"", x, y, 3, 15}, {"empty", x, y, 0, 0}};
	struct svg_plot plot = {"title", "sub\x01title\xff", "seconds", "nodes", series, 2, true};
	char *text = draw(&plot);

	(void)state;
	assert_int_equal(count(text, "stroke-width"), 1);
	assert_int_equal(count(text, "stroke-dasharray"), 1);
	assert_int_equal(count(text, "a &lt;b&gt; &amp; &quot;c&quot;"), 1);
	assert_int_equal(count(text, "sub?title?"), 1);
	assert_int_equal(count(text, "<text"), count(text, "</text>"));
	/* Steps go right, then up; the last point is at the right end. */
	assert_non_null(strstr(text, "d=\"M70.0 424.0 H442.5 V246.5 H815.1 V69.1\"/>"));
	free(text);
}

static void a_plot_of_nothing_has_axes(void **state)
{
	const double x[] = {0, 0.0 / 0.0, -5};
	const struct svg_series series = {"nothing", x, x, 3, 0};
	struct svg_plot plot = {"", "", "", "", &series, 1, false};
	char *text = draw(&plot);

	(void)state;
	assert_null(strstr(text, "nan"));
	assert_null(strstr(text, "inf"));
	assert_int_equal(count(text, "M70.0 424.0 L70.0 424.0 L70.0 424.0"), 1);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said_follows_from_what_is),
		cmocka_unit_test(a_bad_list_says_what_is_wrong),
		cmocka_unit_test(small_waves_are_fine_and_large_ones_samples),
		cmocka_unit_test(zeros_are_not_sent),
		cmocka_unit_test(the_bound_names_what_is_slowest),
		cmocka_unit_test(times_and_bytes_are_for_people),
		cmocka_unit_test(a_plot_has_its_lines_and_no_markup_of_others),
		cmocka_unit_test(a_plot_of_nothing_has_axes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
