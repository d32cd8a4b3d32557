/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands print: the page of status, nodes, disks. Reads the server's JSON; members that
 * are missing show as nothing. */
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "lib/units.h"
#include "server/client.h"

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

static uint64_t number_of(const json_t *object, const char *name)
{
	json_int_t number = json_integer_value(json_object_get(object, name));

	return number > 0 ? (uint64_t)number : 0;
}

bool terminal_size(FILE *out, unsigned *columns, unsigned *rows)
{
	struct winsize size;

	if (!isatty(fileno(out)))
		return false;
	*columns = 80;
	*rows = 24;
	if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
		*columns = size.ws_col;
		*rows = size.ws_row;
	}
	return true;
}

/* At most `columns` characters of a line; 0: all. */
static void line_print(FILE *out, const char *line, unsigned columns)
{
	if (columns == 0)
		fprintf(out, "%s\n", line);
	else
		fprintf(out, "%.*s\n", (int)columns, line);
}

static void server_print(FILE *out, const json_t *status, unsigned columns)
{
	const json_t *server = json_object_get(status, "server");
	const json_t *tracker = json_object_get(status, "tracker");
	const char *dnsmasq = text_of(server, "dnsmasq");
	char line[1024];

	snprintf(line, sizeof(line), "swarmboot on %s (%s), DHCP %s%s%s%s%s",
		text_of(server, "url"), text_of(server, "interface"), text_of(server, "dhcp"),
		strcmp(text_of(server, "dhcp"), "off") != 0 && strcmp(dnsmasq, "running") != 0
			? ": "
			: "",
		strcmp(text_of(server, "dhcp"), "off") != 0 && strcmp(dnsmasq, "running") != 0
			? dnsmasq
			: "",
		json_is_true(json_object_get(server, "discover")) ? ", discovers new machines" : "",
		"");
	line_print(out, line, columns);
	snprintf(line, sizeof(line),
		"state %s, tracker udp://%s:%" PRIu64 " and %s/announce, %" PRIu64 " peers",
		text_of(server, "state"), text_of(server, "address"),
		number_of(server, "tracker_port"), text_of(server, "url"),
		number_of(tracker, "peers"));
	line_print(out, line, columns);
}

static void images_print(FILE *out, const json_t *images, unsigned columns)
{
	for (size_t i = 0; i < json_array_size(images); i++) {
		const json_t *image = json_array_get(images, i);
		char size[UNITS_TEXT_MAX];
		char sent[UNITS_TEXT_MAX];
		char rate[UNITS_TEXT_MAX];
		char line[512];
		uint64_t content_bytes = number_of(image, "bytes") -
					 u64_min(number_of(image, "zero_bytes") +
							 number_of(image, "duplicate_bytes"),
						 number_of(image, "bytes"));
		uint64_t hundredths =
			content_bytes == 0 ? 0
					   : number_of(image, "sent_bytes") * 100 / content_bytes;

		snprintf(line, sizeof(line),
			"origin of %s (%s): sent %s = %" PRIu64 ".%02" PRIu64
			" copies, %s/s, %" PRIu64 " peers",
			text_of(image, "name"), size_format(size, number_of(image, "bytes")),
			size_format(sent, number_of(image, "sent_bytes")), hundredths / 100,
			hundredths % 100,
			size_format(rate, number_of(image, "rate_sent_bytes_per_s")),
			number_of(image, "peers"));
		line_print(out, line, columns);
	}
}

/* "45 %", or "" when there is nothing to count. */
static void percent_format(char *text, size_t capacity, const json_t *progress)
{
	uint64_t total = number_of(progress, "bytes_total");

	if (total == 0)
		snprintf(text, capacity, "%s", "");
	else
		snprintf(text, capacity, "%" PRIu64 " %%",
			number_of(progress, "bytes_durable") / (total / 100 + (total < 100)));
}

