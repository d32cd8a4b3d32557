/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Supervision of dnsmasq. Between this process and dnsmasq stands a guard, a small fork of this
 * process: the kernel tells it when this process dies (PR_SET_PDEATHSIG; dnsmasq itself loses that
 * when it gives up root), and it ends dnsmasq then. End of the log pipe means that both are gone.
 */
#include "pxe/dnsmasq.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"

#define RESTART_MIN_S 1
#define RESTART_MAX_S 30
#define STEADY_S      60 /* after running that long a death is a new trouble */
#define START_WAIT_MS 5000
#define END_WAIT_S    3

struct dnsmasq {
	struct dnsmasq_settings settings;
	char program[256];
	char config_path[1024];
	struct dnsmasq_log log;
	struct event *readable;
	struct event *restart;
	pid_t guard;  /* 0: not running */
	int log_pipe; /* -1: not running */
	char pending[1024];
	size_t pending_bytes;
	char last_line[256];
	time_t started_s;
	unsigned restart_s;
};

static time_t monotonic_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* The rest of this process is async-signal-safe calls only: the parent may have threads. */
__attribute__((noreturn)) static void guard_watch(pid_t child, const sigset_t *watched)
{
	for (;;) {
		int status;
		int signal = sigwaitinfo(watched, NULL);

		if (signal == SIGCHLD) {
			if (waitpid(child, &status, WNOHANG) == child)
				_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128);
			continue;
		}
		if (signal < 0)
			continue;
		struct timespec patience = {END_WAIT_S, 0};
		sigset_t child_ended;

		sigemptyset(&child_ended);
		sigaddset(&child_ended, SIGCHLD);
		kill(child, SIGTERM);
		if (sigtimedwait(&child_ended, NULL, &patience) < 0)
			kill(child, SIGKILL);
		waitpid(child, &status, 0);
		_exit(0);
	}
}

__attribute__((noreturn)) static void guard_run(
	char *const *arguments, pid_t parent, int log_pipe, int null_descriptor)
{
	sigset_t watched;

	sigemptyset(&watched);
	sigaddset(&watched, SIGTERM);
	sigaddset(&watched, SIGINT);
	sigaddset(&watched, SIGHUP);
	sigaddset(&watched, SIGCHLD);
	sigprocmask(SIG_SETMASK, &watched, NULL);
	/* Ctrl-C is for the server, which ends us in order. */
	setpgid(0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)
		_exit(127);
	if (dup2(null_descriptor, 0) < 0 || dup2(log_pipe, 1) < 0 || dup2(log_pipe, 2) < 0)
		_exit(127);
	close_range(3, ~0U, 0);
	struct sigaction usual = {.sa_handler = SIG_DFL};

	sigaction(SIGPIPE, &usual, NULL);
	sigaction(SIGCHLD, &usual, NULL);
	pid_t child = fork();

	if (child < 0)
		_exit(127);
	if (child > 0)
		guard_watch(child, &watched);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(arguments[0], arguments);
	_exit(127);
}

