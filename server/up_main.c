/* SPDX-License-Identifier: Apache-2.0 */
/* `swarmboot up`: the whole appliance in the foreground. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/commands.h"
#include "images/import.h"
#include "lib/log.h"
#include "pxe/probe.h"
#include "runtime/socket.h"
#include "server/boot_files.h"
#include "server/client.h"
#include "server/control.h"
#include "tracker/cluster_options.h"

#define PROBE_MS 3000

struct up_options {
	const char *interface;
	const char *image;
	const char *state;
	const char *dhcp;
	const char *dhcp_range;
	const char *router;
	const char *rack;
	const char *site;
	const char *sites;
	uint64_t http_port;
	uint64_t tracker_port;
	uint64_t peer_port;
	uint64_t seed_deadline_s;
	uint64_t memory_bytes;
	uint64_t node_bytes_per_s;
	uint64_t origin_bytes_per_s;
	struct option_texts dht_nodes;
	struct discovery_off off;
	struct cluster_options cluster;
	uint64_t ramp_s;
	bool discover;
	bool rebuild;
	bool plain;
	bool debug;
	const char *kernel;
	const char *drivers;
	const char *agent;
	const char *options;
};

static volatile sig_atomic_t stop_import;

static void on_stop_import(int signal_number)
{
	(void)signal_number;
	stop_import = 1;
}

static void show_import(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
	struct progress *progress = context;

	if (progress->total_bytes != total_bytes)
		progress_start(progress, "import", total_bytes);
	progress_show(progress, done_bytes);
}

/* --image FILE: into the store, unless an image of that name is there. */
static bool import_image(const struct image_store *store, const char *file, bool *interrupted,
	struct failure *failure)
{
	struct sigaction stop = {.sa_handler = on_stop_import};
	struct sigaction before[2];
	struct progress progress = {0};
	struct import_result result;
	struct import_request request = {.file = file,
		.progress = show_import,
		.progress_context = &progress,
		.stop = &stop_import};

	if (access(file, R_OK) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "--image %s", file);
	sigaction(SIGINT, &stop, &before[0]);
	sigaction(SIGTERM, &stop, &before[1]);
	bool imported = image_import(store, &request, &result, failure);

	sigaction(SIGINT, &before[0], NULL);
	sigaction(SIGTERM, &before[1], NULL);
	/* Too late to stop the import is not too late to stop. */
	*interrupted = stop_import != 0;
	if (imported) {
		progress_end(&progress, progress.total_bytes);
		printf("imported %s as %s\n", file, result.name);
		return true;
	}
	if (failure->error != ERROR_EXISTS)
		return false;
	printf("--image: %s; using it as it is\n", failure->text);
	return true;
}

static bool port_check(const char *option, uint64_t port, struct failure *failure)
{
	if (port >= 1 && port <= 65535)
		return true;
	return failure_set(failure, ERROR_USAGE, "--%s is a number from 1 to 65535", option);
}

/* Looks who else hands out addresses, and decides between full and proxy. */
static bool dhcp_decide(
	const struct up_options *wanted, struct server_settings *settings, struct failure *failure)
{
	bool found;
	struct in_addr other;
	char address[INET_ADDRSTRLEN];

	if (settings->dhcp == DHCP_OFF || settings->dhcp == DHCP_PROXY)
		return true;
	printf("looking for a DHCP server on %s ...\n", settings->interface);
	fflush(stdout);
	if (!dhcp_probe(settings->interface, settings->address, PROBE_MS, &found, &other, failure))
		return false;
	if (found)
		inet_ntop(AF_INET, &other, address, sizeof(address));
	if (found && settings->dhcp == DHCP_FULL)
		return failure_set(failure, ERROR_ADDRESS_IN_USE,
			"--dhcp full, but %s hands out addresses on %s already; use --dhcp proxy "
			"to work beside it",
			address, settings->interface);
	if (found) {
		printf("%s answers: adding boot answers beside it (proxyDHCP)\n", address);
		settings->dhcp = DHCP_PROXY;
		return true;
	}
	printf("nobody answers: handing out addresses\n");
	settings->dhcp = DHCP_FULL;
	if (wanted->dhcp_range != NULL)
		return true;
	return dhcp_range_default(&settings->range, settings->address, settings->netmask, failure);
}

