/* SPDX-License-Identifier: Apache-2.0 */
/* Places and placements of places_core.h: two small hash tables. */
#include "tracker/places_core.h"

#include "tracker/keyed_hash.h"

#define ADDRESS_BITS 128

void places_create(struct places *places)
{
	memset(places->buckets, 0, places->entries_max * sizeof(*places->buckets));
	memset(places->addresses.slots, 0,
		places->addresses.slots_count * sizeof(*places->addresses.slots));
	memset(places->subnets.slots, 0,
		places->subnets.slots_count * sizeof(*places->subnets.slots));
	places->entries[PLACE_NOWHERE] = (struct place){0};
	places->fresh = 1;
}

/* A name in its fixed field: zeros behind it, so that fields compare as a whole. Longer ones, which
 * no parser lets through, are cut. */
static void name_write(char field[static PEER_PLACE_MAX + 1], const char *name)
{
	const char *end = memchr(name, '\0', PEER_PLACE_MAX);

	memset(field, 0, PEER_PLACE_MAX + 1);
	memcpy(field, name, end == NULL ? PEER_PLACE_MAX : (size_t)(end - name));
}

static uint16_t *name_bucket(const struct places *places, const struct place *wanted)
{
	uint64_t hash = places->hash_key;

	/* What is behind both names is zeros. */
	for (uint32_t i = 0; i < PEER_PLACE_MAX && (wanted->rack[i] | wanted->site[i]) != '\0';
		i += 8) {
		hash = keyed_hash(hash, be64_read((const uint8_t *)wanted->rack + i));
		hash = keyed_hash(hash, be64_read((const uint8_t *)wanted->site + i));
	}
	return &places->buckets[keyed_hash_below(hash, places->entries_max)];
}

static uint16_t find(const struct places *places, const struct place *wanted)
{
	uint16_t at = *name_bucket(places, wanted);

	while (at != PLACE_NOWHERE &&
		(memcmp(places->entries[at].rack, wanted->rack, sizeof(wanted->rack)) != 0 ||
			memcmp(places->entries[at].site, wanted->site, sizeof(wanted->site)) != 0))
		at = places->entries[at].next;
	return at;
}

static bool is_site(const struct place *place)
{
	return place->rack[0] == '\0';
}

static bool has_room(const struct places *places, const struct place *wanted)
{
	if (places->free == PLACE_NOWHERE && places->fresh == places->entries_max)
		return false;
	if (wanted->guest && places->guests_count >= places->entries_max / 2)
		return false;
	return !is_site(wanted) ||
	       (places->sites_count < PLACES_SITES_MAX &&
		       (!wanted->guest || places->guest_sites_count < PLACES_SITES_MAX / 2));
}

static void count_guest(struct places *places, const struct place *place, uint32_t change)
{
	places->guests_count += change;
	places->guest_sites_count += is_site(place) ? change : 0;
}

static uint16_t add(struct places *places, const struct place *wanted)
{
	uint16_t index = places->free;
	uint16_t *bucket = name_bucket(places, wanted);

	if (!has_room(places, wanted))
		return PLACE_NOWHERE;
	if (index != PLACE_NOWHERE)
		places->free = places->entries[index].next;
	else
		index = (uint16_t)places->fresh++;
	places->entries[index] = *wanted;
	places->entries[index].next = *bucket;
	*bucket = index;
	if (is_site(wanted)) {
		places->entries[index].site_place = index;
		places->sites[places->sites_count++] = index;
	}
	if (wanted->guest)
		count_guest(places, wanted, 1);
	return index;
}

static uint16_t take(struct places *places, struct place *wanted)
{
	uint16_t index = find(places, wanted);

	if (index == PLACE_NOWHERE)
		index = add(places, wanted);
	if (index == PLACE_NOWHERE)
		return index;
	struct place *place = &places->entries[index];

	if (place->guest && !wanted->guest) {
		place->guest = false;
		count_guest(places, place, UINT32_MAX);
	}
	place->holders_count++;
	return index;
}

