/* SPDX-License-Identifier: Apache-2.0 */
/* A transfer's life, and the pump between the engine and the machine. */
#include "runtime/transfer.h"

#include <stdio.h>

#include "runtime/clock.h"
#include "runtime/memory.h"
#include "runtime/transfer_dht.h"
#include "wire/peer_leaves.h"

#define SAMPLE_INTERVAL_NS (NS_PER_S / 2)
#define STOP_TIMEOUT_NS	   (2 * NS_PER_S)
#define CONTROL_BYTES_MORE (256 * KIB)
#define RAMP_S_MAX	   86400
#define TEXT_OF_NONE	   UINT32_MAX
#define LAYERS_QUEUED	   16 /* leaf layers that one peer may be sent at a time */

/* ---- the pump ---- */

static void apply(struct transfer *transfer, const struct swarm_effect *effect)
{
	char text[160];

	switch (effect->kind) {
	case SWARM_EFFECT_CONNECT:
	case SWARM_EFFECT_DISCONNECT:
	case SWARM_EFFECT_SEND_HANDSHAKE:
	case SWARM_EFFECT_SEND:
	case SWARM_EFFECT_SEND_BLOCK:
	case SWARM_EFFECT_CANCEL_SEND:
		transfer_apply_peer(transfer, effect);
		break;
	case SWARM_EFFECT_HASH:
	case SWARM_EFFECT_WRITE:
	case SWARM_EFFECT_READ:
	case SWARM_EFFECT_WRITE_ZEROES:
	case SWARM_EFFECT_FLUSH:
		transfer_apply_disk(transfer, effect);
		break;
	case SWARM_EFFECT_LEAVES:
	case SWARM_EFFECT_COMPARE:
		leaves_apply(transfer, effect);
		break;
	case SWARM_EFFECT_ANNOUNCE:
		transfer_apply_announce(transfer, effect);
		break;
	case SWARM_EFFECT_PIECE_DURABLE:
		readback_on_durable(transfer, effect->piece);
		break;
	case SWARM_EFFECT_COMPLETE:
		transfer_tell(transfer, TRANSFER_COMPLETE, NULL, NULL);
		break;
	case SWARM_EFFECT_DISK_FAILED:
		transfer_tell(transfer, TRANSFER_FAILED, &transfer->disk_failure, NULL);
		break;
	case SWARM_EFFECT_PEER_BANNED: {
		char address[SOCKET_TEXT_MAX];

		snprintf(text, sizeof(text), "%s: %s",
			socket_address_text(address, &effect->address), effect->reason);
		transfer_tell(transfer, TRANSFER_PEER_BANNED, NULL, text);
		break;
	}
	}
}

void transfer_drain(struct transfer *transfer)
{
	struct swarm_effect effect;

	while (swarm_next_effect(transfer->swarm, &effect))
		apply(transfer, &effect);
}

static void arm_tick(struct transfer *transfer)
{
	uint64_t deadline_ns = swarm_deadline_ns(transfer->swarm);
	uint64_t now_ns = clock_now_ns();

	if (deadline_ns == UINT64_MAX) {
		event_del(transfer->tick_event);
		return;
	}

	/* Rounded up to libevent's microsecond: never early. */
	struct timeval wait =
		clock_timeval(deadline_ns > now_ns ? deadline_ns - now_ns + NS_PER_US : 0);

	if (evtimer_add(transfer->tick_event, &wait) != 0)
		memory_exhausted(0);
}

/* Tells what could not be told while effects were applied. What they queued is written once the
 * loop has handled all that came with this: so that many small messages leave together. */
void transfer_settle(struct transfer *transfer)
{
	if (transfer->settling)
		return;
	transfer->settling = true;
	while (transfer->failed_dials_count > 0) {
		struct failed_dial dial = transfer->failed_dials[--transfer->failed_dials_count];

		transfer_input(transfer, &(struct swarm_input){.kind = SWARM_IN_CONNECT_FAILED,
						 .peer = dial.peer,
						 .generation = dial.generation});
	}
	transfer->settling = false;
	if (transfer->dirty != NULL)
		event_active(transfer->flush_event, EV_TIMEOUT, 0);
	arm_tick(transfer);
}

