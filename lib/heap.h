/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binary min-heap of (key, insertion number, value) over the caller's array. Equal keys come out
 * in the order they went in, so that runs replay exactly. Pure.
 */
#ifndef LIB_HEAP_H
#define LIB_HEAP_H

#include "lib/bytes.h"

struct heap_item {
	uint64_t key;
	uint64_t sequence; /* set by heap_push */
	uint64_t value;
};

struct heap {
	struct heap_item *items; /* borrowed */
	size_t items_count;
	size_t items_max;
	uint64_t next_sequence;
};

void heap_init(struct heap *heap, struct heap_item *items, size_t items_max);

/* False when the heap is full. */
MUST_USE bool heap_push(struct heap *heap, uint64_t key, uint64_t value);

/* The smallest item, or NULL; valid until the next push or pop. */
const struct heap_item *heap_top(const struct heap *heap);
MUST_USE bool heap_pop(struct heap *heap, struct heap_item *item);

#endif
