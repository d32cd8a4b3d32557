/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a connection: from a number and an address to a peer that has said who it is, and out
 * again. Which event leads where is in one table.
 */
#include "swarm/engine.h"

#define CONNECT_TIMEOUT_NS   (10 * NS_PER_S)
#define HANDSHAKE_TIMEOUT_NS (15 * NS_PER_S)
#define IDLE_TIMEOUT_NS	     (150 * NS_PER_S)
#define KEEP_ALIVE_NS	     (100 * NS_PER_S)
#define USELESS_NS	     (30 * NS_PER_S)
#define PER_MACHINE_MAX	     8
#define ORIGIN_LOOK_NS	     NS_PER_S

enum peer_event {
	EVENT_CONNECT,
	EVENT_ACCEPT,
	EVENT_CONNECTED,
	EVENT_HANDSHAKE,
	EVENT_CLOSE, /* we want it closed */
	EVENT_GONE,  /* it is closed */
	PEER_EVENTS
};

/* PEER_FREE as the answer to anything but EVENT_GONE means: not now. */
static const enum peer_state next_state[PEER_STATES][PEER_EVENTS] = {
	[PEER_FREE] = {[EVENT_CONNECT] = PEER_CONNECTING, [EVENT_ACCEPT] = PEER_GREETING},
	[PEER_CONNECTING] = {[EVENT_CONNECTED] = PEER_GREETING, [EVENT_CLOSE] = PEER_CLOSING},
	[PEER_GREETING] = {[EVENT_HANDSHAKE] = PEER_OPEN, [EVENT_CLOSE] = PEER_CLOSING},
	[PEER_OPEN] = {[EVENT_CLOSE] = PEER_CLOSING},
	[PEER_CLOSING] = {[EVENT_CLOSE] = PEER_FREE},
};

static bool step(struct swarm *s, uint32_t peer, enum peer_event event)
{
	struct peer *p = &s->peers[peer];
	enum peer_state next = next_state[p->state][event];

	if (next == PEER_FREE && event != EVENT_GONE)
		return false;
	s->near_count += (next == PEER_OPEN && p->distance == 0);
	s->near_count -= (p->state == PEER_OPEN && p->distance == 0);
	p->state = next;
	p->state_ns = s->now_ns;
	if (next == PEER_OPEN)
		bitset_set(&s->open, peer);
	else
		bitset_clear(&s->open, peer);
	if (next != PEER_OPEN)
		bitset_clear(&s->origins, peer);
	peer_update_askable(s, peer);
	return true;
}

/* Forgets everything about the last user of this number but its memory and generation. */
static void reset(const struct swarm *s, struct peer *p)
{
	struct peer kept = {
		.generation = p->generation,
		.has = p->has,
		.covered = p->covered,
		.requests = p->requests,
		.incoming = p->incoming,
		.pex_told = p->pex_told,
	};

	*p = kept;
	bitset_clear_all(&p->has);
	bitset_clear_all(&p->pex_told);
	if (p->covered.words != NULL) /* only an origin keeps it */
		bitset_clear_all(&p->covered);
	p->address_index = ADDRESS_NONE;
	p->buffer = SWARM_BUFFER_NONE;
	p->peer_choking = true;
	p->request_bytes_max = PEER_BLOCK_BYTES;
	rack_peer_reset(s, p);
	p->requests_max = 250; /* what clients queue that do not say */
}

uint32_t peer_new(struct swarm *s, const struct peer_address *address, bool outgoing)
{
	uint32_t peer = 0;

	while (peer < s->limits.peers_max && s->peers[peer].state != PEER_FREE)
		peer++;
	if (peer == s->limits.peers_max)
		return SWARM_PEER_NONE;
	struct peer *p = &s->peers[peer];

	reset(s, p);
	p->generation++;
	p->address = *address;
	p->outgoing = outgoing;
	p->received_ns = p->sent_ns = p->choked_ns = s->now_ns;
	if (!step(s, peer, outgoing ? EVENT_CONNECT : EVENT_ACCEPT))
		return SWARM_PEER_NONE;
	s->peers_used_count++;
	if (peer >= s->peers_top)
		s->peers_top = peer + 1;
	wake_peer_at(s, peer, s->now_ns + (outgoing ? CONNECT_TIMEOUT_NS : HANDSHAKE_TIMEOUT_NS));
	return peer;
}

/* All numbers are taken: somebody who has been of no use for a while goes, and the next one who
 * knocks gets in. */
static void make_room(struct swarm *s)
{
	for (uint32_t i = 0; i < s->peers_top; i++) {
		const struct peer *p = &s->peers[i];

		if (p->state == PEER_OPEN && !p->useful && s->now_ns >= p->state_ns + USELESS_NS) {
			peer_close(s, i, "of no use, and others want in");
			return;
		}
	}
}

