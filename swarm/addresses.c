/* SPDX-License-Identifier: Apache-2.0 */
/* Known addresses of possible peers, and when to try which of them. */
#include "swarm/engine.h"

#define CONNECTING_MAX	 16
#define RETRY_FIRST_NS	 NS_PER_S
#define RETRY_SHIFT_MAX	 8	  /* about four minutes */
#define LOOK_AGAIN_NS	 NS_PER_S /* through the whole book in vain; offenders are free again */
#define PER_MACHINE_MAX	 8	  /* addresses of one machine, of those that it may name itself */
#define TELLERS_MAX	 16
#define NEEDLESS_WAIT_NS (5 * 60 * NS_PER_S)
#define NEEDLESS_SHIFT	 5		 /* for one that is complete: at last about three hours */
#define BARREN_NS	 (60 * NS_PER_S) /* without a block, while nobody else can be dialled */
#define BARREN_TIME_NS	 (30 * NS_PER_S) /* that each had to give something */
#define BARREN_PAUSE_NS	 (2 * NS_PER_S)

static uint32_t chain_of(const struct swarm *s, const struct peer_address *address)
{
	uint64_t hash = address->port;

	for (size_t i = 0; i < sizeof(address->ip); i++)
		hash = (hash ^ address->ip[i]) * 0x100000001b3;
	return (uint32_t)((hash ^ hash >> 32) % s->limits.addresses_max);
}

bool addresses_create(struct swarm *s)
{
	uint32_t count = s->limits.addresses_max;

	s->addresses = swarm_allocate(s, count, sizeof(struct known_address));
	s->address_chains = swarm_allocate(s, count, sizeof(uint32_t));
	if (s->addresses == NULL || s->address_chains == NULL)
		return false;
	memset(s->address_chains, 0xff, (size_t)count * sizeof(uint32_t));
	return true;
}

static uint32_t find(const struct swarm *s, const struct peer_address *address)
{
	uint32_t index = s->address_chains[chain_of(s, address)];

	while (index != ADDRESS_NONE && !peer_address_equal(&s->addresses[index].address, address))
		index = s->addresses[index].next;
	return index;
}

static void unchain(struct swarm *s, uint32_t index)
{
	uint32_t *link = &s->address_chains[chain_of(s, &s->addresses[index].address)];

	while (*link != index)
		link = &s->addresses[*link].next;
	*link = s->addresses[index].next;
}

/* ---- room in the book ---- */

/* Of those where nobody was found yet, who may have how much: whoever names many leaves room for
 * what others name. */
static uint32_t share_of(const struct swarm *s, enum swarm_source source)
{
	static const uint32_t parts[SWARM_SOURCES_COUNT] = {
		[SWARM_SOURCE_TRACKER] = 1,
		[SWARM_SOURCE_ITSELF] = 1,
		[SWARM_SOURCE_LOCAL] = 2,
		[SWARM_SOURCE_DHT] = 4,
		[SWARM_SOURCE_PEX] = 4,
	};

	return (uint32_t)u64_max(s->limits.addresses_max / parts[source], 1);
}

/* Who makes room: somebody who could not be reached, of the same source if there is to be room
 * among those; or, in a full book, somebody whom nobody vouches for. */
static bool makes_room(const struct known_address *a, enum swarm_source source, bool same)
{
	if (same)
		return a->source == source && a->failures > 0;
	return a->failures > 0 || a->source > source;
}

static uint32_t evict(struct swarm *s, enum swarm_source source, bool same)
{
	uint32_t count = s->addresses_count;
	uint32_t start = (uint32_t)rng_below(&s->rng, count);
	uint32_t second = ADDRESS_NONE;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t index = (start + i) % count;
		const struct known_address *a = &s->addresses[index];

		if (a->peer != SWARM_PEER_NONE || !makes_room(a, source, same) ||
			pex_speaks_of(s, index))
			continue;
		if (a->failures > 0)
			return index;
		if (second == ADDRESS_NONE)
			second = index;
	}
	return second;
}

static uint32_t make_room(struct swarm *s, enum swarm_source source)
{
	bool full = s->addresses_count == s->limits.addresses_max;
	bool share_full =
		source > SWARM_SOURCE_ITSELF && s->source_counts[source] >= share_of(s, source);
	uint32_t index;

	if (!full && !share_full)
		return s->addresses_count++;
	index = evict(s, source, share_full);
	if (index != ADDRESS_NONE) {
		unchain(s, index);
		s->source_counts[s->addresses[index].source]--;
	}
	return index;
}

static void set_source(struct swarm *s, struct known_address *a, enum swarm_source source)
{
	s->source_counts[a->source]--;
	s->source_counts[source]++;
	a->source = (uint8_t)source;
}

