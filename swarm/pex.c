/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peer exchange: see pex.h. What a peer was told is a bit for each address in the book, so what is
 * new to it is the difference to whom we are connected to now, whenever it may be told again.
 */
#include "swarm/engine.h"

#include "wire/peer_pex.h"

#define OWN_EVERY_NS	 (5 * NS_PER_S)
#define FOREIGN_FIRST_NS (5 * NS_PER_S)	   /* we are connected to somebody by then */
#define FOREIGN_EVERY_NS (61 * NS_PER_S)   /* BEP 11: no more than one a minute */
#define TOGETHER_NS	 (500 * NS_PER_MS) /* who comes or goes meanwhile is told together */
#define HEARD_FIRST	 6		   /* messages of one peer that are heeded, and then */
#define HEARD_EVERY_NS	 (4 * NS_PER_S)	   /* one more after each */
#define PER_TELLER_MAX	 50 /* addresses named by one machine where nobody was found yet */
#define PER_MACHINE_MAX	 4  /* such addresses of one machine */

bool pex_create(struct swarm *s)
{
	size_t words = BITSET_WORDS(s->limits.addresses_max);
	uint64_t *memory =
		swarm_allocate(s, (uint64_t)s->limits.peers_max * words, sizeof(uint64_t));

	if (memory == NULL)
		return false;
	for (uint32_t i = 0; i < s->limits.peers_max; i++)
		bitset_init(&s->peers[i].pex_told, memory + i * words, s->limits.addresses_max);
	s->pex_look_ns = NEVER;
	return true;
}

/* ---- whom a peer is told of ---- */

/* Nobody is told of peers in a site that is known to be another than his. */
static bool same_site(const struct peer *a, const struct peer *b)
{
	uint64_t ours = a->places[LEVEL_SITE];
	uint64_t theirs = b->places[LEVEL_SITE];

	return ours == 0 || theirs == 0 || ours == theirs;
}

/* Who speaks extensions says where it is in a moment. */
static bool placed(const struct peer *p)
{
	return !p->extended || p->introductions_count > 0;
}

static bool tellable(const struct swarm *s, const struct peer *to, const struct peer *p)
{
	if (p->state != PEER_OPEN || p == to || p->address_index == ADDRESS_NONE || !placed(p))
		return false;
	const struct peer_address *address = &s->addresses[p->address_index].address;

	if (bitset_has(&to->pex_told, p->address_index) || !same_site(to, p) ||
		!address_plausible(address, to))
		return false;
	/* Two that have everything have nothing to say to each other. */
	return p->has_count < s->pieces_count || to->has_count < s->pieces_count;
}

static bool is_gone(const struct swarm *s, uint32_t address)
{
	uint32_t peer = s->addresses[address].peer;

	return peer == SWARM_PEER_NONE || s->peers[peer].state != PEER_OPEN;
}

static bool has_news(const struct swarm *s, const struct peer *to)
{
	BITSET_FOREACH (i, &s->open)
		if (tellable(s, to, &s->peers[i]))
			return true;
	BITSET_FOREACH (address, &to->pex_told)
		if (is_gone(s, address))
			return true;
	return false;
}

bool pex_speaks_of(const struct swarm *s, uint32_t address)
{
	BITSET_FOREACH (i, &s->open)
		if (bitset_has(&s->peers[i].pex_told, address))
			return true;
	return false;
}

/* ---- telling ---- */

static void tell(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];
	struct peer_message *message = &effect_peer(s, SWARM_EFFECT_SEND, peer)->message;

	p->pex_due_ns = s->now_ns + (p->own ? OWN_EVERY_NS : FOREIGN_EVERY_NS);
	message->id = PEER_EXTENDED;
	message->extended_id = p->id_pex;
	message->begin = PEER_EXTENSION_PEX;
	message->index = peer;
}

/* Those of its own rack first. */
static void add_peers(struct swarm *s, struct peer *to, struct peer_pex *pex, bool of_rack)
{
	BITSET_FOREACH (i, &s->open) {
		const struct peer *p = &s->peers[i];
		bool is_of_rack = to->places[LEVEL_RACK] != 0 &&
				  p->places[LEVEL_RACK] == to->places[LEVEL_RACK];

		if (pex->added_count == PEX_PEERS_MAX)
			return;
		if (is_of_rack != of_rack || !tellable(s, to, p))
			continue;
		struct peer_pex_peer *added = &pex->added[pex->added_count++];

		bitset_set(&to->pex_told, p->address_index);
		added->address = s->addresses[p->address_index].address;
		if (p->has_count == s->pieces_count)
			added->flags |= PEX_FLAG_SEED;
		if (p->outgoing)
			added->flags |= PEX_FLAG_REACHABLE;
	}
}

