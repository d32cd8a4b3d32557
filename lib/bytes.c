/* SPDX-License-Identifier: Apache-2.0 */
/* Zero test, hexadecimal, printable text. */
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

unsigned hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned)(c - 'A') + 10;
	return 16;
}

bool hex_read(uint8_t *bytes, size_t bytes_count, const char *hex)
{
	for (size_t i = 0; i < bytes_count; i++) {
		unsigned high = hex_digit(hex[2 * i]);
		unsigned low = high > 15 ? 16 : hex_digit(hex[2 * i + 1]);

		if (low > 15)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return hex[2 * bytes_count] == '\0';
}

void printable_copy(char *text, size_t capacity, const void *bytes, size_t bytes_count)
{
	const uint8_t *from = bytes;
	size_t length = (size_t)u64_min(bytes_count, capacity - 1);

	for (size_t i = 0; i < length; i++)
		text[i] = from[i] >= ' ' && from[i] <= '~' ? (char)from[i] : '?';
	text[length] = '\0';
}
