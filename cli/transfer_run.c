/* SPDX-License-Identifier: Apache-2.0 */
/* One transfer in the foreground: `fetch` and `seed` once their arguments are read. */
#include "cli/transfer_run.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "cli/transfer_report.h"
#include "lib/log.h"
#include "lib/units.h"
#include "runtime/budget.h"
#include "runtime/clock.h"
#include "runtime/memory.h"
#include "runtime/socket.h"

#define REPORT_INTERVAL_US 1000000
#define SHOW_INTERVAL_US   250000
#define LSD_HOPS_MAX	   32
#define LONELY_FIRST_NS	   (10 * NS_PER_S)
#define LONELY_NS	   (60 * NS_PER_S)

struct foreground {
	const struct transfer_run *run;
	struct event_base *base;
	struct event *interrupt_event;
	struct event *terminate_event;
	struct event *report_event;
	struct session *session;
	struct transfer *transfer;
	struct progress progress;
	char note[96];
	uint64_t lonely_due_ns; /* when it is said that nobody was found */
	bool complete;		/* every byte is durable, head and tail included */
	bool interrupted;
	bool failed;
	struct failure failure;
};

static bool as_json(const struct transfer_run *run)
{
	return run->progress != NULL;
}

/* Somebody sits before a line that does not move, and wants to know why. */
static void tell_lonely(struct foreground *foreground, const struct transfer_status *status)
{
	uint64_t now_ns = clock_now_ns();

	if (status->swarm.peers_count > 0 || foreground->lonely_due_ns == 0) {
		foreground->lonely_due_ns = now_ns + LONELY_FIRST_NS;
	} else if (now_ns >= foreground->lonely_due_ns) {
		foreground->lonely_due_ns = now_ns + LONELY_NS;
		if (status->tracker_text[0] != '\0')
			log_warning("no peer was found; tracker %s", status->tracker_text);
		else
			log_warning("no peer was found: who has a copy must serve it (swarmboot "
				    "seed), and be named by a tracker or by --peer, or be on the "
				    "same segment (--lsd)");
	}
}

static void report(struct foreground *foreground, const char *event)
{
	const struct transfer_run *run = foreground->run;
	struct transfer_status status;
	char text[UNITS_TEXT_MAX];

	transfer_status(foreground->transfer, &status);
	if (as_json(run)) {
		transfer_report_status(
			event, run->metainfo, &status, session_port(foreground->session));
		return;
	}
	if (!run->seed && !foreground->complete)
		tell_lonely(foreground, &status);
	foreground->progress.start_bytes = status.swarm.present_bytes;
	if (run->seed || foreground->complete)
		snprintf(foreground->note, sizeof(foreground->note), "%u peers, sent %s",
			status.swarm.peers_count, size_format(text, status.swarm.sent_bytes));
	else
		snprintf(foreground->note, sizeof(foreground->note), "%u peers%s",
			status.swarm.peers_count, status.assessed ? "" : ", reading the target");
	progress_show(&foreground->progress, status.swarm.durable_bytes);
}

static void fail(struct foreground *foreground, const struct failure *failure)
{
	if (!foreground->failed)
		foreground->failure = *failure;
	foreground->failed = true;
	transfer_stop(foreground->transfer);
}

/* Every byte that the engine knows is durable, and read back if that was wanted. */
static void complete(struct foreground *foreground)
{
	const struct transfer_run *run = foreground->run;
	struct failure failure;

	if (foreground->complete)
		return;
	if (run->holdback != NULL && !holdback_commit(run->holdback, &failure)) {
		fail(foreground, &failure);
		return;
	}
	foreground->complete = true;
	if (as_json(run) || !run->seed)
		report(foreground, "complete");
	if (!as_json(run) && !run->seed) {
		progress_end(&foreground->progress, run->metainfo->length_bytes);
		log_info("complete: every byte is durable");
	}
	if (!run->stay)
		transfer_stop(foreground->transfer);
}

static void on_event(void *context, const struct transfer_event *event)
{
	struct foreground *foreground = context;

	switch (event->kind) {
	case TRANSFER_ASSESSED:
		break;
	case TRANSFER_COMPLETE:
		if (foreground->run->readback)
			transfer_readback(foreground->transfer);
		else
			complete(foreground);
		break;
	case TRANSFER_READBACK_DONE:
		complete(foreground);
		break;
	case TRANSFER_FAILED:
		fail(foreground, event->failure);
		break;
	case TRANSFER_PEER_BANNED:
		log_warning("banned %s", event->text);
		break;
	case TRANSFER_STOPPED:
		event_base_loopexit(foreground->base, NULL);
		break;
	}
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
	struct foreground *foreground = context;

	(void)what;
	if (foreground->interrupted) {
		event_base_loopbreak(foreground->base);
		return;
	}
	foreground->interrupted = true;
	log_info("%s: stopping", number == SIGINT ? "interrupted" : "terminated");
	if (as_json(foreground->run))
		report(foreground, "stopping"); /* what it came to, in all */
	transfer_stop(foreground->transfer);
}