static void on_flush(evutil_socket_t descriptor, short what, void *context)
{
	struct transfer *transfer = context;

	(void)descriptor;
	(void)what;
	while (transfer->dirty != NULL)
		transfer_flush_dirty(transfer);
}

void transfer_input(struct transfer *transfer, const struct swarm_input *input)
{
	if (transfer->closing)
		return;
	swarm_handle(transfer->swarm, clock_now_ns(), input);
	transfer_drain(transfer);
	transfer_settle(transfer);
}

static void on_tick(evutil_socket_t descriptor, short what, void *context)
{
	(void)descriptor;
	(void)what;
	transfer_input(context, &(struct swarm_input){.kind = SWARM_IN_TICK});
}

/* ---- news ---- */

/* The program hears of it when the loop comes round, so that it may do what it likes then. */
void transfer_tell(struct transfer *transfer, enum transfer_event_kind kind,
	const struct failure *failure, const char *text)
{
	uint32_t room_count = TRANSFER_NEWS_MAX - transfer->news_count;

	/* Bans can come in any number: they leave room for the rest. */
	if (room_count == 0 || (kind == TRANSFER_PEER_BANNED && room_count < 16))
		return;

	struct transfer_news *news =
		&transfer->news[(transfer->news_first + transfer->news_count++) %
				TRANSFER_NEWS_MAX];

	*news = (struct transfer_news){.kind = kind};
	if (failure != NULL)
		news->failure = *failure;
	if (text != NULL)
		snprintf(news->text, sizeof(news->text), "%s", text);
	event_active(transfer->news_event, EV_TIMEOUT, 0);
}

static void on_news(evutil_socket_t descriptor, short what, void *context)
{
	struct transfer *transfer = context;
	struct transfer_news news = transfer->news[transfer->news_first];

	(void)descriptor;
	(void)what;
	if (transfer->news_count == 0)
		return;
	transfer->news_first = (transfer->news_first + 1) % TRANSFER_NEWS_MAX;
	if (--transfer->news_count > 0)
		event_active(transfer->news_event, EV_TIMEOUT, 0);
	/* The last thing done here: the program may destroy the transfer. */
	transfer->on_event(transfer->context,
		&(struct transfer_event){
			.kind = news.kind, .failure = &news.failure, .text = news.text});
}

/* ---- life ---- */

static void *swarm_allocate(void *context, size_t bytes)
{
	(void)context;
	return calloc(1, bytes);
}

static void swarm_release(void *context, void *memory)
{
	(void)context;
	free(memory);
}

static void on_sample(evutil_socket_t descriptor, short what, void *context)
{
	struct transfer *transfer = context;
	struct timeval interval = clock_timeval(SAMPLE_INTERVAL_NS);
	struct swarm_status status;

	(void)descriptor;
	(void)what;
	swarm_status(transfer->swarm, &status);
	transfer->samples[transfer->samples_next] = (struct transfer_sample){
		.at_ns = clock_now_ns(),
		.received_bytes = status.received_bytes,
		.sent_bytes = status.sent_bytes,
		.durable_bytes = status.durable_bytes,
	};
	transfer->samples_next = (transfer->samples_next + 1) % TRANSFER_SAMPLES_MAX;
	if (transfer->samples_count < TRANSFER_SAMPLES_MAX)
		transfer->samples_count++;
	if (evtimer_add(transfer->sample_event, &interval) != 0)
		memory_exhausted(0);
}

static void on_stop(evutil_socket_t descriptor, short what, void *context)
{
	struct transfer *transfer = context;

	(void)descriptor;
	(void)what;
	if (transfer->stopped)
		return;
	transfer->stopped = true;
	transfer_close_peers(transfer);
	transfer_tell(transfer, TRANSFER_STOPPED, NULL, NULL);
}

