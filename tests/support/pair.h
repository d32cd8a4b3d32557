/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engines on one imaginary wire, for unit tests: every effect is applied at once (or held back,
 * where a test says so), time stands still unless a test moves it. A scripted peer talks to an
 * engine through the same calls that the real driver makes.
 */
#ifndef TESTS_SUPPORT_PAIR_H
#define TESTS_SUPPORT_PAIR_H

#include "swarm/swarm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define RIG_PIECES_MAX	64
#define RIG_EFFECTS_MAX 8192

/* One engine with everything it asked for so far. */
struct rig {
	struct swarm *swarm;
	uint64_t now_ns;
	bool hold_disk;	 /* HASH, WRITE, FLUSH wait for the test to answer them */
	bool hold_sends; /* SEND_BLOCK likewise */
	bool bad_hash;	 /* every digest is wrong */
	struct swarm_effect log[RIG_EFFECTS_MAX]; /* since the last rig_clear */
	uint32_t log_count;
	uint32_t writes_count[RIG_PIECES_MAX];
	uint32_t completes_count;
};

static inline void *rig_allocate(void *context, size_t bytes)
{
	(void)context;
	return calloc(1, bytes);
}

static inline void rig_release(void *context, void *memory)
{
	(void)context;
	free(memory);
}

static inline struct swarm_settings rig_settings(uint32_t pieces_count, uint32_t piece_bytes)
{
	struct swarm_settings settings = {
		.length_bytes = (uint64_t)pieces_count * piece_bytes,
		.piece_bytes = piece_bytes,
		.pieces_count = pieces_count,
		.peer_id = "rig-of-the-test-000",
		.seed = 1,
	};

	swarm_limits_default(&settings.limits);
	return settings;
}

static inline void rig_feed(struct rig *rig, const struct swarm_input *input);

static inline void rig_input(struct rig *rig, enum swarm_input_kind kind)
{
	rig_feed(rig, &(struct swarm_input){.kind = kind});
}

static inline void rig_create(struct rig *rig, const struct swarm_settings *settings)
{
	struct swarm_allocator allocator = {.allocate = rig_allocate, .release = rig_release};

	memset(rig, 0, sizeof(*rig));
	rig->now_ns = NS_PER_S;
	rig->swarm = swarm_create(settings, &allocator);
	assert_non_null(rig->swarm);
}

/* Does at once what a driver with an instant disk would. */
static inline void rig_apply(struct rig *rig, const struct swarm_effect *effect)
{
	struct swarm_input input = {.piece = effect->piece,
		.buffer = effect->buffer,
		.flush_id = effect->flush_id,
		.peer = effect->peer,
		.generation = effect->generation,
		.message = &effect->message,
		.ok = true};

	if (effect->kind == SWARM_EFFECT_WRITE || effect->kind == SWARM_EFFECT_WRITE_ZEROES)
		rig->writes_count[effect->piece]++;
	if (effect->kind == SWARM_EFFECT_COMPLETE)
		rig->completes_count++;
	if (effect->kind == SWARM_EFFECT_SEND_BLOCK && !rig->hold_sends) {
		input.kind = SWARM_IN_BLOCK_SENT;
	} else if (rig->hold_disk) {
		return;
	} else if (effect->kind == SWARM_EFFECT_HASH) {
		input.kind = SWARM_IN_HASHED;
		input.ok = !rig->bad_hash;
	} else if (effect->kind == SWARM_EFFECT_WRITE ||
		   effect->kind == SWARM_EFFECT_WRITE_ZEROES) {
		input.kind = SWARM_IN_WRITTEN;
	} else if (effect->kind == SWARM_EFFECT_FLUSH) {
		input.kind = SWARM_IN_FLUSHED;
	} else {
		return;
	}
	rig_feed(rig, &input);
}

static inline void rig_feed(struct rig *rig, const struct swarm_input *input)
{
	struct swarm_effect effect;
	uint32_t first = rig->log_count;

	swarm_handle(rig->swarm, rig->now_ns, input);
	while (swarm_next_effect(rig->swarm, &effect)) {
		assert_true(rig->log_count < RIG_EFFECTS_MAX);
		rig->log[rig->log_count++] = effect;
	}
	for (uint32_t i = first, end = rig->log_count; i < end; i++) {
		effect = rig->log[i];
		rig_apply(rig, &effect);
	}
}

static inline void rig_clear(struct rig *rig)
{
	rig->log_count = 0;
}

/* Lets time pass, with a tick whenever one is due. */
static inline void rig_pass(struct rig *rig, uint64_t ns)
{
	uint64_t end_ns = rig->now_ns + ns;

	while (swarm_deadline_ns(rig->swarm) <= end_ns) {
		rig->now_ns = u64_max(rig->now_ns, swarm_deadline_ns(rig->swarm));
		rig_input(rig, SWARM_IN_TICK);
	}
	rig->now_ns = end_ns;
	rig_input(rig, SWARM_IN_TICK);
}

static inline void rig_begin(struct rig *rig)
{
	rig_input(rig, SWARM_IN_START);
	rig_input(rig, SWARM_IN_ASSESS_DONE);
}

/* ---- what it said ---- */

static inline uint32_t rig_count(const struct rig *rig, enum swarm_effect_kind kind)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < rig->log_count; i++)
		count += rig->log[i].kind == kind;
	return count;
}