static void node_line(char *line, size_t capacity, const json_t *node)
{
	const json_t *arm = json_object_get(node, "arm");
	const json_t *progress = json_object_get(node, "progress");
	bool imaging = strcmp(text_of(node, "state"), "imaging") == 0;
	char percent[UNITS_TEXT_MAX] = "";
	char rate[UNITS_TEXT_MAX + 4] = "";
	char eta[UNITS_TEXT_MAX] = "";
	char origin[UNITS_TEXT_MAX] = "";
	char peers[UNITS_TEXT_MAX] = "";

	if (imaging) {
		percent_format(percent, sizeof(percent), progress);
		size_format(rate, number_of(progress, "rate_bytes_per_s"));
		strcat(rate, "/s");
		if (json_is_integer(json_object_get(progress, "eta_s")))
			duration_format(eta, number_of(progress, "eta_s"));
	}
	if (number_of(arm, "received_bytes") > 0) {
		size_format(origin, number_of(arm, "from_origin_bytes"));
		size_format(peers, number_of(arm, "from_peers_bytes"));
	}
	snprintf(line, capacity, "%-17s %-12.12s %-9s %-14.14s %5s %11s %10s %9s %9s  %s%s",
		text_of(node, "id"), text_of(node, "name"), text_of(node, "state"),
		text_of(arm, "image"), percent, rate, eta, origin, peers,
		json_is_true(json_object_get(node, "late")) ? "! " : "",
		text_of(node, "situation"));
}

/* Those that need eyes first: failed or late, then at work, then the rest. */
static int node_rank(const json_t *node)
{
	const char *state = text_of(node, "state");

	if (strcmp(state, "failed") == 0 || json_is_true(json_object_get(node, "late")))
		return 0;
	if (strcmp(state, "imaging") == 0 || strcmp(state, "finishing") == 0)
		return 1;
	return strcmp(state, "armed") == 0 ? 2 : 3;
}

static void nodes_print(FILE *out, const json_t *nodes, unsigned columns, unsigned rows)
{
	char line[1024];
	size_t shown = 0;
	size_t limit = rows != 0 ? rows : SIZE_MAX;

	if (json_array_size(nodes) == 0) {
		line_print(out, "no machine has been seen yet", columns);
		return;
	}
	snprintf(line, sizeof(line), "%-17s %-12s %-9s %-14s %5s %11s %10s %9s %9s  %s", "NODE",
		"NAME", "STATE", "IMAGE", "DONE", "RATE", "ETA", "ORIGIN", "PEERS", "");
	line_print(out, line, columns);
	for (int rank = 0; rank <= 3; rank++)
		for (size_t i = 0; i < json_array_size(nodes); i++) {
			const json_t *node = json_array_get(nodes, i);

			if (node_rank(node) != rank || shown == limit)
				continue;
			node_line(line, sizeof(line), node);
			line_print(out, line, columns);
			shown++;
		}
	if (shown < json_array_size(nodes))
		fprintf(out, "... and %zu more (`swarmboot status` lists them)\n",
			json_array_size(nodes) - shown);
}

static void counts_print(FILE *out, const json_t *nodes)
{
	static const char *const states[] = {
		"known", "armed", "imaging", "finishing", "done", "failed"};

	fprintf(out, "%zu nodes:", json_array_size(nodes));
	for (size_t i = 0; i < ARRAY_COUNT(states); i++) {
		size_t count = 0;

		for (size_t j = 0; j < json_array_size(nodes); j++)
			count += strcmp(text_of(json_array_get(nodes, j), "state"), states[i]) == 0;
		fprintf(out, " %zu %s%s", count, states[i], i + 1 < ARRAY_COUNT(states) ? "," : "");
	}
	fputc('\n', out);
}

static void notices_print(FILE *out, const json_t *notices, unsigned columns)
{
	for (size_t i = 0; i < json_array_size(notices); i++) {
		const json_t *notice = json_array_get(notices, i);
		time_t at_s = (time_t)(number_of(notice, "at_ms") / 1000);
		struct tm local;
		char line[512];
		char clock[16] = "";

		if (localtime_r(&at_s, &local) != NULL)
			strftime(clock, sizeof(clock), "%H:%M:%S", &local);
		snprintf(line, sizeof(line), "%s  %s", clock, text_of(notice, "text"));
		line_print(out, line, columns);
	}
}

void status_print(FILE *out, const json_t *status, unsigned columns, unsigned rows)
{
	const json_t *nodes = json_object_get(status, "nodes");
	const json_t *notices = json_object_get(status, "notices");
	const json_t *images = json_object_get(status, "images");
	/* Everything but the lines of nodes. */
	size_t fixed = 2 + json_array_size(images) + 1 + 1 + 1 + json_array_size(notices) + 2;
	unsigned node_rows = rows == 0 ? 0 : rows > fixed + 1 ? rows - (unsigned)fixed : 1;

	server_print(out, status, columns);
	images_print(out, images, columns);
	counts_print(out, nodes);
	fputc('\n', out);
	nodes_print(out, nodes, columns, node_rows);
	if (json_array_size(notices) > 0) {
		fputc('\n', out);
		notices_print(out, notices, columns);
	}
}

