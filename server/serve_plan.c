/* SPDX-License-Identifier: Apache-2.0 */
/* Plans, signed for one node and one nonce, and the metainfo that they name. */
#include "server/durable.h"
#include "server/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

static void plan_fill_trackers(const struct server *server, struct plan *plan)
{
	uint8_t ip[4];

	plan->trackers_count = server->trackers_count;
	memcpy(plan->trackers, server->trackers, sizeof(plan->trackers));
	memcpy(ip, &server->settings.address.s_addr, sizeof(ip));
	plan->peers_count = 1;
	peer_address_from4(&plan->peers[0], ip, origins_port(server->origins));
}

/* What an imaging or finishing node needs to know of its arm. */
static void plan_fill_arm(const struct server *server, const struct arm *arm, struct plan *plan)
{
	char hex[2 * SHA1_BYTES + 1];

	plan->arm = arm->number;
	memcpy(plan->infohash, arm->infohash, SHA1_BYTES);
	snprintf(plan->image, sizeof(plan->image), "%s", arm->image);
	hex_write(hex, arm->infohash, SHA1_BYTES);
	snprintf(plan->metainfo_path, sizeof(plan->metainfo_path), "/v1/images/%s.torrent", hex);
	plan->target = arm->target;
	plan->end = arm->end;
	if (plan->action == PLAN_FINISHING)
		memcpy(plan->head_tail_sha256, arm->head_tail_sha256, SHA256_BYTES);
	plan_fill_trackers(server, plan);
}

/* An envelope of at most PLAN_BYTES_MAX; 0 when it cannot be written. */
static size_t plan_seal(const struct server *server, const struct plan *plan, uint8_t *bytes)
{
	uint8_t *payload = malloc(PLAN_BYTES_MAX);
	struct envelope envelope = {.payload = payload, .signatures_count = 1};
	size_t used = 0;

	if (payload != NULL)
		envelope.payload_bytes = plan_write(plan, payload, PLAN_BYTES_MAX);
	if (envelope.payload_bytes > 0 && site_key_sign(server->key, envelope.payload,
						  envelope.payload_bytes, &envelope.signatures[0]))
		used = envelope_write(&envelope, bytes, PLAN_BYTES_MAX);
	free(payload);
	return used;
}

/* Decides and answers; a new state is on the medium before the answer leaves. */
static void plan_for(
	struct server *server, struct evhttp_request *request, struct node *node, struct plan *plan)
{
	struct node_rules rules = {.discover = server->settings.discover};
	struct node before = *node;
	struct failure failure;
	uint8_t bytes[PLAN_BYTES_MAX];

	plan->action = node_plan(node, &rules, server_now_ms(server));
	snprintf(plan->node, sizeof(plan->node), "%s", node->id);
	plan->report_interval_ms = 1000;
	plan->seed_deadline_s = server->settings.seed_deadline_s;
	plan->memory_bytes = server->settings.memory_bytes;
	plan->off = server->settings.off;
	plan->up_bytes_per_s = plan->down_bytes_per_s = server->settings.node_bytes_per_s;
	plan->ramp_s = server->settings.ramp_s;
	snprintf(plan->rack, sizeof(plan->rack), "%s", node->rack);
	snprintf(plan->site, sizeof(plan->site), "%s", server->settings.site);
	nodes_changed(server->nodes, node);
	if (plan->action == PLAN_IMAGE || plan->action == PLAN_FINISHING) {
		plan_fill_arm(server, &node->arm, plan);
		server_place_node(server, request, node);
		server_name_peers(server, request, plan);
		if (!origins_want(server->origins, node->arm.infohash, &failure)) {
			*node = before;
			server_notice(server, "%s waits: %s", node->id, failure.text);
			http_reply_later(request, failure.text);
			return;
		}
	}
	size_t used = plan_seal(server, plan, bytes);

	if (used == 0) {
		*node = before;
		http_reply_later(request, "the plan cannot be written");
		return;
	}
	if (node->state == before.state) {
		http_reply_bytes(request, HTTP_OK, "application/octet-stream", bytes, used);
		return;
	}
	if (node->state == NODE_IMAGING)
		server_node_event(
			server, node, "imaging", "has its plan: image %s", node->arm.image);
	else
		server_node_event(server, node, "expired", "the arm has expired");
	durable_reply(server->durable, DURABLE_PLAN, &before, request, bytes, used);
}

void serve_plan(struct server *server, struct evhttp_request *request)
{
	struct http_query query;
	struct plan *plan = calloc(1, sizeof(*plan));
	char text[64];
	char nonce[2 * PLAN_NONCE_BYTES + 1];
	char mac[NODE_MAC_CHARS + 1];

	if (plan == NULL || !http_query_parse(&query, request)) {
		free(plan);
		http_reply_text(request, HTTP_BADREQUEST, "malformed query");
		return;
	}
	if (!http_query_get(&query, "node", text, sizeof(text)) || !mac_normalise(mac, text)) {
		http_reply_text(request, HTTP_BADREQUEST, "node: a MAC address is wanted");
	} else if (!http_query_get(&query, "nonce", nonce, sizeof(nonce)) ||
		   !hex_read(plan->nonce, PLAN_NONCE_BYTES, nonce)) {
		http_reply_text(request, HTTP_BADREQUEST, "nonce: 32 hex digits are wanted");
	} else {
		struct node *node = nodes_meet(server->nodes, mac, server_now_ms(server));

		if (node == NULL)
			http_reply_later(request, "too many nodes");
		else
			plan_for(server, request, node, plan);
	}
	http_query_clear(&query);
	free(plan);
}

void serve_metainfo(struct server *server, struct evhttp_request *request, const char *path)
{
	uint8_t infohash[SHA1_BYTES];
	char hex[2 * SHA1_BYTES + 1];
	const uint8_t *bytes;
	size_t bytes_count;
	struct failure failure;

	if (strlen(path) != 2 * SHA1_BYTES + strlen(".torrent") ||
		strcmp(path + 2 * SHA1_BYTES, ".torrent") != 0) {
		http_reply_text(request, HTTP_NOTFOUND, "there is no such image");
		return;
	}
	memcpy(hex, path, 2 * SHA1_BYTES);
	hex[2 * SHA1_BYTES] = '\0';
	if (!hex_read(infohash, SHA1_BYTES, hex)) {
		http_reply_text(request, HTTP_NOTFOUND, "there is no such image");
		return;
	}
	if (origins_metainfo(server->origins, infohash, &bytes, &bytes_count)) {
		http_reply_bytes(request, HTTP_OK, "application/x-bittorrent", bytes, bytes_count);
		return;
	}
	struct image *image = image_find(&server->store, infohash, &failure);

	if (image == NULL)
		http_reply_text(request, HTTP_NOTFOUND, "there is no such image");
	else
		http_reply_bytes(request, HTTP_OK, "application/x-bittorrent",
			image->metainfo_bytes, image->metainfo_bytes_count);
	image_close(image);
}