/* Made when the message is handed out. */
void pex_fill(struct swarm *s, struct peer_message *message)
{
	struct peer *to = &s->peers[message->index];
	struct peer_pex pex = {0};

	BITSET_FOREACH (address, &to->pex_told) {
		if (pex.dropped_count == PEX_PEERS_MAX || !is_gone(s, address))
			continue;
		pex.dropped[pex.dropped_count++] = s->addresses[address].address;
		bitset_clear(&to->pex_told, address);
	}
	add_peers(s, to, &pex, true);
	add_peers(s, to, &pex, false);
	message->bytes = s->extended_bytes;
	message->bytes_count = peer_pex_write(&pex, s->extended_bytes, sizeof(s->extended_bytes));
}

void pex_changed(struct swarm *s)
{
	if (!s->settings.pex)
		return;
	s->pex_look_ns = u64_min(s->pex_look_ns, s->now_ns + TOGETHER_NS);
	wake_at(s, s->pex_look_ns);
}

void pex_tick(struct swarm *s)
{
	if (s->now_ns >= s->pex_look_ns)
		s->work |= WORK_PEX;
	else
		wake_at(s, s->pex_look_ns);
}

/* One message to one who may be told and was not told everything. */
bool pex_work(struct swarm *s)
{
	s->pex_look_ns = NEVER;
	BITSET_FOREACH (i, &s->open) {
		const struct peer *p = &s->peers[i];

		if (p->id_pex == 0 || !has_news(s, p))
			continue;
		if (s->now_ns >= p->pex_due_ns) {
			tell(s, i);
			return true;
		}
		s->pex_look_ns = u64_min(s->pex_look_ns, p->pex_due_ns);
	}
	s->work &= ~(uint32_t)WORK_PEX;
	wake_at(s, s->pex_look_ns);
	return false;
}

void pex_introduced(struct swarm *s, uint32_t peer, uint8_t id)
{
	struct peer *p = &s->peers[peer];
	bool first = p->id_pex == 0;

	if (!s->settings.pex)
		return;
	p->id_pex = id;
	pex_changed(s);
	/* Whoever turns it off forgets what it was told, and is told again if it turns it on. */
	if (id == 0)
		bitset_clear_all(&p->pex_told);
	if (id == 0 || !first || p->introductions_count > 1)
		return;
	/* One of ours may know nobody but us. */
	p->pex_due_ns = s->now_ns + (p->own ? 0 : FOREIGN_FIRST_NS);
	if (p->own && p->state == PEER_OPEN && has_news(s, p))
		tell(s, peer);
}

/* ---- listening ---- */

static uint32_t machine_key(const struct peer_address *address)
{
	uint32_t key = 0x811c9dc5;

	for (size_t i = 0; i < sizeof(address->ip); i++)
		key = (key ^ address->ip[i]) * 0x01000193;
	return key;
}

/* How many addresses of the book are this machine's hearsay. */
static uint32_t hearsay_count(const struct swarm *s, uint32_t teller_key)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < s->addresses_count; i++)
		count += s->addresses[i].source == SWARM_SOURCE_PEX &&
			 s->addresses[i].heard_from == teller_key;
	return count;
}

static void take(struct swarm *s, const struct peer_pex *pex, const struct peer *teller)
{
	uint32_t key = machine_key(&teller->address);
	uint32_t count = hearsay_count(s, key);

	for (uint32_t i = 0; i < pex->added_count && count < PER_TELLER_MAX; i++) {
		const struct peer_address *address = &pex->added[i].address;
		uint64_t learnt_count = s->status.learnt_count[SWARM_SOURCE_PEX];

		if (!address_plausible(address, teller) ||
			(s->complete && (pex->added[i].flags & PEX_FLAG_SEED) != 0))
			continue;
		if (!is_loopback(address) &&
			addresses_of_machine(s, SWARM_SOURCE_PEX, address) >= PER_MACHINE_MAX)
			continue;
		uint32_t index = address_add(s, address, SWARM_SOURCE_PEX);

		if (s->status.learnt_count[SWARM_SOURCE_PEX] == learnt_count)
			continue; /* known, or there is no room */
		s->addresses[index].heard_from = key;
		count++;
	}
}

void pex_told(struct swarm *s, uint32_t peer, const struct peer_message *message)
{
	struct peer *p = &s->peers[peer];
	struct peer_pex pex;

	if (!s->settings.pex)
		return;
	if (!peer_pex_parse(&pex, message->bytes, message->bytes_count)) {
		peer_offends(s, peer, "peer exchange that cannot be read");
		return;
	}
	/* Who says more than there can be news is not listened to. */
	if (p->pex_heard_count >= HEARD_FIRST + (s->now_ns - p->state_ns) / HEARD_EVERY_NS)
		return;
	p->pex_heard_count++;
	take(s, &pex, p);
}
