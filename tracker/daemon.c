/* SPDX-License-Identifier: Apache-2.0 */
/* The life of the tracker's process: start, reload, stop, and what it says about them. */
#include "tracker/daemon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/log.h"
#include "tracker/allow_list.h"
#include "tracker/notify.h"
#include "tracker/privileges.h"
#include "tracker/site_table.h"
#include "tracker/status.h"
#include "tracker/tracker.h"

#define STATUS_LISTEN_DEFAULT "127.0.0.1:6968"
#define SWARMS_MAX_DEFAULT    1024
#define TELL_INTERVAL_US      (10 * UINT64_C(1000000)) /* of the numbers that the manager shows */
#define STOP_ROUND_US	      10000
#define STOP_ROUNDS_MAX	      100 /* a second for answers under way */
#define STOP_ROUNDS_MIN	      3	  /* then what the sockets held already was taken */

struct daemon {
	int argc;
	char **argv;
	const struct daemon_options *started; /* what cannot change while it runs */
	struct daemon_options current;	      /* what the last reload read; empty before one */
	struct event_base *base;
	struct tracker *tracker;
	struct status *status; /* NULL: shows it to nobody */
	uint32_t swarms_max;
	struct allow_list allowed;
	struct notify notify;
	struct event *terminate;
	struct event *interrupt;
	struct event *hangup;
	struct event *tell;
	struct event *stop_round;
	unsigned stop_rounds; /* 0: not stopping */
	unsigned listeners_count;
};

