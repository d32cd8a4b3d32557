/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing and printing of sizes and durations. */
#include "lib/units.h"

#include <inttypes.h>
#include <stdio.h>

/* Reads digits with an optional fraction into value and thousandths; returns what follows, or
 * NULL. */
static const char *number_parse(const char *text, uint64_t *whole, uint64_t *thousandths)
{
	*whole = *thousandths = 0;
	if (*text < '0' || *text > '9')
		return NULL;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(*whole, 10, whole) ||
			__builtin_add_overflow(*whole, (uint64_t)(*text - '0'), whole))
			return NULL;
	if (*text != '.')
		return text;
	uint64_t scale = 100;

	for (text++; *text >= '0' && *text <= '9'; text++, scale /= 10)
		*thousandths += scale * (uint64_t)(*text - '0');
	return text;
}

bool size_parse(const char *text, uint64_t *bytes)
{
	static const struct {
		const char *suffix;
		uint64_t unit;
	} units[] = {{"", 1}, {"B", 1}, {"K", KIB}, {"KiB", KIB}, {"M", MIB}, {"MiB", MIB},
		{"G", GIB}, {"GiB", GIB}, {"T", TIB}, {"TiB", TIB}};
	uint64_t whole;
	uint64_t thousandths;
	const char *suffix = number_parse(text, &whole, &thousandths);

	if (suffix == NULL)
		return false;
	while (*suffix == ' ')
		suffix++;
	for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
		uint64_t product;

		if (strcmp(suffix, units[i].suffix) != 0)
			continue;
		if (thousandths != 0 && units[i].unit == 1)
			return false;
		if (__builtin_mul_overflow(whole, units[i].unit, &product))
			return false;
		return !__builtin_add_overflow(product,
			units[i].unit / 1000 * thousandths +
				units[i].unit % 1000 * thousandths / 1000,
			bytes);
	}
	return false;
}

const char *size_format(char text[static UNITS_TEXT_MAX], uint64_t bytes)
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	size_t unit = 0;
	double value = (double)bytes;

	while (value >= 1024 && unit + 1 < ARRAY_COUNT(names)) {
		value /= 1024;
		unit++;
	}
	snprintf(text, UNITS_TEXT_MAX, unit == 0 || value >= 100 ? "%.0f %s" : "%.1f %s", value,
		names[unit]);
	return text;
}

bool duration_parse(const char *text, uint64_t *seconds)
{
	uint64_t whole;
	uint64_t thousandths;
	const char *suffix = number_parse(text, &whole, &thousandths);

	if (suffix == NULL || thousandths != 0)
		return false;
	uint64_t unit = 1;

	if (*suffix == 'm')
		unit = 60;
	else if (*suffix == 'h')
		unit = 3600;
	else if (*suffix == 'd')
		unit = 86400;
	else if (*suffix != 's' && *suffix != '\0')
		return false;
	if (*suffix != '\0' && suffix[1] != '\0')
		return false;
	return !__builtin_mul_overflow(whole, unit, seconds);
}

const char *duration_format(char text[static UNITS_TEXT_MAX], uint64_t seconds)
{
	if (seconds < 60)
		snprintf(text, UNITS_TEXT_MAX, "%" PRIu64 " s", seconds);
	else if (seconds < 3600)
		snprintf(text, UNITS_TEXT_MAX, "%" PRIu64 " min %" PRIu64 " s", seconds / 60,
			seconds % 60);
	else
		snprintf(text, UNITS_TEXT_MAX, "%" PRIu64 " h %" PRIu64 " min", seconds / 3600,
			seconds / 60 % 60);
	return text;
}