static inline const struct swarm_effect *rig_find(
	const struct rig *rig, enum swarm_effect_kind kind)
{
	for (uint32_t i = 0; i < rig->log_count; i++)
		if (rig->log[i].kind == kind)
			return &rig->log[i];
	return NULL;
}

/* The nth message of that id to that peer, or NULL. */
static inline const struct peer_message *rig_said(
	const struct rig *rig, uint32_t peer, enum peer_message_id id, uint32_t nth)
{
	for (uint32_t i = 0; i < rig->log_count; i++)
		if (rig->log[i].kind == SWARM_EFFECT_SEND && rig->log[i].peer == peer &&
			rig->log[i].message.id == id && nth-- == 0)
			return &rig->log[i].message;
	return NULL;
}

static inline uint32_t rig_said_count(const struct rig *rig, uint32_t peer, enum peer_message_id id)
{
	uint32_t count = 0;

	while (rig_said(rig, peer, id, count) != NULL)
		count++;
	return count;
}

static inline bool rig_disconnected(const struct rig *rig, uint32_t peer)
{
	for (uint32_t i = 0; i < rig->log_count; i++)
		if (rig->log[i].kind == SWARM_EFFECT_DISCONNECT && rig->log[i].peer == peer)
			return true;
	return false;
}

/* ---- scripted peers ---- */

struct guest {
	uint32_t peer;
	uint32_t generation;
};

static inline struct peer_address guest_address(uint8_t number)
{
	struct peer_address address;

	peer_address_from4(&address, (uint8_t[4]){10, 0, 0, number}, 6881);
	return address;
}

/* Connects to the engine and greets it. */
static inline struct guest guest_come(struct rig *rig, uint8_t number, bool fast)
{
	struct guest guest = {SWARM_PEER_NONE, 0};
	struct peer_handshake handshake = {.peer_id = {number}};

	rig_feed(rig, &(struct swarm_input){.kind = SWARM_IN_ACCEPTED,
			      .address = guest_address(number),
			      .accepted_peer = &guest.peer,
			      .accepted_generation = &guest.generation});
	if (guest.peer == SWARM_PEER_NONE)
		return guest;
	if (fast)
		peer_reserved_set_ours(handshake.reserved);
	rig_feed(rig, &(struct swarm_input){.kind = SWARM_IN_HANDSHAKE,
			      .peer = guest.peer,
			      .generation = guest.generation,
			      .handshake = &handshake});
	return guest;
}

static inline void guest_say_message(
	struct rig *rig, struct guest guest, const struct peer_message *message)
{
	rig_feed(rig, &(struct swarm_input){.kind = SWARM_IN_MESSAGE,
			      .peer = guest.peer,
			      .generation = guest.generation,
			      .message = message});
}

static inline void guest_say(struct rig *rig, struct guest guest, enum peer_message_id id)
{
	guest_say_message(rig, guest, &(struct peer_message){.id = id});
}

static inline void guest_say_index(
	struct rig *rig, struct guest guest, enum peer_message_id id, uint32_t index)
{
	guest_say_message(rig, guest, &(struct peer_message){.id = id, .index = index});
}

static inline void guest_say_triple(struct rig *rig, struct guest guest, enum peer_message_id id,
	uint32_t index, uint32_t begin, uint32_t length)
{
	guest_say_message(rig, guest,
		&(struct peer_message){.id = id, .index = index, .begin = begin, .length = length});
}

static inline void guest_go(struct rig *rig, struct guest guest)
{
	rig_feed(rig, &(struct swarm_input){.kind = SWARM_IN_DISCONNECTED,
			      .peer = guest.peer,
			      .generation = guest.generation});
}

/* Sends a whole block; what became of it. */
static inline enum swarm_place guest_send(
	struct rig *rig, struct guest guest, const struct peer_message *request)
{
	struct peer_message piece = *request;
	struct swarm_placement placement;

	piece.id = PEER_PIECE;
	enum swarm_place place =
		swarm_place_block(rig->swarm, guest.peer, guest.generation, &piece, &placement);

	if (place == SWARM_PLACE_VIOLATION)
		guest_go(rig, guest);
	else
		rig_feed(rig, &(struct swarm_input){.kind = place == SWARM_PLACE_BUFFER
								    ? SWARM_IN_BLOCK
								    : SWARM_IN_BLOCK_DISCARDED,
				      .peer = guest.peer,
				      .generation = guest.generation,
				      .message = &piece});
	return place;
}

/* Answers every request in the log, and those that follow, until there are no more. */
static inline void guest_answer_all(struct rig *rig, struct guest guest)
{
	const struct peer_message *request;

	for (uint32_t nth = 0; (request = rig_said(rig, guest.peer, PEER_REQUEST, nth)) != NULL;
		nth++) {
		struct peer_message copy = *request;

		(void)guest_send(rig, guest, &copy);
	}
}

/* A seed that answers: comes, has everything, unchokes. */
static inline struct guest guest_seed(struct rig *rig, uint8_t number)
{
	struct guest guest = guest_come(rig, number, true);

	guest_say(rig, guest, PEER_HAVE_ALL);
	guest_say(rig, guest, PEER_UNCHOKE);
	return guest;
}

#endif
