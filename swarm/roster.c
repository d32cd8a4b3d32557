/* SPDX-License-Identifier: Apache-2.0 */
/* What the members of a rack or a site tell each other: who imports what, and who there is. */
#include "swarm/engine.h"

#define IMPORTS_PER_PIECE_MAX 4
#define IMPORTS_MIN	      1024

static bool listens(const struct swarm *s, uint32_t peer, uint32_t level)
{
	const struct peer *p = &s->peers[peer];

	return p->state == PEER_OPEN && p->id_roster != 0 && p->distance <= level && !p->near_alone;
}

static void send_roster(struct swarm *s, uint32_t peer, const struct peer_roster *roster)
{
	struct peer_message *message = &effect_peer(s, SWARM_EFFECT_SEND, peer)->message;

	message->id = PEER_EXTENDED;
	message->extended_id = s->peers[peer].id_roster;
	message->begin = PEER_EXTENSION_ROSTER;
	message->index = roster->piece;
	message->length = (uint32_t)roster->kind << 8 | roster->level;
}

/* One import that has begun, to all it concerns. */
bool roster_say(struct swarm *s)
{
	struct racks *racks = &s->racks;

	if (racks->said_count == 0)
		return false;
	struct rack_import said = racks->said[racks->said_first];

	racks->said_first = (racks->said_first + 1) % IMPORTS_SAID_MAX;
	racks->said_count--;
	for (uint32_t i = 0; i < s->peers_top; i++)
		if (listens(s, i, said.level))
			send_roster(s, i,
				&(struct peer_roster){.kind = ROSTER_IMPORTING,
					.level = said.level,
					.piece = said.piece});
	return true;
}

/* Whom else we know of our rack: it may have heard of nobody but us. */
void roster_welcome(struct swarm *s, uint32_t peer)
{
	if (s->racks.levels[LEVEL_RACK].active && !s->settings.is_private &&
		listens(s, peer, LEVEL_RACK))
		send_roster(s, peer, &(struct peer_roster){.kind = ROSTER_MEMBERS});
}

/* Made when the message is handed out. */
void roster_fill(struct swarm *s, struct peer_message *message)
{
	struct peer_roster roster = {.kind = (enum roster_kind)(message->length >> 8),
		.level = (uint8_t)message->length,
		.piece = message->index};

	for (uint32_t i = 0; roster.kind == ROSTER_MEMBERS && i < s->peers_top; i++) {
		const struct peer *p = &s->peers[i];

		if (listens(s, i, LEVEL_RACK) && p->address_index != ADDRESS_NONE &&
			roster.members_count < ROSTER_MEMBERS_MAX)
			roster.members[roster.members_count++] =
				s->addresses[p->address_index].address;
	}
	message->bytes = s->extended_bytes;
	message->bytes_count =
		peer_roster_write(&roster, s->extended_bytes, sizeof(s->extended_bytes));
}

static void told_import(struct swarm *s, uint32_t peer, const struct peer_roster *roster)
{
	struct peer *p = &s->peers[peer];
	uint64_t most = (uint64_t)s->pieces_count * LEVELS_COUNT * IMPORTS_PER_PIECE_MAX;

	if (++p->claims_said > u64_max(most, IMPORTS_MIN))
		peer_offends(s, peer, "it imports more than there is");
	else if (roster->piece < s->pieces_count)
		rack_others_begin(s, peer, roster->level, roster->piece);
}

/* Said once, to welcome us; what comes later is not looked at. */
static void told_members(struct swarm *s, uint32_t peer, const struct peer_roster *roster)
{
	struct peer *p = &s->peers[peer];

	if (p->distance > 0 || p->member == 0 || p->roster_told || s->settings.is_private)
		return;
	p->roster_told = true;
	links_told(s, p, roster->members, roster->members_count);
}

void roster_told(struct swarm *s, uint32_t peer, const struct peer_message *message)
{
	struct peer_roster roster;

	if (!peer_roster_parse(&roster, message->bytes, message->bytes_count)) {
		peer_offends(s, peer, "a roster that cannot be read");
		return;
	}
	if (roster.kind == ROSTER_IMPORTING)
		told_import(s, peer, &roster);
	else if (roster.kind == ROSTER_MEMBERS)
		told_members(s, peer, &roster);
}
