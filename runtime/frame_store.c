/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded memory of frames: a list by last use, and buckets by piece. */
#include "runtime/frame_store.h"

#include "runtime/memory.h"

#define BUCKETS 1024

struct frame_store {
	uint64_t bytes_max;
	uint64_t bytes;		/* of all frames */
	uint64_t sending_bytes; /* of those with a user that sends */
	uint32_t pending_count;
	bool refused;
	void (*roomy)(void *context);
	void *context;
	struct frame *newest;
	struct frame *oldest;
	struct frame *buckets[BUCKETS];
};

struct frame_store *frame_store_create(
	uint64_t bytes_max, void (*roomy)(void *context), void *context)
{
	struct frame_store *store = memory_allocate(1, sizeof(*store));

	store->bytes_max = bytes_max;
	store->roomy = roomy;
	store->context = context;
	return store;
}

uint64_t frame_store_bytes(const struct frame_store *store)
{
	return store->bytes;
}

/* ---- the list and the buckets ---- */

static struct frame **bucket_of(struct frame_store *store, uint32_t piece)
{
	return &store->buckets[piece % BUCKETS];
}

static void list_remove(struct frame_store *store, struct frame *frame)
{
	*(frame->newer != NULL ? &frame->newer->older : &store->newest) = frame->older;
	*(frame->older != NULL ? &frame->older->newer : &store->oldest) = frame->newer;
}

static void list_insert(struct frame_store *store, struct frame *frame)
{
	frame->newer = NULL;
	frame->older = store->newest;
	*(store->newest != NULL ? &store->newest->newer : &store->oldest) = frame;
	store->newest = frame;
}

static void free_frame(struct frame *frame)
{
	frame->store->bytes -= frame->bytes_count;
	free(frame->bytes);
	free(frame);
}

/* Not to be found any more; its users go on. */
static void forget(struct frame *frame)
{
	struct frame_store *store = frame->store;
	struct frame **at = bucket_of(store, frame->piece);

	while (*at != frame)
		at = &(*at)->chain;
	*at = frame->chain;
	list_remove(store, frame);
	store->pending_count -= frame->pending;
	frame->kept = frame->pending = false;
	if (frame->users_count == 0)
		free_frame(frame);
}

struct frame_store *frame_store_destroy(struct frame_store *store)
{
	if (store == NULL)
		return NULL;
	while (store->oldest != NULL)
		forget(store->oldest);
	free(store);
	return NULL;
}

/* ---- memory ---- */

static void evict_down_to(struct frame_store *store, uint64_t bytes)
{
	struct frame *frame = store->oldest;

	while (frame != NULL && store->bytes > bytes) {
		struct frame *newer = frame->newer;

		if (frame->users_count == 0)
			forget(frame);
		frame = newer;
	}
}

bool frame_fits(const struct frame_store *store, uint32_t bytes_count)
{
	return bytes_count <= store->bytes_max;
}

struct frame *frame_reserve(struct frame_store *store, uint32_t piece, uint32_t begin,
	uint32_t length, uint32_t bytes_count, bool sending)
{
	if (!frame_fits(store, bytes_count) ||
		(sending && store->sending_bytes + bytes_count > store->bytes_max / 2)) {
		store->refused = true;
		return NULL;
	}
	evict_down_to(store, store->bytes_max - bytes_count);
	if (store->bytes > store->bytes_max - bytes_count) {
		store->refused = true;
		return NULL;
	}

	struct frame *frame = memory_allocate(1, sizeof(*frame));

	*frame = (struct frame){.store = store,
		.piece = piece,
		.begin = begin,
		.length = length,
		.bytes = memory_resize(NULL, bytes_count),
		.bytes_count = bytes_count,
		.users_count = 1,
		.sending = sending};
	store->bytes += bytes_count;
	if (sending)
		store->sending_bytes += bytes_count;
	return frame;
}

static void became_roomy(struct frame_store *store)
{
	if (!store->refused)
		return;
	store->refused = false;
	store->roomy(store->context);
}

void frame_shrink(struct frame *frame, uint32_t bytes_count)
{
	struct frame_store *store = frame->store;
	uint32_t spare_bytes = frame->bytes_count - bytes_count;

	frame->bytes = memory_resize(frame->bytes, bytes_count);
	frame->bytes_count = bytes_count;
	store->bytes -= spare_bytes;
	if (frame->sending)
		store->sending_bytes -= spare_bytes;
	became_roomy(store);
}

void frame_release(struct frame *frame)
{
	struct frame_store *store = frame->store;

	if (--frame->users_count > 0)
		return;
	if (frame->sending)
		store->sending_bytes -= frame->bytes_count;
	frame->sending = false;
	if (!frame->kept && !frame->pending)
		free_frame(frame);
	became_roomy(store);
}

/* ---- what is kept ---- */

static struct frame *look_up(
	struct frame_store *store, uint32_t piece, uint32_t begin, uint32_t length)
{
	struct frame *frame = *bucket_of(store, piece);

	while (frame != NULL && (frame->piece != piece || frame->begin != begin ||
					frame->length != length || !frame->kept))
		frame = frame->chain;
	return frame;
}

void frame_keep(struct frame *frame, bool proven)
{
	struct frame_store *store = frame->store;
	struct frame **bucket = bucket_of(store, frame->piece);

	if (look_up(store, frame->piece, frame->begin, frame->length) != NULL)
		return;
	frame->kept = proven;
	frame->pending = !proven;
	store->pending_count += frame->pending;
	frame->chain = *bucket;
	*bucket = frame;
	list_insert(store, frame);
}

void frame_settle(struct frame_store *store, uint32_t piece, bool ok)
{
	struct frame *next;

	if (store->pending_count == 0)
		return;
	for (struct frame *frame = *bucket_of(store, piece); frame != NULL; frame = next) {
		next = frame->chain;
		if (frame->piece != piece || !frame->pending)
			continue;
		if (ok) {
			frame->kept = true;
			frame->pending = false;
			store->pending_count--;
		} else {
			forget(frame);
		}
	}
}

void frame_overtaken(struct frame_store *store, uint32_t piece, uint32_t begin, uint32_t length)
{
	struct frame *next;

	if (store->pending_count == 0)
		return;
	for (struct frame *frame = *bucket_of(store, piece); frame != NULL; frame = next) {
		next = frame->chain;
		if (frame->piece == piece && frame->pending && frame->begin < begin + length &&
			begin < frame->begin + frame->length)
			forget(frame);
	}
}

struct frame *frame_find(struct frame_store *store, uint32_t piece, uint32_t begin, uint32_t length)
{
	struct frame *frame = look_up(store, piece, begin, length);

	if (frame == NULL)
		return NULL;
	list_remove(store, frame);
	list_insert(store, frame);
	if (frame->users_count++ == 0) {
		frame->sending = true;
		store->sending_bytes += frame->bytes_count;
	}
	return frame;
}
