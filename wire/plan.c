/* SPDX-License-Identifier: Apache-2.0 */
/* Plans and the envelopes that carry their signatures. */
#include "wire/plan.h"

#include "wire/fields.h"

static const char *const action_names[] = {
	[PLAN_INVENTORY] = "inventory",
	[PLAN_IMAGE] = "image",
	[PLAN_FINISHING] = "finishing",
	[PLAN_LOCAL] = "local",
	[PLAN_RESCUE] = "rescue",
};

static const char *const end_names[] = {
	[PLAN_END_REBOOT] = "reboot",
	[PLAN_END_POWEROFF] = "poweroff",
	[PLAN_END_STAY] = "stay",
};

static void write_target(struct ben_writer *writer, const struct target_rule *target)
{
	ben_write_text(writer, "target");
	ben_write_dict(writer);
	ben_put_unsigned(writer, "sector size", target->sector_bytes);
	ben_put_text(writer, "serial", target->serial);
	ben_put_unsigned(writer, "size", target->size_bytes);
	ben_put_text(writer, "wwn", target->wwn);
	ben_write_end(writer);
}

static void write_peers(struct ben_writer *writer, const struct plan *plan)
{
	uint8_t compact[PLAN_PEERS_MAX * PEER_COMPACT6_BYTES];

	for (uint32_t i = 0; i < plan->peers_count; i++)
		peer_address_to_compact6(&plan->peers[i], compact + i * PEER_COMPACT6_BYTES);
	ben_put_bytes(writer, "peers", compact, (size_t)plan->peers_count * PEER_COMPACT6_BYTES);
}

static void write_trackers(struct ben_writer *writer, const struct plan *plan)
{
	ben_write_text(writer, "trackers");
	ben_write_list(writer);
	for (uint32_t i = 0; i < plan->trackers_count; i++) {
		ben_write_dict(writer);
		ben_put_unsigned(writer, "tier", plan->trackers[i].tier);
		ben_put_text(writer, "url", plan->trackers[i].url);
		ben_write_end(writer);
	}
	ben_write_end(writer);
}

size_t plan_write(const struct plan *plan, uint8_t *bytes, size_t capacity)
{
	struct ben_writer writer;

	if ((size_t)plan->action >= ARRAY_COUNT(action_names) ||
		(size_t)plan->end >= ARRAY_COUNT(end_names) || plan->peers_count > PLAN_PEERS_MAX ||
		plan->trackers_count > METAINFO_TRACKERS_MAX)
		return 0;
	ben_writer_init(&writer, bytes, capacity);
	ben_write_dict(&writer);
	ben_put_text(&writer, "action", action_names[plan->action]);
	ben_put_unsigned(&writer, "arm", plan->arm);
	ben_put_text(&writer, "end", end_names[plan->end]);
	ben_put_bytes(&writer, "head tail sha256", plan->head_tail_sha256, SHA256_BYTES);
	ben_put_text(&writer, "image", plan->image);
	ben_put_bytes(&writer, "infohash", plan->infohash, SHA1_BYTES);
	ben_put_unsigned(&writer, "limit down", plan->down_bytes_per_s);
	ben_put_unsigned(&writer, "limit ramp s", plan->ramp_s);
	ben_put_unsigned(&writer, "limit up", plan->up_bytes_per_s);
	ben_put_unsigned(&writer, "memory", plan->memory_bytes);
	ben_put_text(&writer, "metainfo path", plan->metainfo_path);
	ben_put_unsigned(&writer, "no dht", plan->off.dht);
	ben_put_unsigned(&writer, "no lsd", plan->off.lsd);
	ben_put_unsigned(&writer, "no pex", plan->off.pex);
	ben_put_text(&writer, "node", plan->node);
	ben_put_bytes(&writer, "nonce", plan->nonce, PLAN_NONCE_BYTES);
	write_peers(&writer, plan);
	ben_put_text(&writer, "rack", plan->rack);
	ben_put_unsigned(&writer, "report interval ms", plan->report_interval_ms);
	ben_put_unsigned(&writer, "seed deadline s", plan->seed_deadline_s);
	ben_put_text(&writer, "site", plan->site);
	write_target(&writer, &plan->target);
	write_trackers(&writer, plan);
	ben_put_unsigned(&writer, "version", PLAN_VERSION);
	ben_write_end(&writer);
	return writer.overflow ? 0 : writer.used;
}

static void read_target(struct fields *fields, struct target_rule *target)
{
	struct ben dict;

	field_value(fields, "target", BEN_DICT, &dict);
	struct fields inside = fields_inside(fields, &dict);

	target->sector_bytes = (uint32_t)field_unsigned(&inside, "sector size", UINT32_MAX);
	field_text(&inside, "serial", target->serial, sizeof(target->serial));
	target->size_bytes = field_unsigned(&inside, "size", UINT64_MAX);
	field_text(&inside, "wwn", target->wwn, sizeof(target->wwn));
	fields_close(fields, &inside);
}

