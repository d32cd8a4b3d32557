/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who sent which block, and what follows from a piece that fails its hash: a single sender is
 * banned. Of several, the piece's leaf layer names those who lied (leaves.c). Where nobody has one,
 * the piece is fetched again from one peer alone, and each of them gets only whole pieces of its
 * own until one of those proves it honest: so the next lie names the liar. Who breaks the rules in
 * other ways is not let in again for a while.
 */
#include "swarm/engine.h"

#define PAUSE_FIRST_NS	(30 * NS_PER_S) /* without a peer that broke the rules */
#define PAUSE_SHIFT_MAX 6

static bool same_sender(const struct swarm *s, const struct sender *sender, uint32_t peer)
{
	return sender->peer == peer && sender->generation == s->peers[peer].generation;
}

static uint32_t find_sender(const struct swarm *s, const struct buffer *b, uint32_t peer)
{
	for (uint32_t i = 0; i < b->senders_count; i++)
		if (same_sender(s, &b->senders[i], peer))
			return i;
	return SENDERS_MAX;
}

bool blame_may_send(const struct swarm *s, uint32_t buffer, uint32_t peer)
{
	const struct buffer *b = &s->buffers[buffer];

	if (b->exclusive_peer != SWARM_PEER_NONE)
		return b->exclusive_peer == peer;
	if (s->peers[peer].probation)
		return b->blocks_free == b->blocks_count;
	return b->senders_count < SENDERS_MAX || find_sender(s, b, peer) < SENDERS_MAX;
}

/* The peer is about to be asked for a block of this piece, or to send one. */
void blame_involve(struct swarm *s, uint32_t buffer, uint32_t peer)
{
	struct buffer *b = &s->buffers[buffer];

	if (s->peers[peer].probation || s->pieces[s->pieces[b->piece].leader].suspect)
		b->exclusive_peer = peer;
}

/* Notes that the peer has sent a block. Its place among the senders, or SENDERS_MAX when there is
 * no room for one more. */
uint32_t blame_sender(struct swarm *s, uint32_t buffer, uint32_t peer)
{
	struct buffer *b = &s->buffers[buffer];
	uint32_t at = find_sender(s, b, peer);

	if (at < SENDERS_MAX || b->senders_count == SENDERS_MAX)
		return at;
	b->senders[b->senders_count] = (struct sender){.peer = peer,
		.generation = s->peers[peer].generation,
		.address = s->peers[peer].address};
	return b->senders_count++;
}

bool blame_is_sender(const struct swarm *s, uint32_t buffer, uint32_t peer)
{
	return find_sender(s, &s->buffers[buffer], peer) < SENDERS_MAX;
}

void blame_good(struct swarm *s, uint32_t buffer)
{
	struct buffer *b = &s->buffers[buffer];
	const struct sender *only = &b->senders[0];

	s->pieces[s->pieces[b->piece].leader].suspect = false;
	if (b->senders_count == 1 && same_sender(s, only, only->peer))
		s->peers[only->peer].probation = false;
}

/* ---- bans ---- */

bool is_loopback(const struct peer_address *address)
{
	static const uint8_t loopback6[16] = {[15] = 1};

	return (peer_address_is4(address) && address->ip[12] == 127) ||
	       memcmp(address->ip, loopback6, sizeof(loopback6)) == 0;
}

/* A machine is known whatever its port; on loopback, where many nodes share one address, by its
 * port as well. */
static struct offender *find_offender(const struct swarm *s, const struct peer_address *address)
{
	for (uint32_t i = 0; i < s->offenders_count; i++) {
		struct offender *offender = (struct offender *)&s->offenders[i];

		if (memcmp(offender->address.ip, address->ip, sizeof(address->ip)) == 0 &&
			(offender->address.port == address->port || !is_loopback(address)))
			return offender;
	}
	return NULL;
}

static struct offender *note_offender(struct swarm *s, const struct peer_address *address)
{
	struct offender *offender = find_offender(s, address);

	if (offender != NULL)
		return offender;
	if (s->offenders_count < OFFENDERS_MAX) {
		offender = &s->offenders[s->offenders_count++];
	} else { /* the one that is free again soonest makes way */
		offender = &s->offenders[0];
		for (uint32_t i = 1; i < OFFENDERS_MAX; i++)
			if (s->offenders[i].until_ns < offender->until_ns)
				offender = &s->offenders[i];
	}
	*offender = (struct offender){.address = *address};
	return offender;
}

bool barred(const struct swarm *s, const struct peer_address *address)
{
	const struct offender *offender = find_offender(s, address);

	return offender != NULL && s->now_ns < offender->until_ns;
}

static void ban(struct swarm *s, const struct peer_address *address, const char *reason)
{
	struct offender *offender = note_offender(s, address);

	if (offender->until_ns != NEVER) {
		struct swarm_effect *effect = effect_push(s, SWARM_EFFECT_PEER_BANNED);

		effect->address = *address;
		effect->reason = reason;
		s->status.banned_count++;
	}
	offender->until_ns = NEVER;
}

/* What it sent is proven wrong. */
void ban_peer(struct swarm *s, uint32_t peer, const char *reason)
{
	ban(s, &s->peers[peer].address, reason);
	peer_close(s, peer, reason);
}

void note_offence(struct swarm *s, uint32_t peer)
{
	struct offender *offender = note_offender(s, &s->peers[peer].address);
	uint64_t pause_ns = PAUSE_FIRST_NS << u64_min(offender->strikes++, PAUSE_SHIFT_MAX);

	if (offender->until_ns != NEVER)
		offender->until_ns = s->now_ns + pause_ns;
}

void peer_offends(struct swarm *s, uint32_t peer, const char *reason)
{
	note_offence(s, peer);
	peer_close(s, peer, reason);
}

/* This one sent wrong data. */
void blame_named(struct swarm *s, const struct sender *sender)
{
	static const char reason[] = "it sent data that fails its digest";

	ban(s, &sender->address, reason);
	if (same_sender(s, sender, sender->peer))
		peer_close(s, sender->peer, reason);
}

void blame_bad(struct swarm *s, uint32_t buffer)
{
	struct buffer *b = &s->buffers[buffer];

	if (b->senders_count == 1)
		blame_named(s, &b->senders[0]);
	if (b->senders_count <= 1) /* 0: all of it was read from the device */
		return;
	s->pieces[s->pieces[b->piece].leader].suspect = true;
	for (uint32_t i = 0; i < b->senders_count; i++)
		if (same_sender(s, &b->senders[i], b->senders[i].peer))
			s->peers[b->senders[i].peer].probation = true;
}
