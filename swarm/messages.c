/* SPDX-License-Identifier: Apache-2.0 */
/* What peers say (BEP 3, BEP 6, BEP 10, BEP 54), checked, and handed to whom it concerns. */
#include "swarm/engine.h"

#define IDLE_BITFIELDS_MAX 32
#define INTRODUCTIONS_MAX  32
#define TAKEN_BACK_MIN	   1024
#define TAKEN_BACK_TIMES   4 /* each piece, on average */

static void choked(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	p->peer_choking = true;
	peer_update_askable(s, peer);
	p->choked_ns = s->now_ns;
	p->suggested_count = 0;
	/* With BEP 6 each request is refused by name, and what is not refused still comes. */
	if (!p->fast)
		requests_drop(s, peer, false);
}

static void unchoked(struct swarm *s, uint32_t peer)
{
	s->peers[peer].peer_choking = false;
	peer_update_askable(s, peer);
	refill(s, peer);
}

/* aria2 says several HAVEs as one more bitfield, in the middle of a transfer. Taken as that; one
 * that brings nothing new is forgiven a few times. */
static void told_late_bitfield(struct swarm *s, uint32_t peer, const struct peer_message *message)
{
	struct peer *p = &s->peers[peer];
	uint32_t generation = p->generation;
	uint32_t before = p->has_count;

	if (message->bytes_count != (s->pieces_count + 7) / 8) {
		peer_offends(s, peer, "a bitfield of another size");
		return;
	}
	/* Having everything may end the connection half-way. */
	for (uint32_t piece = 0;
		piece < s->pieces_count && p->generation == generation && p->state == PEER_OPEN;
		piece++)
		if (message->bytes[piece / 8] >> (7 - piece % 8) & 1)
			peer_has(s, peer, piece);
	if (p->generation == generation && p->state == PEER_OPEN && p->has_count == before &&
		++p->idle_bitfields > IDLE_BITFIELDS_MAX)
		peer_offends(s, peer, "bitfields without end that say nothing new");
}

static void told_bitfield(struct swarm *s, uint32_t peer, const struct peer_message *message)
{
	struct peer *p = &s->peers[peer];

	if (p->have_seen)
		told_late_bitfield(s, peer, message);
	else if (!peer_has_bitfield(s, peer, message->bytes, message->bytes_count))
		peer_offends(s, peer, "a bitfield of another size");
}

static void told_all_or_none(struct swarm *s, uint32_t peer, bool all)
{
	struct peer *p = &s->peers[peer];

	if (p->have_seen || !p->fast)
		peer_offends(s, peer, "have-all or have-none out of place");
	else if (all)
		peer_has_all(s, peer);
	else
		p->have_seen = true;
}

static void extended_handshake(struct swarm *s, uint32_t peer, const struct peer_message *message)
{
	struct peer *p = &s->peers[peer];
	struct peer_extended_handshake handshake;

	if (!peer_extended_handshake_parse(&handshake, message->bytes, message->bytes_count)) {
		peer_offends(s, peer, "an extended handshake that cannot be read");
		return;
	}
	if (++p->introductions_count > INTRODUCTIONS_MAX) {
		peer_offends(s, peer, "it introduces itself without end");
		return;
	}
	p->own = handshake.request_bytes_max > 0;
	p->origin = handshake.origin;
	if (p->origin)
		bitset_set(&s->origins, peer);
	else /* it said so before */
		bitset_clear(&s->origins, peer);
	wake_peer_at(s, peer, s->now_ns); /* an origin is looked after from now on */
	p->id_donthave = handshake.id_donthave;
	p->id_haves = handshake.id_haves;
	p->id_frame = handshake.id_frame;
	p->id_leaves = s->settings.leaves ? handshake.id_leaves : 0;
	if (p->own)
		p->request_bytes_max = handshake.request_bytes_max;
	if (handshake.requests_max > 0)
		p->requests_max = handshake.requests_max;
	if (p->address_index == ADDRESS_NONE && handshake.listen_port != 0) {
		struct peer_address address = p->address;

		address.port = handshake.listen_port;
		address_connected(s, &address, peer);
	}
	rack_introduced(s, peer, &handshake);
	pex_introduced(s, peer, handshake.id_pex);
	s->work |= WORK_UPLOAD;
	refill(s, peer);
}

