/* SPDX-License-Identifier: Apache-2.0 */
/* What every bencoded thing that we write must be: keys in strictly ascending byte order. */
#ifndef TESTS_UNIT_CANONICAL_H
#define TESTS_UNIT_CANONICAL_H

#include "wire/bencode.h"

static inline bool is_canonical(const struct ben *value)
{
	struct ben key;
	struct ben inside;
	const uint8_t *position = NULL;
	const uint8_t *last = NULL;
	size_t last_count = 0;

	while (ben_list_next(value, &position, &inside))
		if (!is_canonical(&inside))
			return false;
	position = NULL;
	while (ben_dict_next(value, &position, &key, &inside)) {
		const uint8_t *name;
		size_t name_count;

		if (!ben_string(&key, &name, &name_count) || !is_canonical(&inside))
			return false;
		if (last != NULL) {
			int order = memcmp(last, name, (size_t)u64_min(last_count, name_count));

			if (order > 0 || (order == 0 && last_count >= name_count))
				return false;
		}
		last = name;
		last_count = name_count;
	}
	return true;
}

static inline bool bytes_are_canonical(const uint8_t *bytes, size_t bytes_count)
{
	struct ben value;

	return ben_parse(&value, bytes, bytes_count, NULL) && is_canonical(&value);
}

#endif
