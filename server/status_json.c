/* SPDX-License-Identifier: Apache-2.0 */
/* The state of everything as JSON, for the status command, the screen of `up` and other tools.
 * Times are milliseconds since 1970; what never came is null. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/control.h"
#include "server/situation.h"

/* Firmware may call itself anything: what is not printable ASCII becomes '?'. */
static json_t *json_text(const char *text)
{
	char clean[1024];
	size_t i = 0;

	for (; text[i] != '\0' && i < sizeof(clean) - 1; i++)
		clean[i] = text[i] >= ' ' && text[i] < 127 ? text[i] : '?';
	clean[i] = '\0';
	return json_string(clean);
}

/* A log comes from the network too, cut anywhere: its lines stay, nothing else that moves a cursor
 * or is no UTF-8 does. */
static json_t *json_log(const char *log)
{
	size_t log_bytes = strlen(log);
	char *clean = malloc(log_bytes + 1);

	if (clean == NULL)
		return NULL;
	for (size_t i = 0; i <= log_bytes; i++)
		clean[i] = (log[i] >= ' ' && log[i] < 127) || log[i] == '\n' || log[i] == '\t' ||
					   log[i] == '\0'
				   ? log[i]
				   : '?';
	json_t *json = json_string(clean);

	free(clean);
	return json;
}

static json_t *json_number(uint64_t number)
{
	return json_integer((json_int_t)u64_min(number, INT64_MAX));
}

static void put(json_t *object, const char *name, json_t *value)
{
	/* Takes the value in any case; out of memory shows as a member that is missing. */
	(void)json_object_set_new(object, name, value);
}

static json_t *marks_json(const uint64_t marks_ms[static MARKS_COUNT])
{
	json_t *marks = json_object();

	for (size_t i = 0; i < MARKS_COUNT; i++)
		put(marks, node_mark_name((enum node_mark)i),
			marks_ms[i] != 0 ? json_number(marks_ms[i]) : json_null());
	return marks;
}

static json_t *arm_json(const struct node *node)
{
	const struct arm *arm = &node->arm;
	const struct arm_traffic *now = &node->progress.traffic;
	uint64_t received_bytes = arm->traffic.received_bytes + now->received_bytes;
	uint64_t from_origin_bytes = arm->traffic.from_origin_bytes + now->from_origin_bytes;
	char hex[2 * SHA1_BYTES + 1];
	json_t *json = json_object();

	hex_write(hex, arm->infohash, SHA1_BYTES);
	put(json, "number", json_number(arm->number));
	put(json, "image", json_text(arm->image));
	put(json, "infohash", json_text(hex));
	put(json, "image_bytes", json_number(arm->image_bytes));
	put(json, "target_serial", json_text(arm->target.serial));
	put(json, "target_wwn", json_text(arm->target.wwn));
	put(json, "target_bytes", json_number(arm->target.size_bytes));
	put(json, "target_sector_bytes", json_number(arm->target.sector_bytes));
	put(json, "end", json_text(plan_end_name(arm->end)));
	put(json, "armed_ms", json_number(arm->armed_ms));
	put(json, "expires_ms", arm->expires_ms != 0 ? json_number(arm->expires_ms) : json_null());
	put(json, "ended_ms", arm->ended_ms != 0 ? json_number(arm->ended_ms) : json_null());
	put(json, "outcome", json_text(arm->outcome));
	put(json, "stages", marks_json(arm->marks_ms));
	put(json, "received_bytes", json_number(received_bytes));
	put(json, "from_origin_bytes", json_number(from_origin_bytes));
	put(json, "from_peers_bytes",
		json_number(received_bytes - u64_min(from_origin_bytes, received_bytes)));
	put(json, "sent_bytes", json_number(arm->traffic.sent_bytes + now->sent_bytes));
	put(json, "wasted_bytes", json_number(arm->traffic.wasted_bytes + now->wasted_bytes));
	return json;
}

static json_t *progress_json(const struct node *node)
{
	const struct node_progress *progress = &node->progress;
	uint64_t eta_s = node_eta_s(node);
	json_t *json = json_object();

	put(json, "stage", json_text(stage_name(progress->stage)));
	put(json, "heard_ms", json_number(progress->heard_ms));
	put(json, "bytes_total", json_number(progress->bytes_total));
	put(json, "bytes_durable", json_number(progress->bytes_durable));
	put(json, "bytes_zero", json_number(progress->bytes_zero));
	put(json, "bytes_present", json_number(progress->bytes_present));
	put(json, "readback_bytes", json_number(progress->readback_bytes));
	put(json, "peers", json_number(progress->peers_count));
	put(json, "memory_resident_bytes", json_number(progress->memory_resident_bytes));
	put(json, "rate_bytes_per_s", json_number(progress->rate_bytes_per_s));
	put(json, "eta_s", eta_s != UINT64_MAX ? json_number(eta_s) : json_null());
	return json;
}

static json_t *disks_json(struct server *server, const struct node *node)
{
	struct report_disk *disks = calloc(REPORT_DISKS_MAX, sizeof(*disks));
	uint32_t disks_count = 0;
	json_t *list = json_array();
	struct failure failure;

	if (disks == NULL ||
		!nodes_disks(server->nodes, node, disks, REPORT_DISKS_MAX, &disks_count, &failure))
		disks_count = 0;
	for (uint32_t i = 0; i < disks_count; i++) {
		json_t *disk = json_object();

		put(disk, "name", json_text(disks[i].name));
		put(disk, "model", json_text(disks[i].model));
		put(disk, "serial", json_text(disks[i].serial));
		put(disk, "wwn", json_text(disks[i].wwn));
		put(disk, "bus", json_text(disks[i].bus));
		put(disk, "size_bytes", json_number(disks[i].size_bytes));
		put(disk, "sector_bytes", json_number(disks[i].sector_bytes));
		put(disk, "physical_sector_bytes", json_number(disks[i].physical_sector_bytes));
		put(disk, "eligible", json_boolean(disks[i].eligible));
		put(disk, "why_not", json_text(disks[i].why_not));
		(void)json_array_append_new(list, disk);
	}
	free(disks);
	return list;
}