static bool dhcp_mode_read(const char *text, enum dhcp_mode *mode, struct failure *failure)
{
	static const char *const names[] = {"auto", "full", "proxy", "off"};

	*mode = DHCP_AUTO;
	for (size_t i = 0; text != NULL && i < ARRAY_COUNT(names); i++)
		if (strcmp(text, names[i]) == 0) {
			*mode = (enum dhcp_mode)i;
			return true;
		}
	return text == NULL ||
	       failure_set(failure, ERROR_USAGE, "--dhcp is full, proxy, off or auto");
}

static bool place_is_fine(const char *option, const char *name, struct failure *failure)
{
	return name == NULL || peer_place_valid((const uint8_t *)name, strlen(name)) ||
	       failure_set(failure, ERROR_USAGE,
		       "%s: 1 to %d printable characters without spaces are wanted", option,
		       PEER_PLACE_MAX);
}

static bool sites_load(
	const struct up_options *wanted, struct server_settings *settings, struct failure *failure)
{
	if (wanted->sites == NULL)
		return true;
	if (wanted->site == NULL)
		return failure_set(
			failure, ERROR_USAGE, "--sites FILE wants --site NAME: which one is this?");
	settings->sites = site_table_load(wanted->sites, failure);
	if (settings->sites == NULL)
		return false;
	if (site_table_find(settings->sites, wanted->site) == NULL)
		return failure_set(failure, ERROR_NOT_FOUND, "there is no site %s in %s",
			wanted->site, wanted->sites);
	/* Behind those of --dht, as far as there is room. */
	settings->dht_nodes_count += site_table_dht(settings->sites, wanted->site,
		settings->dht_nodes + settings->dht_nodes_count,
		SERVER_DHT_NODES_MAX - settings->dht_nodes_count);
	return true;
}

static bool dht_nodes_parse(
	const struct up_options *wanted, struct server_settings *settings, struct failure *failure)
{
	if (wanted->off.dht && wanted->dht_nodes.count > 0)
		return failure_set(failure, ERROR_USAGE, "--dht and --no-dht exclude each other");
	if (wanted->dht_nodes.count > SERVER_DHT_NODES_MAX)
		return failure_set(
			failure, ERROR_USAGE, "--dht: more than %d nodes", SERVER_DHT_NODES_MAX);
	for (size_t i = 0; i < wanted->dht_nodes.count; i++) {
		const char *text = wanted->dht_nodes.texts[i];
		struct sockaddr_storage storage;
		unsigned bytes;

		if (!address_parse(text, &storage, &bytes, failure))
			return false;
		if (!socket_address_from_sockaddr(
			    &settings->dht_nodes[i], (struct sockaddr *)&storage))
			return failure_set(failure, ERROR_USAGE, "%s: not an address", text);
	}
	settings->dht_nodes_count = (uint32_t)wanted->dht_nodes.count;
	return true;
}

static bool settings_make(
	const struct up_options *wanted, struct server_settings *settings, struct failure *failure)
{
	struct interface_address found;

	if (wanted->interface == NULL)
		return failure_set(failure, ERROR_USAGE, "--interface IF is missing");
	if (!dhcp_mode_read(wanted->dhcp, &settings->dhcp, failure) ||
		!port_check("http-port", wanted->http_port, failure) ||
		!port_check("tracker-port", wanted->tracker_port, failure) ||
		!port_check("peer-port", wanted->peer_port, failure))
		return false;
	if (settings->dhcp != DHCP_OFF && geteuid() != 0)
		return failure_set(failure, ERROR_PERMISSION,
			"answering DHCP and TFTP takes root: run it with sudo (or --dhcp off)");
	if (!interface_lookup(wanted->interface, &found, failure))
		return false;
	settings->interface = wanted->interface;
	settings->address = found.address;
	settings->netmask = found.netmask;
	settings->state = wanted->state != NULL ? wanted->state : store_default_state();
	settings->http_port = (uint16_t)wanted->http_port;
	settings->tracker_port = (uint16_t)wanted->tracker_port;
	settings->peer_port = (uint16_t)wanted->peer_port;
	settings->discover = wanted->discover;
	settings->options = wanted->options != NULL ? wanted->options : "";
	settings->seed_deadline_s = wanted->seed_deadline_s;
	settings->memory_bytes = wanted->memory_bytes;
	settings->node_bytes_per_s = wanted->node_bytes_per_s;
	settings->origin_bytes_per_s = wanted->origin_bytes_per_s;
	settings->ramp_s = wanted->ramp_s;
	settings->off = wanted->off;
	if (!dht_nodes_parse(wanted, settings, failure))
		return false;
	if (!place_is_fine("--rack", wanted->rack, failure) ||
		!place_is_fine("--site", wanted->site, failure))
		return false;
	settings->rack = wanted->rack != NULL ? wanted->rack : "";
	settings->site = wanted->site != NULL ? wanted->site : "";
	settings->clustered = cluster_options_given(&wanted->cluster);
	if (settings->clustered &&
		!cluster_options_read(&wanted->cluster, &settings->cluster, failure))
		return false;
	if (!sites_load(wanted, settings, failure))
		return false;
	if (wanted->dhcp_range != NULL && !dhcp_range_parse(&settings->range, wanted->dhcp_range,
						  settings->address, settings->netmask, failure))
		return false;
	if (wanted->router != NULL && inet_pton(AF_INET, wanted->router, &settings->router) != 1)
		return failure_set(
			failure, ERROR_USAGE, "--router %s is no address", wanted->router);
	return dhcp_decide(wanted, settings, failure);
}

