/* SPDX-License-Identifier: Apache-2.0 */
/* Binary min-heap with stable ties. */
#include "lib/heap.h"

static bool item_before(const struct heap_item *a, const struct heap_item *b)
{
	return a->key != b->key ? a->key < b->key : a->sequence < b->sequence;
}

void heap_init(struct heap *heap, struct heap_item *items, size_t items_max)
{
	*heap = (struct heap){.items = items, .items_max = items_max};
}

bool heap_push(struct heap *heap, uint64_t key, uint64_t value)
{
	if (heap->items_count == heap->items_max)
		return false;
	struct heap_item item = {.key = key, .sequence = heap->next_sequence++, .value = value};
	size_t hole = heap->items_count++;

	while (hole > 0 && item_before(&item, &heap->items[(hole - 1) / 2])) {
		heap->items[hole] = heap->items[(hole - 1) / 2];
		hole = (hole - 1) / 2;
	}
	heap->items[hole] = item;
	return true;
}

const struct heap_item *heap_top(const struct heap *heap)
{
	return heap->items_count > 0 ? &heap->items[0] : NULL;
}

bool heap_pop(struct heap *heap, struct heap_item *item)
{
	if (heap->items_count == 0)
		return false;
	*item = heap->items[0];
	struct heap_item last = heap->items[--heap->items_count];
	size_t hole = 0;

	for (;;) {
		size_t child = 2 * hole + 1;

		if (child >= heap->items_count)
			break;
		if (child + 1 < heap->items_count &&
			item_before(&heap->items[child + 1], &heap->items[child]))
			child++;
		if (!item_before(&heap->items[child], &last))
			break;
		heap->items[hole] = heap->items[child];
		hole = child;
	}
	if (heap->items_count > 0)
		heap->items[hole] = last;
	return true;
}
