/* SPDX-License-Identifier: Apache-2.0 */
/* A transfer's news as JSON lines. */
#include "cli/transfer_report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"

static uint64_t resident_bytes(void)
{
	SCOPED(file) FILE *file = fopen("/proc/self/statm", "re");
	uint64_t pages = 0;

	if (file == NULL || fscanf(file, "%*u %" SCNu64, &pages) != 1)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Takes the object. Whoever reads the lines may be gone; the transfer goes on without. */
static void print_line(json_t *object)
{
	char *line = json_dumps(object, JSON_COMPACT);

	if (line == NULL || puts(line) < 0 || fflush(stdout) != 0)
		log_debug("a line of JSON could not be written");
	free(line);
	json_decref(object);
}

static void set_count(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

void transfer_report_status(const char *event, const struct metainfo *metainfo,
	const struct transfer_status *status, uint16_t port)
{
	const struct swarm_status *swarm = &status->swarm;
	json_t *object = json_object();

	json_object_set_new(object, "event", json_string(event));
	set_count(object, "bytes_total", metainfo->length_bytes);
	set_count(object, "bytes_durable", swarm->durable_bytes);
	set_count(object, "bytes_received", swarm->received_bytes);
	set_count(object, "bytes_received_wire", swarm->received_wire_bytes);
	set_count(object, "bytes_from_origin", swarm->received_from_origin_bytes);
	set_count(object, "bytes_from_other_racks", swarm->received_from_elsewhere_bytes);
	set_count(object, "bytes_sent", swarm->sent_bytes);
	set_count(object, "bytes_sent_wire", swarm->sent_wire_bytes);
	set_count(object, "bytes_wasted", swarm->wasted_bytes);
	set_count(object, "bytes_zero", swarm->zero_bytes);
	set_count(object, "bytes_duplicate", swarm->duplicate_bytes);
	set_count(object, "bytes_present", swarm->present_bytes);
	set_count(object, "bytes_reused", swarm->reused_bytes);
	set_count(object, "bytes_copied", swarm->copied_bytes);
	set_count(object, "bytes_leaves", swarm->layer_bytes);
	set_count(object, "bytes_assessed", status->assessed_bytes);
	set_count(object, "bytes_read_back", status->readback_bytes);
	set_count(object, "pieces_bad", status->readback_bad_pieces);
	set_count(object, "peers", swarm->peers_count);
	set_count(object, "seeds", swarm->seeds_count);
	set_count(object, "peers_banned", swarm->banned_count);
	set_count(object, "addresses", swarm->known_addresses_count);
	set_count(object, "addresses_from_trackers", swarm->learnt_count[SWARM_SOURCE_TRACKER]);
	set_count(object, "addresses_from_themselves", swarm->learnt_count[SWARM_SOURCE_ITSELF]);
	set_count(object, "addresses_from_lsd", swarm->learnt_count[SWARM_SOURCE_LOCAL]);
	set_count(object, "addresses_from_dht", swarm->learnt_count[SWARM_SOURCE_DHT]);
	set_count(object, "addresses_from_pex", swarm->learnt_count[SWARM_SOURCE_PEX]);
	set_count(object, "dht_nodes", status->dht_nodes_count);
	set_count(object, "rate", status->rate_received_bytes_per_s);
	set_count(object, "rate_sent", status->rate_sent_bytes_per_s);
	json_object_set_new(object, "eta_s",
		status->eta_s == UINT64_MAX ? json_null()
					    : json_integer((json_int_t)status->eta_s));
	set_count(object, "resident_bytes", resident_bytes());
	set_count(object, "port", port);
	json_object_set_new(object, "assessed", json_boolean(status->assessed));
	json_object_set_new(object, "tracker",
		status->tracker_url[0] != '\0' ? json_string(status->tracker_url) : json_null());
	json_object_set_new(object, "tracker_trouble",
		status->tracker_text[0] != '\0' ? json_string(status->tracker_text) : json_null());
	print_line(object);
}

void transfer_report_error(const struct failure *failure)
{
	json_t *object = json_object();

	json_object_set_new(object, "event", json_string("error"));
	json_object_set_new(object, "error", json_string(error_name(failure->error)));
	json_object_set_new(object, "text", json_string(failure->text));
	print_line(object);
}
