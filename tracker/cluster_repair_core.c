/* SPDX-License-Identifier: Apache-2.0 */
/* What a member lacks of the streams: whom it asks for it, and when nothing but a catch-up helps.
 */
#include "tracker/cluster_private.h"

#define WANT_AFTER_MS  20 /* datagrams may overtake each other */
#define WANT_AGAIN_MS  60
#define WANT_SELDOM_MS 500
#define ATTEMPTS_MAX   8 /* without progress: what is said to be there is not */
#define MASK_BITS      64
#define GIVEN_UP_MS    5000 /* nobody has filled a gap: nobody will */

static const struct sync_stream_state *said_of(const struct member *member, uint64_t boot_id)
{
	for (uint32_t i = 0; member->has_said && i < member->said.streams_count; i++)
		if (member->said.streams[i].boot == boot_id)
			return &member->said.streams[i];
	return NULL;
}

/* Again. */

void streams_want(struct cluster_core *core, uint64_t now_ms, struct member *member,
	const uint8_t *payload, size_t payload_bytes)
{
	struct sync_want want;

	if (!sync_want_parse(&want, payload, payload_bytes)) {
		core->statistics.malformed++;
		return;
	}
	for (uint32_t i = 0; i < want.count; i++) {
		const struct stream *stream = stream_find(core, want.wants[i].boot);

		for (uint64_t bit = 0; stream != NULL && bit < MASK_BITS; bit++) {
			uint64_t sequence = want.wants[i].first + bit;

			if ((want.wants[i].mask >> bit & 1) == 0 ||
				!stream_holds(core, stream, sequence))
				continue;
			stream_send(core, now_ms, member, stream, sequence);
			core->statistics.passed_on += stream != &core->streams[0];
		}
	}
}

/* Has the next batch that we lack. Whose stream it is has it before it says so. */
static bool can_send(const struct stream *stream, const struct member *member, uint64_t now_ms)
{
	const struct sync_stream_state *said = said_of(member, stream->boot_id);

	return member_fresh(member, now_ms) && said != NULL &&
	       (said->have > stream->have || member->boot_id == stream->boot_id) &&
	       said->oldest <= stream->have + 1;
}

/* One of those that can, another at each attempt; first the one whose stream it is. */
static struct member *who_can_send(
	struct cluster_core *core, uint64_t now_ms, const struct stream *stream)
{
	struct member *owner = member_by_boot(core, stream->boot_id);

	if (stream->attempts == 0 && owner != NULL && can_send(stream, owner, now_ms))
		return owner;
	for (uint32_t i = 0; i < ARRAY_COUNT(core->members); i++) {
		struct member *member =
			&core->members[(stream->attempts + i) % ARRAY_COUNT(core->members)];

		if (can_send(stream, member, now_ms))
			return member;
	}
	return NULL;
}

/* Who has more of a stream than we, when nobody can send the next of it. */
static uint32_t who_has_more(
	struct cluster_core *core, uint64_t now_ms, const struct stream *stream)
{
	uint32_t best = CLUSTER_NONE;
	uint64_t most = stream->have;

	if (stream->attempts <= ATTEMPTS_MAX && who_can_send(core, now_ms, stream) != NULL)
		return CLUSTER_NONE;
	for (uint32_t i = 0; i < ARRAY_COUNT(core->members); i++) {
		const struct member *member = &core->members[i];
		const struct sync_stream_state *said = said_of(member, stream->boot_id);

		if (!member_fresh(member, now_ms) || said == NULL || said->have <= most ||
			now_ms < member->avoid_until_ms)
			continue;
		most = said->have;
		best = i;
	}
	return best;
}

/* The first batch that we lack and the member may have; 0: none. */
static uint64_t first_lacking(
	const struct cluster_core *core, const struct stream *stream, const struct member *member)
{
	const struct sync_stream_state *said = said_of(member, stream->boot_id);
	uint64_t sequence = said == NULL ? 0 : u64_max(said->oldest, stream->have + 1);

	while (sequence != 0 && sequence <= said->top && stream_holds(core, stream, sequence))
		sequence++;
	return said == NULL || sequence > said->top ? 0 : sequence;
}

/* When nobody has the next batch, not even by catch-up, a later one may be had: its sender died,
 * and each heard another part of what it said. */
static struct member *who_may_help(
	struct cluster_core *core, uint64_t now_ms, const struct stream *stream)
{
	for (uint32_t i = 0; i < ARRAY_COUNT(core->members); i++) {
		struct member *member =
			&core->members[(stream->attempts + i) % ARRAY_COUNT(core->members)];

		if (member_fresh(member, now_ms) && first_lacking(core, stream, member) != 0)
			return member;
	}
	return NULL;
}