static bool too_many_from(const struct swarm *s, const struct peer_address *address)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < s->peers_top; i++)
		count += s->peers[i].state != PEER_FREE &&
			 memcmp(s->peers[i].address.ip, address->ip, sizeof(address->ip)) == 0;
	return count >= PER_MACHINE_MAX && !is_loopback(address);
}

void peer_accept(struct swarm *s, const struct swarm_input *input)
{
	uint32_t peer = SWARM_PEER_NONE;

	*input->accepted_peer = SWARM_PEER_NONE;
	if (s->stopped || barred(s, &input->address) || too_many_from(s, &input->address))
		return;
	peer = peer_new(s, &input->address, false);
	if (peer == SWARM_PEER_NONE) {
		make_room(s);
		return;
	}
	*input->accepted_peer = peer;
	*input->accepted_generation = s->peers[peer].generation;
}

/* ---- the end of a connection ---- */

static void free_number(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	(void)step(s, peer, EVENT_GONE);
	p->generation++;
	s->peers_used_count--;
	while (s->peers_top > 0 && s->peers[s->peers_top - 1].state == PEER_FREE)
		s->peers_top--;
	s->work |= WORK_CONNECT;
	if (s->peers_used_count == 0)
		s->work |= WORK_ANNOUNCE;
}

/* Takes back all that others may have from it, or hope to get. */
static void let_go(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	if (p->state == PEER_OPEN) {
		receiving_abandon(s, peer);
		requests_drop(s, peer, false);
		leaves_leave(s, peer);
		upload_leave(s, peer);
		origin_leave(s, peer);
		peer_has_nothing(s, peer);
		rack_peer_left(s, peer);
		intake_forget(s, peer);
		pex_changed(s);
	}
	if (p->address_index != ADDRESS_NONE)
		address_released(s, p->address_index, p);
	p->address_index = ADDRESS_NONE;
	s->work |= WORK_REQUEST; /* without it the others may be asked for more */
}

void peer_close(struct swarm *s, uint32_t peer, const char *reason)
{
	struct peer *p = &s->peers[peer];

	if (p->state == PEER_FREE || p->state == PEER_CLOSING)
		return;
	let_go(s, peer);
	(void)step(s, peer, EVENT_CLOSE);
	p->close_reason = reason;
	s->work |= WORK_CLOSE;
}

void peer_gone(struct swarm *s, uint32_t peer)
{
	let_go(s, peer);
	free_number(s, peer);
}

bool peers_close_work(struct swarm *s)
{
	s->work &= ~(uint32_t)WORK_CLOSE;
	uint32_t before = s->effects_count;

	for (uint32_t i = s->peers_top; i-- > 0;) {
		if (s->peers[i].state != PEER_CLOSING)
			continue;
		effect_peer(s, SWARM_EFFECT_DISCONNECT, i)->reason = s->peers[i].close_reason;
		free_number(s, i);
	}
	return s->effects_count != before;
}

/* ---- handshake ---- */

void peer_connected(struct swarm *s, uint32_t peer)
{
	if (!step(s, peer, EVENT_CONNECTED))
		return;
	effect_peer(s, SWARM_EFFECT_SEND_HANDSHAKE, peer);
	wake_peer_at(s, peer, s->now_ns + HANDSHAKE_TIMEOUT_NS);
}

/* The connection that stays knows the address that the other one was made to. */
static void hand_over_address(struct swarm *s, uint32_t from, uint32_t to)
{
	uint32_t index = s->peers[from].address_index;

	if (index == ADDRESS_NONE || s->peers[to].address_index != ADDRESS_NONE)
		return;
	s->peers[from].address_index = ADDRESS_NONE;
	s->peers[to].address_index = index;
	s->addresses[index].peer = to;
}

/* Two connections to one node: the one that the smaller peer id opened stays, on both sides. True
 * when it is this one that has to go. Under one peer id, but elsewhere, may be another machine that
 * borrowed it: who came first says nothing about whose it is, so neither keeps the other away. */
static bool lose_to_duplicate(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];
	bool ours_is_smaller = memcmp(s->settings.peer_id, p->id, sizeof(p->id)) < 0;

	for (uint32_t i = 0; i < s->peers_top; i++) {
		struct peer *other = &s->peers[i];

		if (i == peer || other->state != PEER_OPEN ||
			memcmp(other->id, p->id, sizeof(p->id)) != 0 ||
			memcmp(other->address.ip, p->address.ip, sizeof(p->address.ip)) != 0)
			continue;
		if (other->outgoing == p->outgoing || p->outgoing != ours_is_smaller) {
			hand_over_address(s, peer, i);
			return true;
		}
		hand_over_address(s, i, peer);
		peer_close(s, i, "connected twice");
		return false;
	}
	return false;
}