/* Starts a guard with dnsmasq under it; its output comes on *log_pipe. */
static bool child_start(
	char *const *arguments, pid_t *guard, int *log_pipe, struct failure *failure)
{
	int pipes[2];
	SCOPED(fd) int null_descriptor = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_descriptor < 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot open /dev/null");
	if (pipe2(pipes, O_CLOEXEC) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot make a pipe");
	pid_t parent = getpid();

	*guard = fork();
	if (*guard == 0)
		guard_run(arguments, parent, pipes[1], null_descriptor);
	close(pipes[1]);
	if (*guard < 0) {
		close(pipes[0]);
		return failure_errno(failure, ERROR_SYSTEM, "cannot start a process");
	}
	*log_pipe = pipes[0];
	return true;
}

/* Waits for the guard, whose end is near; returns dnsmasq's exit status. */
static int child_reap(pid_t guard)
{
	int status;

	while (waitpid(guard, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool program_find(char path[static 256], const char *program, struct failure *failure)
{
	static const char *const folders[] = {"/usr/sbin", "/usr/bin", "/sbin", "/usr/local/sbin"};

	if (strchr(program, '/') != NULL) {
		snprintf(path, 256, "%s", program);
		if (access(path, X_OK) == 0)
			return true;
		return failure_errno(failure, ERROR_SYSTEM, "cannot run %s", program);
	}
	for (size_t i = 0; i < ARRAY_COUNT(folders); i++) {
		snprintf(path, 256, "%s/%s", folders[i], program);
		if (access(path, X_OK) == 0)
			return true;
	}
	return failure_set(failure, ERROR_NOT_FOUND,
		"dnsmasq is not installed (Debian: apt-get install dnsmasq-base)");
}

static bool config_check(const struct dnsmasq *dnsmasq, struct failure *failure)
{
	char *arguments[] = {(char *)dnsmasq->program, (char *)"--test", (char *)"-C",
		(char *)dnsmasq->config_path, NULL};
	char text[256] = "";
	size_t used = 0;
	pid_t guard;
	int log_pipe;
	ssize_t got;

	if (!child_start(arguments, &guard, &log_pipe, failure))
		return false;
	while ((got = read(log_pipe, text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)got;
	close(log_pipe);
	text[used] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (child_reap(guard) == 0)
		return true;
	return failure_set(failure, ERROR_FORMAT, "dnsmasq refuses its configuration %s: %s",
		dnsmasq->config_path, text);
}

static void line_handle(struct dnsmasq *dnsmasq, const char *text)
{
	struct dnsmasq_line line;

	if (*text == '\0')
		return;
	log_debug("%s", text);
	snprintf(dnsmasq->last_line, sizeof(dnsmasq->last_line), "%s", text);
	dnsmasq_log_line(&dnsmasq->log, text, &line);
	if (line.kind != DNSMASQ_OTHER)
		dnsmasq->settings.on_line(dnsmasq->settings.context, &line);
}

/* False at the end of the pipe. */
static bool log_read(struct dnsmasq *dnsmasq)
{
	ssize_t got = read(dnsmasq->log_pipe, dnsmasq->pending + dnsmasq->pending_bytes,
		sizeof(dnsmasq->pending) - 1 - dnsmasq->pending_bytes);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (got == 0)
		return false;
	dnsmasq->pending_bytes += (size_t)got;
	dnsmasq->pending[dnsmasq->pending_bytes] = '\0';
	char *start = dnsmasq->pending;
	char *end;

	while ((end = strchr(start, '\n')) != NULL) {
		*end = '\0';
		line_handle(dnsmasq, start);
		start = end + 1;
	}
	/* A line longer than the buffer is dropped in parts. */
	if (start == dnsmasq->pending && dnsmasq->pending_bytes == sizeof(dnsmasq->pending) - 1)
		start += dnsmasq->pending_bytes;
	dnsmasq->pending_bytes = strlen(start);
	memmove(dnsmasq->pending, start, dnsmasq->pending_bytes + 1);
	return true;
}

static void child_gone(struct dnsmasq *dnsmasq)
{
	close(dnsmasq->log_pipe);
	dnsmasq->log_pipe = -1;
	child_reap(dnsmasq->guard);
	dnsmasq->guard = 0;
	dnsmasq->pending_bytes = 0;
}

static void restart_later(struct dnsmasq *dnsmasq, const char *why)
{
	char text[512];

	if (monotonic_s() - dnsmasq->started_s > STEADY_S)
		dnsmasq->restart_s = RESTART_MIN_S;
	snprintf(text, sizeof(text), "dnsmasq ended (%s); starting it again in %u s", why,
		dnsmasq->restart_s);
	struct timeval delay = {.tv_sec = (time_t)dnsmasq->restart_s};

	dnsmasq->restart_s = (unsigned)u64_min(dnsmasq->restart_s * 2, RESTART_MAX_S);
	evtimer_add(dnsmasq->restart, &delay);
	dnsmasq->settings.on_state(dnsmasq->settings.context, text);
}

static void on_readable(evutil_socket_t descriptor, short what, void *context)
{
	struct dnsmasq *dnsmasq = context;

	(void)descriptor;
	(void)what;
	if (log_read(dnsmasq))
		return;
	event_free(dnsmasq->readable);
	dnsmasq->readable = NULL;
	child_gone(dnsmasq);
	restart_later(dnsmasq, dnsmasq->last_line[0] != '\0' ? dnsmasq->last_line : "no message");
}

/* Starts dnsmasq and waits until it says so; its last words become the failure. */
static bool run(struct dnsmasq *dnsmasq, struct failure *failure)
{
	char *arguments[] = {
		dnsmasq->program, (char *)"-k", (char *)"-C", dnsmasq->config_path, NULL};

	memset(&dnsmasq->log, 0, sizeof(dnsmasq->log));
	dnsmasq->last_line[0] = '\0';
	dnsmasq->started_s = monotonic_s();
	if (!child_start(arguments, &dnsmasq->guard, &dnsmasq->log_pipe, failure))
		return false;
	if (fcntl(dnsmasq->log_pipe, F_SETFL, O_NONBLOCK) != 0)
		log_warning("the log of dnsmasq cannot be made non-blocking");
	dnsmasq->readable = event_new(dnsmasq->settings.base, dnsmasq->log_pipe,
		EV_READ | EV_PERSIST, on_readable, dnsmasq);
	if (dnsmasq->readable == NULL || event_add(dnsmasq->readable, NULL) != 0)
		return failure_set(failure, ERROR_MEMORY, "no memory for an event");
	return true;
}

static void on_restart(evutil_socket_t descriptor, short what, void *context)
{
	struct dnsmasq *dnsmasq = context;
	struct failure failure;

	(void)descriptor;
	(void)what;
	if (!run(dnsmasq, &failure))
		restart_later(dnsmasq, failure.text);
	else
		dnsmasq->settings.on_state(dnsmasq->settings.context, NULL);
}

/* Until it said "started" or ended: so that a port in use is an error of the command. */
static bool wait_started(struct dnsmasq *dnsmasq, struct failure *failure)
{
	struct pollfd poll_log = {.fd = dnsmasq->log_pipe, .events = POLLIN};
	time_t deadline_s = monotonic_s() + START_WAIT_MS / 1000;

	while (strstr(dnsmasq->last_line, "sockets bound") == NULL &&
		strstr(dnsmasq->last_line, "TFTP root") == NULL && monotonic_s() <= deadline_s) {
		if (poll(&poll_log, 1, START_WAIT_MS) <= 0)
			continue;
		if (log_read(dnsmasq))
			continue;
		return failure_set(failure,
			strstr(dnsmasq->last_line, "in use") != NULL ? ERROR_ADDRESS_IN_USE
								     : ERROR_SYSTEM,
			"dnsmasq does not start: %s", dnsmasq->last_line);
	}
	return true;
}

struct dnsmasq *dnsmasq_start(const struct dnsmasq_settings *settings, struct failure *failure)
{
	struct dnsmasq *dnsmasq = calloc(1, sizeof(*dnsmasq));

	if (dnsmasq == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory");
		return NULL;
	}
	dnsmasq->settings = *settings;
	dnsmasq->log_pipe = -1;
	dnsmasq->restart_s = RESTART_MIN_S;
	snprintf(dnsmasq->config_path, sizeof(dnsmasq->config_path), "%s", settings->config_path);
	dnsmasq->restart = evtimer_new(settings->base, on_restart, dnsmasq);
	if (dnsmasq->restart == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for a timer");
		return dnsmasq_stop(dnsmasq);
	}
	if (!program_find(dnsmasq->program, settings->program, failure) ||
		!config_check(dnsmasq, failure) || !run(dnsmasq, failure) ||
		!wait_started(dnsmasq, failure))
		return dnsmasq_stop(dnsmasq);
	return dnsmasq;
}

bool dnsmasq_running(const struct dnsmasq *dnsmasq)
{
	return dnsmasq != NULL && dnsmasq->guard > 0;
}

struct dnsmasq *dnsmasq_stop(struct dnsmasq *dnsmasq)
{
	if (dnsmasq == NULL)
		return NULL;
	if (dnsmasq->readable != NULL)
		event_free(dnsmasq->readable);
	if (dnsmasq->restart != NULL)
		event_free(dnsmasq->restart);
	if (dnsmasq->guard > 0) {
		kill(dnsmasq->guard, SIGTERM);
		child_reap(dnsmasq->guard);
	}
	if (dnsmasq->log_pipe >= 0)
		close(dnsmasq->log_pipe);
	free(dnsmasq);
	return NULL;
}