static uint64_t places_bytes(const struct transfer_settings *settings)
{
	const char *const places[] = {settings->rack, settings->site};
	uint64_t bytes = 0;

	for (size_t i = 0; i < ARRAY_COUNT(places); i++)
		if (places[i] != NULL && places[i][0] != '\0')
			bytes += (uint64_t)settings->metainfo->pieces_count *
				 SWARM_PLACE_BYTES_PER_PIECE;
	return bytes;
}

static bool place_set(char place[static PEER_PLACE_MAX + 1], const char *name, const char *what,
	struct failure *failure)
{
	if (name == NULL || name[0] == '\0')
		return true;
	if (!peer_place_valid((const uint8_t *)name, strlen(name)))
		return failure_set(failure, ERROR_USAGE,
			"%s: 1 to %d printable characters without spaces are wanted", what,
			PEER_PLACE_MAX);
	memcpy(place, name, strlen(name) + 1);
	return true;
}

static bool make_swarm(struct transfer *transfer, const struct transfer_settings *settings,
	const uint32_t *tiers, struct failure *failure)
{
	const struct metainfo *metainfo = settings->metainfo;
	struct swarm_settings swarm = {
		.length_bytes = metainfo->length_bytes,
		.piece_bytes = metainfo->piece_bytes,
		.pieces_count = metainfo->pieces_count,
		.piece_hashes = metainfo->pieces_sha256,
		.piece_hash_bytes = SHA256_BYTES,
		.zero_pieces = &transfer->zero_pieces,
		.origin = settings->origin,
		.relay = settings->relay,
		.leaves = metainfo->pieces_sha256 != NULL,
		.all_durable = settings->seed,
		.frames = transfer_frames_on(transfer),
		.pex = settings->pex && !metainfo->is_private,
		.is_private = metainfo->is_private,
		.listen_port = transfer->session->port,
		.trackers_count = transfer->trackers_count,
		.tracker_tiers = tiers,
		.seed = transfer->seed_of_choices,
		.limits = transfer->limits,
	};
	struct swarm_allocator allocator = {.allocate = swarm_allocate, .release = swarm_release};

	if (swarm.piece_hashes == NULL) {
		swarm.piece_hashes = metainfo->pieces_sha1;
		swarm.piece_hash_bytes = SHA1_BYTES;
	}
	memcpy(swarm.infohash, metainfo->infohash, SHA1_BYTES);
	memcpy(swarm.peer_id, transfer->peer_id, PEER_ID_BYTES);
	if (!place_set(swarm.rack, settings->rack, "rack", failure) ||
		!place_set(swarm.site, settings->site, "site", failure))
		return false;
	memcpy(transfer->rack, swarm.rack, sizeof(transfer->rack));
	memcpy(transfer->site, swarm.site, sizeof(transfer->site));
	transfer->swarm = swarm_create(&swarm, &allocator);
	if (transfer->swarm == NULL)
		return failure_set(failure, ERROR_MEMORY,
			"the swarm of %u pieces could not be set up", metainfo->pieces_count);
	return true;
}

static void make_events(struct transfer *transfer)
{
	struct event_base *base = transfer->session->base;

	transfer->tick_event = evtimer_new(base, on_tick, transfer);
	transfer->news_event = evtimer_new(base, on_news, transfer);
	transfer->flush_event = evtimer_new(base, on_flush, transfer);
	transfer->sample_event = evtimer_new(base, on_sample, transfer);
	transfer->stop_event = evtimer_new(base, on_stop, transfer);
	if (transfer->tick_event == NULL || transfer->news_event == NULL ||
		transfer->flush_event == NULL || transfer->sample_event == NULL ||
		transfer->stop_event == NULL)
		memory_exhausted(0);
}