uint32_t addresses_of_machine(
	const struct swarm *s, enum swarm_source source, const struct peer_address *machine)
{
	uint32_t count = 0;

	/* In the DHT anybody may speak for anybody: ports where nobody was found take no place from
	 * the one where somebody is. */
	for (uint32_t i = 0; i < s->addresses_count; i++)
		count += s->addresses[i].source == source &&
			 (source != SWARM_SOURCE_DHT || s->addresses[i].failures == 0) &&
			 memcmp(s->addresses[i].address.ip, machine->ip, sizeof(machine->ip)) == 0;
	return count;
}

static bool is_link_local(const struct peer_address *address)
{
	return address->ip[0] == 0xfe && (address->ip[1] & 0xc0) == 0x80;
}

bool address_plausible(const struct peer_address *address, const struct peer *teller)
{
	const uint8_t *ip = address->ip;
	bool is4 = peer_address_is4(address);
	bool multicast = is4 ? ip[12] >= 224 : ip[0] == 0xff;
	bool unspecified = is4 ? ip[12] == 0 : bytes_all_zero(ip, sizeof(address->ip));

	return address->port != 0 && !multicast && !unspecified && !is_link_local(address) &&
	       (!is_loopback(address) || is_loopback(&teller->address));
}

/* Whoever calls on the segment, announces itself in the DHT, or connects to us, speaks for one
 * machine, however many ports it names. */
static bool too_many_ports(
	const struct swarm *s, enum swarm_source source, const struct peer_address *address)
{
	uint32_t count;

	if (is_loopback(address) ||
		(source != SWARM_SOURCE_LOCAL && source != SWARM_SOURCE_ITSELF &&
			source != SWARM_SOURCE_DHT))
		return false;
	count = addresses_of_machine(s, source, address);
	/* Where somebody was found, it is no longer hearsay. */
	if (source != SWARM_SOURCE_ITSELF)
		count += addresses_of_machine(s, SWARM_SOURCE_ITSELF, address);
	return count >= PER_MACHINE_MAX;
}

uint32_t address_add(struct swarm *s, const struct peer_address *address, enum swarm_source source)
{
	uint32_t index = find(s, address);

	if (index != ADDRESS_NONE && source < s->addresses[index].source)
		set_source(s, &s->addresses[index], source);
	if (index != ADDRESS_NONE || address->port == 0 || barred(s, address) ||
		too_many_ports(s, source, address))
		return index;
	index = make_room(s, source);
	if (index == ADDRESS_NONE)
		return index;
	uint32_t *chain = &s->address_chains[chain_of(s, address)];

	s->addresses[index] = (struct known_address){
		.address = *address,
		.next = *chain,
		.peer = SWARM_PEER_NONE,
		.source = (uint8_t)source,
	};
	*chain = index;
	s->source_counts[source]++;
	s->status.learnt_count[source]++;
	s->work |= WORK_CONNECT;
	return index;
}

/* Somebody of this swarm is there: no longer hearsay. */
void address_verified(struct swarm *s, uint32_t index)
{
	if (s->addresses[index].source > SWARM_SOURCE_ITSELF)
		set_source(s, &s->addresses[index], SWARM_SOURCE_ITSELF);
}

/* A peer that connected to us says where it listens. */
void address_connected(struct swarm *s, const struct peer_address *address, uint32_t peer)
{
	uint32_t index = address_add(s, address, SWARM_SOURCE_ITSELF);

	if (index == ADDRESS_NONE || s->addresses[index].peer != SWARM_PEER_NONE)
		return;
	s->addresses[index].peer = peer;
	s->peers[peer].address_index = index;
}

void address_released(struct swarm *s, uint32_t index, const struct peer *p)
{
	struct known_address *a = &s->addresses[index];

	a->peer = SWARM_PEER_NONE;
	if (p->useful)
		a->failures = 0;
	uint64_t wait_ns = RETRY_FIRST_NS << u64_min(a->failures, RETRY_SHIFT_MAX);
	bool complete = s->durable_count == s->pieces_count;

	/* A room full of seeds is to fall silent: each meeting in vain makes the next one later.
	 * Whoever needs us calls. */
	if (p->needless)
		wait_ns = NEEDLESS_WAIT_NS << (complete ? u64_min(a->failures, NEEDLESS_SHIFT) : 0);
	a->failures++;
	/* Jitter, so that a room that lost its switch does not come back as one. */
	a->next_try_ns = s->now_ns + wait_ns / 2 + rng_below(&s->rng, wait_ns);
	s->work |= WORK_CONNECT;
}

/* Something is missing again: those who were complete are of use after all. */
void addresses_retry(struct swarm *s)
{
	for (uint32_t i = 0; i < s->addresses_count; i++)
		s->addresses[i].next_try_ns = u64_min(s->addresses[i].next_try_ns,
			s->now_ns + rng_below(&s->rng, RETRY_FIRST_NS));
	s->work |= WORK_CONNECT;
}

static bool may_connect(const struct swarm *s)
{
	uint32_t connecting_count = 0;

	if (!s->started || s->stopped || !links_open(s))
		return false;
	for (uint32_t i = 0; i < s->peers_top; i++)
		connecting_count += s->peers[i].state == PEER_CONNECTING;
	return connecting_count < CONNECTING_MAX;
}

