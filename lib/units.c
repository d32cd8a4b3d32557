/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing and printing of sizes and durations. */
#include "lib/units.h"

#include <inttypes.h>
#include <stdio.h>

#define KB ((uint64_t)1000)
#define GB (1000 * 1000 * KB)

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

struct unit {
	const char *suffix;
	uint64_t value;
};

/* A number and the unit that follows it, exactly; false when it is no unit of the list. */
static bool quantity_parse(
	const char *text, const struct unit *units, size_t units_count, uint64_t *quantity)
{
	uint64_t whole;
	uint64_t thousandths;
	const char *suffix = number_parse(text, &whole, &thousandths);

	if (suffix == NULL)
		return false;
	while (*suffix == ' ')
		suffix++;
	for (size_t i = 0; i < units_count; i++) {
		uint64_t unit = units[i].value;
		uint64_t product;

		if (strcmp(suffix, units[i].suffix) != 0)
			continue;
		if (thousandths != 0 && unit == 1)
			return false;
		if (__builtin_mul_overflow(whole, unit, &product))
			return false;
		return !__builtin_add_overflow(product,
			unit / 1000 * thousandths + unit % 1000 * thousandths / 1000, quantity);
	}
	return false;
}

bool size_parse(const char *text, uint64_t *bytes)
{
	static const struct unit units[] = {{"", 1}, {"B", 1}, {"K", KIB}, {"KiB", KIB}, {"M", MIB},
		{"MiB", MIB}, {"G", GIB}, {"GiB", GIB}, {"T", TIB}, {"TiB", TIB}, {"KB", KB},
		{"MB", 1000 * KB}, {"GB", GB}, {"TB", 1000 * GB}};

	return quantity_parse(text, units, ARRAY_COUNT(units), bytes);
}

bool rate_parse(const char *text, uint64_t *bytes_per_s)
{
	static const struct unit units[] = {{"Kbit", KB / 8}, {"Mbit", 1000 * KB / 8},
		{"Gbit", GB / 8}, {"KB", KB}, {"KiB", KIB}, {"MB", 1000 * KB}, {"MiB", MIB},
		{"GB", GB}, {"GiB", GIB}};
	char quantity[UNITS_TEXT_MAX];
	size_t length = strlen(text);

	if (length >= sizeof(quantity))
		return false;
	memcpy(quantity, text, length + 1);
	if (length > 2 && strcmp(quantity + length - 2, "/s") == 0)
		quantity[length - 2] = '\0';
	return quantity_parse(quantity, units, ARRAY_COUNT(units), bytes_per_s) && *bytes_per_s > 0;
}

bool delay_parse(const char *text, uint64_t *delay_ns)
{
	static const struct unit units[] = {{"us", NS_PER_US}, {"ms", NS_PER_MS}, {"s", NS_PER_S},
		{"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S}};

	if (strcmp(text, "0") == 0) {
		*delay_ns = 0;
		return true;
	}
	return quantity_parse(text, units, ARRAY_COUNT(units), delay_ns);
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