static void choose_limits(struct transfer *transfer)
{
	uint32_t bitfield_bytes = (uint32_t)u64_div_up(transfer->metainfo->pieces_count, 8) + 1;
	uint64_t layer_bytes = peer_leaves_layer_bytes(transfer->metainfo->piece_bytes);

	transfer->connection_limits = (struct connection_limits){
		.message_bytes_max = (uint32_t)u64_max(
			bitfield_bytes, u64_max(PEER_EXTENDED_BYTES_MAX, layer_bytes) + 2),
		.control_bytes_max = (uint32_t)(2 * bitfield_bytes + CONTROL_BYTES_MORE +
						LAYERS_QUEUED * layer_bytes),
		.blocks_max = transfer->limits.incoming_requests_max + 1,
		.piece_bytes = transfer->metainfo->piece_bytes,
		.device = transfer->device,
	};
	transfer->peers = memory_allocate(transfer->limits.peers_max, sizeof(*transfer->peers));
	transfer->failed_dials =
		memory_allocate(transfer->limits.peers_max, sizeof(*transfer->failed_dials));
}

static bool settings_possible(const struct transfer_settings *settings, struct failure *failure)
{
	const struct metainfo *metainfo = settings->metainfo;

	if (!metainfo->has_v1)
		return failure_set(failure, ERROR_UNSUPPORTED,
			"%s is BEP 52 v2 only: its swarm is not supported (v1 and hybrid are)",
			metainfo->name);
	if (settings->device->size_bytes < metainfo->length_bytes)
		return failure_set(failure, ERROR_DISK_TOO_SMALL,
			"%s has %llu bytes, the image %llu", settings->device->name,
			(unsigned long long)settings->device->size_bytes,
			(unsigned long long)metainfo->length_bytes);
	return true;
}

struct transfer *transfer_start(
	struct session *session, const struct transfer_settings *settings, struct failure *failure)
{
	uint32_t tiers[METAINFO_TRACKERS_MAX];
	uint32_t pieces_count = settings->metainfo->pieces_count;

	if (!settings_possible(settings, failure))
		return NULL;

	struct transfer *transfer = memory_allocate(1, sizeof(*transfer));

	transfer->session = session;
	transfer->metainfo = settings->metainfo;
	transfer->device = settings->device;
	transfer->on_event = settings->on_event;
	transfer->context = settings->context;
	transfer->tracker_text_of = TEXT_OF_NONE;
	transfer->seed_of_choices = settings->seed_of_choices;
	if (transfer->seed_of_choices == 0)
		crypto_random(&transfer->seed_of_choices, sizeof(transfer->seed_of_choices));
	memcpy(transfer->peer_id, "-SB0100-", 8);
	crypto_random(transfer->peer_id + 8, PEER_ID_BYTES - 8);
	crypto_random(&transfer->announce_key, sizeof(transfer->announce_key));
	transfer->zero_words = memory_allocate(BITSET_WORDS(pieces_count), sizeof(uint64_t));
	bitset_init(&transfer->zero_pieces, transfer->zero_words, pieces_count);
	hash_find_zero_pieces(settings->metainfo, &transfer->zero_pieces);
	swarm_limits_default(&transfer->limits);
	transfer_frames_open(transfer, settings);
	transfer->limits.up_bytes_per_s = settings->rates.up_bytes_per_s;
	transfer->limits.down_bytes_per_s = settings->rates.down_bytes_per_s;
	transfer->limits.ramp_ns = u64_min(settings->rates.ramp_s, RAMP_S_MAX) * NS_PER_S;
	budget_plan(&transfer->budget, settings->memory_bytes,
		settings->memory_taken_bytes + transfer_frames_bytes(transfer) +
			places_bytes(settings) + transfer_dht_bytes(settings),
		settings->metainfo, settings->origin, &transfer->limits);
	transfer_disk_open(transfer);
	make_events(transfer);
	leaves_open(transfer);
	choose_limits(transfer);
	transfer_trackers_open(transfer, settings, tiers);
	transfer->next = session->transfers;
	session->transfers = transfer;
	if (!make_swarm(transfer, settings, tiers, failure))
		return transfer_destroy(transfer);

