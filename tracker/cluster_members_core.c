/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the other members are. A boot is believed after it has sent back a nonce that we made for it
 * just now, and from then on each of its sequences once. Everything rightly made that comes of
 * another boot makes a challenge, no longer than what made it and few a second. Where a boot is,
 * its proof says: what it says from elsewhere is believed, and makes a challenge to there.
 */
#include "tracker/cluster_private.h"

#define NONCE_EPOCH_MS	   2048
#define CHALLENGE_AGAIN_MS 100
#define PROOF_AGAIN_MS	   50 /* less, so that a challenge made again is answered again */

/* Windows. */

static uint64_t *window_word(struct window *window, uint64_t sequence)
{
	return &window->seen[sequence % WINDOW_BITS / 64];
}

/* Everything up to `top` counts as seen. */
static void window_start(struct window *window, uint64_t top)
{
	window->top = top;
	memset(window->seen, 0xff, sizeof(window->seen));
}

bool window_take(struct window *window, uint64_t sequence)
{
	uint64_t bit = UINT64_C(1) << sequence % 64;

	if (sequence > window->top) {
		uint64_t steps = u64_min(sequence - window->top, WINDOW_BITS);

		for (uint64_t i = 0; i < steps; i++)
			*window_word(window, sequence - i) &= ~(UINT64_C(1) << (sequence - i) % 64);
		window->top = sequence;
	} else if (window->top - sequence >= WINDOW_BITS ||
		   (*window_word(window, sequence) & bit) != 0) {
		return false;
	}
	*window_word(window, sequence) |= bit;
	return true;
}

/* Clocks. */

static void clock_start(struct member *member, uint64_t now_ms, uint64_t clock_ms)
{
	member->offsets_ms[0] = (int64_t)(now_ms - clock_ms);
	member->offsets_ms[1] = member->offsets_ms[0];
	member->offsets_since_ms = now_ms;
}

void member_clock(struct member *member, uint64_t now_ms, uint64_t clock_ms)
{
	int64_t offset_ms = (int64_t)(now_ms - clock_ms);

	if (now_ms - member->offsets_since_ms >= OFFSET_PERIOD_MS) {
		member->offsets_ms[1] = member->offsets_ms[0];
		member->offsets_ms[0] = offset_ms;
		member->offsets_since_ms = now_ms;
	} else if (offset_ms < member->offsets_ms[0]) {
		member->offsets_ms[0] = offset_ms;
	}
}

uint32_t cluster_core_delay_ms(
	struct cluster_core *core, uint64_t now_ms, uint64_t boot_id, uint64_t clock_ms)
{
	const struct member *member = member_by_boot(core, boot_id);

	if (member == NULL)
		return 0;
	int64_t fastest_ms = member->offsets_ms[0] < member->offsets_ms[1] ? member->offsets_ms[0]
									   : member->offsets_ms[1];
	int64_t offset_ms = (int64_t)(now_ms - clock_ms);
	if (offset_ms <= fastest_ms)
		return 0;
	return (uint32_t)u64_min((uint64_t)offset_ms - (uint64_t)fastest_ms, SYNC_AGE_MS_MAX);
}

/* Sending. */

void member_send(struct cluster_core *core, uint64_t now_ms, struct member *member,
	enum sync_type type, size_t payload_bytes)
{
	struct sync_header header = {.type = type,
		.from_boot = core->settings.boot_id,
		.to_boot = member->boot_id,
		.sequence = ++member->sent,
		.clock_ms = now_ms};

	cluster_send(core, now_ms, &member->address, &header, payload_bytes);
}

void members_send(
	struct cluster_core *core, uint64_t now_ms, enum sync_type type, size_t payload_bytes)
{
	struct sync_header header = {.type = type,
		.from_boot = core->settings.boot_id,
		.sequence = ++core->sent_to_all,
		.clock_ms = now_ms};

	if (core->settings.group) {
		cluster_send(core, now_ms, NULL, &header, payload_bytes);
		return;
	}
	/* One that is down gets it later, when it is back. */
	for (uint32_t i = 0; i < ARRAY_COUNT(core->members); i++)
		if (member_live(&core->members[i], now_ms))
			cluster_send(
				core, now_ms, &core->members[i].address, &header, payload_bytes);
}

/* Outside of any sequence: what a stranger gets. */
static void send_plain(struct cluster_core *core, uint64_t now_ms, const struct peer_address *to,
	uint64_t to_boot, enum sync_type type, size_t payload_bytes)
{
	struct sync_header header = {.type = type,
		.from_boot = core->settings.boot_id,
		.to_boot = to_boot,
		.clock_ms = now_ms};

	cluster_send(core, now_ms, to, &header, payload_bytes);
}

