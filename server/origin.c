/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and stopping the origin's transfers. */
#include "server/origin.h"

#include <stdio.h>
#include <stdlib.h>

#include "dht/dht.h"
#include "lib/log.h"

_Static_assert(ORIGINS_MAX <= DHT_USERS_MAX, "every image has its place in the DHT");

struct origin {
	struct origins *owner;
	struct image *image;
	struct block_device *device;
	struct transfer *transfer;
	uint8_t *metainfo_bytes; /* with this site's trackers */
	size_t metainfo_bytes_count;
	bool wanted;
	bool stopping;
	bool stopped;
};

struct origins {
	struct origins_settings settings;
	struct tracker_url trackers[METAINFO_TRACKERS_MAX];
	struct session *session;
	struct origin *list[ORIGINS_MAX];
	size_t count;
	struct event *reap;
};

static struct origin *origin_free(struct origin *origin)
{
	if (origin == NULL)
		return NULL;
	transfer_destroy(origin->transfer);
	block_device_close(origin->device);
	image_close(origin->image);
	free(origin->metainfo_bytes);
	free(origin);
	return NULL;
}

/* A transfer may not be destroyed inside its own callback: this runs after it. */
static void on_reap(evutil_socket_t descriptor, short what, void *context)
{
	struct origins *origins = context;
	size_t kept = 0;

	(void)descriptor;
	(void)what;
	for (size_t i = 0; i < origins->count; i++) {
		if (!origins->list[i]->stopped)
			origins->list[kept++] = origins->list[i];
		else
			origin_free(origins->list[i]);
	}
	origins->count = kept;
}

static void on_transfer(void *context, const struct transfer_event *event)
{
	struct origin *origin = context;
	struct origins *origins = origin->owner;
	char text[512];

	switch (event->kind) {
	case TRANSFER_FAILED:
		snprintf(text, sizeof(text), "the origin of %s: %s", origin->image->name,
			event->failure->text);
		origins->settings.on_trouble(origins->settings.context, text);
		break;
	case TRANSFER_PEER_BANNED:
		snprintf(text, sizeof(text), "the origin of %s shuts a peer out: %s",
			origin->image->name, event->text);
		origins->settings.on_trouble(origins->settings.context, text);
		break;
	default:
		break;
	}
	if (event->kind == TRANSFER_STOPPED) {
		origin->stopped = true;
		event_active(origins->reap, EV_TIMEOUT, 0);
	}
}

struct origins *origins_create(const struct origins_settings *settings, struct failure *failure)
{
	struct origins *origins = calloc(1, sizeof(*origins));

	if (origins == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for the origin");
		return NULL;
	}
	origins->settings = *settings;
	memcpy(origins->trackers, settings->trackers,
		settings->trackers_count * sizeof(settings->trackers[0]));
	origins->reap = event_new(settings->base, -1, 0, on_reap, origins);
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_addr = settings->address,
		.sin_port = htons(settings->port)};
	struct session_settings session_settings = {
		.base = settings->base, .listen_bytes = sizeof(address)};

	memcpy(&session_settings.listen, &address, sizeof(address));
	if (origins->reap != NULL)
		origins->session = session_create(&session_settings, failure);
	else
		failure_set(failure, ERROR_MEMORY, "no memory for an event");
	if (origins->session == NULL)
		return origins_destroy(origins);
	return origins;
}

struct origins *origins_destroy(struct origins *origins)
{
	if (origins == NULL)
		return NULL;
	for (size_t i = 0; i < origins->count; i++)
		origin_free(origins->list[i]);
	session_destroy(origins->session);
	if (origins->reap != NULL)
		event_free(origins->reap);
	free(origins);
	return NULL;
}

static struct origin *origin_find(
	const struct origins *origins, const uint8_t infohash[static SHA1_BYTES])
{
	for (size_t i = 0; i < origins->count; i++)
		if (memcmp(origins->list[i]->image->metainfo.infohash, infohash, SHA1_BYTES) == 0)
			return origins->list[i];
	return NULL;
}

