/* SPDX-License-Identifier: Apache-2.0 */
/* When and where to look up: soon and often while peers are few, rarely otherwise. */
#include "dht/finder.h"

#define FIRST_JITTER_NS	    (300 * NS_PER_MS)
#define AGAIN_NS	    (400 * NS_PER_MS) /* no node was known */
#define FEW_PEERS	    4
#define NEEDY_PAUSE_NS	    (2 * NS_PER_S) /* doubled each time */
#define NEEDY_PAUSE_NS_MAX  (30 * NS_PER_S)
#define WAVE_PAUSE_NS	    (60 * NS_PER_S) /* something is missing, peers are enough */
#define COMPLETE_PAUSE_NS   (5 * 60 * NS_PER_S)
#define GLOBAL_WAIT_NS	    (3 * NS_PER_S) /* for the peers that the site's key named */
#define GLOBAL_PAUSE_NS	    (4 * NS_PER_S)
#define GLOBAL_PAUSE_NS_MAX (60 * NS_PER_S)
#define SEEDLESS_NS	    (30 * NS_PER_S)
#define SEEDS_GIVE_NS	    (2 * 60 * NS_PER_S) /* one that says it is complete has given by then */
#define GLOBAL_COMPLETE_NS  (15 * 60 * NS_PER_S)

void dht_finder_init(struct dht_finder *finder, uint64_t now_ns,
	const uint8_t infohash[static DHT_ID_BYTES], const uint8_t *site_digest, uint16_t port,
	uint32_t cookie, uint64_t seed)
{
	memset(finder, 0, sizeof(*finder));
	memcpy(finder->global_key, infohash, DHT_ID_BYTES);
	memcpy(finder->site_key, infohash, DHT_ID_BYTES);
	if (site_digest != NULL)
		dht_id_into_site(finder->site_key, site_digest);
	finder->in_site = site_digest != NULL;
	finder->port = port;
	finder->cookie = cookie;
	rng_seed(&finder->rng, seed);
	finder->first_ns = now_ns + rng_below(&finder->rng, FIRST_JITTER_NS);
}

/* Not all at once: up to an eighth later. */
static uint64_t jittered(struct dht_finder *finder, uint64_t pause_ns)
{
	return pause_ns + rng_below(&finder->rng, pause_ns / 8 + 1);
}

static bool own_due(
	const struct dht_finder *finder, uint64_t now_ns, const struct dht_finder_view *view)
{
	uint64_t pause_ns = COMPLETE_PAUSE_NS;

	if (finder->own_ended_ns == 0)
		return now_ns >= finder->first_ns;
	if (!view->complete)
		pause_ns = view->peers_count < FEW_PEERS || !view->trackers_ok
				   ? u64_max(finder->own_pause_ns, NEEDY_PAUSE_NS)
				   : WAVE_PAUSE_NS;
	return now_ns >= finder->own_ended_ns + pause_ns;
}

/* The global key is for those who have nobody, or get nothing, and for full copies. Who says that
 * it is one is waited for, but not for ever. */
static bool global_due(
	const struct dht_finder *finder, uint64_t now_ns, const struct dht_finder_view *view)
{
	if (!finder->in_site || finder->own_ended_ns == 0)
		return false;
	if (view->complete)
		return !finder->said_complete ||
		       now_ns >= finder->global_ended_ns + GLOBAL_COMPLETE_NS;
	if (now_ns < finder->global_ended_ns + finder->global_pause_ns)
		return false;
	if (view->peers_count == 0)
		return now_ns >= finder->own_ended_ns + GLOBAL_WAIT_NS;
	return finder->quiet_ns != 0 &&
	       now_ns >= finder->quiet_ns + (view->seeds_count > 0 ? SEEDS_GIVE_NS : SEEDLESS_NS);
}

bool dht_finder_next(struct dht_finder *finder, uint64_t now_ns, const struct dht_finder_view *view,
	struct dht_search *search)
{
	bool comes = view->received_bytes != finder->received_bytes;
	bool own;

	if (view->complete)
		finder->quiet_ns = 0;
	else if (finder->quiet_ns == 0 || comes)
		finder->quiet_ns = now_ns; /* what comes, comes from somewhere: a relay perhaps */
	finder->received_bytes = view->received_bytes;
	/* Once there are enough, the next want begins with short pauses again. */
	if (view->complete || (view->peers_count >= FEW_PEERS && view->trackers_ok))
		finder->own_pause_ns = 0;
	if (view->complete || (comes && view->peers_count > 0 && view->seeds_count > 0))
		finder->global_pause_ns = 0;
	if (finder->pending_count > 0)
		return false;
	own = own_due(finder, now_ns, view);
	if (!own && !global_due(finder, now_ns, view))
		return false;
	finder->pending_global = !own;
	*search = (struct dht_search){.site_only = own && finder->in_site,
		.announce_port = finder->port,
		.cookie = finder->cookie};
	memcpy(search->key, own ? finder->site_key : finder->global_key, DHT_ID_BYTES);
	if (!own)
		finder->said_complete = view->complete;
	return true;
}

static void ended(struct dht_finder *finder, uint64_t now_ns)
{
	if (finder->pending_global) {
		finder->global_ended_ns = now_ns;
		finder->global_pause_ns = jittered(
			finder, u64_min(u64_max(2 * finder->global_pause_ns, GLOBAL_PAUSE_NS),
					GLOBAL_PAUSE_NS_MAX));
		return;
	}
	finder->own_ended_ns = now_ns;
	finder->own_pause_ns = jittered(finder,
		u64_min(u64_max(2 * finder->own_pause_ns, NEEDY_PAUSE_NS), NEEDY_PAUSE_NS_MAX));
}

void dht_finder_started(struct dht_finder *finder, uint64_t now_ns, uint32_t lookups_count)
{
	finder->pending_count = lookups_count;
	if (lookups_count > 0)
		return;
	/* Nobody to ask: the global key is as hopeless, and the site's comes first. */
	if (finder->pending_global)
		finder->said_complete = false;
	finder->first_ns = now_ns + AGAIN_NS;
	finder->own_ended_ns = 0;
}

bool dht_finder_wants(const struct dht_finder *finder)
{
	return !finder->pending_global || !finder->said_complete;
}

void dht_finder_ended(struct dht_finder *finder, uint64_t now_ns)
{
	if (finder->pending_count > 0 && --finder->pending_count == 0)
		ended(finder, now_ns);
}