static void event_add_json(void *context, const struct database_event *event)
{
	json_t *json = json_object();

	put(json, "at_ms", json_number(event->at_ms));
	put(json, "kind", json_text(event->kind));
	put(json, "text", json_text(event->text));
	if (event->log[0] != '\0')
		put(json, "log", json_log(event->log));
	(void)json_array_append_new(context, json);
}

json_t *node_json(struct server *server, const struct node *node, bool full)
{
	char situation[SITUATION_TEXT_MAX];
	struct failure failure;
	json_t *json = json_object();
	bool late = node_situation(node, server_now_ms(server), situation);

	put(json, "id", json_text(node->id));
	put(json, "name", json_text(node->name));
	put(json, "uuid", json_text(node->uuid));
	put(json, "serial", json_text(node->serial));
	put(json, "rack", json_text(node->rack));
	put(json, "state", json_text(node_state_name(node->state)));
	put(json, "situation", json_text(situation));
	put(json, "late", json_boolean(late));
	put(json, "firmware", json_text(node->firmware_uefi ? "uefi" : "bios"));
	put(json, "local_boot", json_text(local_boot_name(node->local_boot)));
	put(json, "has_inventory", json_boolean(node->has_inventory));
	put(json, "first_seen_ms", json_number(node->first_seen_ms));
	put(json, "last_contact_ms", json_number(node->last_contact_ms));
	put(json, "stages", marks_json(node->marks_ms));
	put(json, "arm", node->arm.number != 0 ? arm_json(node) : json_null());
	put(json, "progress", node->progress.heard_ms != 0 ? progress_json(node) : json_null());
	put(json, "error", json_text(error_name(node->error)));
	put(json, "error_text", json_text(node->error_text));
	if (!full)
		return json;
	put(json, "disks", disks_json(server, node));
	json_t *events = json_array();

	if (nodes_commit(server->nodes, &failure) &&
		database_list_events(
			server->database, node->id, 50, event_add_json, events, &failure))
		put(json, "events", events);
	else
		json_decref(events);
	return json;
}

static json_t *server_json(struct server *server)
{
	static const char *const modes[] = {"auto", "full", "proxy", "off"};
	char address[INET_ADDRSTRLEN];
	json_t *json = json_object();

	inet_ntop(AF_INET, &server->settings.address, address, sizeof(address));
	put(json, "url", json_text(server->url));
	put(json, "state", json_text(server->store.state));
	put(json, "interface", json_text(server->settings.interface));
	put(json, "address", json_text(address));
	put(json, "http_port", json_number(server->settings.http_port));
	put(json, "tracker_port", json_number(server->settings.tracker_port));
	put(json, "peer_port", json_number(origins_port(server->origins)));
	put(json, "discover", json_boolean(server->settings.discover));
	put(json, "dhcp", json_text(modes[server->settings.dhcp]));
	put(json, "dnsmasq",
		json_text(server->settings.dhcp == DHCP_OFF ? "off"
			  : server->dnsmasq_text[0] != '\0' ? server->dnsmasq_text
							    : "running"));
	put(json, "started_ms", json_number(server->start_unix_ms));
	put(json, "now_ms", json_number(server_now_ms(server)));
	return json;
}

static json_t *images_json(struct server *server)
{
	struct origin_status status;
	char hex[2 * SHA1_BYTES + 1];
	json_t *list = json_array();

	for (size_t i = 0; origins_status(server->origins, i, &status); i++) {
		json_t *json = json_object();

		hex_write(hex, status.infohash, SHA1_BYTES);
		put(json, "name", json_text(status.name));
		put(json, "infohash", json_text(hex));
		put(json, "bytes", json_number(status.length_bytes));
		put(json, "zero_bytes", json_number(status.transfer.swarm.zero_bytes));
		put(json, "duplicate_bytes", json_number(status.transfer.swarm.duplicate_bytes));
		put(json, "sent_bytes", json_number(status.transfer.swarm.sent_bytes));
		put(json, "rate_sent_bytes_per_s",
			json_number(status.transfer.rate_sent_bytes_per_s));
		put(json, "peers", json_number(status.transfer.swarm.peers_count));
		(void)json_array_append_new(list, json);
	}
	return list;
}

static json_t *notices_json(const struct server *server)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < server->notices_count; i++) {
		json_t *json = json_object();

		put(json, "at_ms", json_number(server->notices[i].at_ms));
		put(json, "text", json_text(server->notices[i].text));
		(void)json_array_append_new(list, json);
	}
	return list;
}

json_t *status_json(struct server *server)
{
	json_t *json = json_object();
	json_t *list = json_array();
	struct tracker_statistics tracker;

	tracker_statistics(server->tracker, &tracker);
	for (struct node *node = nodes_next(server->nodes, NULL); node != NULL;
		node = nodes_next(server->nodes, node))
		(void)json_array_append_new(list, node_json(server, node, false));
	put(json, "server", server_json(server));
	put(json, "tracker",
		json_pack("{s:i, s:i}", "swarms", (int)tracker.swarms_count, "peers",
			(int)tracker.peers_count));
	put(json, "images", images_json(server));
	put(json, "notices", notices_json(server));
	put(json, "nodes", list);
	return json;
}
