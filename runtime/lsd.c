/* SPDX-License-Identifier: Apache-2.0 */
/* Local service discovery: what is heard and said for the swarms of a session. */
#include "runtime/lsd.h"

#include <stdio.h>

#include "runtime/clock.h"
#include "runtime/crypto.h"
#include "runtime/lsd_private.h"
#include "runtime/memory.h"

#define LOOK_NS		 (NS_PER_S)
#define REFRESH_NS	 (10 * NS_PER_S)
#define REFRESH_EARLY_NS (NS_PER_S) /* while there is no interface at all */
#define DATAGRAMS_A_TURN 64
#define DATAGRAMS_A_S	 1000 /* what more than that come says nothing: they are thrown away */

struct lsd_member {
	struct lsd *lsd;
	struct lsd_member *next;
	uint8_t infohash[SHA1_BYTES];
	const struct lsd_member_ops *ops;
	void *context;
	struct lsd_core core;
};

struct lsd {
	struct event_base *base;
	struct event *timer;
	struct lsd_sockets sockets;
	uint16_t port;
	char cookie[9];
	uint64_t refresh_ns;
	uint64_t second_ns; /* start of the second that is counted */
	uint32_t datagrams_count;
	struct lsd_member *members;
};

/* ---- speaking ---- */

static void say(struct lsd *lsd, const struct lsd_member *member, enum lsd_words words)
{
	struct lsd_search search = {.port = lsd->port,
		.wants = words == LSD_ASK ? LSD_ANSWERS_ENOUGH : 0,
		.infohashes_count = 1};
	uint8_t bytes[LSD_BYTES_MAX];

	memcpy(search.cookie, lsd->cookie, sizeof(lsd->cookie));
	memcpy(search.infohashes[0], member->infohash, SHA1_BYTES);
	for (uint32_t i = 0; i < ARRAY_COUNT(lsd->sockets.families); i++) {
		const struct lsd_family *family = &lsd->sockets.families[i];
		size_t bytes_count = lsd_write(&search, family->ipv6, bytes, sizeof(bytes));

		if (family->send_descriptor >= 0 && bytes_count > 0)
			lsd_sockets_send(&lsd->sockets, family, bytes, bytes_count);
	}
}

static void arm(struct lsd *lsd, uint64_t now_ns)
{
	uint64_t due_ns = now_ns + LOOK_NS;

	for (const struct lsd_member *member = lsd->members; member != NULL; member = member->next)
		due_ns = u64_min(due_ns, lsd_core_due_ns(&member->core));

	struct timeval wait = clock_timeval(due_ns > now_ns ? due_ns - now_ns + NS_PER_US : 0);

	if (evtimer_add(lsd->timer, &wait) != 0)
		memory_exhausted(0);
}

static void refresh(struct lsd *lsd, uint64_t now_ns)
{
	if (now_ns < lsd->refresh_ns)
		return;
	lsd_sockets_refresh(&lsd->sockets);
	lsd->refresh_ns =
		now_ns + (lsd->sockets.addresses_count > 0 ? REFRESH_NS : REFRESH_EARLY_NS);
}

static void on_timer(evutil_socket_t descriptor, short what, void *context)
{
	struct lsd *lsd = context;
	uint64_t now_ns = clock_now_ns();

	(void)descriptor;
	(void)what;
	refresh(lsd, now_ns);
	for (struct lsd_member *member = lsd->members; member != NULL; member = member->next) {
		struct lsd_need need = {0};
		enum lsd_words words;

		member->ops->need(member->context, &need);
		words = lsd_core_say(&member->core, now_ns, &need);
		if (words != LSD_NOTHING)
			say(lsd, member, words);
	}
	arm(lsd, now_ns);
}

/* ---- listening ---- */

static void heard(
	struct lsd *lsd, const uint8_t infohash[static SHA1_BYTES], const struct lsd_caller *caller)
{
	struct lsd_need need = {0};
	struct lsd_member *member = lsd->members;

	while (member != NULL && memcmp(member->infohash, infohash, SHA1_BYTES) != 0)
		member = member->next;
	if (member == NULL)
		return;
	member->ops->need(member->context, &need);
	if (lsd_core_heard(&member->core, clock_now_ns(), &need, caller))
		member->ops->found(member->context, &caller->address);
}

static uint32_t cookie_key(const char *cookie)
{
	uint32_t key = cookie[0] != '\0' ? 0x811c9dc5 : 0;

	for (; *cookie != '\0'; cookie++)
		key = (key ^ (uint8_t)*cookie) * 0x01000193;
	return key;
}

static void take(
	struct lsd *lsd, const uint8_t *bytes, size_t bytes_count, const struct peer_address *from)
{
	struct lsd_search search;

