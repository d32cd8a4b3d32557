/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line plot as a stand-alone SVG document: axes from 0, a grid, steps or lines in different
 * colours, dashed marks, a legend. It knows nothing of what it draws.
 */
#ifndef CLI_SVG_PLOT_H
#define CLI_SVG_PLOT_H

#include <stdio.h>

#include "lib/bytes.h"

struct svg_series {
	const char *name;
	const double *x; /* ascending; points_count of each; borrowed */
	const double *y;
	size_t points_count;
	double mark_x; /* a dashed upright line in its colour; 0: none */
};

struct svg_plot {
	const char *title;
	const char *subtitle;
	const char *x_label;
	const char *y_label;
	const struct svg_series *series;
	size_t series_count;
	bool steps; /* from point to point along the axes */
};

/* Values that are negative or not finite are drawn as 0. Whether it was written, ferror says. */
void svg_plot_write(FILE *file, const struct svg_plot *plot);

#endif
