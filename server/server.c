/* SPDX-License-Identifier: Apache-2.0 */
/* Making, running and ending the server. */
#include "server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/http_struct.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "server/durable.h"
#include "server/http.h"
#include "server/tracked.h"
#include "tracker/status.h"

#define IDLE_TIMEOUT_S	  60
#define HEADERS_BYTES_MAX (16 * KIB)

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t server_now_ms(const struct server *server)
{
	return server->start_unix_ms + clock_ms(CLOCK_MONOTONIC) - server->start_monotonic_ms;
}

static void notice_add(struct server *server, const char *text)
{
	/* What repeats is shown once. */
	for (uint32_t i = 0; i < server->notices_count; i++)
		if (strcmp(server->notices[i].text, text) == 0) {
			memmove(&server->notices[i], &server->notices[i + 1],
				(server->notices_count - i - 1) * sizeof(server->notices[0]));
			server->notices_count--;
			break;
		}
	if (server->notices_count == NOTICES_MAX) {
		memmove(&server->notices[0], &server->notices[1],
			(NOTICES_MAX - 1) * sizeof(server->notices[0]));
		server->notices_count--;
	}
	struct notice *notice = &server->notices[server->notices_count++];

	notice->at_ms = server_now_ms(server);
	snprintf(notice->text, sizeof(notice->text), "%s", text);
	log_info("%s", text);
}

void server_notice(struct server *server, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	notice_add(server, text);
}

void server_node_event(
	struct server *server, const struct node *node, const char *kind, const char *format, ...)
{
	char text[512];
	char line[768];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	nodes_event(server->nodes, node, server_now_ms(server), kind, text, NULL, 0);
	snprintf(line, sizeof(line), "%s%s%s: %s", node->id, node->name[0] != '\0' ? " " : "",
		node->name, text);
	notice_add(server, line);
}

void server_test_exit(const char *point)
{
	const char *wanted = getenv("SWARMBOOT_TEST_EXIT_AT");

	if (wanted != NULL && strcmp(wanted, point) == 0)
		_exit(70);
}

void server_sync_origins(struct server *server)
{
	struct failure failure;

	origins_sync_begin(server->origins);
	for (struct node *node = nodes_next(server->nodes, NULL); node != NULL;
		node = nodes_next(server->nodes, node)) {
		if (node->state != NODE_ARMED && node->state != NODE_IMAGING &&
			node->state != NODE_FINISHING)
			continue;
		/* Its plan says so too, every time it is asked for. */
		if (!origins_want(server->origins, node->arm.infohash, &failure))
			log_debug("origin for %s: %s", node->id, failure.text);
	}
	origins_sync_end(server->origins);
}

static void on_tick(evutil_socket_t descriptor, short what, void *context)
{
	struct server *server = context;
	uint64_t now_ms = server_now_ms(server);
	struct failure failure;

	(void)descriptor;
	(void)what;
	for (struct node *node = nodes_next(server->nodes, NULL); node != NULL;
		node = nodes_next(server->nodes, node))
		if (node_expire(node, now_ms)) {
			nodes_changed(server->nodes, node);
			server_node_event(server, node, "expired", "the arm has expired");
		}
	if (server->tracked != NULL)
		tracked_refresh(server->tracked);
	server_sync_origins(server);
	if (!nodes_commit(server->nodes, &failure))
		log_error("%s", failure.text);
	if (server->on_tick != NULL)
		server->on_tick(server, server->context);
}

static void on_signal(evutil_socket_t signal_number, short what, void *context)
{
	struct server *server = context;

	(void)signal_number;
	(void)what;
	server->interrupted = true;
	event_base_loopbreak(server->base);
}

/* One server a state directory: two would each believe that they know every node. */
static bool lock_state(struct server *server, struct failure *failure)
{
	char path[STORE_PATH_MAX];

	if (!store_path(&server->store, "lock", path, failure))
		return false;
	server->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (server->lock_fd < 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot write %s", path);
	if (flock(server->lock_fd, LOCK_EX | LOCK_NB) != 0)
		return failure_set(failure, ERROR_ADDRESS_IN_USE,
			"another `swarmboot up` runs with the state directory %s",
			server->store.state);
	return true;
}

static bool open_state(struct server *server, struct failure *failure)
{
	char path[STORE_PATH_MAX];

	if (!store_open(&server->store, server->settings.state, true, failure) ||
		!lock_state(server, failure) ||
		!store_path(&server->store, "boot/kernel", server->kernel_path, failure) ||
		!store_path(&server->store, "boot/initramfs", server->initramfs_path, failure) ||
		!store_path(&server->store, "boot/local.efi", server->local_efi_path, failure) ||
		!store_path(&server->store, "keys/site.key", path, failure))
		return false;
	server->key = site_key_open(path, true, failure);
	if (server->key == NULL || !store_path(&server->store, "swarmboot.sqlite", path, failure))
		return false;
	server->database = database_open(path, failure);
	if (server->database == NULL ||
		!database_last_arm(server->database, &server->last_arm, failure))
		return false;
	server->nodes = nodes_create(server->database, failure);
	server->durable = server->nodes != NULL ? durable_create(server, failure) : NULL;
	return server->durable != NULL;
}

static struct evhttp *http_make(struct server *server,
	void (*handler)(struct evhttp_request *, void *), struct failure *failure)
{
	struct evhttp *http = evhttp_new(server->base);

	if (http == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for the HTTP server");
		return NULL;
	}
	evhttp_set_max_headers_size(http, (ev_ssize_t)HEADERS_BYTES_MAX);
	evhttp_set_max_body_size(http, (ev_ssize_t)REPORT_BYTES_MAX);
	evhttp_set_timeout(http, IDLE_TIMEOUT_S);
	evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST);
	evhttp_set_gencb(http, handler, server);
	return http;
}

