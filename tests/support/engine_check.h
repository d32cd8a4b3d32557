/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's counters against what they count. For tests; needs CHECK (tests/fuzz/check.h). */
#ifndef TESTS_SUPPORT_ENGINE_CHECK_H
#define TESTS_SUPPORT_ENGINE_CHECK_H

#include "swarm/engine.h"
#include "tests/fuzz/check.h"

static inline void engine_check_buffer(struct swarm *s, uint32_t at)
{
	const struct buffer *b = &s->buffers[at];
	uint32_t free = 0, received = 0, receiving = 0;

	if (b->state == BUFFER_FREE)
		return;
	for (uint32_t i = 0; i < b->blocks_count; i++) {
		const struct block *block = buffer_block(s, at, i);

		CHECK(block->holders_count <= HOLDERS_MAX);
		free += block->state == BLOCK_WANTED && block->holders_count == 0;
		received += block->state == BLOCK_RECEIVED;
		receiving += block->state == BLOCK_RECEIVING;
		for (uint32_t k = 0; k < block->holders_count; k++) {
			const struct peer *p = &s->peers[block->holders[k]];

			CHECK(p->state == PEER_OPEN);
			CHECK(request_covering(s, p, at, i) != BLOCK_NONE);
		}
	}
	CHECK(b->receiving_count <= s->limits.peers_max * SWARM_RUN_BLOCKS_MAX);
	if (b->state == BUFFER_ARRIVING) {
		CHECK(free == b->blocks_free && received == b->blocks_received);
		CHECK(receiving == b->receiving_count);
		CHECK(s->pieces[b->piece].state == SWARM_PIECE_ARRIVING);
	}
	if (b->state == BUFFER_LAYER)
		CHECK(s->pieces[b->piece].state == SWARM_PIECE_ARRIVING && receiving == 0);
	if (b->state == BUFFER_HASHING)
		CHECK(s->pieces[b->piece].state == SWARM_PIECE_VERIFYING);
	if (b->state != BUFFER_DRAINING)
		CHECK(s->pieces[s->pieces[b->piece].leader].buffer == at);
}

static inline uint32_t engine_check_request(struct swarm *s, uint32_t peer, const struct request *r)
{
	uint32_t received = 0;

	CHECK(s->buffers[r->buffer].state == BUFFER_ARRIVING);
	CHECK(r->blocks_count > 0 && r->blocks_count <= SWARM_RUN_BLOCKS_MAX);
	CHECK(r->block + r->blocks_count <= s->buffers[r->buffer].blocks_count);
	for (uint32_t i = 0; i < r->blocks_count; i++) {
		const struct block *block = buffer_block(s, r->buffer, r->block + i);
		bool holds = false;

		for (uint32_t k = 0; k < block->holders_count; k++)
			holds |= block->holders[k] == peer;
		CHECK(holds);
		received += block->state == BLOCK_RECEIVED;
	}
	CHECK(received < r->blocks_count); /* nobody is asked for what is here */
	return request_length(s, r);
}

/* A peer elsewhere: how much of what it has may be taken from it. */
static inline void engine_check_place(struct swarm *s, const struct peer *p)
{
	uint32_t importable = 0;

	if (p->distance == 0)
		return;
	const struct level *level = &s->racks.levels[p->distance - 1];

	CHECK(level->active && !s->racks.due);
	BITSET_FOREACH (piece, &level->importable) {
		CHECK(bitset_has(&level->waiting, piece) && piece_lacking(s, piece));
		importable += bitset_has(&p->has, piece);
	}
	CHECK(p->importable_count == importable);
}

static inline void engine_check_peer(struct swarm *s, uint32_t at)
{
	const struct peer *p = &s->peers[at];
	uint32_t has = 0, useful = 0, startable = 0;
	uint64_t requested_bytes = 0;

	BITSET_FOREACH (piece, &p->has) {
		has++;
		useful += piece_lacking(s, piece);
		startable += picker_wants(&s->picker, piece);
	}
	CHECK(p->has_count == has && p->useful_count == useful);
	CHECK(p->startable_count == startable);
	if (p->distance == 0)
		CHECK(p->am_interested == (useful > 0 && !s->disk_failed));
	engine_check_place(s, p);
	for (uint32_t i = 0; i < p->requests_count; i++)
		requested_bytes += engine_check_request(s, at, request_at(s, p, i));
	CHECK(p->requests_bytes == requested_bytes);
}