static void on_report(evutil_socket_t descriptor, short what, void *context)
{
	(void)descriptor;
	(void)what;
	report(context, "progress");
}

static bool watch(struct foreground *foreground, struct failure *failure)
{
	struct timeval interval = {0};
	struct event_base *base = foreground->base;

	if (as_json(foreground->run))
		interval.tv_sec = REPORT_INTERVAL_US / 1000000;
	else
		interval.tv_usec = SHOW_INTERVAL_US;
	foreground->interrupt_event = evsignal_new(base, SIGINT, on_signal, foreground);
	foreground->terminate_event = evsignal_new(base, SIGTERM, on_signal, foreground);
	foreground->report_event = event_new(base, -1, EV_PERSIST, on_report, foreground);
	if (foreground->interrupt_event == NULL || foreground->terminate_event == NULL ||
		foreground->report_event == NULL ||
		evsignal_add(foreground->interrupt_event, NULL) != 0 ||
		evsignal_add(foreground->terminate_event, NULL) != 0 ||
		evtimer_add(foreground->report_event, &interval) != 0)
		return failure_set(failure, ERROR_MEMORY, "cannot watch signals");
	return true;
}

static bool peers_parse(
	const struct option_texts *texts, struct peer_address *peers, struct failure *failure)
{
	for (size_t i = 0; i < texts->count; i++) {
		struct sockaddr_storage storage;
		unsigned bytes;

		if (!address_parse(texts->texts[i], &storage, &bytes, failure))
			return false;
		if (!socket_address_from_sockaddr(&peers[i], (struct sockaddr *)&storage))
			return failure_set(
				failure, ERROR_USAGE, "%s: not an address", texts->texts[i]);
	}
	return true;
}

static bool frames_parse(const char *text, enum frames_mode *mode, struct failure *failure)
{
	static const char *const names[] = {
		[FRAMES_AUTO] = "auto", [FRAMES_OFF] = "off", [FRAMES_ALWAYS] = "always"};

	*mode = FRAMES_AUTO;
	if (text == NULL)
		return true;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if (strcmp(text, names[i]) == 0) {
			*mode = (enum frames_mode)i;
			return true;
		}
	return failure_set(failure, ERROR_USAGE, "--compress takes auto, always or off");
}

/* Other clients can do more. */
static bool trackers_check(
	const struct tracker_url *trackers, uint32_t trackers_count, struct failure *failure)
{
	for (uint32_t i = 0; i < trackers_count; i++)
		if (strncmp(trackers[i].url, "https:", 6) == 0)
			return failure_set(failure, ERROR_USAGE,
				"--tracker %.150s: only http:// and udp:// trackers are asked",
				trackers[i].url);
	return true;
}

/* What was said, read; borrowed by whoever starts a transfer with it. */
struct parsed {
	struct sockaddr_storage listen;
	unsigned listen_bytes;
	struct peer_address peers[OPTION_TEXTS_MAX];
	struct peer_address dht_nodes[OPTION_TEXTS_MAX];
	struct tracker_url trackers[METAINFO_TRACKERS_MAX];
	uint32_t trackers_count;
	enum frames_mode frames;
};

static bool parse(const struct transfer_run *run, struct parsed *parsed, struct failure *failure)
{
	if (run->progress != NULL && strcmp(run->progress, "json") != 0)
		return failure_set(failure, ERROR_USAGE, "--progress knows only \"json\"");
	if (run->lsd && run->no_lsd)
		return failure_set(failure, ERROR_USAGE, "--lsd and --no-lsd exclude each other");
	if (run->lsd_hops > LSD_HOPS_MAX)
		return failure_set(
			failure, ERROR_USAGE, "--lsd-hops: 1 to %d are wanted", LSD_HOPS_MAX);
	if (run->relay && (run->site == NULL || run->site[0] == '\0'))
		return failure_set(failure, ERROR_USAGE,
			"--relay wants --site NAME: for which site does it import?");
	return frames_parse(run->compress, &parsed->frames, failure) &&
	       address_parse(run->listen != NULL ? run->listen : ":0", &parsed->listen,
		       &parsed->listen_bytes, failure) &&
	       peers_parse(&run->peers, parsed->peers, failure) &&
	       peers_parse(&run->dht_nodes, parsed->dht_nodes, failure) &&
	       tracker_tiers_parse(
		       &run->trackers, parsed->trackers, &parsed->trackers_count, failure) &&
	       trackers_check(parsed->trackers, parsed->trackers_count, failure);
}

