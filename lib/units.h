/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes, durations and rates as people write and read them. */
#ifndef LIB_UNITS_H
#define LIB_UNITS_H

#include "lib/bytes.h"

#define UNITS_TEXT_MAX 32

/* "512", "64KiB", "1MiB", "50GiB", "2TiB" (also K, M, G, T and a fraction: "1.5GiB") are binary;
 * "50GB", as disks are sold, is decimal. False on anything else or on overflow. */
MUST_USE bool size_parse(const char *text, uint64_t *bytes);

/* "1.5 GiB", "940 B". Returns text. */
const char *size_format(char text[static UNITS_TEXT_MAX], uint64_t bytes);

/* "90", "90s", "10m", "2h", "1d". */
MUST_USE bool duration_parse(const char *text, uint64_t *seconds);

/* "8 s", "3 min 20 s", "2 h 5 min". Returns text. */
const char *duration_format(char text[static UNITS_TEXT_MAX], uint64_t seconds);

/* A link's or a disk's rate: bits a second ("10Gbit", "2.5Gbit/s", "50Mbit") or bytes a second
 * ("150MB/s", "400MiB/s", "117.7MB"); never a bare number, and at least 1 byte a second. */
MUST_USE bool rate_parse(const char *text, uint64_t *bytes_per_s);

/* A short time: "100us", "20ms", "1.5s", "2m"; bare only 0. */
MUST_USE bool delay_parse(const char *text, uint64_t *delay_ns);

#endif