static bool listen_http(struct server *server, struct failure *failure)
{
	char address[INET_ADDRSTRLEN];
	struct sockaddr_in where = {.sin_family = AF_INET,
		.sin_addr = server->settings.address,
		.sin_port = htons(server->settings.http_port)};

	inet_ntop(AF_INET, &where.sin_addr, address, sizeof(address));
	snprintf(server->url, sizeof(server->url), "http://%s:%u", address,
		server->settings.http_port);
	server->http = http_make(server, serve_node_request, failure);
	if (server->http == NULL)
		return false;
	struct evconnlistener *listener = evconnlistener_new_bind(server->base, NULL, NULL,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, 4096,
		(const struct sockaddr *)(const void *)&where, sizeof(where));

	if (listener == NULL)
		return failure_errno(failure, ERROR_SYSTEM,
			"cannot listen on %s:%u (--http-port chooses another port)", address,
			server->settings.http_port);
	if (evhttp_bind_listener(server->http, listener) == NULL) {
		evconnlistener_free(listener);
		return failure_set(failure, ERROR_MEMORY, "no memory for the HTTP server");
	}
	return true;
}

/* Commands come over a socket that only its owner can reach. */
static bool listen_control(struct server *server, struct failure *failure)
{
	struct sockaddr_un where = {.sun_family = AF_UNIX};
	char path[STORE_PATH_MAX];

	if (!store_path(&server->store, CONTROL_SOCKET, path, failure))
		return false;
	if (strlen(path) >= sizeof(where.sun_path))
		return failure_set(failure, ERROR_LIMIT,
			"the path %s is too long for a socket: choose a shorter --state", path);
	memcpy(where.sun_path, path, strlen(path) + 1);
	/* The lock says that nobody listens there any more. */
	if (unlink(path) != 0 && errno != ENOENT)
		return failure_errno(failure, ERROR_SYSTEM, "cannot remove %s", path);
	server->control = http_make(server, control_request, failure);
	if (server->control == NULL)
		return false;
	mode_t mask = umask(0177);
	struct evconnlistener *listener = evconnlistener_new_bind(server->base, NULL, NULL,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16,
		(const struct sockaddr *)(const void *)&where, sizeof(where));

	umask(mask);
	if (listener == NULL)
		return failure_errno(failure, ERROR_SYSTEM, "cannot listen on %s", path);
	if (evhttp_bind_listener(server->control, listener) == NULL) {
		evconnlistener_free(listener);
		return failure_set(failure, ERROR_MEMORY, "no memory for the control socket");
	}
	return true;
}

static bool start_events(struct server *server, struct failure *failure)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct timeval second = {.tv_sec = 1};

	server->tick = event_new(server->base, -1, EV_PERSIST, on_tick, server);
	bool fine = server->tick != NULL && event_add(server->tick, &second) == 0;

	for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
		server->signals[i] = evsignal_new(server->base, numbers[i], on_signal, server);
		fine = fine && server->signals[i] != NULL &&
		       event_add(server->signals[i], NULL) == 0;
	}
	return fine || failure_set(failure, ERROR_MEMORY, "no memory for events");
}