/* Rewrites the page in place: no flicker, no scrolling. */
static void screen_show(struct server *server, void *context)
{
	unsigned columns;
	unsigned rows;
	char *page = NULL;
	size_t page_bytes = 0;

	(void)context;
	if (!terminal_size(stdout, &columns, &rows))
		return;
	FILE *memory = open_memstream(&page, &page_bytes);
	json_t *status = memory != NULL ? status_json(server) : NULL;

	if (status != NULL)
		status_print(memory, status, columns, rows > 1 ? rows - 1 : 1);
	json_decref(status);
	if (memory != NULL && fclose(memory) == 0) {
		fputs("\033[H", stdout);
		for (size_t i = 0; i < page_bytes; i++) {
			if (page[i] == '\n')
				fputs("\033[K", stdout);
			putchar(page[i]);
		}
		fputs("\033[JCtrl-C ends it; machines that are being imaged go on among "
		      "themselves.",
			stdout);
		fflush(stdout);
	}
	free(page);
}

/* On a terminal the log goes to a file, as the page is on the screen. */
static bool screen_start(struct server *server, struct failure *failure)
{
	char path[STORE_PATH_MAX];

	if (!store_path(&server->store, "server.log", path, failure))
		return false;
	int descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

	if (descriptor < 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot write %s", path);
	log_set_descriptor(descriptor);
	server->on_tick = screen_show;
	fputs("\033[2J", stdout);
	screen_show(server, NULL);
	return true;
}

static void print_ready(const struct server *server)
{
	static const char *const modes[] = {"auto", "full DHCP", "proxyDHCP", "no DHCP"};

	printf("serving %s on %s, %s, state %s\n", server->url, server->settings.interface,
		modes[server->settings.dhcp], server->store.state);
	fflush(stdout);
}

static bool serve(const struct up_options *wanted, const struct server_settings *settings,
	struct failure *failure)
{
	struct server *server = server_create(settings, failure);
	struct boot_files_settings files = {.kernel = wanted->kernel,
		.drivers = wanted->drivers,
		.agent = wanted->agent,
		.force = wanted->rebuild};
	bool built;

	if (server == NULL)
		return false;
	bool fine = wanted->image == NULL ||
		    import_image(&server->store, wanted->image, &server->interrupted, failure);

	if (fine && !boot_files_prepare(&server->store, &files, &built, failure))
		fine = false;
	if (fine && server_interrupted(server)) {
		server_destroy(server);
		return true;
	}
	if (fine && built)
		printf("built kernel and initramfs in %s/boot\n", server->store.state);
	fine = fine && server_start_dnsmasq(server, failure);
	if (fine) {
		print_ready(server);
		if (isatty(STDOUT_FILENO) && !wanted->plain)
			fine = screen_start(server, failure);
		fine = fine && server_run(server, failure);
		printf("%sstopped\n", server->on_tick != NULL ? "\n" : "");
	}
	log_set_descriptor(STDERR_FILENO);
	server_destroy(server);
	return fine;
}

static int run(const struct up_options *wanted)
{
	struct server_settings settings = {0};
	struct failure failure = {0};
	bool fine =
		settings_make(wanted, &settings, &failure) && serve(wanted, &settings, &failure);

	site_table_free(settings.sites);
	return fine ? EXIT_OK : command_fail("up", &failure);
}

static enum parse_result options_parse(struct up_options *wanted, int argc, char **argv)
{
	const struct option_description options[] = {
		{"interface", OPTION_TEXT, &wanted->interface, "IF", "where the machines are"},
		{"image", OPTION_TEXT, &wanted->image, "FILE", "import this image first"},
		{"discover", OPTION_FLAG, &wanted->discover, NULL,
			"boot unknown machines once for a read-only inventory"},
		{"dhcp", OPTION_TEXT, &wanted->dhcp, "full|proxy|off",
			"default: proxy when somebody answers, else full"},
		{"dhcp-range", OPTION_TEXT, &wanted->dhcp_range, "FIRST,LAST",
			"addresses to hand out (upper half of the subnet)"},
		{"router", OPTION_TEXT, &wanted->router, "ADDR", "gateway to tell with full DHCP"},
		{"rack", OPTION_TEXT, &wanted->rack, "NAME",
			"the rack this server stands in (see node set --rack)"},
		{"site", OPTION_TEXT, &wanted->site, "NAME", "the site of server and machines"},
		CLUSTER_OPTIONS(wanted->cluster),
		{"sites", OPTION_TEXT, &wanted->sites, "FILE",
			"table of sites: machines get their site's trackers, then the fallback's"},
		{"http-port", OPTION_COUNT, &wanted->http_port, "PORT", "default 8080"},
		{"tracker-port", OPTION_COUNT, &wanted->tracker_port, "PORT",
			"UDP tracker, default 6969"},
		{"peer-port", OPTION_COUNT, &wanted->peer_port, "PORT", "origin, default 6881"},
		{"seed-deadline", OPTION_DURATION, &wanted->seed_deadline_s, "TIME",
			"how long a complete machine serves others at most (10m)"},
		{"dht", OPTION_TEXTS, &wanted->dht_nodes, "ADDR:PORT",
			"a node of the DHT to begin with: another site's origin (repeatable)"},
		{"no-dht", OPTION_FLAG, &wanted->off.dht, NULL,
			"server and machines do not take part in the DHT"},
		{"no-lsd", OPTION_FLAG, &wanted->off.lsd, NULL,
			"nor call, and answer, on their network segment"},
		{"no-pex", OPTION_FLAG, &wanted->off.pex, NULL, "nor tell each other of peers"},
		{"limit", OPTION_RATE, &wanted->node_bytes_per_s, "RATE",
			"what a machine sends, and receives, at most (1Gbit, 50MB/s)"},
		{"origin-limit", OPTION_RATE, &wanted->origin_bytes_per_s, "RATE",
			"what the server sends of an image at most"},
		{"ramp", OPTION_DURATION, &wanted->ramp_s, "TIME",
			"reach these limits only after so long"},
		{"memory", OPTION_SIZE, &wanted->memory_bytes, "SIZE",
			"of the agent on a machine (a sixth of it, up to 64MiB)"},
		{"kernel", OPTION_TEXT, &wanted->kernel, "DEB|DIR",
			"kernel package or directory for the machines"},
		{"drivers", OPTION_TEXT, &wanted->drivers, "all|LIST", "drivers for the machines"},
		{"agent", OPTION_TEXT, &wanted->agent, "FILE", "another agent program"},
		{"kernel-options", OPTION_TEXT, &wanted->options, "TEXT",
			"more of the machines' kernel command line"},
		{"rebuild", OPTION_FLAG, &wanted->rebuild, NULL, "build the initramfs anew"},
		{"plain", OPTION_FLAG, &wanted->plain, NULL, "lines instead of a page"},
		{"debug", OPTION_FLAG, &wanted->debug, NULL, "log more, dnsmasq's lines too"},
		{"state", OPTION_TEXT, &wanted->state, "DIR",
			"state directory ($SWARMBOOT_STATE or /var/lib/swarmboot)"},
		{NULL, OPTION_FLAG, NULL, NULL, NULL},
	};
	const struct command_description description = {
		.usage = "swarmboot up --interface IF [--image FILE] [option...]",
		.about = "Runs everything that machines need to be imaged: DHCP and TFTP "
			 "(dnsmasq), boot\n"
			 "scripts, kernel and initramfs, plans and reports, tracker and origin. It "
			 "arms\n"
			 "nothing: every machine boots its local disk until `swarmboot arm` names "
			 "it.",
		.options = options,
	};
	size_t operands_count;

	return command_parse(&description, argc, argv, NULL, &operands_count);
}

int up_main(int argc, char **argv)
{
	struct up_options wanted = {
		.http_port = 8080, .tracker_port = 6969, .peer_port = 6881, .seed_deadline_s = 600};

	switch (options_parse(&wanted, argc, argv)) {
	case PARSE_HELP:
		return EXIT_OK;
	case PARSE_WRONG:
		return EXIT_USAGE;
	case PARSE_OK:
		break;
	}
	if (wanted.debug)
		log_set_level(LOG_LEVEL_DEBUG);
	return run(&wanted);
}