static void introduce_ourselves(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];
	uint32_t have_count = bitset_count(&s->have);

	p->haves_from = s->haves.end;

	if (p->fast && have_count == s->pieces_count)
		send_plain(s, peer, PEER_HAVE_ALL);
	else if (p->fast && have_count == 0)
		send_plain(s, peer, PEER_HAVE_NONE);
	else if (have_count > 0)
		send_plain(s, peer, PEER_BITFIELD);
	if (p->extended)
		send_plain(s, peer, PEER_EXTENDED);
}

void peer_handshake(struct swarm *s, uint32_t peer, const struct peer_handshake *handshake)
{
	struct peer *p = &s->peers[peer];

	if (p->state != PEER_GREETING)
		return;
	memcpy(p->id, handshake->peer_id, sizeof(p->id));
	if (memcmp(p->id, s->settings.peer_id, sizeof(p->id)) == 0) {
		if (p->address_index != ADDRESS_NONE)
			s->addresses[p->address_index].self = true;
		peer_close(s, peer, "this is ourselves");
		return;
	}
	if (lose_to_duplicate(s, peer)) {
		peer_close(s, peer, "connected twice");
		return;
	}
	if (!step(s, peer, EVENT_HANDSHAKE))
		return;
	p->fast = PEER_RESERVED_FAST(handshake->reserved);
	p->extended = PEER_RESERVED_EXTENDED(handshake->reserved);
	p->received_ns = s->now_ns;
	if (p->outgoing && p->address_index != ADDRESS_NONE)
		address_verified(s, p->address_index);
	pex_changed(s);
	if (!p->outgoing)
		effect_peer(s, SWARM_EFFECT_SEND_HANDSHAKE, peer);
	introduce_ourselves(s, peer);
	wake_peer_at(s, peer, s->now_ns + KEEP_ALIVE_NS);
}

/* ---- while it lasts ---- */

void peer_update_askable(struct swarm *s, uint32_t peer)
{
	const struct peer *p = &s->peers[peer];

	if (p->state == PEER_OPEN && !p->peer_choking && p->am_interested)
		bitset_set(&s->askable, peer);
	else
		bitset_clear(&s->askable, peer);
}

void peer_update_interest(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];
	bool interested = rack_useful(s, p) && !s->disk_failed && !p->declined;

	if (p->state != PEER_OPEN || interested == p->am_interested)
		return;
	p->am_interested = interested;
	peer_update_askable(s, peer);
	send_plain(s, peer, interested ? PEER_INTERESTED : PEER_NOT_INTERESTED);
	if (!interested)
		return;
	p->interested_ns = s->now_ns;
	refill(s, peer);
	wake_peer_at(s, peer, s->now_ns + ORIGIN_LOOK_NS);
}

/* Two that have everything have nothing to say to each other. */
void peer_close_if_useless(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	if (p->state == PEER_OPEN && p->has_count == s->pieces_count &&
		s->durable_count == s->pieces_count) {
		p->needless = true;
		peer_close(s, peer, "both sides are complete");
	}
}

static void open_tick(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	if (s->now_ns >= p->received_ns + IDLE_TIMEOUT_NS) {
		peer_close(s, peer, "it was silent for too long");
		return;
	}
	wake_peer_at(s, peer, p->received_ns + IDLE_TIMEOUT_NS);
	if (s->now_ns >= p->sent_ns + KEEP_ALIVE_NS)
		send_plain(s, peer, PEER_KEEP_ALIVE);
	wake_peer_at(s, peer, p->sent_ns + KEEP_ALIVE_NS);
	/* It may be time to fall back on it. */
	if (p->am_interested && (p->origin || (s->frames_seen && p->id_frame == 0))) {
		refill(s, peer);
		wake_peer_at(s, peer, s->now_ns + ORIGIN_LOOK_NS);
	}
	requests_tick(s, peer);
	origin_tick(s, peer);
	receiving_tick(s, peer);
}

void peers_tick(struct swarm *s)
{
	for (uint32_t i = 0; i < s->peers_top; i++) {
		struct peer *p = &s->peers[i];

		if (s->now_ns < s->peer_due_ns[i]) {
			wake_at(s, s->peer_due_ns[i]);
			continue;
		}
		s->peer_due_ns[i] = NEVER;
		uint64_t timeout_ns =
			p->state == PEER_CONNECTING ? CONNECT_TIMEOUT_NS : HANDSHAKE_TIMEOUT_NS;

		if (p->state == PEER_OPEN)
			open_tick(s, i);
		else if (p->state != PEER_CONNECTING && p->state != PEER_GREETING)
			continue;
		else if (s->now_ns >= p->state_ns + timeout_ns)
			peer_close(s, i, "it did not answer");
		else
			wake_peer_at(s, i, p->state_ns + timeout_ns);
	}
}