uint16_t places_take(struct places *places, const char *site, const char *rack, bool guest)
{
	struct place wanted = {.guest = guest};
	uint16_t site_place = PLACE_NOWHERE;

	name_write(wanted.site, site);
	if (wanted.site[0] != '\0') {
		site_place = take(places, &wanted);
		if (site_place == PLACE_NOWHERE)
			return PLACE_NOWHERE;
	}
	name_write(wanted.rack, rack);
	if (wanted.rack[0] == '\0')
		return site_place;
	bool known = find(places, &wanted) != PLACE_NOWHERE;
	wanted.site_place = site_place;
	uint16_t index = take(places, &wanted);

	/* A rack holds its site once, from its first holder to its last. */
	if (known || index == PLACE_NOWHERE)
		places_release(places, site_place);
	return index;
}

void places_hold(struct places *places, uint16_t place)
{
	places->entries[place].holders_count++;
}

static void forget(struct places *places, uint16_t index)
{
	struct place *place = &places->entries[index];
	uint16_t *link = name_bucket(places, place);

	while (*link != index)
		link = &places->entries[*link].next;
	*link = place->next;
	if (place->guest)
		count_guest(places, place, UINT32_MAX);
	for (uint32_t i = 0; is_site(place) && i < places->sites_count; i++)
		if (places->sites[i] == index) {
			places->sites[i] = places->sites[--places->sites_count];
			break;
		}
	place->next = places->free;
	places->free = index;
}

void places_release(struct places *places, uint16_t place)
{
	if (place == PLACE_NOWHERE || --places->entries[place].holders_count > 0)
		return;
	uint16_t site_place = places->entries[place].site_place;

	forget(places, place);
	if (site_place != place)
		places_release(places, site_place);
}

/* Placements. */

static void mask(uint8_t masked[static 16], const uint8_t ip[static 16], uint32_t prefix_bits)
{
	memset(masked, 0, 16);
	memcpy(masked, ip, prefix_bits / 8);
	if (prefix_bits % 8 != 0)
		masked[prefix_bits / 8] =
			(uint8_t)(ip[prefix_bits / 8] & (0xff00U >> prefix_bits % 8));
}

/* Where it is looked for first. */
static uint32_t placement_home(const struct places *places, const struct placements *placements,
	const uint8_t masked[16], uint32_t prefix_bits)
{
	uint64_t hash = keyed_hash(places->hash_key + prefix_bits, be64_read(masked));

	hash = keyed_hash(hash, be64_read(masked + 8));
	return keyed_hash_below(hash, placements->slots_count);
}

static uint32_t slot_behind(const struct placements *placements, uint32_t at)
{
	return at + 1 == placements->slots_count ? 0 : at + 1;
}

/* Where it is, or the unused slot where it would be. */
static struct placement *placement_at(const struct places *places,
	const struct placements *placements, const uint8_t masked[16], uint32_t prefix_bits)
{
	uint32_t at = placement_home(places, placements, masked, prefix_bits);

	while (placements->slots[at].used &&
		(placements->slots[at].prefix_bits != prefix_bits ||
			memcmp(placements->slots[at].ip, masked, 16) != 0))
		at = slot_behind(placements, at);
	return &placements->slots[at];
}

/* What lies behind it moves up, unless it would then lie before its home. */
static void placement_remove(
	struct places *places, struct placements *placements, struct placement *slot)
{
	uint32_t count = placements->slots_count;
	uint32_t hole = (uint32_t)(slot - placements->slots);

	if (placements == &places->subnets)
		places->lengths_used[slot->prefix_bits]--;
	places_release(places, slot->place);
	placements->used_count--;
	for (uint32_t at = slot_behind(placements, hole); placements->slots[at].used;
		at = slot_behind(placements, at)) {
		const struct placement *moved = &placements->slots[at];
		uint32_t home = placement_home(places, placements, moved->ip, moved->prefix_bits);

		if ((at + count - home) % count < (at + count - hole) % count)
			continue;
		placements->slots[hole] = *moved;
		hole = at;
	}
	placements->slots[hole] = (struct placement){0};
}