static void read_peers(struct fields *fields, struct plan *plan)
{
	struct ben value;
	const uint8_t *compact;
	size_t bytes_count;

	field_value(fields, "peers", BEN_STRING, &value);
	if (!fields->good || !ben_string(&value, &compact, &bytes_count))
		return;
	if (bytes_count % PEER_COMPACT6_BYTES != 0 ||
		bytes_count / PEER_COMPACT6_BYTES > PLAN_PEERS_MAX) {
		fields_wrong(fields, "peers");
		return;
	}
	plan->peers_count = (uint32_t)(bytes_count / PEER_COMPACT6_BYTES);
	for (uint32_t i = 0; i < plan->peers_count; i++)
		peer_address_from_compact6(&plan->peers[i], compact + i * PEER_COMPACT6_BYTES);
}

static void read_trackers(struct fields *fields, struct plan *plan)
{
	struct ben list;
	struct ben dict;
	const uint8_t *position = NULL;

	field_value(fields, "trackers", BEN_LIST, &list);
	while (fields->good && ben_list_next(&list, &position, &dict)) {
		if (plan->trackers_count == METAINFO_TRACKERS_MAX) {
			fields_wrong(fields, "trackers");
			return;
		}
		struct tracker_url *tracker = &plan->trackers[plan->trackers_count++];
		struct fields inside = fields_inside(fields, &dict);

		tracker->tier = (uint32_t)field_unsigned(&inside, "tier", UINT32_MAX);
		field_text(&inside, "url", tracker->url, sizeof(tracker->url));
		fields_close(fields, &inside);
	}
}

/* A name, or empty. */
static void read_place(
	struct fields *fields, const char *key, char place[static PEER_PLACE_MAX + 1])
{
	field_text(fields, key, place, PEER_PLACE_MAX + 1);
	if (fields->good && place[0] != '\0' &&
		!peer_place_valid((const uint8_t *)place, strlen(place)))
		fields_wrong(fields, key);
}

bool plan_parse(
	struct plan *plan, const uint8_t *bytes, size_t bytes_count, struct failure *failure)
{
	struct fields fields =
		fields_open("plan", bytes, bytes_count, PLAN_BYTES_MAX, PLAN_VERSION, failure);

	*plan = (struct plan){0};
	plan->action = field_choice(&fields, "action", action_names, ARRAY_COUNT(action_names));
	plan->arm = field_unsigned(&fields, "arm", UINT64_MAX);
	plan->end = field_choice(&fields, "end", end_names, ARRAY_COUNT(end_names));
	field_bytes(&fields, "head tail sha256", plan->head_tail_sha256, SHA256_BYTES);
	field_text(&fields, "image", plan->image, sizeof(plan->image));
	field_bytes(&fields, "infohash", plan->infohash, SHA1_BYTES);
	plan->down_bytes_per_s = field_unsigned(&fields, "limit down", UINT64_MAX);
	plan->ramp_s = field_unsigned(&fields, "limit ramp s", UINT64_MAX);
	plan->up_bytes_per_s = field_unsigned(&fields, "limit up", UINT64_MAX);
	plan->memory_bytes = field_unsigned(&fields, "memory", UINT64_MAX);
	field_text(&fields, "metainfo path", plan->metainfo_path, sizeof(plan->metainfo_path));
	plan->off.dht = field_bool(&fields, "no dht");
	plan->off.lsd = field_bool(&fields, "no lsd");
	plan->off.pex = field_bool(&fields, "no pex");
	field_text(&fields, "node", plan->node, sizeof(plan->node));
	field_bytes(&fields, "nonce", plan->nonce, PLAN_NONCE_BYTES);
	read_peers(&fields, plan);
	read_place(&fields, "rack", plan->rack);
	read_place(&fields, "site", plan->site);
	plan->report_interval_ms = field_unsigned(&fields, "report interval ms", UINT64_MAX);
	plan->seed_deadline_s = field_unsigned(&fields, "seed deadline s", UINT64_MAX);
	read_target(&fields, &plan->target);
	read_trackers(&fields, plan);
	return fields.good;
}

size_t envelope_write(const struct envelope *envelope, uint8_t *bytes, size_t capacity)
{
	struct ben_writer writer;

	ben_writer_init(&writer, bytes, capacity);
	ben_write_dict(&writer);
	ben_put_bytes(&writer, "plan", envelope->payload, envelope->payload_bytes);
	ben_write_text(&writer, "signatures");
	signatures_write(&writer, envelope->signatures, envelope->signatures_count);
	ben_write_end(&writer);
	return writer.overflow ? 0 : writer.used;
}

bool envelope_parse(struct envelope *envelope, const uint8_t *bytes, size_t bytes_count)
{
	struct ben dict;
	struct ben signatures;

	*envelope = (struct envelope){0};
	if (!ben_parse(&dict, bytes, bytes_count, NULL) ||
		!ben_get_string(&dict, "plan", &envelope->payload, &envelope->payload_bytes) ||
		!ben_get(&dict, "signatures", &signatures) || signatures.type != BEN_LIST)
		return false;
	envelope->signatures_count = signatures_parse(envelope->signatures, &signatures);
	return true;
}
