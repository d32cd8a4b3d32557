/* SPDX-License-Identifier: Apache-2.0 */
/* A tracker's core in memory that was not zeroed, and numbered peers that announce to it. */
#ifndef TESTS_UNIT_TRACKER_FIXTURE_H
#define TESTS_UNIT_TRACKER_FIXTURE_H

#include "tracker/tracker_core.h"

#include <stdio.h>
#include <stdlib.h>

static inline struct tracker_core *fixture_core(const struct tracker_core_settings *settings)
{
	size_t bytes = tracker_core_bytes(settings);
	void *memory = malloc(bytes);

	if (memory == NULL)
		abort();
	memset(memory, 0xa5, bytes);
	return tracker_core_create(settings, memory, bytes);
}

/* 10.x.y.z, or fd00::x:y:z:0. */
static inline struct peer_address fixture_address(uint32_t number, bool ipv6)
{
	struct peer_address address = {.ip = {0xfd}, .port = 6881};
	uint8_t v4[4] = {10};

	be32_write(address.ip + 12, number);
	if (!ipv6) {
		be32_write(v4, UINT32_C(10) << 24 | number);
		peer_address_from4(&address, v4, 6881);
	}
	return address;
}

static inline uint32_t fixture_number(const struct peer_address *address)
{
	return be32_read(address->ip + 12) & 0xffffff;
}

static inline struct announce fixture_announce(const uint8_t *infohash, uint64_t left_bytes)
{
	struct announce announce = {
		.left_bytes = left_bytes, .port = 6881, .numwant = ANNOUNCE_NUMWANT_DEFAULT};

	memcpy(announce.infohash, infohash, SHA1_BYTES);
	return announce;
}

static inline void fixture_stand(struct announce *announce, const char *site, const char *rack)
{
	snprintf(announce->site, sizeof(announce->site), "%s", site);
	snprintf(announce->rack, sizeof(announce->rack), "%s", rack);
}

static inline void fixture_send(struct tracker_core *core, uint64_t now_ms, uint32_t number,
	const struct announce *announce, struct announce_reply *reply)
{
	struct peer_address address = fixture_address(number, false);

	tracker_core_announce(core, now_ms, announce, address.ip, reply);
}

#endif
