/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who sent which block, and what follows from a piece that fails its hash: a single sender is
 * banned. Of several, nobody knows who lied: the piece is fetched again from one peer alone, and
 * each of them gets only whole pieces of its own until one of those proves it honest. So the next
 * lie names the liar.
 */
#include "swarm/engine.h"

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

/* Notes that the peer has sent a block. False when there is no room for one more sender. */
bool blame_sender(struct swarm *s, uint32_t buffer, uint32_t peer)
{
	struct buffer *b = &s->buffers[buffer];

	if (find_sender(s, b, peer) < SENDERS_MAX)
		return true;
	if (b->senders_count == SENDERS_MAX)
		return false;
	b->senders[b->senders_count++] = (struct sender){.peer = peer,
		.generation = s->peers[peer].generation,
		.address = s->peers[peer].address};
	return true;
}

void blame_good(struct swarm *s, uint32_t buffer)
{
	struct buffer *b = &s->buffers[buffer];
	const struct sender *only = &b->senders[0];

	s->pieces[s->pieces[b->piece].leader].suspect = false;
	if (b->senders_count == 1 && same_sender(s, only, only->peer))
		s->peers[only->peer].probation = false;
}

void blame_bad(struct swarm *s, uint32_t buffer)
{
	struct buffer *b = &s->buffers[buffer];
	static const char reason[] = "it sent data that fails its digest";

	if (b->senders_count > 1) {
		s->pieces[s->pieces[b->piece].leader].suspect = true;
		for (uint32_t i = 0; i < b->senders_count; i++)
			if (same_sender(s, &b->senders[i], b->senders[i].peer))
				s->peers[b->senders[i].peer].probation = true;
		return;
	}
	ban(s, &b->senders[0].address, reason);
	if (same_sender(s, &b->senders[0], b->senders[0].peer))
		peer_close(s, b->senders[0].peer, reason);
}

/* ---- bans ---- */

static bool is_loopback(const struct peer_address *address)
{
	static const uint8_t loopback6[16] = {[15] = 1};

	return (peer_address_is4(address) && address->ip[12] == 127) ||
	       memcmp(address->ip, loopback6, sizeof(loopback6)) == 0;
}

/* A machine is banned whatever its port; on loopback, where many nodes share one address, only the
 * port. */
bool banned(const struct swarm *s, const struct peer_address *address)
{
	for (uint32_t i = 0; i < s->bans_count; i++)
		if (memcmp(s->bans[i].ip, address->ip, sizeof(address->ip)) == 0 &&
			(s->bans[i].port == address->port || !is_loopback(address)))
			return true;
	return false;
}

void ban(struct swarm *s, const struct peer_address *address, const char *reason)
{
	struct swarm_effect *effect = effect_push(s, SWARM_EFFECT_PEER_BANNED);

	effect->address = *address;
	effect->reason = reason;
	if (banned(s, address))
		return;
	s->bans[s->bans_next] = *address;
	s->bans_next = (s->bans_next + 1) % BANS_MAX;
	if (s->bans_count < BANS_MAX)
		s->bans_count++;
	s->status.banned_count++;
}
