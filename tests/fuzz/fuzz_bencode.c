/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as bencode: whatever parses is walked in full and copied out again byte for byte. */
#include "tests/fuzz/check.h"
#include "wire/bencode.h"

static void walk(const struct ben *value, struct ben_writer *writer);

static void walk_list(const struct ben *list, struct ben_writer *writer)
{
	const uint8_t *position = NULL;
	struct ben value;

	ben_write_list(writer);
	while (ben_list_next(list, &position, &value))
		walk(&value, writer);
	ben_write_end(writer);
}

static void walk_dict(const struct ben *dict, struct ben_writer *writer)
{
	const uint8_t *position = NULL;
	struct ben key;
	struct ben value;
	struct ben found;
	char text[8];

	ben_write_dict(writer);
	while (ben_dict_next(dict, &position, &key, &value)) {
		CHECK(key.type == BEN_STRING);
		walk(&key, writer);
		walk(&value, writer);
	}
	ben_write_end(writer);
	if (ben_get(dict, "a", &found))
		CHECK(found.start > dict->start && found.end < dict->end);
	if (ben_get_text(dict, "a", text, sizeof(text)))
		CHECK(strlen(text) < sizeof(text));
}

static void walk(const struct ben *value, struct ben_writer *writer)
{
	const uint8_t *bytes;
	size_t bytes_count;
	int64_t integer;
	uint64_t magnitude;

	switch (value->type) {
	case BEN_INTEGER:
		if (ben_integer(value, &integer))
			ben_write_integer(writer, integer);
		else if (ben_unsigned(value, &magnitude))
			ben_write_unsigned(writer, magnitude);
		else
			ben_write_raw(writer, value); /* longer than 64 bits */
		break;
	case BEN_STRING:
		CHECK(ben_string(value, &bytes, &bytes_count));
		CHECK(bytes > value->start && bytes + bytes_count == value->end);
		ben_write_bytes(writer, bytes, bytes_count);
		break;
	case BEN_LIST:
		walk_list(value, writer);
		break;
	case BEN_DICT:
		walk_dict(value, writer);
		break;
	case BEN_NONE:
		CHECK(!"a parsed value has a type");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ben value;
	struct ben_writer writer;
	size_t used;

	if (!ben_parse(&value, data, size, &used))
		return 0;
	CHECK(used <= size && value.start == data && value.end == data + used);
	uint8_t *copy = malloc(used);

	CHECK(copy != NULL);
	ben_writer_init(&writer, copy, used);
	walk(&value, &writer);
	CHECK(!writer.overflow && writer.used == used && memcmp(copy, data, used) == 0);
	free(copy);
	return 0;
}