/* Meeting. */

/* Of something for one boot at one address, under a secret that nobody else has. */
static void digest_make(const struct cluster_core *core, const struct peer_address *at,
	uint64_t boot_id, const uint8_t *of, size_t of_bytes, uint8_t whole[static SHA256_BYTES])
{
	uint8_t text[8 + sizeof(at->ip) + 2 + SYNC_NONCE_BYTES];
	size_t used = sizeof(text) - SYNC_NONCE_BYTES;

	be64_write(text, boot_id);
	memcpy(text + 8, at->ip, sizeof(at->ip));
	be16_write(text + 8 + sizeof(at->ip), at->port);
	memcpy(text + used, of, of_bytes);
	core->settings.mac(
		whole, core->settings.secret, sizeof(core->settings.secret), text, used + of_bytes);
}

/* The nonce is the first half. For one boot at one address: who passes another's challenge on is
 * not met in its place. */
static void nonce_make(const struct cluster_core *core, const struct peer_address *at,
	uint64_t boot_id, uint64_t epoch, uint8_t whole[static SHA256_BYTES])
{
	uint8_t text[8];

	be64_write(text, epoch);
	digest_make(core, at, boot_id, text, sizeof(text), whole);
}

/* Of this epoch or the one before, and of none before `first_epoch`. */
static bool nonce_right(const struct cluster_core *core, uint64_t now_ms,
	const struct peer_address *from, uint64_t boot_id, uint64_t first_epoch,
	const uint8_t nonce[static SYNC_NONCE_BYTES])
{
	uint8_t made[SHA256_BYTES];
	uint64_t epoch = now_ms / NONCE_EPOCH_MS;

	if (epoch < first_epoch)
		return false;
	nonce_make(core, from, boot_id, epoch, made);
	if (memcmp(made, nonce, SYNC_NONCE_BYTES) == 0)
		return true;
	if (epoch == first_epoch)
		return false;
	nonce_make(core, from, boot_id, epoch - 1, made);
	return memcmp(made, nonce, SYNC_NONCE_BYTES) == 0;
}

/* Answers to strangers are few: whoever recorded our datagrams can make us give them. The same one
 * is given seldom, so that there are some for others; which share a place, nobody else knows. */
static bool answer_allowed(uint64_t due_ms[static ANSWER_PLACES], uint64_t now_ms,
	uint64_t again_ms, const uint8_t digest[static SHA256_BYTES])
{
	uint64_t *due = &due_ms[digest[SHA256_BYTES - 1] % ANSWER_PLACES];

	if (now_ms < *due)
		return false;
	*due = now_ms + again_ms;
	return true;
}

static bool is_listed(const struct cluster_core *core, const struct peer_address *address)
{
	for (uint32_t i = 0; i < core->settings.members_count; i++)
		if (peer_address_equal(&core->settings.members[i], address))
			return true;
	return false;
}

/* With a group, members are found. */
static bool may_be_at(const struct cluster_core *core, const struct peer_address *address)
{
	return core->settings.group || is_listed(core, address);
}

/* Nonces are good for some seconds; so many members do not start again in them. */
static struct retired *retired_find(struct cluster_core *core, uint64_t boot_id)
{
	for (uint32_t i = 0; i < RETIRED_MAX; i++)
		if (core->retired[i].boot_id == boot_id)
			return &core->retired[i];
	return NULL;
}

/* The first whose nonces a boot may be met by. */
static uint64_t first_epoch(const struct retired *retired)
{
	return retired == NULL ? 0 : retired->epoch + 1;
}

void members_challenge(
	struct cluster_core *core, uint64_t now_ms, const struct peer_address *to, uint64_t boot_id)
{
	uint8_t nonce[SHA256_BYTES];
	uint64_t epoch = now_ms / NONCE_EPOCH_MS;

	if (epoch < first_epoch(retired_find(core, boot_id)) || !may_be_at(core, to))
		return;
	nonce_make(core, to, boot_id, epoch, nonce);
	if (!answer_allowed(core->challenge_due_ms, now_ms, CHALLENGE_AGAIN_MS, nonce))
		return;
	core->statistics.challenges_sent++;
	memset(core->datagram + SYNC_HEADER_BYTES, 0, SYNC_GREETED_BYTES);
	memcpy(core->datagram + SYNC_HEADER_BYTES, nonce, SYNC_NONCE_BYTES);
	send_plain(core, now_ms, to, boot_id, SYNC_CHALLENGE, SYNC_GREETED_BYTES);
}