	transfer_input(transfer, &(struct swarm_input){.kind = SWARM_IN_START});
	for (uint32_t i = 0; i < settings->peers_count; i++)
		transfer_input(transfer, &(struct swarm_input){.kind = SWARM_IN_ADDRESS,
						 .address = settings->peers[i]});
	transfer_near_open(transfer, settings);
	transfer_dht_open(transfer, settings);
	on_sample(-1, 0, transfer);
	if (!settings->seed)
		assess_start(transfer);
	return transfer;
}

void transfer_status(const struct transfer *transfer, struct transfer_status *status)
{
	const struct transfer_sample *oldest =
		&transfer->samples[transfer->samples_count < TRANSFER_SAMPLES_MAX
					   ? 0
					   : transfer->samples_next];
	uint64_t elapsed_ms = (clock_now_ns() - oldest->at_ns) / NS_PER_MS;

	*status = (struct transfer_status){
		.assessed_bytes = transfer->assessment.bytes,
		.assessed = transfer->assessment.done || transfer->assessment.runs == NULL,
		.readback_bytes = transfer->readback.bytes,
		.readback_bad_pieces = transfer->readback.bad_pieces_count,
		.eta_s = UINT64_MAX,
	};
	swarm_status(transfer->swarm, &status->swarm);
	memcpy(status->tracker_text, transfer->tracker_text, sizeof(status->tracker_text));
	if (status->swarm.tracker != SWARM_TRACKER_NONE)
		snprintf(status->tracker_url, sizeof(status->tracker_url), "%s",
			tracker_client_url(transfer->trackers, status->swarm.tracker));
	transfer_dht_status(transfer, status);
	if (elapsed_ms > 0) {
		uint64_t durable_bytes =
			status->swarm.durable_bytes > oldest->durable_bytes
				? status->swarm.durable_bytes - oldest->durable_bytes
				: 0;
		uint64_t durable_rate = durable_bytes * 1000 / elapsed_ms;

		status->rate_received_bytes_per_s =
			(status->swarm.received_bytes - oldest->received_bytes) * 1000 / elapsed_ms;
		status->rate_sent_bytes_per_s =
			(status->swarm.sent_bytes - oldest->sent_bytes) * 1000 / elapsed_ms;
		if (durable_rate > 0)
			status->eta_s = u64_div_up(status->swarm.left_bytes, durable_rate);
	}
	if (status->swarm.left_bytes == 0)
		status->eta_s = 0;
}

void transfer_stop(struct transfer *transfer)
{
	struct timeval wait = clock_timeval(STOP_TIMEOUT_NS);

	if (transfer->stopping)
		return;
	transfer->stopping = true;
	atomic_store(&transfer->cancelled, true);
	transfer->assessment.running = false;
	transfer->readback.running = false;
	transfer_near_close(transfer);
	transfer_input(transfer, &(struct swarm_input){.kind = SWARM_IN_STOP});
	if (tracker_client_pending_count(transfer->trackers) == 0)
		wait = (struct timeval){0};
	if (evtimer_add(transfer->stop_event, &wait) != 0)
		memory_exhausted(0);
}

struct transfer *transfer_destroy(struct transfer *transfer)
{
	if (transfer == NULL)
		return NULL;

	struct transfer **at = &transfer->session->transfers;

	while (*at != transfer)
		at = &(*at)->next;
	*at = transfer->next;
	atomic_store(&transfer->cancelled, true);
	assess_close(transfer);
	readback_close(transfer);
	transfer_near_close(transfer);
	transfer_dht_close(transfer);
	transfer->trackers = tracker_client_destroy(transfer->trackers);
	transfer->closing = true;
	transfer_close_peers(transfer);
	transfer_disk_close(transfer);
	leaves_close(transfer);
	transfer_frames_close(transfer);
	transfer->swarm = swarm_destroy(transfer->swarm);
	event_free(transfer->tick_event);
	event_free(transfer->news_event);
	event_free(transfer->flush_event);
	event_free(transfer->sample_event);
	event_free(transfer->stop_event);
	free(transfer->peers);
	free(transfer->failed_dials);
	free(transfer->zero_words);
	free(transfer);
	return NULL;
}