static bool log_apply(const struct daemon_options *options)
{
	enum log_level level;

	if (!log_level_parse(options->log_level, &level))
		return false;
	log_set_level(level);
	log_set_format(
		strcmp(options->log_format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
	return true;
}

/* People find it on standard output, programs in the log. */
static void say_listener(
	const char *scheme, const struct sockaddr_storage *address, const char *path)
{
	char ip[INET6_ADDRSTRLEN] = "";
	char url[INET6_ADDRSTRLEN + 64];
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
	bool ipv6 = address->ss_family == AF_INET6;

	inet_ntop(address->ss_family, ipv6 ? (const void *)&v6->sin6_addr : &v4->sin_addr, ip,
		sizeof(ip));
	snprintf(url, sizeof(url), "%s://%s%s%s:%u%s", scheme, ipv6 ? "[" : "", ip, ipv6 ? "]" : "",
		ntohs(ipv6 ? v6->sin6_port : v4->sin_port), path);
	if (log_get_format() == LOG_FORMAT_JSON)
		log_event(LOG_LEVEL_INFO, "listening", &(struct log_field){"url", url}, 1);
	else
		printf("listening on %s\n", url);
}

static bool listen_one(struct daemon *daemon, bool http, const char *text, struct failure *failure)
{
	struct sockaddr_storage address;
	unsigned address_bytes;

	if (!address_parse(text, &address, &address_bytes, failure) ||
		!(http ? tracker_listen_http(daemon->tracker, &address, failure)
		       : tracker_listen_udp(daemon->tracker, &address, failure)))
		return false;
	daemon->listeners_count++;
	say_listener(http ? "http" : "udp", &address, "/announce");
	return true;
}

/* Without --udp, UDP uses the addresses and ports of HTTP. */
static bool listen_all(struct daemon *daemon, struct failure *failure)
{
	const struct option_texts *http = &daemon->started->listen;
	const struct option_texts *udp = &daemon->started->udp;

	for (size_t i = 0; i < http->count; i++)
		if (!listen_one(daemon, true, http->texts[i], failure) ||
			(udp->count == 0 && !listen_one(daemon, false, http->texts[i], failure)))
			return false;
	for (size_t i = 0; i < udp->count; i++)
		if (!listen_one(daemon, false, udp->texts[i], failure))
			return false;
	return true;
}

/* An address that nobody asked for need not be free: another tracker of this machine has it. */
static bool listen_status(struct daemon *daemon, struct failure *failure)
{
	const char *wanted = daemon->started->status_listen;
	const char *text = wanted != NULL ? wanted : STATUS_LISTEN_DEFAULT;
	struct sockaddr_storage address;
	unsigned address_bytes;

	if (strcmp(text, "none") == 0)
		return true;
	daemon->status = status_create(daemon->base, daemon->tracker, failure);
	if (daemon->status == NULL || !address_parse(text, &address, &address_bytes, failure))
		return false;
	if (status_listen(daemon->status, &address, failure)) {
		say_listener("http", &address, "/");
		return true;
	}
	daemon->status = status_destroy(daemon->status);
	if (wanted != NULL || failure->error != ERROR_ADDRESS_IN_USE)
		return false;
	log_warning("tracker: no status on %s: %s; --status-listen says where else, or none", text,
		failure->text);
	*failure = (struct failure){0};
	return true;
}

static void tell_numbers(const struct daemon *daemon, const char *first)
{
	struct tracker_statistics statistics;

	tracker_statistics(daemon->tracker, &statistics);
	notify_send(&daemon->notify, "%sSTATUS=Serving %u peers in %u swarms on %u addresses",
		first, statistics.peers_count, statistics.swarms_count, daemon->listeners_count);
}

static void on_tell(evutil_socket_t fd, short events, void *context)
{
	struct daemon *daemon = context;

	(void)fd;
	(void)events;
	tell_numbers(daemon, daemon->notify.watchdog_us > 0 ? "WATCHDOG=1\n" : "");
}

/* Reload. */

static void say_fixed(const char *name)
{
	log_event(LOG_LEVEL_WARNING, "not-reloaded",
		(const struct log_field[]){
			{"option", name}, {"reason", "it takes a restart to change this"}},
		2);
}

static bool reload_allowed(
	struct daemon *daemon, const struct daemon_options *now, struct failure *failure)
{
	struct allow_list list;
	char added_text[24];
	char removed_text[24];
	size_t added;
	size_t removed;

	if ((now->allow_path == NULL) != (daemon->started->allow_path == NULL))
		say_fixed("allow");
	if (now->allow_path == NULL || daemon->started->allow_path == NULL)
		return true;
	if (!allow_list_read(&list, now->allow_path, failure))
		return false;
	if (list.count > daemon->swarms_max) {
		allow_list_release(&list);
		return failure_set(failure, ERROR_LIMIT,
			"%s lists more infohashes than there is room for (%u): restart with "
			"--swarms-max",
			now->allow_path, daemon->swarms_max);
	}
	if (!allow_list_apply(daemon->tracker, &daemon->allowed, &list, &added, &removed))
		log_error("tracker: no room for all infohashes of %s", now->allow_path);
	allow_list_release(&daemon->allowed);
	daemon->allowed = list;
	snprintf(added_text, sizeof(added_text), "%zu", added);
	snprintf(removed_text, sizeof(removed_text), "%zu", removed);
	log_event(LOG_LEVEL_INFO, "allowed",
		(const struct log_field[]){{"file", now->allow_path}, {"added", added_text},
			{"removed", removed_text}},
		3);
	return true;
}

/* NULL when there is to be none, too. */
static bool sites_load(
	const struct daemon_options *options, struct site_table **sites, struct failure *failure)
{
	*sites = NULL;
	if (options->sites_path != NULL)
		*sites = site_table_load(options->sites_path, failure);
	return options->sites_path == NULL || *sites != NULL;
}

/* Takes the table. */
static void sites_apply(struct daemon *daemon, struct site_table *sites)
{
	struct failure failure = {0};

	tracker_forget_subnets(daemon->tracker);
	if (sites != NULL && !site_table_place(sites, daemon->tracker, &failure))
		log_error("%s", failure.text);
	site_table_free(sites);
}

static bool reload(struct daemon *daemon, struct failure *failure)
{
	struct daemon_options now;
	struct site_table *sites = NULL;

	if (daemon_options_read(&now, daemon->argc, daemon->argv, failure) != PARSE_OK ||
		!sites_load(&now, &sites, failure) || !reload_allowed(daemon, &now, failure)) {
		site_table_free(sites);
		daemon_options_release(&now);
		return false;
	}
	sites_apply(daemon, sites);
	tracker_set_limits(daemon->tracker,
		&(struct tracker_settings){.requests_per_s_max = (uint32_t)now.requests_max,
			.connections_per_address_max = (uint32_t)now.connections_per_address});
	if (!log_apply(&now))
		abort(); /* the options were checked */
	daemon_options_fixed(daemon->started, &now, say_fixed);
	daemon_options_release(&daemon->current);
	daemon->current = now;
	return true;
}

static void on_hangup(evutil_socket_t fd, short events, void *context)
{
	struct daemon *daemon = context;
	struct failure failure = {0};

	(void)fd;
	(void)events;
	if (daemon->stop_rounds > 0)
		return;
	notify_reloading(&daemon->notify);
	if (reload(daemon, &failure)) {
		log_event(LOG_LEVEL_INFO, "reloaded", NULL, 0);
		tell_numbers(daemon, "READY=1\n");
		return;
	}
	log_event(LOG_LEVEL_ERROR, "reload-failed",
		(const struct log_field[]){
			{"error", error_name(failure.error)}, {"reason", failure.text}},
		2);
	notify_send(&daemon->notify, "READY=1\nSTATUS=Goes on as before: %s", failure.text);
}

/* Stop. */

static void on_stop_round(evutil_socket_t fd, short events, void *context)
{
	struct daemon *daemon = context;

	(void)fd;
	(void)events;
	daemon->stop_rounds++;
	if (daemon->stop_rounds == STOP_ROUNDS_MIN)
		tracker_stop(daemon->tracker);
	if ((daemon->stop_rounds > STOP_ROUNDS_MIN && tracker_idle(daemon->tracker)) ||
		daemon->stop_rounds > STOP_ROUNDS_MAX)
		event_base_loopbreak(daemon->base);
}

static void on_stop(evutil_socket_t signal_number, short events, void *context)
{
	struct daemon *daemon = context;
	struct timeval round = {.tv_usec = STOP_ROUND_US};

	(void)events;
	/* Who asks twice does not want to wait. */
	if (daemon->stop_rounds > 0 || event_add(daemon->stop_round, &round) != 0) {
		event_base_loopbreak(daemon->base);
		return;
	}
	daemon->stop_rounds = 1;
	notify_send(&daemon->notify, "STOPPING=1\nSTATUS=Finishing what is under way");
	log_event(LOG_LEVEL_INFO, "stopping",
		&(struct log_field){"signal", signal_number == SIGINT ? "SIGINT" : "SIGTERM"}, 1);
}

/* Start. */

static bool watch(struct daemon *daemon, struct failure *failure)
{
	uint64_t tell_us = u64_min(TELL_INTERVAL_US,
		daemon->notify.watchdog_us > 1 ? daemon->notify.watchdog_us / 2 : UINT64_MAX);
	struct timeval tell = {
		.tv_sec = (time_t)(tell_us / 1000000), .tv_usec = (suseconds_t)(tell_us % 1000000)};

	daemon->terminate = evsignal_new(daemon->base, SIGTERM, on_stop, daemon);
	daemon->interrupt = evsignal_new(daemon->base, SIGINT, on_stop, daemon);
	daemon->hangup = evsignal_new(daemon->base, SIGHUP, on_hangup, daemon);
	daemon->tell = event_new(daemon->base, -1, EV_PERSIST, on_tell, daemon);
	daemon->stop_round = event_new(daemon->base, -1, EV_PERSIST, on_stop_round, daemon);
	if (daemon->terminate == NULL || daemon->interrupt == NULL || daemon->hangup == NULL ||
		daemon->tell == NULL || daemon->stop_round == NULL ||
		event_add(daemon->terminate, NULL) != 0 ||
		event_add(daemon->interrupt, NULL) != 0 || event_add(daemon->hangup, NULL) != 0 ||
		(daemon->notify.fd >= 0 && event_add(daemon->tell, &tell) != 0))
		return failure_set(failure, ERROR_SYSTEM, "cannot watch signals");
	return true;
}

/* Every HTTP announce is a connection: take all the descriptors that we may have. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		log_warning("tracker: cannot raise the limit of open files: %s", strerror(errno));
}

static void warn_unreadable(const char *path)
{
	if (path != NULL && access(path, R_OK) != 0)
		log_warning("tracker: a reload will not read %s: %s", path, strerror(errno));
}

static bool drop_privileges(struct daemon *daemon, struct failure *failure)
{
	const struct daemon_options *options = daemon->started;
	struct identity identity;

	if (!privileges_no_new(failure))
		return false;
	if (options->user == NULL) {
		if (geteuid() == 0)
			log_warning("tracker: runs as root; --user NAME makes it drop that");
		return true;
	}
	if (!privileges_find(options->user, &identity, failure) ||
		!privileges_drop(&identity, failure))
		return false;
	warn_unreadable(options->config_path);
	warn_unreadable(options->allow_path);
	warn_unreadable(options->sites_path);
	return true;
}

static bool start_tracker(struct daemon *daemon, struct failure *failure)
{
	const struct daemon_options *options = daemon->started;
	const struct allow_list none = {0};
	struct tracker_settings settings = {.interval_s = (uint32_t)options->interval_s,
		.peers_max = (uint32_t)options->peers_max,
		.swarms_max = (uint32_t)options->swarms_max,
		.share_percent = (uint32_t)options->share_per_address,
		.allow_only = options->allow_path != NULL,
		.replicated = cluster_options_given(&options->cluster),
		.requests_per_s_max = (uint32_t)options->requests_max,
		.connections_max = (uint32_t)options->connections_max,
		.connections_per_address_max = (uint32_t)options->connections_per_address};
	struct site_table *sites;
	size_t added;
	size_t removed;

	if (settings.allow_only && !allow_list_read(&daemon->allowed, options->allow_path, failure))
		return false;
	if (settings.swarms_max == 0) /* twice the list: it may grow by a reload */
		settings.swarms_max =
			(uint32_t)u64_max(SWARMS_MAX_DEFAULT, 2 * daemon->allowed.count);
	daemon->swarms_max = settings.swarms_max;
	daemon->tracker = tracker_create(daemon->base, &settings, failure);
	if (daemon->tracker == NULL || !sites_load(options, &sites, failure))
		return false;
	sites_apply(daemon, sites);
	return allow_list_apply(daemon->tracker, &none, &daemon->allowed, &added, &removed) ||
	       failure_set(failure, ERROR_LIMIT,
		       "--swarms-max %u is no room for the %zu infohashes of %s",
		       settings.swarms_max, daemon->allowed.count, options->allow_path);
}

static bool join_cluster(struct daemon *daemon, struct failure *failure)
{
	const struct cluster_options *options = &daemon->started->cluster;
	struct tracker_cluster_settings settings;

	return !cluster_options_given(options) ||
	       (cluster_options_read(options, &settings, failure) &&
		       tracker_join_cluster(daemon->tracker, &settings, failure));
}

static bool start(struct daemon *daemon, struct failure *failure)
{
	if (!log_apply(daemon->started) || !notify_open(&daemon->notify, failure))
		return false;
	/* A reader of the status that went away is no reason to end. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return failure_errno(failure, ERROR_SYSTEM, "cannot ignore a signal");
	raise_descriptor_limit();
	daemon->base = event_base_new();
	if (daemon->base == NULL)
		return failure_set(failure, ERROR_SYSTEM, "cannot make an event loop");
	if (!watch(daemon, failure) || !start_tracker(daemon, failure) ||
		!join_cluster(daemon, failure) || !listen_all(daemon, failure) ||
		!listen_status(daemon, failure) || !drop_privileges(daemon, failure))
		return false;
	if (fflush(stdout) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot write to standard output");
	log_event(LOG_LEVEL_INFO, "started", NULL, 0);
	tell_numbers(daemon, "READY=1\n");
	return true;
}

static void event_drop(struct event *event)
{
	if (event != NULL)
		event_free(event);
}

bool daemon_run(
	const struct daemon_options *options, int argc, char **argv, struct failure *failure)
{
	struct daemon daemon = {.started = options, .argc = argc, .argv = argv, .notify.fd = -1};
	bool ran = start(&daemon, failure);

	if (ran && event_base_dispatch(daemon.base) < 0)
		ran = failure_set(failure, ERROR_SYSTEM, "the event loop failed");
	if (ran)
		log_event(LOG_LEVEL_INFO, "stopped", NULL, 0);
	daemon.status = status_destroy(daemon.status);
	daemon.tracker = tracker_destroy(daemon.tracker);
	event_drop(daemon.terminate);
	event_drop(daemon.interrupt);
	event_drop(daemon.hangup);
	event_drop(daemon.tell);
	event_drop(daemon.stop_round);
	if (daemon.base != NULL)
		event_base_free(daemon.base);
	allow_list_release(&daemon.allowed);
	daemon_options_release(&daemon.current);
	notify_close(&daemon.notify);
	return ran;
}

bool daemon_check(const struct daemon_options *options, struct failure *failure)
{
	struct allow_list list = {0};
	struct identity identity;
	struct site_table *sites = NULL;
	struct tracker_cluster_settings cluster;

	if (!sites_load(options, &sites, failure))
		return false;
	site_table_free(sites);
	if (cluster_options_given(&options->cluster) &&
		!cluster_options_read(&options->cluster, &cluster, failure))
		return false;
	if ((options->user != NULL && !privileges_find(options->user, &identity, failure)) ||
		(options->allow_path != NULL &&
			!allow_list_read(&list, options->allow_path, failure)))
		return false;
	if (options->swarms_max > 0 && list.count > options->swarms_max) {
		allow_list_release(&list);
		return failure_set(failure, ERROR_LIMIT, "swarms-max is less than %s lists",
			options->allow_path);
	}
	printf("%s: fine\n", options->config_path != NULL ? options->config_path : "options");
	allow_list_release(&list);
	return fflush(stdout) == 0 ||
	       failure_errno(failure, ERROR_SYSTEM, "cannot write to standard output");
}