struct member *member_by_boot(struct cluster_core *core, uint64_t boot_id)
{
	for (uint32_t i = 0; i < ARRAY_COUNT(core->members); i++)
		if (core->members[i].used && core->members[i].boot_id == boot_id)
			return &core->members[i];
	return NULL;
}

static struct member *member_at(struct cluster_core *core, const struct peer_address *address)
{
	for (uint32_t i = 0; i < ARRAY_COUNT(core->members); i++)
		if (core->members[i].used && peer_address_equal(&core->members[i].address, address))
			return &core->members[i];
	return NULL;
}

/* The place for a boot that has proved itself: the one that this address has, or its own, or a free
 * one, or that of a member that nobody expects back. */
static struct member *member_place(struct cluster_core *core, uint64_t now_ms,
	const struct peer_address *from, struct member *known)
{
	struct member *place = member_at(core, from);

	if (place != NULL)
		return place;
	/* What is kept for an address is not taken elsewhere. */
	if (known != NULL && !known->configured)
		return known;
	for (uint32_t i = 0; i < ARRAY_COUNT(core->members); i++) {
		struct member *member = &core->members[i];

		/* A free one first: who is forgotten has to prove itself again. */
		if (!member->used || ((place == NULL || place->used) && !member->configured &&
					     now_ms - member->heard_ms > FORGET_MS))
			place = member;
	}
	return place;
}

/* Nobody is met there. */
static void member_clear(struct member *member)
{
	*member = (struct member){.address = member->address,
		.used = member->configured,
		.configured = member->configured,
		.told_live = member->told_live};
}

static void member_forget(struct cluster_core *core, uint64_t now_ms, struct member *member)
{
	if (member->boot_id != 0)
		core->retired[core->retired_count++ % RETIRED_MAX] =
			(struct retired){.boot_id = member->boot_id,
				.epoch = now_ms / NONCE_EPOCH_MS,
				.sent = member->sent,
				.direct = member->direct,
				.all = member->all};
	member_clear(member);
}

/* A boot that we know has proved to be there. What was seen of it stays seen. */
static void member_move(struct cluster_core *core, uint64_t now_ms, struct member *known,
	struct member *place, const struct peer_address *to)
{
	struct member moved = *known;

	if (place != known) {
		member_forget(core, now_ms, place);
		member_clear(known);
	}
	moved.address = *to;
	moved.configured = place->configured;
	moved.told_live =
		place != known && place->told_live && peer_address_equal(&place->address, to);
	*place = moved;
}

/* What was seen of one that was here before stays seen, and what we sent it counts on. */
static void member_start(
	struct member *member, const struct retired *before, const struct sync_proof *proof)
{
	if (before->boot_id == 0) {
		window_start(&member->direct, 0);
		window_start(&member->all, proof->sent_to_all);
		return;
	}
	member->sent = before->sent;
	member->direct = before->direct;
	member->all = before->all;
}

/* Nobody can send this again: the nonce was ours and is young, and younger than when the boot was
 * replaced. Where it comes from is anybody's word: a boot that has been here takes no place of one
 * that is live. A new one does, because who starts again at once is to be met at once. */
static void member_meet(struct cluster_core *core, uint64_t now_ms, const struct peer_address *from,
	const struct sync_header *header, const struct sync_proof *proof)
{
	struct member *known = member_by_boot(core, header->from_boot);
	struct retired *retired = retired_find(core, header->from_boot);

	if (known != NULL && peer_address_equal(&known->address, from))
		return;
	struct member *member = member_place(core, now_ms, from, known);
	if (member == NULL || !may_be_at(core, from) ||
		((known != NULL || retired != NULL) && member != known &&
			member_live(member, now_ms)) ||
		!nonce_right(core, now_ms, from, header->from_boot, first_epoch(retired),
			proof->nonce)) {
		core->statistics.strange++;
		return;
	}
	if (known != NULL) {
		member_move(core, now_ms, known, member, from);
		return;
	}
	bool same_address = peer_address_equal(&member->address, from);
	struct retired before = {.boot_id = 0};

	if (retired != NULL) {
		before = *retired;
		retired->boot_id = 0;
	}
	member_forget(core, now_ms, member);
	member->used = true;
	member->told_live = member->told_live && same_address;
	member->address = *from;
	member->heard_at = *from;
	member->boot_id = header->from_boot;
	member->heard_ms = now_ms;
	member_start(member, &before, proof);
	clock_start(member, now_ms, header->clock_ms);
	core->statistics.members_met++;
}

void member_heard(struct cluster_core *core, uint64_t now_ms, struct member *member,
	const struct peer_address *from)
{
	member->heard_ms = now_ms;
	member->heard_at = *from;
	if (!peer_address_equal(&member->address, from))
		members_challenge(core, now_ms, from, member->boot_id);
}

