/* SPDX-License-Identifier: Apache-2.0 */
/* A transfer's trackers: announces that the engine orders, and the peers that they bring. */
#include <stdio.h>

#include "runtime/memory.h"
#include "runtime/transfer.h"

static void on_replied(
	void *context, uint32_t tracker, const struct announce_reply *reply, const char *text)
{
	struct transfer *transfer = context;
	struct swarm_input input = {
		.kind = SWARM_IN_TRACKER_REPLY, .tracker = tracker, .ok = reply != NULL};

	if (reply == NULL) {
		snprintf(transfer->tracker_text, sizeof(transfer->tracker_text), "%s: %s",
			tracker_client_url(transfer->trackers, tracker), text);
		transfer->tracker_text_of = tracker;
		log_debug("tracker %s", transfer->tracker_text);
	} else {
		if (transfer->tracker_text_of == tracker)
			transfer->tracker_text[0] = '\0';
		input.interval_s = reply->interval_s;
		for (uint32_t i = 0; i < reply->peers_count; i++)
			transfer_input(
				transfer, &(struct swarm_input){.kind = SWARM_IN_TRACKER_PEER,
						  .tracker = tracker,
						  .address = reply->peers[i]});
	}
	transfer_input(transfer, &input);
	/* `stopped` has been said everywhere: no need to wait longer. */
	if (transfer->stopping && tracker_client_pending_count(transfer->trackers) == 0)
		event_active(transfer->stop_event, EV_TIMEOUT, 0);
}

/* The settings' trackers or the metainfo's, those of the lowest tier first. */
void transfer_trackers_open(
	struct transfer *transfer, const struct transfer_settings *settings, uint32_t *tiers)
{
	const struct tracker_url *given = settings->trackers;
	uint32_t count = settings->trackers_count;
	struct tracker_url sorted[METAINFO_TRACKERS_MAX];

	if (given == NULL) {
		given = settings->metainfo->trackers;
		count = settings->metainfo->trackers_count;
	}
	count = (uint32_t)u64_min(count, METAINFO_TRACKERS_MAX);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = i;

		for (; at > 0 && sorted[at - 1].tier > given[i].tier; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = given[i];
	}
	for (uint32_t i = 0; i < count; i++)
		tiers[i] = sorted[i].tier;
	transfer->trackers_count = count;
	transfer->trackers = tracker_client_create(transfer->session->base,
		&transfer->session->connections.source, sorted, count, on_replied, transfer);
}

void transfer_apply_announce(struct transfer *transfer, const struct swarm_effect *effect)
{
	struct swarm_status status;
	struct announce announce = {
		.left_bytes = effect->left_bytes,
		.event = effect->event,
		.port = transfer->session->port,
		.numwant = effect->numwant,
		.key = transfer->announce_key,
		.compact = true,
		.no_peer_id = true,
	};

	swarm_status(transfer->swarm, &status);
	announce.uploaded_bytes = status.sent_bytes;
	announce.downloaded_bytes = status.received_bytes;
	memcpy(announce.infohash, transfer->metainfo->infohash, SHA1_BYTES);
	memcpy(announce.peer_id, transfer->peer_id, PEER_ID_BYTES);
	memcpy(announce.rack, transfer->rack, sizeof(announce.rack));
	memcpy(announce.site, transfer->site, sizeof(announce.site));
	tracker_client_announce(transfer->trackers, effect->tracker, &announce);
}
