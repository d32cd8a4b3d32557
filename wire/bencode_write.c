/* SPDX-License-Identifier: Apache-2.0 */
/* Writing bencoded values into a caller's buffer. */
#include "wire/bencode.h"

void ben_writer_init(struct ben_writer *writer, uint8_t *bytes, size_t capacity)
{
	*writer = (struct ben_writer){.bytes = bytes, .capacity = capacity};
}

static void put(struct ben_writer *writer, const void *bytes, size_t bytes_count)
{
	if (writer->overflow || bytes_count > writer->capacity - writer->used) {
		writer->overflow = true;
		return;
	}
	if (bytes_count > 0)
		memcpy(writer->bytes + writer->used, bytes, bytes_count);
	writer->used += bytes_count;
}

static void put_decimal(struct ben_writer *writer, uint64_t number)
{
	char digits[20];
	size_t first = sizeof(digits);

	do {
		digits[--first] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	put(writer, digits + first, sizeof(digits) - first);
}

void ben_write_unsigned(struct ben_writer *writer, uint64_t integer)
{
	put(writer, "i", 1);
	put_decimal(writer, integer);
	put(writer, "e", 1);
}

void ben_write_integer(struct ben_writer *writer, int64_t integer)
{
	put(writer, "i", 1);
	if (integer < 0)
		put(writer, "-", 1);
	put_decimal(writer, integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer);
	put(writer, "e", 1);
}

void ben_write_bytes(struct ben_writer *writer, const void *bytes, size_t bytes_count)
{
	put_decimal(writer, bytes_count);
	put(writer, ":", 1);
	put(writer, bytes, bytes_count);
}

void ben_write_text(struct ben_writer *writer, const char *text)
{
	ben_write_bytes(writer, text, strlen(text));
}

void ben_write_raw(struct ben_writer *writer, const struct ben *value)
{
	put(writer, value->start, (size_t)(value->end - value->start));
}

void ben_write_dict(struct ben_writer *writer)
{
	put(writer, "d", 1);
}

void ben_write_list(struct ben_writer *writer)
{
	put(writer, "l", 1);
}

void ben_write_end(struct ben_writer *writer)
{
	put(writer, "e", 1);
}

void ben_put_unsigned(struct ben_writer *writer, const char *key, uint64_t integer)
{
	ben_write_text(writer, key);
	ben_write_unsigned(writer, integer);
}

void ben_put_bytes(
	struct ben_writer *writer, const char *key, const void *bytes, size_t bytes_count)
{
	ben_write_text(writer, key);
	ben_write_bytes(writer, bytes, bytes_count);
}

void ben_put_text(struct ben_writer *writer, const char *key, const char *text)
{
	ben_write_text(writer, key);
	ben_write_text(writer, text);
}
