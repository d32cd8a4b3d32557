/* SPDX-License-Identifier: Apache-2.0 */
/* The piece table at creation: which pieces are zero, and which have the same content. */
#include "swarm/engine.h"

static const uint8_t *hash_of(const struct swarm *s, uint32_t piece)
{
	return s->settings.piece_hashes + (size_t)piece * s->settings.piece_hash_bytes;
}

/* Order by content, then by index. Pieces of unlike length are never equal. */
static bool before(const struct swarm *s, uint32_t a, uint32_t b)
{
	int order = memcmp(hash_of(s, a), hash_of(s, b), s->settings.piece_hash_bytes);

	if (order == 0 && piece_length(s, a) != piece_length(s, b))
		return piece_length(s, a) < piece_length(s, b);
	return order != 0 ? order < 0 : a < b;
}

static bool same(const struct swarm *s, uint32_t a, uint32_t b)
{
	return piece_length(s, a) == piece_length(s, b) &&
	       memcmp(hash_of(s, a), hash_of(s, b), s->settings.piece_hash_bytes) == 0;
}

static void sift_down(const struct swarm *s, uint32_t *items, uint32_t hole, uint32_t count)
{
	uint32_t item = items[hole];

	for (uint64_t child; (child = 2 * (uint64_t)hole + 1) < count; hole = (uint32_t)child) {
		if (child + 1 < count && before(s, items[child], items[child + 1]))
			child++;
		if (!before(s, item, items[child]))
			break;
		items[hole] = items[child];
	}
	items[hole] = item;
}

/* Heap sort: no memory, no recursion, no bad case. */
static void sort_by_content(const struct swarm *s, uint32_t *items, uint32_t count)
{
	for (uint32_t i = count / 2; i-- > 0;)
		sift_down(s, items, i, count);
	for (uint32_t end = count; end-- > 1;) {
		uint32_t largest = items[0];

		items[0] = items[end];
		items[end] = largest;
		sift_down(s, items, 0, end);
	}
}

/* Uses the picker's arrays as scratch before the picker does. */
static void find_groups(struct swarm *s)
{
	uint32_t *order = s->picker.order;
	uint32_t count = 0;

	for (uint32_t piece = 0; piece < s->pieces_count; piece++)
		if (!s->pieces[piece].zero)
			order[count++] = piece;
	sort_by_content(s, order, count);
	for (uint32_t i = 1; i < count; i++) {
		if (!same(s, order[i - 1], order[i]))
			continue;
		uint32_t leader = s->pieces[order[i - 1]].leader;
		struct piece *p = &s->pieces[order[i]];

		p->leader = leader;
		p->next_same = s->pieces[order[i - 1]].next_same;
		s->pieces[order[i - 1]].next_same = order[i];
		s->status.duplicate_bytes += piece_length(s, order[i]);
	}
}

static bool allocate(struct swarm *s)
{
	uint32_t count = s->pieces_count;
	uint32_t buckets_count = s->limits.peers_max + 2;
	uint64_t *have = swarm_allocate(s, BITSET_WORDS(count), sizeof(uint64_t));
	uint64_t *zeroes = swarm_allocate(s, BITSET_WORDS(count), sizeof(uint64_t));
	uint64_t *copies = swarm_allocate(s, BITSET_WORDS(count), sizeof(uint64_t));
	uint64_t *unassessed = swarm_allocate(s, BITSET_WORDS(count), sizeof(uint64_t));

	s->pieces = swarm_allocate(s, (uint64_t)count + LISTS_COUNT, sizeof(struct piece));
	s->picker.order = swarm_allocate(s, count, sizeof(uint32_t));
	s->picker.position = swarm_allocate(s, count, sizeof(uint32_t));
	s->picker.availability = swarm_allocate(s, count, sizeof(uint16_t));
	s->picker.bucket_start = swarm_allocate(s, buckets_count + 1, sizeof(uint32_t));
	s->bitfield_bytes = swarm_allocate(s, ((uint64_t)count + 7) / 8, 1);
	if (have == NULL || zeroes == NULL || copies == NULL || unassessed == NULL ||
		s->pieces == NULL || s->picker.order == NULL || s->picker.position == NULL ||
		s->picker.availability == NULL || s->picker.bucket_start == NULL ||
		s->bitfield_bytes == NULL)
		return false;
	bitset_init(&s->have, have, count);
	bitset_init(&s->zeroes_due, zeroes, count);
	bitset_init(&s->copies_due, copies, count);
	bitset_init(&s->unassessed, unassessed, count);
	return true;
}

bool pieces_create(struct swarm *s)
{
	if (!allocate(s))
		return false;
	const struct bitset *zeroes = s->settings.zero_pieces;

	s->have_first = PIECE_NONE;
	for (uint32_t i = 0; i < s->pieces_count + LISTS_COUNT; i++) {
		struct piece *p = &s->pieces[i];

		p->leader = p->next_same = i;
		p->list_next = p->list_previous = i;
		p->buffer = SWARM_BUFFER_NONE;
		if (i >= s->pieces_count)
			break;
		p->zero = zeroes != NULL && bitset_has(zeroes, i);
		if (p->zero)
			s->status.zero_bytes += piece_length(s, i);
		else
			bitset_set(&s->unassessed, i);
	}
	for (uint32_t i = s->pieces_count; i < s->pieces_count + LISTS_COUNT; i++)
		s->pieces[i].list_next = s->pieces[i].list_previous = i;
	if (s->settings.piece_hashes != NULL)
		find_groups(s);
	picker_init(&s->picker, s->pieces_count, s->limits.peers_max + 2, &s->rng);
	if (s->settings.all_durable)
		for (uint32_t piece = 0; piece < s->pieces_count; piece++)
			piece_set_state(s, piece, SWARM_PIECE_DURABLE);
	return true;
}