bool transfer_run_check(const struct transfer_run *run, struct failure *failure)
{
	struct parsed parsed;

	return parse(run, &parsed, failure);
}

/* Nobody is called in a network that was not asked for, unless there is no other way. */
static bool wants_lsd(const struct transfer_run *run)
{
	bool trackers = run->trackers.count > 0 || run->metainfo->trackers_count > 0;

	return run->lsd || (!run->no_lsd && !trackers && run->peers.count == 0);
}

static bool start(struct foreground *foreground, struct failure *failure)
{
	const struct transfer_run *run = foreground->run;
	struct parsed parsed;

	if (!parse(run, &parsed, failure))
		return false;
	struct session_settings session = {.listen = parsed.listen,
		.listen_bytes = parsed.listen_bytes,
		.memory_bytes = run->memory_bytes,
		.lsd_hops = (uint32_t)run->lsd_hops};
	struct transfer_settings transfer = {
		.metainfo = run->metainfo,
		.device = run->device,
		.seed = run->seed,
		.origin = run->origin,
		.trackers = parsed.trackers_count > 0 ? parsed.trackers : NULL,
		.trackers_count = parsed.trackers_count,
		.peers = parsed.peers,
		.peers_count = (uint32_t)run->peers.count,
		.dht = !run->no_dht,
		.dht_nodes = parsed.dht_nodes,
		.dht_nodes_count = (uint32_t)run->dht_nodes.count,
		.rack = run->rack,
		.site = run->site,
		.relay = run->relay,
		.rates = run->rates,
		.memory_bytes = run->memory_bytes,
		.memory_taken_bytes = run->holdback != NULL ? 2 * HOLDBACK_BYTES : 0,
		.frames = parsed.frames,
		.pex = !run->no_pex,
		.lsd = wants_lsd(run),
		.seed_of_choices = run->seed_of_choices,
		.on_event = on_event,
		.context = foreground,
	};

	foreground->base = event_base_new();
	if (foreground->base == NULL)
		return failure_set(failure, ERROR_SYSTEM, "cannot make an event loop");
	session.base = foreground->base;
	foreground->session = session_create(&session, failure);
	if (foreground->session == NULL)
		return false;
	foreground->transfer = transfer_start(foreground->session, &transfer, failure);
	return foreground->transfer != NULL && watch(foreground, failure);
}

static void finish(struct foreground *foreground)
{
	transfer_destroy(foreground->transfer);
	session_destroy(foreground->session);
	if (foreground->interrupt_event != NULL)
		event_free(foreground->interrupt_event);
	if (foreground->terminate_event != NULL)
		event_free(foreground->terminate_event);
	if (foreground->report_event != NULL)
		event_free(foreground->report_event);
	if (foreground->base != NULL) {
		/* What was given up comes to its end. */
		(void)event_base_loop(foreground->base, EVLOOP_NONBLOCK);
		event_base_free(foreground->base);
	}
}

int transfer_run_fail(const struct transfer_run *run, const struct failure *failure)
{
	if (as_json(run))
		transfer_report_error(failure);
	return command_fail(run->command, failure);
}

/* What the loop's end means. */
static int verdict(const struct foreground *foreground)
{
	const struct transfer_run *run = foreground->run;
	struct failure failure;

	if (foreground->failed)
		return transfer_run_fail(run, &foreground->failure);
	if (foreground->complete || run->seed)
		return EXIT_OK;
	failure_set(&failure, ERROR_ABORTED,
		"stopped before it was complete; what is on %s will be found again",
		run->device->name);
	return transfer_run_fail(run, &failure);
}

int transfer_run(struct transfer_run *run)
{
	struct foreground foreground = {.run = run};
	struct rlimit descriptors;
	struct failure failure;
	int status;

	budget_tune_heap();
	signal(SIGPIPE, SIG_IGN);
	if (run->verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
		descriptors.rlim_cur = descriptors.rlim_max;
		/* More is better; what there is will do. */
		(void)setrlimit(RLIMIT_NOFILE, &descriptors);
	}
	if (!start(&foreground, &failure)) {
		finish(&foreground);
		return transfer_run_fail(run, &failure);
	}
	run->started = true;
	log_info("%s %s: %u pieces, listening on port %u", run->command, run->metainfo->name,
		run->metainfo->pieces_count, session_port(foreground.session));
	foreground.progress.quiet = as_json(run);
	progress_start(&foreground.progress, run->command, run->metainfo->length_bytes);
	foreground.progress.note = foreground.note;
	report(&foreground, "progress");
	if (event_base_dispatch(foreground.base) != 0)
		log_error("the event loop ended on its own");
	status = verdict(&foreground);
	finish(&foreground);
	return status;
}