/* Of what nobody vouches for: one address of each of a few tellers, so that who names most is not
 * believed most. */
struct hearsay {
	uint32_t tellers[TELLERS_MAX];
	uint32_t addresses[TELLERS_MAX];
	uint32_t count;
};

static void hearsay_note(struct hearsay *hearsay, uint32_t teller, uint32_t address)
{
	for (uint32_t i = 0; i < hearsay->count; i++)
		if (hearsay->tellers[i] == teller)
			return;
	if (hearsay->count == TELLERS_MAX)
		return;
	hearsay->tellers[hearsay->count] = teller;
	hearsay->addresses[hearsay->count++] = address;
}

static uint32_t choose(struct swarm *s)
{
	uint64_t soonest_ns = NEVER;
	struct hearsay hearsay = {.count = 0};
	uint32_t count = s->addresses_count;
	uint32_t start = (uint32_t)rng_below(&s->rng, count);
	struct links links;

	links_count(s, &links);
	for (uint32_t i = 0; i < count; i++) {
		const struct known_address *a = &s->addresses[(start + i) % count];

		if (a->peer != SWARM_PEER_NONE || a->self || barred(s, &a->address) ||
			!link_wanted(s, &links, a))
			continue;
		if (a->next_try_ns > s->now_ns)
			soonest_ns = u64_min(soonest_ns, a->next_try_ns);
		else if (a->source <= SWARM_SOURCE_LOCAL)
			return (start + i) % count;
		else
			hearsay_note(&hearsay, a->heard_from, (start + i) % count);
	}
	if (hearsay.count > 0)
		return hearsay.addresses[rng_below(&s->rng, hearsay.count)];
	wake_at(s, soonest_ns);
	s->connect_wake_ns = soonest_ns;
	s->connect_look_ns = u64_min(soonest_ns, s->now_ns + LOOK_AGAIN_NS);
	return ADDRESS_NONE;
}

bool addresses_work(struct swarm *s)
{
	uint32_t index = ADDRESS_NONE;
	uint32_t peer = SWARM_PEER_NONE;

	s->connect_look_ns = 0;
	if (may_connect(s))
		index = choose(s);
	if (index != ADDRESS_NONE)
		peer = peer_new(s, &s->addresses[index].address, true);
	if (peer == SWARM_PEER_NONE) {
		s->work &= ~(uint32_t)WORK_CONNECT;
		return false;
	}
	s->addresses[index].peer = peer;
	s->peers[peer].address_index = index;
	effect_peer(s, SWARM_EFFECT_CONNECT, peer)->address = s->addresses[index].address;
	return true;
}

/* ---- room among the connections ---- */

static bool somebody_waits(const struct swarm *s)
{
	for (uint32_t i = 0; i < s->addresses_count; i++) {
		const struct known_address *a = &s->addresses[i];

		if (a->peer == SWARM_PEER_NONE && !a->self && a->next_try_ns <= s->now_ns &&
			!barred(s, &a->address))
			return true;
	}
	return false;
}

/* An origin that was named by the plan or a tracker has its reasons: a crowd waits there. */
static bool worth_waiting_for(const struct swarm *s, const struct peer *p)
{
	return p->origin && p->address_index != ADDRESS_NONE &&
	       s->addresses[p->address_index].source == SWARM_SOURCE_TRACKER;
}

/* Of those who have what we lack and give nothing, who had most time for it. */
static uint32_t find_barren(const struct swarm *s)
{
	uint32_t barren = SWARM_PEER_NONE;
	uint64_t oldest_ns = s->now_ns - BARREN_TIME_NS;

	for (uint32_t i = 0; i < s->peers_top; i++) {
		const struct peer *p = &s->peers[i];
		uint64_t gave_ns = u64_max(p->interested_ns, p->receiving_ns);

		if (p->state == PEER_OPEN && p->am_interested && (p->peer_choking || p->snubbed) &&
			gave_ns <= oldest_ns && !worth_waiting_for(s, p)) {
			barren = i;
			oldest_ns = gave_ns;
		}
	}
	return barren;
}

/* Who says that it has everything and gives nothing would keep its place for ever, and many of them
 * all places: while nothing comes, one after the other makes room for somebody else. */
void addresses_tick(struct swarm *s)
{
	uint64_t due_ns = u64_max(
		u64_max(s->received_ns, s->started_ns) + BARREN_NS, s->barren_ns + BARREN_PAUSE_NS);

	if (s->lacking_count == 0 || links_open(s))
		return;
	if (s->now_ns >= due_ns) {
		uint32_t barren = find_barren(s);

		s->barren_ns = s->now_ns;
		due_ns = s->now_ns + BARREN_PAUSE_NS;
		if (barren != SWARM_PEER_NONE && somebody_waits(s)) {
			/* Others are dialled before it is again. */
			s->peers[barren].needless = true;
			peer_close(s, barren, "it gives nothing, and others wait");
		}
	}
	wake_at(s, due_ns);
}