static void told_haves(struct swarm *s, uint32_t peer, const struct peer_message *message)
{
	struct peer *p = &s->peers[peer];
	uint32_t pieces[PEER_HAVES_MAX];
	uint32_t count =
		peer_haves_parse(pieces, message->bytes, message->bytes_count, s->pieces_count);

	if (count == 0)
		peer_offends(s, peer, "pieces that do not exist");
	/* Having everything may end the connection. */
	for (uint32_t i = 0; i < count && p->state == PEER_OPEN; i++)
		peer_has(s, peer, pieces[i]);
}

/* Each costs a look at all of our rack: who has and has not, again and again, is let go. */
static void told_donthave(struct swarm *s, uint32_t peer, uint32_t piece)
{
	struct peer *p = &s->peers[peer];
	uint64_t most = (uint64_t)s->pieces_count * TAKEN_BACK_TIMES;

	if (piece >= s->pieces_count)
		peer_offends(s, peer, "a piece that does not exist");
	else if (bitset_has(&p->has, piece) &&
		 ++p->taken_back_count > u64_max(most, TAKEN_BACK_MIN))
		peer_offends(s, peer, "it takes back more than there is");
	else
		peer_has_not(s, peer, piece);
}

static void told_extended(struct swarm *s, uint32_t peer, const struct peer_message *message)
{
	if (message->extended_id == 0) {
		extended_handshake(s, peer, message);
	} else if (message->extended_id == PEER_EXTENSION_ROSTER) {
		roster_told(s, peer, message);
	} else if (message->extended_id == PEER_EXTENSION_DONTHAVE && message->bytes_count == 4) {
		told_donthave(s, peer, be32_read(message->bytes));
	} else if (message->extended_id == PEER_EXTENSION_HAVES) {
		told_haves(s, peer, message);
	} else if (message->extended_id == PEER_EXTENSION_LEAVES) {
		leaves_told(s, peer, message);
	} else if (message->extended_id == PEER_EXTENSION_PEX) {
		pex_told(s, peer, message);
	}
}

/* Ids whose index must name a piece. */
static bool index_checked(enum peer_message_id id)
{
	return id == PEER_HAVE || id == PEER_SUGGEST || id == PEER_REQUEST || id == PEER_CANCEL ||
	       id == PEER_REJECT || id == PEER_ALLOWED_FAST;
}

static bool needs_fast(enum peer_message_id id)
{
	return id == PEER_SUGGEST || id == PEER_REJECT || id == PEER_ALLOWED_FAST;
}

/* Ids that carry nothing but themselves. False: another id. */
static bool told_plain(struct swarm *s, uint32_t peer, enum peer_message_id id)
{
	switch (id) {
	case PEER_CHOKE:
		choked(s, peer);
		return true;
	case PEER_UNCHOKE:
		unchoked(s, peer);
		return true;
	case PEER_INTERESTED:
		upload_interest(s, peer, true);
		return true;
	case PEER_NOT_INTERESTED:
		upload_interest(s, peer, false);
		return true;
	case PEER_HAVE_ALL:
		told_all_or_none(s, peer, true);
		return true;
	case PEER_HAVE_NONE:
		told_all_or_none(s, peer, false);
		return true;
	default:
		return false;
	}
}

void peer_message(struct swarm *s, uint32_t peer, const struct peer_message *message)
{
	struct peer *p = &s->peers[peer];

	if (p->state != PEER_OPEN)
		return;
	p->received_ns = s->now_ns;
	if (index_checked(message->id) && message->index >= s->pieces_count) {
		peer_offends(s, peer, "a piece that does not exist");
		return;
	}
	if (needs_fast(message->id) && !p->fast) {
		peer_offends(s, peer, "a message of an extension that was not agreed on");
		return;
	}
	if (told_plain(s, peer, message->id))
		return;
	switch (message->id) {
	case PEER_HAVE:
		peer_has(s, peer, message->index);
		break;
	case PEER_BITFIELD:
		told_bitfield(s, peer, message);
		break;
	case PEER_REQUEST:
		upload_requested(s, peer, message);
		break;
	case PEER_CANCEL:
		upload_cancelled(s, peer, message);
		break;
	case PEER_SUGGEST:
		peer_suggested(s, peer, message->index);
		break;
	case PEER_REJECT:
		request_rejected(s, peer, message);
		break;
	case PEER_EXTENDED:
		told_extended(s, peer, message);
		break;
	default: /* keep-alive, port, allowed fast: nothing to do */
		break;
	}
}
