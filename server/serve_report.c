/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of agents. What must be durable before it is acknowledged is committed here. */
#include "server/durable.h"
#include "server/http.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/log.h"

#define WAVE_ANSWER_MS 300

/* Nobody needs that others go on serving: everyone has the image, failed, or fell silent. Asked by
 * every complete node every second, so an answer serves all of them for a moment. */
static bool wave_is_over(struct server *server, const struct node *node)
{
	uint64_t now_ms = server_now_ms(server);
	struct wave_answer *wave = &server->wave;

	if (memcmp(wave->infohash, node->arm.infohash, SHA1_BYTES) == 0 && now_ms < wave->until_ms)
		return wave->over;
	memcpy(wave->infohash, node->arm.infohash, SHA1_BYTES);
	wave->until_ms = now_ms + WAVE_ANSWER_MS;
	wave->over = true;
	for (struct node *other = nodes_next(server->nodes, NULL); other != NULL && wave->over;
		other = nodes_next(server->nodes, other))
		wave->over = !node_holds_wave(other, node->arm.infohash, now_ms);
	return wave->over;
}

static void record_event(struct server *server, const struct node *node,
	const struct report *report, const struct node_answer *answer)
{
	uint64_t now_ms = server_now_ms(server);

	switch (report->event) {
	case REPORT_FAILED:
		nodes_event(server->nodes, node, now_ms, "failed", report->text, report->log,
			report->log_bytes);
		server_notice(server, "%s failed: %s (%s)", node->id, report->text,
			error_name(report->error));
		break;
	case REPORT_FINISHING:
		if (answer->state_changed)
			server_node_event(server, node, "finishing", "everything is on the disk");
		break;
	case REPORT_FINISHED:
		if (answer->state_changed)
			server_node_event(server, node, "done", "finished; boots its disk now");
		break;
	case REPORT_HELLO:
		nodes_event(server->nodes, node, now_ms, "hello", "the agent runs", NULL, 0);
		break;
	case REPORT_PROGRESS:
		break;
	}
}

/* The disks as the node saw them become its disks. */
static void take_disks(struct server *server, struct node *node, const struct report *report,
	const struct node_answer *answer)
{
	SCOPED(free) struct report_disk *disks = calloc(2 * REPORT_DISKS_MAX, sizeof(*disks));
	uint32_t disks_count = report->disks_count;
	uint32_t known_count = 0;
	struct failure failure;

	if (disks == NULL) {
		log_error("no memory for the disks of %s", node->id);
		return;
	}
	struct report_disk *known = disks + REPORT_DISKS_MAX;

	memcpy(disks, report->disks, disks_count * sizeof(*disks));
	if (answer->inventory_adds) {
		if (!nodes_disks(
			    server->nodes, node, known, REPORT_DISKS_MAX, &known_count, &failure)) {
			log_error("the disks of %s stay as they were: %s", node->id, failure.text);
			return;
		}
		disks_count = node_disks_add(disks, disks_count, known, known_count);
	}
	nodes_set_disks(server->nodes, node, disks, disks_count);
}

/* Applies the report to the node. */
static void apply(struct server *server, struct node *node, const struct report *report,
	struct node_answer *answer)
{
	node_report(node, report, server_now_ms(server), answer);
	if (answer->inventory)
		take_disks(server, node, report, answer);
	if (answer->changed)
		nodes_changed(server->nodes, node);
	if (answer->reply.abort)
		log_debug("%s: %s", node->id, answer->reply.text);
	else
		record_event(server, node, report, answer);
	if (report->event == REPORT_PROGRESS && !answer->reply.abort && report->stage >= STAGE_SEED)
		answer->reply.release = wave_is_over(server, node);
}

static enum durable_kind kind_of(enum report_event event)
{
	return event == REPORT_FINISHING  ? DURABLE_FINISHING
	       : event == REPORT_FINISHED ? DURABLE_FINISHED
					  : DURABLE_FAILED;
}

void serve_report(struct server *server, struct evhttp_request *request)
{
	struct report *report = &server->report;
	struct node_answer answer;
	struct failure failure;
	char mac[NODE_MAC_CHARS + 1];
	uint8_t bytes[2 * KIB];
	size_t body_bytes;
	const uint8_t *body = http_body(request, REPORT_BYTES_MAX, &body_bytes);

	if (body == NULL || !report_parse(report, body, body_bytes, &failure)) {
		http_reply_text(request, HTTP_BADREQUEST,
			body == NULL ? "a report is wanted" : failure.text);
		return;
	}
	if (!mac_normalise(mac, report->node)) {
		http_reply_text(request, HTTP_BADREQUEST, "node: a MAC address is wanted");
		return;
	}
	struct node *node = nodes_meet(server->nodes, mac, server_now_ms(server));

	if (node == NULL) {
		http_reply_text(request, HTTP_SERVUNAVAIL, "too many nodes");
		return;
	}
	struct node before = *node;

	apply(server, node, report, &answer);
	size_t used = report_reply_write(&answer.reply, bytes, sizeof(bytes));

	if (used == 0)
		http_reply_text(request, HTTP_INTERNAL, "the answer cannot be written");
	else if (answer.durable)
		durable_reply(
			server->durable, kind_of(report->event), &before, request, bytes, used);
	else
		http_reply_bytes(request, HTTP_OK, "application/octet-stream", bytes, used);
}
