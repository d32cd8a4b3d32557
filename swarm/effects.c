/* SPDX-License-Identifier: Apache-2.0 */
/* The effect queue, and shorthands for the messages that are sent most. */
#include "swarm/engine.h"

#include "wire/peer_leaves.h"

#include <stdlib.h>

void wake_at(struct swarm *s, uint64_t at_ns)
{
	if (at_ns < s->deadline_ns)
		s->deadline_ns = at_ns;
}

void wake_peer_at(struct swarm *s, uint32_t peer, uint64_t at_ns)
{
	if (at_ns < s->peer_due_ns[peer])
		s->peer_due_ns[peer] = at_ns;
	wake_at(s, at_ns);
}

struct swarm_effect *effect_push(struct swarm *s, enum swarm_effect_kind kind)
{
	/* Every unit of work fits; only a driver that does not drain between inputs gets here. */
	if (s->effects_count == s->effects_max)
		abort();
	uint32_t at = (s->effects_first + s->effects_count++) % s->effects_max;
	struct swarm_effect *effect = &s->effects[at];

	memset(effect, 0, sizeof(*effect));
	effect->kind = kind;
	effect->peer = SWARM_PEER_NONE;
	effect->buffer = SWARM_BUFFER_NONE;
	return effect;
}

struct swarm_effect *effect_peer(struct swarm *s, enum swarm_effect_kind kind, uint32_t peer)
{
	struct swarm_effect *effect = effect_push(s, kind);

	effect->peer = peer;
	effect->generation = s->peers[peer].generation;
	if (kind == SWARM_EFFECT_SEND || kind == SWARM_EFFECT_SEND_BLOCK ||
		kind == SWARM_EFFECT_SEND_HANDSHAKE)
		s->peers[peer].sent_ns = s->now_ns;
	return effect;
}

void send_plain(struct swarm *s, uint32_t peer, enum peer_message_id id)
{
	effect_peer(s, SWARM_EFFECT_SEND, peer)->message.id = id;
}

void send_index(struct swarm *s, uint32_t peer, enum peer_message_id id, uint32_t index)
{
	struct peer_message *message = &effect_peer(s, SWARM_EFFECT_SEND, peer)->message;

	message->id = id;
	message->index = index;
}

void send_triple(struct swarm *s, uint32_t peer, enum peer_message_id id, uint32_t index,
	uint32_t begin, uint32_t length)
{
	struct peer_message *message = &effect_peer(s, SWARM_EFFECT_SEND, peer)->message;

	message->id = id;
	message->index = index;
	message->begin = begin;
	message->length = length;
}

void send_donthave(struct swarm *s, uint32_t peer, uint32_t piece)
{
	struct peer_message *message = &effect_peer(s, SWARM_EFFECT_SEND, peer)->message;

	message->id = PEER_EXTENDED;
	message->extended_id = s->peers[peer].id_donthave;
	message->index = piece;
}

/* Payloads are made when the message is handed out, so that any number of them can be queued. */
static void fill_payload(struct swarm *s, struct peer_message *message)
{
	if (message->id == PEER_BITFIELD) {
		bitset_to_bitfield(&s->have, s->bitfield_bytes);
		message->bytes = s->bitfield_bytes;
		message->bytes_count = ((size_t)s->pieces_count + 7) / 8;
	} else if (message->id == PEER_EXTENDED && message->extended_id == 0) {
		struct peer_extended_handshake handshake = {
			.listen_port = s->settings.listen_port,
			.requests_max = s->limits.incoming_requests_max,
			.request_bytes_max = upload_bytes_max(s),
			.upload_only = s->complete,
			.origin = s->settings.origin,
			.id_donthave = PEER_EXTENSION_DONTHAVE,
			.id_haves = PEER_EXTENSION_HAVES,
			.id_frame = s->settings.frames ? PEER_EXTENSION_FRAME : 0,
			.id_leaves = s->settings.leaves ? PEER_EXTENSION_LEAVES : 0,
			.id_pex = s->settings.pex ? PEER_EXTENSION_PEX : 0,
			.id_roster = s->racks.active ? PEER_EXTENSION_ROSTER : 0,
			.client = "swarmboot",
		};

		memcpy(handshake.rack, s->settings.rack, sizeof(handshake.rack));
		memcpy(handshake.site, s->settings.site, sizeof(handshake.site));

		message->bytes = s->extended_bytes;
		message->bytes_count = peer_extended_handshake_write(
			&handshake, s->extended_bytes, sizeof(s->extended_bytes));
	} else if (message->id == PEER_EXTENDED && message->begin == PEER_EXTENSION_HAVES) {
		uint32_t pieces[PEER_HAVES_MAX];
		uint32_t count = haves_gather(s, message->index, pieces);

		message->bytes = s->extended_bytes;
		message->bytes_count = peer_haves_write(
			pieces, count, s->extended_bytes, sizeof(s->extended_bytes));
	} else if (message->id == PEER_EXTENDED && message->begin == PEER_EXTENSION_LEAVES) {
		peer_leaves_write_head(
			s->extended_bytes, (enum peer_leaves_kind)message->length, message->index);
		message->bytes = s->extended_bytes;
		message->bytes_count = PEER_LEAVES_HEAD_BYTES;
	} else if (message->id == PEER_EXTENDED && message->begin == PEER_EXTENSION_ROSTER) {
		roster_fill(s, message);
	} else if (message->id == PEER_EXTENDED && message->begin == PEER_EXTENSION_PEX) {
		pex_fill(s, message);
	} else if (message->id == PEER_EXTENDED && message->bytes == NULL) {
		be32_write(s->extended_bytes, message->index);
		message->bytes = s->extended_bytes;
		message->bytes_count = 4;
	}
}

bool effect_pop(struct swarm *s, struct swarm_effect *effect)
{
	if (s->effects_count == 0)
		return false;
	*effect = s->effects[s->effects_first];
	s->effects_first = (s->effects_first + 1) % s->effects_max;
	s->effects_count--;
	if (s->effects_count == 0) /* from its beginning, which is in the cache */
		s->effects_first = 0;
	if (effect->kind == SWARM_EFFECT_SEND)
		fill_payload(s, &effect->message);
	return true;
}