/* A connection a node, and the swarm's: take all descriptors that are to be had. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		log_warning("cannot raise the limit of open files");
}

struct server *server_create(const struct server_settings *settings, struct failure *failure)
{
	struct server *server = calloc(1, sizeof(*server));

	if (server == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for the server");
		return NULL;
	}
	server->settings = *settings;
	server->lock_fd = -1;
	server->start_unix_ms = clock_ms(CLOCK_REALTIME);
	server->start_monotonic_ms = clock_ms(CLOCK_MONOTONIC);
	raise_descriptors();
	signal(SIGPIPE, SIG_IGN);
	server->base = event_base_new();
	if (server->base == NULL) {
		failure_set(failure, ERROR_SYSTEM, "cannot make an event loop");
		return server_destroy(server);
	}
	if (!open_state(server, failure) || !listen_http(server, failure) ||
		!server_start_swarm(server, failure) || !listen_control(server, failure) ||
		!start_events(server, failure))
		return server_destroy(server);
	server_sync_origins(server);
	return server;
}

static void on_dnsmasq_line(void *context, const struct dnsmasq_line *line)
{
	struct server *server = context;
	char mac[NODE_MAC_CHARS + 1];

	if (line->kind == DNSMASQ_TROUBLE) {
		server_notice(server, "%s", line->text);
		return;
	}
	if (line->kind != DNSMASQ_PXE_REQUEST || !mac_normalise(mac, line->mac))
		return;
	struct node *node = nodes_meet(server->nodes, mac, server_now_ms(server));

	if (node != NULL && node_mark(node, MARK_DHCP, server_now_ms(server)))
		nodes_changed(server->nodes, node);
}

static void on_dnsmasq_state(void *context, const char *text)
{
	struct server *server = context;

	snprintf(
		server->dnsmasq_text, sizeof(server->dnsmasq_text), "%s", text != NULL ? text : "");
	server_notice(server, "%s", text != NULL ? text : "dnsmasq runs again");
}

/* dnsmasq gives up root before it reads files: can others come to the TFTP directory? */
static bool others_can_reach(const char *path)
{
	char part[STORE_PATH_MAX];
	struct stat about;

	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = part + strlen(part); slash != NULL; slash = strrchr(part, '/')) {
		*slash = '\0';
		if (part[0] == '\0')
			break;
		if (stat(part, &about) != 0 || (about.st_mode & S_IXOTH) == 0)
			return false;
	}
	return true;
}

bool server_start_dnsmasq(struct server *server, struct failure *failure)
{
	char tftp_root[STORE_PATH_MAX];
	char lease_file[STORE_PATH_MAX];
	char config_path[STORE_PATH_MAX];
	char text[DNSMASQ_CONFIG_BYTES_MAX];

	if (server->settings.dhcp == DHCP_OFF)
		return true;
	if (!store_path(&server->store, "boot/tftp", tftp_root, failure) ||
		!store_path(&server->store, "dnsmasq.leases", lease_file, failure) ||
		!store_path(&server->store, "dnsmasq.conf", config_path, failure))
		return false;
	struct dnsmasq_config config = {.proxy = server->settings.dhcp == DHCP_PROXY,
		.interface = server->settings.interface,
		.address = server->settings.address,
		.netmask = server->settings.netmask,
		.range = server->settings.range,
		.router = server->settings.router,
		.http_port = server->settings.http_port,
		.tftp_root = tftp_root,
		.lease_file = lease_file,
		.user = others_can_reach(tftp_root) ? "" : "root"};
	size_t length = dnsmasq_config_render(text, sizeof(text), &config, failure);

	if (length == 0)
		return false;
	FILE *file = fopen(config_path, "we");

	if (file == NULL)
		return failure_errno(failure, ERROR_SYSTEM, "cannot write %s", config_path);
	bool wrote = fwrite(text, 1, length, file) == length;

	if (fclose(file) != 0 || !wrote)
		return failure_errno(failure, ERROR_SYSTEM, "cannot write %s", config_path);
	struct dnsmasq_settings settings = {.base = server->base,
		.program = "dnsmasq",
		.config_path = config_path,
		.on_line = on_dnsmasq_line,
		.on_state = on_dnsmasq_state,
		.context = server};

	server->dnsmasq = dnsmasq_start(&settings, failure);
	return server->dnsmasq != NULL;
}

bool server_interrupted(struct server *server)
{
	return event_base_loop(server->base, EVLOOP_NONBLOCK) < 0 || server->interrupted;
}

bool server_run(struct server *server, struct failure *failure)
{
	if (event_base_dispatch(server->base) >= 0)
		return true;
	return failure_set(failure, ERROR_SYSTEM, "the event loop failed");
}

struct server *server_destroy(struct server *server)
{
	char path[STORE_PATH_MAX];

	if (server == NULL)
		return NULL;
	server->dnsmasq = dnsmasq_stop(server->dnsmasq);
	server->durable = durable_destroy(server->durable);
	if (server->control != NULL) {
		evhttp_free(server->control);
		if (store_path(&server->store, CONTROL_SOCKET, path, NULL))
			(void)unlink(path);
	}
	if (server->http != NULL)
		evhttp_free(server->http);
	server->origins = origins_destroy(server->origins);
	server->status = status_destroy(server->status);
	server->tracked = tracked_destroy(server->tracked);
	server->tracker = tracker_destroy(server->tracker);
	server->nodes = nodes_destroy(server->nodes);
	server->database = database_close(server->database);
	site_key_close(server->key);
	if (server->tick != NULL)
		event_free(server->tick);
	for (size_t i = 0; i < ARRAY_COUNT(server->signals); i++)
		if (server->signals[i] != NULL)
			event_free(server->signals[i]);
	if (server->base != NULL)
		event_base_free(server->base);
	if (server->lock_fd >= 0)
		close(server->lock_fd);
	free(server);
	return NULL;
}
