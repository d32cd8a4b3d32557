/* SPDX-License-Identifier: Apache-2.0 */
/* Known addresses of possible peers, and when to try which of them. */
#include "swarm/engine.h"

#define CONNECTING_MAX	 16
#define RETRY_FIRST_NS	 NS_PER_S
#define RETRY_SHIFT_MAX	 8	  /* about four minutes */
#define LOOK_AGAIN_NS	 NS_PER_S /* through the whole book in vain; offenders are free again */
#define NEEDLESS_WAIT_NS (5 * 60 * NS_PER_S)

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

/* Room in a full book: somebody who could not be reached makes way. */
static uint32_t evict(struct swarm *s)
{
	uint32_t count = s->limits.addresses_max;
	uint32_t start = (uint32_t)rng_below(&s->rng, count);

	for (uint32_t i = 0; i < count; i++) {
		uint32_t index = (start + i) % count;
		const struct known_address *a = &s->addresses[index];

		if (a->peer == SWARM_PEER_NONE && a->failures > 0 && !a->self) {
			unchain(s, index);
			return index;
		}
	}
	return ADDRESS_NONE;
}

uint32_t address_add(struct swarm *s, const struct peer_address *address)
{
	uint32_t index = find(s, address);

	if (index != ADDRESS_NONE || address->port == 0 || barred(s, address))
		return index;
	index = s->addresses_count < s->limits.addresses_max ? s->addresses_count++ : evict(s);
	if (index == ADDRESS_NONE)
		return index;
	uint32_t *chain = &s->address_chains[chain_of(s, address)];

	s->addresses[index] = (struct known_address){
		.address = *address,
		.next = *chain,
		.peer = SWARM_PEER_NONE,
	};
	*chain = index;
	s->work |= WORK_CONNECT;
	return index;
}

/* A peer that connected to us says where it listens. */
void address_connected(struct swarm *s, const struct peer_address *address, uint32_t peer)
{
	uint32_t index = address_add(s, address);

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

	a->failures++;
	if (p->needless)
		wait_ns = NEEDLESS_WAIT_NS;
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

static uint32_t choose(struct swarm *s)
{
	uint64_t soonest_ns = NEVER;
	uint32_t count = s->addresses_count;
	uint32_t start = (uint32_t)rng_below(&s->rng, count);
	struct links links;

	links_count(s, &links);
	for (uint32_t i = 0; i < count; i++) {
		const struct known_address *a = &s->addresses[(start + i) % count];

		if (a->peer != SWARM_PEER_NONE || a->self || barred(s, &a->address) ||
			!link_wanted(s, &links, a))
			continue;
		if (a->next_try_ns <= s->now_ns)
			return (start + i) % count;
		soonest_ns = u64_min(soonest_ns, a->next_try_ns);
	}
	wake_at(s, soonest_ns);
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