static inline void engine_check_piece(struct swarm *s, uint32_t piece)
{
	const struct piece *p = &s->pieces[piece];
	uint32_t holders = 0;

	for (uint32_t i = 0; i < s->peers_top; i++)
		holders += s->peers[i].state == PEER_OPEN && !s->peers[i].all_seen &&
			   bitset_has(&s->peers[i].has, piece);
	CHECK(s->picker.availability[piece] == holders);
	CHECK(bitset_has(&s->have, piece) == piece_have(s, piece));
	/* Nothing is forgotten: what is missing is wanted, on its way, or taken care of. */
	if (p->state != SWARM_PIECE_MISSING || s->disk_failed)
		return;
	if (p->zero)
		CHECK(bitset_has(&s->zeroes_due, piece));
	else
		CHECK(picker_wants(&s->picker, piece) || bitset_has(&s->copies_due, piece) ||
			s->pieces[p->leader].buffer != SWARM_BUFFER_NONE);
}

/* The book of addresses: whose each is, and that nobody is told of what is not there. */
static inline void engine_check_book(const struct swarm *s)
{
	uint32_t counts[SWARM_SOURCES_COUNT] = {0};

	for (uint32_t i = 0; i < s->addresses_count; i++) {
		const struct known_address *a = &s->addresses[i];

		counts[a->source]++;
		CHECK(a->peer == SWARM_PEER_NONE || s->peers[a->peer].address_index == i);
	}
	CHECK(memcmp(counts, s->source_counts, sizeof(counts)) == 0);
	CHECK(counts[SWARM_SOURCE_PEX] <= s->limits.addresses_max / 4 + 1);
	BITSET_FOREACH (peer, &s->open)
		BITSET_FOREACH (address, &s->peers[peer].pex_told)
			CHECK(address < s->addresses_count);
}

static inline void engine_check_near(const struct swarm *s)
{
	uint32_t near_count = 0;

	BITSET_FOREACH (peer, &s->open)
		near_count += s->peers[peer].distance == 0;
	CHECK(near_count == s->near_count);
}

static inline void engine_check(struct swarm *s)
{
	uint32_t lacking = 0, durable = 0, slots = 0, seeds = 0, used = 0, layers = 0;
	uint64_t undurable = 0;

	for (uint32_t piece = 0; piece < s->pieces_count; piece++) {
		engine_check_piece(s, piece);
		lacking += piece_lacking(s, piece);
		durable += s->pieces[piece].state == SWARM_PIECE_DURABLE;
		undurable += s->pieces[piece].counted ? piece_length(s, piece) : 0;
	}
	for (uint32_t i = 0; i < s->limits.buffers_count; i++)
		engine_check_buffer(s, i);
	for (uint32_t i = 0; i < s->limits.peers_max; i++) {
		const struct peer *p = &s->peers[i];

		used += p->state != PEER_FREE;
		CHECK(p->state == PEER_FREE || i < s->peers_top);
		if (p->state != PEER_OPEN)
			continue;
		engine_check_peer(s, i);
		slots += p->unchoked;
		seeds += p->all_seen;
	}
	for (uint32_t i = 0; i < s->limits.buffers_count; i++)
		layers += s->buffers[i].state == BUFFER_LAYER;
	engine_check_near(s);
	engine_check_book(s);
	CHECK(layers == s->layers_count);
	CHECK(bitset_count(&s->copies_due) == s->copies_due_count);
	CHECK(lacking == s->lacking_count && durable == s->durable_count);
	CHECK(undurable == s->undurable_bytes);
	CHECK(slots == s->slots_count && slots <= s->limits.upload_slots);
	CHECK(seeds == s->seeds_count && used == s->peers_used_count);
	CHECK(!s->complete || durable == s->pieces_count);
}

#endif
