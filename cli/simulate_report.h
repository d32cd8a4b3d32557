/* SPDX-License-Identifier: Apache-2.0 */
/* What came out of simulated waves, in the forms that people and programs read. */
#ifndef CLI_SIMULATE_REPORT_H
#define CLI_SIMULATE_REPORT_H

#include <stdio.h>

#include "cli/simulate.h"

/* "41.3 s", "7 min 3 s", "2 h 5 min". */
#define SIMULATE_TIME_MAX 32
const char *simulate_time(char text[static SIMULATE_TIME_MAX], double seconds);
/* "50.0 GB", "117.7 MB": decimal, as links and disks are sold. */
const char *simulate_bytes(char text[static SIMULATE_TIME_MAX], double bytes);

/* All fail only when the file cannot be written; look at ferror. */

/* simulate_report.c: a page about one variant, or a table of several. */
void simulate_report_one(FILE *file, const struct simulate_variant *variant);
void simulate_report_table(
	FILE *file, const struct simulate_variant *variants, size_t variants_count);
/* simulate_files.c */
void simulate_write_csv(FILE *file, const struct simulate_variant *variants, size_t variants_count);
void simulate_write_json(
	FILE *file, const struct simulate_variant *variants, size_t variants_count);
void simulate_write_svg(FILE *file, const struct simulate_variant *variants, size_t variants_count);

static inline const struct simulate_run *simulate_typical(const struct simulate_variant *variant)
{
	return &variant->runs[variant->typical];
}

#endif
