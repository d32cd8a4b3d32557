/* SPDX-License-Identifier: Apache-2.0 */
/* Zero test and hexadecimal. */
#include "lib/bytes.h"

bool bytes_all_zero(const void *bytes, size_t bytes_count)
{
	const uint8_t *b = bytes;

	/* If the first byte is zero and every byte equals its neighbour, all are zero: memcmp does
	 * the walk at memory speed. */
	return bytes_count == 0 || (b[0] == 0 && memcmp(b, b + 1, bytes_count - 1) == 0);
}

void hex_write(char *hex, const uint8_t *bytes, size_t bytes_count)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < bytes_count; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[2 * bytes_count] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool hex_read(uint8_t *bytes, size_t bytes_count, const char *hex)
{
	for (size_t i = 0; i < bytes_count; i++) {
		int high = hex_digit(hex[2 * i]);
		int low = high < 0 ? -1 : hex_digit(hex[2 * i + 1]);

		if (low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return hex[2 * bytes_count] == '\0';
}
