/* SPDX-License-Identifier: Apache-2.0 */
/* What iPXE asks for: the entry script, the node's script, kernel and initramfs. Whatever is odd
 * about a request, the answer is a script that boots the local disk. */
#include "server/http.h"

#include <errno.h>
#include <event2/buffer.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "pxe/ipxe_script.h"

static void reply_script(struct evhttp_request *request, const char *script, size_t script_bytes)
{
	if (script_bytes == 0)
		http_reply_text(request, HTTP_INTERNAL, "the script cannot be written");
	else
		http_reply_bytes(request, HTTP_OK, "text/plain", script, script_bytes);
}

void serve_boot_entry(struct server *server, struct evhttp_request *request)
{
	char script[IPXE_SCRIPT_BYTES_MAX];

	reply_script(request, script, ipxe_script_entry(script, sizeof(script), server->url));
}

/* node NULL: nobody that is known. */
static enum ipxe_local local_method(const struct node *node, bool uefi)
{
	switch (node != NULL ? node->local_boot : LOCAL_BOOT_AUTO) {
	case LOCAL_BOOT_EXIT:
		return IPXE_LOCAL_EXIT;
	case LOCAL_BOOT_SANBOOT:
		return IPXE_LOCAL_SANBOOT;
	case LOCAL_BOOT_ESP:
		return IPXE_LOCAL_ESP;
	default:
		return uefi ? IPXE_LOCAL_EXIT : IPXE_LOCAL_SANBOOT;
	}
}

static void reply_local(const struct server *server, struct evhttp_request *request,
	const struct node *node, bool uefi, const char *why)
{
	char script[IPXE_SCRIPT_BYTES_MAX];

	reply_script(request, script,
		ipxe_script_local(
			script, sizeof(script), local_method(node, uefi), server->url, why));
}

static void reply_agent(
	struct server *server, struct evhttp_request *request, const struct node *node, bool uefi)
{
	char script[IPXE_SCRIPT_BYTES_MAX];
	char options[512];
	struct ipxe_agent agent = {.server_url = server->url,
		.mac = node->id,
		.options = options,
		.local = local_method(node, uefi)};

	snprintf(options, sizeof(options), "%s%s%s", server->settings.options,
		server->settings.options[0] != '\0' && node->rescue ? " " : "",
		node->rescue ? "swarmboot.rescue" : "");
	reply_script(request, script, ipxe_script_agent(script, sizeof(script), &agent));
}

/* What the firmware says of itself is text for people: control characters and the like go. */
static void text_clean(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			*text = '?';
}

static void boot_known(struct server *server, struct evhttp_request *request, struct node *node,
	const struct http_query *query, bool uefi)
{
	struct node_rules rules = {.discover = server->settings.discover};
	uint64_t now_ms = server_now_ms(server);
	enum node_state before = node->state;
	char value[DISK_TEXT_MAX];

	if (node->uuid[0] == '\0' && http_query_get(query, "uuid", value, sizeof(node->uuid))) {
		text_clean(value);
		snprintf(node->uuid, sizeof(node->uuid), "%.63s", value);
	}
	if (node->serial[0] == '\0' &&
		http_query_get(query, "serial", value, sizeof(node->serial))) {
		text_clean(value);
		snprintf(node->serial, sizeof(node->serial), "%s", value);
	}
	node->firmware_uefi = uefi;
	bool agent = node_boots_agent(node, &rules, now_ms);

	nodes_changed(server->nodes, node);
	if (node->state != before)
		server_node_event(server, node, "expired", "the arm has expired");
	server_node_event(server, node, "boot",
		agent ? "boots the agent" : "boots its local disk (%s)",
		node_state_name(node->state));
	if (agent)
		reply_agent(server, request, node, uefi);
	else
		reply_local(server, request, node, uefi, node_state_name(node->state));
}

void serve_boot(struct server *server, struct evhttp_request *request)
{
	struct http_query query;
	char text[64];
	char platform[16] = "";
	char mac[NODE_MAC_CHARS + 1];

	if (!http_query_parse(&query, request)) {
		reply_local(server, request, NULL, false, "malformed request");
		return;
	}
	bool uefi = http_query_get(&query, "platform", platform, sizeof(platform)) &&
		    strcmp(platform, "efi") == 0;

	if (!http_query_get(&query, "mac", text, sizeof(text)) || !mac_normalise(mac, text)) {
		reply_local(server, request, NULL, uefi, "no MAC address in the request");
	} else {
		struct node *node = nodes_meet(server->nodes, mac, server_now_ms(server));

		if (node == NULL) {
			log_warning("too many nodes: %s is not recorded", mac);
			reply_local(server, request, NULL, uefi, "too many nodes");
		} else {
			boot_known(server, request, node, &query, uefi);
		}
	}
	http_query_clear(&query);
}

/* iPXE names the machine in the query, so that the stage has a time. */
static void mark_kernel(struct server *server, struct evhttp_request *request)
{
	struct http_query query;
	char text[64];
	char mac[NODE_MAC_CHARS + 1];

	if (!http_query_parse(&query, request))
		return;
	if (http_query_get(&query, "mac", text, sizeof(text)) && mac_normalise(mac, text)) {
		struct node *node = nodes_find(server->nodes, mac);

		if (node != NULL && node_mark(node, MARK_KERNEL, server_now_ms(server)))
			nodes_changed(server->nodes, node);
	}
	http_query_clear(&query);
}

void serve_boot_file(
	struct server *server, struct evhttp_request *request, const char *path, bool kernel)
{
	struct stat about;
	char length[32];
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);

	if (descriptor < 0 || fstat(descriptor, &about) != 0 || about.st_size <= 0) {
		log_error("cannot serve %s: %s", path, strerror(errno));
		if (descriptor >= 0)
			close(descriptor);
		http_reply_text(request, HTTP_NOTFOUND, "the file is not there");
		return;
	}
	if (kernel)
		mark_kernel(server, request);
	snprintf(length, sizeof(length), "%lld", (long long)about.st_size);
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);

	if (evhttp_add_header(headers, "Content-Type", "application/octet-stream") != 0 ||
		evhttp_add_header(headers, "Content-Length", length) != 0) {
		close(descriptor);
		http_reply_text(request, HTTP_INTERNAL, "no memory");
		return;
	}
	/* From here on the buffer owns the descriptor; the file is sent as the socket takes it. */
	if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
		close(descriptor);
	} else if (evbuffer_add_file(evhttp_request_get_output_buffer(request), descriptor, 0,
			   about.st_size) != 0) {
		close(descriptor);
		http_reply_text(request, HTTP_INTERNAL, "no memory");
		return;
	}
	evhttp_send_reply(request, HTTP_OK, NULL, NULL);
}
