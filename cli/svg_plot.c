/* SPDX-License-Identifier: Apache-2.0 */
/* A line plot as SVG. */
#include "cli/svg_plot.h"

#include <math.h>

#define WIDTH	    860
#define HEIGHT	    480
#define LEFT	    70
#define RIGHT	    30
#define TOP	    62
#define BOTTOM	    56
#define LEGEND_STEP 18
#define TICKS	    6 /* about */

static const char *const colours[] = {
	"#1b6ca8", "#d1495b", "#2e933c", "#8f5fbf", "#e08e0b", "#3a3a3a", "#009b9b", "#a05a2c"};

struct frame {
	FILE *file;
	double x_most;
	double y_most;
};

static double sane(double value)
{
	return isfinite(value) && value > 0 ? value : 0;
}

static double place_x(const struct frame *frame, double x)
{
	return LEFT + sane(x) / frame->x_most * (WIDTH - LEFT - RIGHT);
}

static double place_y(const struct frame *frame, double y)
{
	return HEIGHT - BOTTOM - sane(y) / frame->y_most * (HEIGHT - TOP - BOTTOM);
}

/* Text of XML: what has a meaning there, and what must not be there at all, is replaced. */
static void put_text(FILE *file, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '<')
			fputs("&lt;", file);
		else if (*text == '>')
			fputs("&gt;", file);
		else if (*text == '&')
			fputs("&amp;", file);
		else if (*text == '"')
			fputs("&quot;", file);
		else
			fputc(*text >= ' ' && *text <= '~' ? *text : '?', file);
	}
}

static void put_label(
	const struct frame *frame, double x, double y, const char *attributes, const char *text)
{
	fprintf(frame->file, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
	put_text(frame->file, text);
	fputs("</text>\n", frame->file);
}

/* 1, 2 or 5 times a power of ten, so that about TICKS fit. */
static double tick_step(double most)
{
	double step = pow(10, floor(log10(most / TICKS)));

	if (most / step > 5 * TICKS)
		return 10 * step;
	if (most / step > 2 * TICKS)
		return 5 * step;
	return most / step > TICKS ? 2 * step : step;
}

static void put_axes(const struct frame *frame, const struct svg_plot *plot)
{
	double x_step = tick_step(frame->x_most);
	double y_step = tick_step(frame->y_most);
	char number[32];

	for (unsigned i = 0; i * x_step <= frame->x_most; i++) {
		double x = place_x(frame, i * x_step);

		fprintf(frame->file,
			"<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#ddd\"/>\n", x,
			TOP, x, HEIGHT - BOTTOM);
		snprintf(number, sizeof(number), "%g", i * x_step);
		put_label(frame, x, HEIGHT - BOTTOM + 18, "text-anchor=\"middle\"", number);
	}
	for (unsigned i = 0; i * y_step <= frame->y_most; i++) {
		double y = place_y(frame, i * y_step);

		fprintf(frame->file,
			"<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#ddd\"/>\n",
			LEFT, y, WIDTH - RIGHT, y);
		snprintf(number, sizeof(number), "%g", i * y_step);
		put_label(frame, LEFT - 8, y + 4, "text-anchor=\"end\"", number);
	}
	fprintf(frame->file, "<path d=\"M%d %d V%d H%d\" fill=\"none\" stroke=\"#333\"/>\n", LEFT,
		TOP, HEIGHT - BOTTOM, WIDTH - RIGHT);
	put_label(frame, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 14, "text-anchor=\"middle\"",
		plot->x_label);
	fprintf(frame->file, "<g transform=\"translate(18 %d) rotate(-90)\">",
		(TOP + HEIGHT - BOTTOM) / 2);
	put_label(frame, 0, 0, "text-anchor=\"middle\"", plot->y_label);
	fputs("</g>\n", frame->file);
}

static void put_series(const struct frame *frame, const struct svg_plot *plot,
	const struct svg_series *series, size_t number)
{
	const char *colour = colours[number % ARRAY_COUNT(colours)];

	if (series->mark_x > 0)
		fprintf(frame->file,
			"<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"%s\" "
			"stroke-dasharray=\"5 4\"/>\n",
			place_x(frame, series->mark_x), TOP, place_x(frame, series->mark_x),
			HEIGHT - BOTTOM, colour);
	for (size_t i = 0; i < series->points_count; i++) {
		double x = place_x(frame, series->x[i]);
		double y = place_y(frame, series->y[i]);

		if (i == 0)
			fprintf(frame->file,
				"<path fill=\"none\" stroke-width=\"2\" stroke=\"%s\" d=\"M%.1f "
				"%.1f",
				colour, x, y);
		else if (plot->steps)
			fprintf(frame->file, " H%.1f V%.1f", x, y);
		else
			fprintf(frame->file, " L%.1f %.1f", x, y);
	}
	if (series->points_count > 0)
		fputs("\"/>\n", frame->file);
	double y = TOP + 14 + (double)(number * LEGEND_STEP);

	fprintf(frame->file, "<rect x=\"%d\" y=\"%.1f\" width=\"14\" height=\"4\" fill=\"%s\"/>\n",
		LEFT + 14, y - 6, colour);
	put_label(frame, LEFT + 34, y, "", series->name);
}

void svg_plot_write(FILE *file, const struct svg_plot *plot)
{
	struct frame frame = {.file = file};

	for (size_t i = 0; i < plot->series_count; i++) {
		const struct svg_series *series = &plot->series[i];

		frame.x_most = fmax(frame.x_most, sane(series->mark_x));
		for (size_t j = 0; j < series->points_count; j++) {
			frame.x_most = fmax(frame.x_most, sane(series->x[j]));
			frame.y_most = fmax(frame.y_most, sane(series->y[j]));
		}
	}
	frame.x_most = frame.x_most > 0 ? frame.x_most * 1.02 : 1;
	frame.y_most = frame.y_most > 0 ? frame.y_most * 1.02 : 1;
	fprintf(file,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		"viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"13\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
		WIDTH, HEIGHT, WIDTH, HEIGHT);
	put_label(&frame, LEFT, 26, "font-size=\"17\" font-weight=\"bold\"", plot->title);
	put_label(&frame, LEFT, 46, "fill=\"#555\"", plot->subtitle);
	put_axes(&frame, plot);
	for (size_t i = 0; i < plot->series_count; i++)
		put_series(&frame, plot, &plot->series[i], i);
	fputs("</svg>\n", file);
}