void disks_print(FILE *out, const json_t *disks)
{
	for (size_t i = 0; i < json_array_size(disks); i++) {
		const json_t *disk = json_array_get(disks, i);
		char size[UNITS_TEXT_MAX];
		bool eligible = json_is_true(json_object_get(disk, "eligible"));

		fprintf(out,
			"    %-10s %10s  %" PRIu64 " B sectors  serial %-20s wwn %-20s %s %s%s%s\n",
			text_of(disk, "name"), size_format(size, number_of(disk, "size_bytes")),
			number_of(disk, "sector_bytes"), text_of(disk, "serial"),
			text_of(disk, "wwn"), text_of(disk, "bus"), text_of(disk, "model"),
			eligible ? "" : "  never by itself: ", text_of(disk, "why_not"));
	}
}

void node_list_print(FILE *out, const json_t *status)
{
	const json_t *nodes = json_object_get(status, "nodes");

	if (json_array_size(nodes) == 0)
		fprintf(out, "no machine has been seen yet\n");
	for (size_t i = 0; i < json_array_size(nodes); i++) {
		const json_t *node = json_array_get(nodes, i);

		fprintf(out, "%s  %-12s %-9s %-4s  %s\n", text_of(node, "id"),
			text_of(node, "name"), text_of(node, "state"), text_of(node, "firmware"),
			text_of(node, "situation"));
		disks_print(out, json_object_get(node, "disks"));
	}
}

static void stages_print(FILE *out, const json_t *stages)
{
	const char *name;
	const json_t *value;

	json_object_foreach((json_t *)stages, name, value)
	{
		time_t at_s = (time_t)(json_integer_value(value) / 1000);
		struct tm local;
		char text[32] = "never";

		if (json_is_integer(value) && localtime_r(&at_s, &local) != NULL)
			strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local);
		fprintf(out, "    %-8s %s\n", name, text);
	}
}

void node_print(FILE *out, const json_t *node)
{
	const json_t *arm = json_object_get(node, "arm");
	const json_t *events = json_object_get(node, "events");

	fprintf(out, "%s  %s\n  state       %s: %s\n  hardware    %s, UUID %s, serial %s\n",
		text_of(node, "id"), text_of(node, "name"), text_of(node, "state"),
		text_of(node, "situation"), text_of(node, "firmware"), text_of(node, "uuid"),
		text_of(node, "serial"));
	fprintf(out, "  local boot  %s\n", text_of(node, "local_boot"));
	if (text_of(node, "rack")[0] != '\0')
		fprintf(out, "  rack        %s\n", text_of(node, "rack"));
	if (json_is_object(arm)) {
		char size[UNITS_TEXT_MAX];

		fprintf(out,
			"  arm %" PRIu64 ": image %s, disk serial '%s' wwn '%s' %s, then %s%s%s\n",
			number_of(arm, "number"), text_of(arm, "image"),
			text_of(arm, "target_serial"), text_of(arm, "target_wwn"),
			size_format(size, number_of(arm, "target_bytes")), text_of(arm, "end"),
			text_of(arm, "outcome")[0] != '\0' ? "; outcome: " : "",
			text_of(arm, "outcome"));
		stages_print(out, json_object_get(arm, "stages"));
	}
	fprintf(out, "  last boot\n");
	stages_print(out, json_object_get(node, "stages"));
	fprintf(out, "  disks\n");
	disks_print(out, json_object_get(node, "disks"));
	fprintf(out, "  history\n");
	for (size_t i = json_array_size(events); i-- > 0;) {
		const json_t *event = json_array_get(events, i);
		time_t at_s = (time_t)(number_of(event, "at_ms") / 1000);
		struct tm local;
		char text[32] = "";

		if (localtime_r(&at_s, &local) != NULL)
			strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local);
		fprintf(out, "    %s  %-10s %s\n", text, text_of(event, "kind"),
			text_of(event, "text"));
		if (i == 0 && text_of(event, "log")[0] != '\0')
			fprintf(out, "%s\n", text_of(event, "log"));
	}
}
