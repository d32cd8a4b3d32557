/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PID 1 of the initramfs. It does as little as possible, so that nothing can end it: the agent is
 * its child, and an agent that crashes is a line on the screen and a reboot, not a panic of the
 * kernel.
 */
#include "initramfs/init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "initramfs/agent.h"
#include "initramfs/child.h"
#include "initramfs/console.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define CRASH_WAIT_S 30
#define PANIC_WAIT_S "30"

static void mount_all(void)
{
	static const struct {
		const char *type;
		const char *where;
		unsigned long flags;
	} mounts[] = {{"proc", "/proc", MS_NOSUID | MS_NOEXEC | MS_NODEV},
		{"sysfs", "/sys", MS_NOSUID | MS_NOEXEC | MS_NODEV},
		{"devtmpfs", "/dev", MS_NOSUID}, {"tmpfs", "/run", MS_NOSUID | MS_NODEV}};

	for (size_t i = 0; i < ARRAY_COUNT(mounts); i++) {
		mkdir(mounts[i].where, 0755);
		if (mount(mounts[i].type, mounts[i].where, mounts[i].type, mounts[i].flags, NULL) !=
				0 &&
			errno != EBUSY)
			fprintf(stderr, "cannot mount %s: %s\n", mounts[i].where, strerror(errno));
	}
	/* A kernel that panics must not leave the machine standing there. */
	SCOPED(fd) int panic = open("/proc/sys/kernel/panic", O_WRONLY | O_CLOEXEC);

	if (panic < 0 || write(panic, PANIC_WAIT_S, strlen(PANIC_WAIT_S)) < 0)
		fprintf(stderr, "cannot set the reboot after a panic: %s\n", strerror(errno));
	mkdir("/run/swarmboot", 0755);
	mkdir("/tmp", 01777);
}

static _Noreturn void restart(int how)
{
	log_info(how == RB_POWER_OFF ? "powering off" : "rebooting");
	console_drain();
	sync();
	reboot(how);
	log_error("the kernel does not %s: %s", how == RB_POWER_OFF ? "power off" : "reboot",
		strerror(errno));
	for (;;)
		pause();
}

static void wait_s(unsigned seconds)
{
	while (seconds > 0)
		seconds = sleep(seconds);
}

/* Reaps until `child` has ended; returns its wait status. */
static int reap_until(pid_t child)
{
	for (;;) {
		int status;
		pid_t ended = waitpid(-1, &status, 0);

		if (ended == child)
			return status;
		if (ended < 0 && errno != EINTR)
			return -1;
	}
}

static void rescue_shell(void)
{
	char *const install[] = {"/bin/busybox", "--install", "-s", "/bin", NULL};
	struct failure failure;
	int status;

	/* The shell has its builtins even when this fails. */
	if (!child_run(install, 10000, &status, &failure))
		log_warning("%s", failure.text);
	log_info("rescue shell; `exit` reboots the machine");
	console_drain();
	pid_t shell = fork();

	if (shell == 0) {
		char *const arguments[] = {"sh", "-l", NULL};
		char *const environment[] = {"PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/root",
			"TERM=linux", "PS1=swarmboot# ", NULL};

		setsid();
		int terminal = open("/dev/console", O_RDWR);

		if (terminal >= 0) {
			ioctl(terminal, TIOCSCTTY, 1);
			dup2(terminal, 0);
			dup2(terminal, 1);
			dup2(terminal, 2);
		}
		execve("/bin/sh", arguments, environment);
		_exit(127);
	}
	if (shell > 0)
		reap_until(shell);
	else
		log_error("no shell: %s", strerror(errno));
}

static bool command_line_read(char *line, size_t capacity)
{
	SCOPED(file) FILE *file = fopen("/proc/cmdline", "re");

	if (file == NULL)
		return false;
	size_t length = fread(line, 1, capacity - 1, file);

	line[length] = '\0';
	return length < capacity - 1;
}

static void agent_ended(int status)
{
	if (WIFSIGNALED(status) || !WIFEXITED(status)) {
		log_error("the agent was killed by signal %d; rebooting in %d s",
			WIFSIGNALED(status) ? WTERMSIG(status) : -1, CRASH_WAIT_S);
		wait_s(CRASH_WAIT_S);
	} else if (WEXITSTATUS(status) == AGENT_EXIT_RESCUE) {
		rescue_shell();
	} else if (WEXITSTATUS(status) == AGENT_EXIT_POWEROFF) {
		restart(RB_POWER_OFF);
	}
	restart(RB_AUTOBOOT);
}

/* Everything the agent and its children print goes to all consoles. */
static pid_t agent_start(const struct agent_options *options, int output)
{
	pid_t child = fork();

	if (child != 0)
		return child;
	/* dup2 without O_CLOEXEC: modprobe and udhcpc inherit these. */
	if (dup2(output, 1) < 0 || dup2(output, 2) < 0)
		_exit(AGENT_EXIT_FAILED);
	exit(agent_run(options));
}

void init_run(void)
{
	static struct agent_options options;
	char line[4096];
	struct failure failure = {0};

	mount_all();
	umask(022);
	reboot(RB_DISABLE_CAD);
	signal(SIGPIPE, SIG_IGN);
	int output = console_open(&failure);

	log_set_descriptor(output >= 0 ? output : 2);
	bool told = command_line_read(line, sizeof(line)) &&
		    agent_options_from_command_line(&options, line, &failure);

	if (options.verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	/* Before the thread: a fork copies only the thread that calls it. */
	pid_t child = told && !options.rescue ? agent_start(&options, output) : -1;

	if (!console_start(&failure))
		fprintf(stderr, "%s\n", failure.text);
	if (child > 0)
		agent_ended(reap_until(child));
	if (options.rescue) {
		rescue_shell();
		restart(RB_AUTOBOOT);
	}
	log_error("%s", failure.text[0] != '\0' ? failure.text : "the agent cannot be started");
	wait_s(CRASH_WAIT_S);
	restart(RB_AUTOBOOT);
}
