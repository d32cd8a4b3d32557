/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the other members are. A boot is believed after it has sent back a nonce that we made for it
 * just now, and from then on each of its sequences once. Everything rightly made that comes of
 * another boot makes a challenge, no longer than what made it and few a second.
 */
#include "tracker/cluster_private.h"

#define NONCE_EPOCH_MS	  2048
#define ANSWERS_PERIOD_MS 100
#define ANSWERS_MAX	  32 /* a period */

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

/* For one boot at one address: who passes another's challenge on is not met in its place. */
static void nonce_make(const struct cluster_core *core, const struct peer_address *at,
	uint64_t boot_id, uint64_t epoch, uint8_t nonce[static SYNC_NONCE_BYTES])
{
	uint8_t text[16 + sizeof(at->ip) + 2];
	uint8_t whole[SHA256_BYTES];

	be64_write(text, boot_id);
	be64_write(text + 8, epoch);
	memcpy(text + 16, at->ip, sizeof(at->ip));
	be16_write(text + 16 + sizeof(at->ip), at->port);
	core->settings.mac(
		whole, core->settings.secret, sizeof(core->settings.secret), text, sizeof(text));
	memcpy(nonce, whole, SYNC_NONCE_BYTES);
}

static bool nonce_right(const struct cluster_core *core, uint64_t now_ms,
	const struct peer_address *from, uint64_t boot_id,
	const uint8_t nonce[static SYNC_NONCE_BYTES])
{
	uint8_t made[SYNC_NONCE_BYTES];
	uint64_t epoch = now_ms / NONCE_EPOCH_MS;

	nonce_make(core, from, boot_id, epoch, made);
	if (memcmp(made, nonce, sizeof(made)) == 0)
		return true;
	if (epoch == 0)
		return false;
	nonce_make(core, from, boot_id, epoch - 1, made);
	return memcmp(made, nonce, sizeof(made)) == 0;
}

/* Answers to strangers are few: whoever recorded our datagrams can make us give them. */
static bool answer_allowed(struct cluster_core *core, uint64_t now_ms)
{
	if (now_ms - core->answers_since_ms >= ANSWERS_PERIOD_MS) {
		core->answers_since_ms = now_ms;
		core->answers_count = 0;
	}
	return core->answers_count++ < ANSWERS_MAX;
}

/* Nonces are good for some seconds; so many members do not start again in them. */
static bool is_retired(const struct cluster_core *core, uint64_t boot_id)
{
	for (uint32_t i = 0; i < RETIRED_MAX; i++)
		if (core->retired[i] == boot_id)
			return true;
	return false;
}

void members_challenge(
	struct cluster_core *core, uint64_t now_ms, const struct peer_address *to, uint64_t boot_id)
{
	/* A boot that was replaced is not met again: nor may its old datagrams use up the answers.
	 */
	if (is_retired(core, boot_id) || !answer_allowed(core, now_ms))
		return;
	core->statistics.challenges_sent++;
	memset(core->datagram + SYNC_HEADER_BYTES, 0, SYNC_GREETED_BYTES);
	nonce_make(core, to, boot_id, now_ms / NONCE_EPOCH_MS, core->datagram + SYNC_HEADER_BYTES);
	send_plain(core, now_ms, to, boot_id, SYNC_CHALLENGE, SYNC_GREETED_BYTES);
}

struct member *member_by_boot(struct cluster_core *core, uint64_t boot_id)
{
	for (uint32_t i = 0; i < ARRAY_COUNT(core->members); i++)
		if (core->members[i].used && core->members[i].boot_id == boot_id)
			return &core->members[i];
	return NULL;
}

/* The place for a boot that has proved itself: the one that this address has, or a free one, or
 * that of a member that nobody expects back. */
static struct member *member_place(
	struct cluster_core *core, uint64_t now_ms, const struct peer_address *from)
{
	struct member *place = NULL;

	for (uint32_t i = 0; i < ARRAY_COUNT(core->members); i++) {
		struct member *member = &core->members[i];

		if (member->used && peer_address_equal(&member->address, from))
			return member;
		/* A free one first: who is forgotten stays out until it starts again. */
		if (!member->used || ((place == NULL || place->used) && !member->configured &&
					     now_ms - member->heard_ms > FORGET_MS))
			place = member;
	}
	return place;
}

static void member_forget(struct cluster_core *core, struct member *member)
{
	if (member->boot_id != 0)
		core->retired[core->retired_count++ % RETIRED_MAX] = member->boot_id;
	*member = (struct member){.address = member->address,
		.used = member->configured,
		.configured = member->configured};
}

/* Nobody can send this again: the nonce was ours and is young, and a boot that was replaced stays
 * out. */
static void member_meet(struct cluster_core *core, uint64_t now_ms, const struct peer_address *from,
	const struct sync_header *header, const struct sync_proof *proof)
{
	if (member_by_boot(core, header->from_boot) != NULL)
		return;
	struct member *member = member_place(core, now_ms, from);
	if (member == NULL || is_retired(core, header->from_boot) ||
		!nonce_right(core, now_ms, from, header->from_boot, proof->nonce)) {
		core->statistics.strange++;
		return;
	}
	member_forget(core, member);
	member->used = true;
	member->address = *from;
	member->boot_id = header->from_boot;
	member->heard_ms = now_ms;
	window_start(&member->direct, 0);
	window_start(&member->all, proof->sent_to_all);
	clock_start(member, now_ms, header->clock_ms);
	core->statistics.members_met++;
}

static void prove(struct cluster_core *core, uint64_t now_ms, const struct peer_address *from,
	uint64_t to_boot, const uint8_t *nonce)
{
	struct sync_proof proof = {.sent_to_all = core->sent_to_all};

	if (!answer_allowed(core, now_ms))
		return;
	memcpy(proof.nonce, nonce, SYNC_NONCE_BYTES);
	send_plain(core, now_ms, from, to_boot, SYNC_PROOF,
		sync_proof_write(&proof, core->datagram + SYNC_HEADER_BYTES));
}

void members_greeted(struct cluster_core *core, uint64_t now_ms, const struct peer_address *from,
	const struct sync_header *header, const uint8_t *payload, size_t payload_bytes)
{
	struct sync_proof proof;

	if (header->type == SYNC_HELLO) {
		if (member_by_boot(core, header->from_boot) == NULL)
			members_challenge(core, now_ms, from, header->from_boot);
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