/* To whom we prove ourselves: who passes a challenge on gets no proof to pass on, unless the one
 * that made it is not known yet, or silent. */
static bool may_prove(struct cluster_core *core, uint64_t now_ms, const struct peer_address *from,
	uint64_t boot_id)
{
	const struct member *member = member_by_boot(core, boot_id);

	if (is_listed(core, from))
		return true;
	return core->settings.group && (member == NULL || !member_live(member, now_ms) ||
					       peer_address_equal(&member->address, from) ||
					       peer_address_equal(&member->heard_at, from));
}

static void prove(struct cluster_core *core, uint64_t now_ms, const struct peer_address *from,
	uint64_t to_boot, const uint8_t *nonce)
{
	struct sync_proof proof = {.sent_to_all = core->sent_to_all};
	uint8_t digest[SHA256_BYTES];

	if (!may_prove(core, now_ms, from, to_boot)) {
		core->statistics.strange++;
		return;
	}
	/* Each challenge has its own place: old ones do not keep a new one from its answer. */
	digest_make(core, from, to_boot, nonce, SYNC_NONCE_BYTES, digest);
	if (!answer_allowed(core->proof_due_ms, now_ms, PROOF_AGAIN_MS, digest))
		return;
	memcpy(proof.nonce, nonce, SYNC_NONCE_BYTES);
	send_plain(core, now_ms, from, to_boot, SYNC_PROOF,
		sync_proof_write(&proof, core->datagram + SYNC_HEADER_BYTES));
}

/* It is not where we think, when what comes from there is news or nothing comes any more. */
static void greeted(struct cluster_core *core, uint64_t now_ms, const struct peer_address *from,
	uint64_t boot_id)
{
	const struct member *member = member_by_boot(core, boot_id);

	if (!may_be_at(core, from))
		core->statistics.strange++;
	else if (member == NULL ||
		 (!member_live(member, now_ms) && !peer_address_equal(&member->address, from)))
		members_challenge(core, now_ms, from, boot_id);
}

void members_greeted(struct cluster_core *core, uint64_t now_ms, const struct peer_address *from,
	const struct sync_header *header, const uint8_t *payload, size_t payload_bytes)
{
	struct sync_proof proof;

	if (header->type == SYNC_HELLO) {
		greeted(core, now_ms, from, header->from_boot);
	} else if (header->to_boot != core->settings.boot_id) {
		core->statistics.strange++;
	} else if (header->type == SYNC_CHALLENGE && payload_bytes == SYNC_GREETED_BYTES) {
		prove(core, now_ms, from, header->from_boot, payload);
	} else if (header->type == SYNC_PROOF && sync_proof_parse(&proof, payload, payload_bytes)) {
		member_meet(core, now_ms, from, header, &proof);
	} else {
		core->statistics.malformed++;
	}
}

/* What is due. */

static void send_hello(struct cluster_core *core, uint64_t now_ms, const struct peer_address *to)
{
	memset(core->datagram + SYNC_HEADER_BYTES, 0, SYNC_GREETED_BYTES);
	send_plain(core, now_ms, to, 0, SYNC_HELLO, SYNC_GREETED_BYTES);
}

static void send_state(struct cluster_core *core, uint64_t now_ms, struct member *member)
{
	struct sync_state state;

	cluster_core_state(core, now_ms, &state);
	member_send(core, now_ms, member, SYNC_STATE,
		sync_state_write(&state, core->datagram + SYNC_HEADER_BYTES));
}

static void member_tick(struct cluster_core *core, uint64_t now_ms, struct member *member)
{
	/* To one that is silent, too: it may have started again. */
	if (!member_live(member, now_ms) && now_ms >= member->hello_due_ms) {
		member->hello_due_ms = now_ms + HELLO_INTERVAL_MS;
		send_hello(core, now_ms, &member->address);
	}
	if (member->boot_id != 0 && now_ms >= member->state_due_ms) {
		member->state_due_ms = now_ms + CLUSTER_STATE_INTERVAL_MS;
		send_state(core, now_ms, member);
	}
}

void members_tick(struct cluster_core *core, uint64_t now_ms)
{
	for (uint32_t i = 0; i < ARRAY_COUNT(core->members); i++)
		if (core->members[i].used)
			member_tick(core, now_ms, &core->members[i]);
	if (core->settings.group && now_ms >= core->group_hello_due_ms) {
		core->group_hello_due_ms = now_ms + HELLO_INTERVAL_MS;
		send_hello(core, now_ms, NULL);
	}
}