static void want_send(struct cluster_core *core, uint64_t now_ms, struct stream *stream,
	struct member *member, uint64_t first)
{
	struct sync_want want = {.count = 1};

	want.wants[0].boot = stream->boot_id;
	want.wants[0].first = first;
	for (uint64_t bit = 0; bit < MASK_BITS && first + bit <= stream->known; bit++) {
		uint64_t sequence = first + bit;

		if (stream_holds(core, stream, sequence))
			continue;
		want.wants[0].mask |= UINT64_C(1) << bit;
		if (sequence > stream->asked_to) {
			stream->asked_to = sequence;
			core->statistics.lost++;
		}
	}
	member_send(core, now_ms, member, SYNC_WANT,
		sync_want_write(&want, core->datagram + SYNC_HEADER_BYTES));
}

static void ask(struct cluster_core *core, uint64_t now_ms, struct stream *stream)
{
	struct member *member = who_can_send(core, now_ms, stream);
	uint64_t first = stream->have + 1;

	if (member == NULL && who_has_more(core, now_ms, stream) == CLUSTER_NONE) {
		member = who_may_help(core, now_ms, stream);
		first = member == NULL ? 0 : first_lacking(core, stream, member);
	}
	if (member == NULL)
		return;
	want_send(core, now_ms, stream, member, first);
	stream->attempts++;
	stream->ask_due_ms =
		now_ms + (stream->attempts <= ATTEMPTS_MAX ? WANT_AGAIN_MS : WANT_SELDOM_MS);
}

void streams_tick(struct cluster_core *core, uint64_t now_ms)
{
	for (uint32_t i = 1; i < STREAMS_MAX; i++) {
		struct stream *stream = &core->streams[i];

		if (stream->boot_id == 0)
			continue;
		if (stream_over(core, now_ms, stream))
			stream->boot_id = 0;
		else if (stream->known > stream->have && now_ms - stream->gap_ms >= WANT_AFTER_MS &&
			 now_ms >= stream->ask_due_ms)
			ask(core, now_ms, stream);
	}
}

/* Everything. */

bool streams_lack(const struct cluster_core *core, uint64_t now_ms)
{
	for (uint32_t i = 1; i < STREAMS_MAX; i++) {
		const struct stream *stream = &core->streams[i];

		if (stream->boot_id != 0 && stream->known > stream->have &&
			now_ms - stream->gap_ms < GIVEN_UP_MS)
			return true;
	}
	return false;
}

static bool has_merged(const struct stream *stream, uint64_t boot_id)
{
	for (uint32_t i = 0; i < ARRAY_COUNT(stream->merged); i++)
		if (stream->merged[i] == boot_id)
			return true;
	return false;
}

void streams_merged(struct cluster_core *core, uint64_t boot_id)
{
	for (uint32_t i = 1; i < STREAMS_MAX; i++) {
		struct stream *stream = &core->streams[i];

		if (stream->boot_id != 0 && stream->known > stream->have &&
			!has_merged(stream, boot_id))
			stream->merged[stream->merged_count++ % ARRAY_COUNT(stream->merged)] =
				boot_id;
	}
}

/* A gap stays that none of us can fill: what each of the others took of the stream in spite of it
 * is in its book, and cannot be asked for by numbers. Each one's whole book is taken, once. */
static uint32_t who_is_not_merged(
	struct cluster_core *core, uint64_t now_ms, const struct stream *stream)
{
	const struct member *owner = member_by_boot(core, stream->boot_id);

	if ((owner != NULL && member_fresh(owner, now_ms)) ||
		who_can_send(core, now_ms, stream) != NULL ||
		(stream->attempts <= ATTEMPTS_MAX && who_may_help(core, now_ms, stream) != NULL))
		return CLUSTER_NONE;
	for (uint32_t i = 0; i < ARRAY_COUNT(core->members); i++) {
		const struct member *member = &core->members[i];

		if (member_fresh(member, now_ms) && member->has_said &&
			now_ms >= member->avoid_until_ms && !has_merged(stream, member->boot_id))
			return i;
	}
	return CLUSTER_NONE;
}

uint32_t streams_catch_up_from(struct cluster_core *core, uint64_t now_ms)
{
	for (uint32_t i = 1; i < STREAMS_MAX; i++) {
		const struct stream *stream = &core->streams[i];

		if (stream->boot_id == 0 || stream->known <= stream->have)
			continue;
		uint32_t member = who_has_more(core, now_ms, stream);
		if (member == CLUSTER_NONE)
			member = who_is_not_merged(core, now_ms, stream);
		if (member != CLUSTER_NONE)
			return member;
	}
	return CLUSTER_NONE;
}