	if (!lsd_parse(&search, bytes, bytes_count) || strcmp(search.cookie, lsd->cookie) == 0 ||
		!lsd_sockets_near(&lsd->sockets, from))
		return;
	struct lsd_caller caller = {
		.address = *from, .key = cookie_key(search.cookie), .wants = search.wants};

	caller.address.port = search.port;
	for (uint32_t i = 0; i < search.infohashes_count; i++)
		heard(lsd, search.infohashes[i], &caller);
}

/* A flood costs reading it and no more. */
static bool too_many(struct lsd *lsd)
{
	uint64_t now_ns = clock_now_ns();

	if (now_ns >= lsd->second_ns + NS_PER_S) {
		lsd->second_ns = now_ns;
		lsd->datagrams_count = 0;
	}
	return lsd->datagrams_count++ >= DATAGRAMS_A_S;
}

static void receive(struct lsd *lsd, const struct lsd_family *family)
{
	uint8_t bytes[LSD_BYTES_MAX];
	struct peer_address from;

	for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
		size_t bytes_count = lsd_sockets_receive(family, bytes, sizeof(bytes), &from);

		if (bytes_count == 0)
			break;
		if (bytes_count <= sizeof(bytes) && !too_many(lsd))
			take(lsd, bytes, bytes_count, &from);
	}
	arm(lsd, clock_now_ns());
}

static void on_readable4(evutil_socket_t descriptor, short what, void *context)
{
	struct lsd *lsd = context;

	(void)descriptor;
	(void)what;
	receive(lsd, &lsd->sockets.families[0]);
}

static void on_readable6(evutil_socket_t descriptor, short what, void *context)
{
	struct lsd *lsd = context;

	(void)descriptor;
	(void)what;
	receive(lsd, &lsd->sockets.families[1]);
}

/* ---- life ---- */

static bool watch(struct lsd *lsd)
{
	static const event_callback_fn readers[] = {on_readable4, on_readable6};

	lsd->timer = evtimer_new(lsd->base, on_timer, lsd);
	if (lsd->timer == NULL)
		return false;
	for (uint32_t i = 0; i < ARRAY_COUNT(lsd->sockets.families); i++) {
		struct lsd_family *family = &lsd->sockets.families[i];

		if (family->receive_descriptor < 0)
			continue;
		family->event = event_new(lsd->base, family->receive_descriptor,
			EV_READ | EV_PERSIST, readers[i], lsd);
		if (family->event == NULL || event_add(family->event, NULL) != 0)
			return false;
	}
	return true;
}

struct lsd *lsd_open(const struct lsd_settings *settings, struct failure *failure)
{
	struct lsd *lsd = memory_allocate(1, sizeof(*lsd));
	uint32_t cookie;

	lsd->base = settings->base;
	lsd->port = settings->port;
	crypto_random(&cookie, sizeof(cookie));
	snprintf(lsd->cookie, sizeof(lsd->cookie), "%08x", cookie);
	if (!lsd_sockets_open(&lsd->sockets, &settings->source,
		    settings->hops > 0 ? settings->hops : LSD_HOPS_DEFAULT, failure))
		return lsd_close(lsd);
	if (!watch(lsd)) {
		failure_set(failure, ERROR_MEMORY, "the loop cannot watch local discovery");
		return lsd_close(lsd);
	}
	return lsd;
}

struct lsd *lsd_close(struct lsd *lsd)
{
	if (lsd == NULL)
		return NULL;
	for (uint32_t i = 0; i < ARRAY_COUNT(lsd->sockets.families); i++)
		if (lsd->sockets.families[i].event != NULL)
			event_free(lsd->sockets.families[i].event);
	if (lsd->timer != NULL)
		event_free(lsd->timer);
	lsd_sockets_close(&lsd->sockets);
	free(lsd);
	return NULL;
}

struct lsd_member *lsd_join(struct lsd *lsd, const uint8_t infohash[static SHA1_BYTES],
	const struct lsd_member_ops *ops, void *context)
{
	struct lsd_member *member = memory_allocate(1, sizeof(*member));
	uint64_t now_ns = clock_now_ns();
	uint64_t seed;

	member->lsd = lsd;
	member->ops = ops;
	member->context = context;
	memcpy(member->infohash, infohash, SHA1_BYTES);
	crypto_random(&seed, sizeof(seed));
	lsd_core_start(&member->core, now_ns, seed);
	member->next = lsd->members;
	lsd->members = member;
	arm(lsd, now_ns);
	return member;
}

struct lsd_member *lsd_leave(struct lsd_member *member)
{
	if (member == NULL)
		return NULL;

	struct lsd_member **at = &member->lsd->members;

	while (*at != member)
		at = &(*at)->next;
	*at = member->next;
	free(member);
	return NULL;
}