static struct placement *placement_oldest(const struct placements *placements)
{
	struct placement *oldest = NULL;

	for (uint32_t i = 0; i < placements->slots_count; i++) {
		struct placement *slot = &placements->slots[i];

		if (slot->used &&
			(oldest == NULL || placements->asked_count - slot->asked_at >
						   placements->asked_count - oldest->asked_at))
			oldest = slot;
	}
	return oldest;
}

/* A slot for one that has none; NULL: there is no room. */
static struct placement *placement_add(struct places *places, struct placements *placements,
	const uint8_t masked[16], uint32_t prefix_bits)
{
	if (placements->used_count == placements->used_max) {
		if (!placements->oldest_goes)
			return NULL;
		placement_remove(places, placements, placement_oldest(placements));
	}
	struct placement *slot = placement_at(places, placements, masked, prefix_bits);

	*slot = (struct placement){.prefix_bits = (uint8_t)prefix_bits, .used = true};
	memcpy(slot->ip, masked, sizeof(slot->ip));
	placements->used_count++;
	if (placements == &places->subnets)
		places->lengths_used[prefix_bits]++;
	return slot;
}

bool places_put(struct places *places, struct placements *placements, const uint8_t ip[16],
	uint32_t prefix_bits, const char *site, const char *rack)
{
	uint8_t masked[16];
	uint16_t place = places_take(places, site, rack, false);

	if (placements->used_max == 0 || prefix_bits > ADDRESS_BITS ||
		(place == PLACE_NOWHERE && (site[0] != '\0' || rack[0] != '\0'))) {
		places_release(places, place);
		return false;
	}
	mask(masked, ip, prefix_bits);
	struct placement *slot = placement_at(places, placements, masked, prefix_bits);

	if (place == PLACE_NOWHERE) {
		if (slot->used)
			placement_remove(places, placements, slot);
		return true;
	}
	if (!slot->used)
		slot = placement_add(places, placements, masked, prefix_bits);
	if (slot == NULL) {
		places_release(places, place);
		return false;
	}
	places_release(places, slot->place);
	slot->place = place;
	slot->asked_at = ++placements->asked_count;
	return true;
}

void places_forget(struct places *places, struct placements *placements)
{
	for (uint32_t i = 0; i < placements->slots_count; i++)
		if (placements->slots[i].used)
			places_release(places, placements->slots[i].place);
	memset(placements->slots, 0, placements->slots_count * sizeof(*placements->slots));
	placements->used_count = 0;
	if (placements == &places->subnets)
		memset(places->lengths_used, 0, sizeof(places->lengths_used));
}

static uint16_t find_placement(const struct places *places, struct placements *placements,
	const uint8_t ip[16], uint32_t prefix_bits)
{
	uint8_t masked[16];

	mask(masked, ip, prefix_bits);
	struct placement *slot = placement_at(places, placements, masked, prefix_bits);

	if (slot->used)
		slot->asked_at = ++placements->asked_count;
	return slot->place;
}

uint16_t places_find(
	struct places *places, const uint8_t ip[16], const char *site, const char *rack)
{
	uint16_t place = PLACE_NOWHERE;

	if (places->addresses.used_count > 0)
		place = find_placement(places, &places->addresses, ip, ADDRESS_BITS);
	if (place == PLACE_NOWHERE && (site[0] != '\0' || rack[0] != '\0')) {
		place = places_take(places, site, rack, true);
		if (place != PLACE_NOWHERE)
			return place;
	}
	for (uint32_t bits = PREFIX_LENGTHS;
		bits-- > 0 && places->subnets.used_count > 0 && place == PLACE_NOWHERE;)
		if (places->lengths_used[bits] > 0)
			place = find_placement(places, &places->subnets, ip, bits);
	if (place != PLACE_NOWHERE)
		places_hold(places, place);
	return place;
}