/* The metainfo as nodes get it, and the transfer that serves the image. */
static bool origin_start(struct origin *origin, struct failure *failure)
{
	struct origins *origins = origin->owner;
	const struct metainfo *metainfo = &origin->image->metainfo;
	size_t capacity = metainfo_bytes_max(metainfo->pieces_count);

	origin->metainfo_bytes = malloc(capacity);
	if (origin->metainfo_bytes == NULL)
		return failure_set(failure, ERROR_MEMORY, "no memory for a metainfo");
	origin->metainfo_bytes_count = metainfo_write_with_trackers(metainfo, origins->trackers,
		origins->settings.trackers_count, origin->metainfo_bytes, capacity);
	if (origin->metainfo_bytes_count == 0)
		return failure_set(failure, ERROR_LIMIT, "the metainfo is too large");
	origin->device = block_device_open(origin->image->disk_path, false, 0, failure);
	if (origin->device == NULL)
		return false;
	struct transfer_settings settings = {.metainfo = metainfo,
		.device = origin->device,
		.seed = true,
		.origin = true,
		.rates = origins->settings.rates,
		.trackers = origins->trackers,
		.trackers_count = origins->settings.trackers_count,
		.pex = !origins->settings.off.pex,
		.lsd = !origins->settings.off.lsd,
		.rack = origins->settings.rack,
		.site = origins->settings.site,
		.dht = !origins->settings.off.dht,
		.dht_nodes = origins->settings.dht_nodes,
		.dht_nodes_count = origins->settings.dht_nodes_count,
		.on_event = on_transfer,
		.context = origin};

	origin->transfer = transfer_start(origins->session, &settings, failure);
	return origin->transfer != NULL;
}

bool origins_want(
	struct origins *origins, const uint8_t infohash[static SHA1_BYTES], struct failure *failure)
{
	struct origin *origin = origin_find(origins, infohash);

	if (origin != NULL) {
		origin->wanted = true;
		return !origin->stopping ||
		       failure_set(failure, ERROR_TIMEOUT, "the origin is being restarted");
	}
	if (origins->count == ORIGINS_MAX)
		return failure_set(failure, ERROR_LIMIT,
			"the origin serves %d images already; more at once are not possible",
			ORIGINS_MAX);
	origin = calloc(1, sizeof(*origin));
	if (origin == NULL)
		return failure_set(failure, ERROR_MEMORY, "no memory for the origin");
	origin->owner = origins;
	origin->wanted = true;
	origin->image = image_find(origins->settings.store, infohash, failure);
	if (origin->image == NULL || !origin_start(origin, failure)) {
		origin_free(origin);
		return false;
	}
	origins->list[origins->count++] = origin;
	log_info("serving image %s", origin->image->name);
	return true;
}

void origins_sync_begin(struct origins *origins)
{
	for (size_t i = 0; i < origins->count; i++)
		origins->list[i]->wanted = false;
}

void origins_sync_end(struct origins *origins)
{
	for (size_t i = 0; i < origins->count; i++) {
		struct origin *origin = origins->list[i];

		if (origin->wanted || origin->stopping)
			continue;
		origin->stopping = true;
		transfer_stop(origin->transfer);
	}
}

bool origins_metainfo(const struct origins *origins, const uint8_t infohash[static SHA1_BYTES],
	const uint8_t **bytes, size_t *bytes_count)
{
	const struct origin *origin = origin_find(origins, infohash);

	if (origin == NULL)
		return false;
	*bytes = origin->metainfo_bytes;
	*bytes_count = origin->metainfo_bytes_count;
	return true;
}

bool origins_status(const struct origins *origins, size_t position, struct origin_status *status)
{
	if (position >= origins->count)
		return false;
	const struct origin *origin = origins->list[position];

	snprintf(status->name, sizeof(status->name), "%s", origin->image->name);
	memcpy(status->infohash, origin->image->metainfo.infohash, SHA1_BYTES);
	status->length_bytes = origin->image->metainfo.length_bytes;
	transfer_status(origin->transfer, &status->transfer);
	return true;
}

uint16_t origins_port(const struct origins *origins)
{
	return session_port(origins->session);
}
