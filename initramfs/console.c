/* SPDX-License-Identifier: Apache-2.0 */
/* One pipe, one thread, all consoles. */
#include "initramfs/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define CONSOLES_MAX  8
#define WRITE_WAIT_MS 200
#define DRAIN_MS      2000
#define DRAIN_STEP_MS 20

/* One machine has one console: PID 1's. */
static struct {
	int descriptors[CONSOLES_MAX];
	int count;
	int kmsg;
	int read_end;
} console = {.kmsg = -1, .read_end = -1};

static void console_add(const char *name)
{
	char path[64];

	if (console.count == CONSOLES_MAX ||
		(size_t)snprintf(path, sizeof(path), "/dev/%s", name) >= sizeof(path))
		return;
	int descriptor = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (descriptor >= 0)
		console.descriptors[console.count++] = descriptor;
}

int console_open(struct failure *failure)
{
	SCOPED(file) FILE *active = fopen("/sys/class/tty/console/active", "re");
	SCOPED(fd) int unlimited = open("/proc/sys/kernel/printk_devkmsg", O_WRONLY | O_CLOEXEC);
	char names[256] = "";
	char *rest = names;
	int ends[2];

	/* The kernel drops a program's lines when they come fast, unless told not to. */
	if (unlimited >= 0 && write(unlimited, "on\n", 3) != 3)
		errno = 0;
	if (active != NULL && fgets(names, sizeof(names), active) != NULL)
		for (char *name; (name = strsep(&rest, " \n")) != NULL;)
			if (name[0] != '\0')
				console_add(name);
	if (console.count == 0)
		console_add("console");
	console.kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (pipe2(ends, O_CLOEXEC) != 0) {
		failure_errno(failure, ERROR_SYSTEM, "cannot make a pipe");
		return -1;
	}
	console.read_end = ends[0];
	return ends[1];
}

static void console_write(int descriptor, const char *bytes, size_t count)
{
	while (count > 0) {
		ssize_t put = write(descriptor, bytes, count);

		if (put < 0 && errno == EAGAIN) {
			struct pollfd wait = {.fd = descriptor, .events = POLLOUT};

			if (poll(&wait, 1, WRITE_WAIT_MS) == 1)
				continue;
		}
		if (put <= 0)
			return;
		bytes += put;
		count -= (size_t)put;
	}
}

/* Debug level, so that the kernel does not print it once more. */
static void kernel_log(const char *line, size_t length)
{
	char text[1024];
	int used = snprintf(text, sizeof(text), "<7>swarmboot: %.*s", (int)length, line);

	/* When even the kernel's log cannot be written nobody is left to be told. */
	if (console.kmsg >= 0 && used > 0 &&
		write(console.kmsg, text, u64_min((size_t)used, sizeof(text) - 1)) < 0)
		return;
}

static void *console_thread(void *unused)
{
	char line[1024];
	size_t used = 0;

	(void)unused;
	for (;;) {
		ssize_t got = read(console.read_end, line + used, sizeof(line) - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return NULL;
		for (int i = 0; i < console.count; i++)
			console_write(console.descriptors[i], line + used, (size_t)got);
		used += (size_t)got;
		for (char *end; (end = memchr(line, '\n', used)) != NULL;) {
			size_t length = (size_t)(end - line);

			kernel_log(line, length);
			used -= length + 1;
			memmove(line, end + 1, used);
		}
		if (used == sizeof(line)) {
			kernel_log(line, used);
			used = 0;
		}
	}
}

bool console_start(struct failure *failure)
{
	pthread_t thread;
	int code = pthread_create(&thread, NULL, console_thread, NULL);

	if (code == 0) {
		pthread_detach(thread);
		return true;
	}
	errno = code;
	return failure_errno(failure, ERROR_SYSTEM, "cannot start a thread");
}

static bool console_empty(void)
{
	int waiting = 0;

	if (ioctl(console.read_end, FIONREAD, &waiting) == 0 && waiting > 0)
		return false;
	for (int i = 0; i < console.count; i++)
		if (ioctl(console.descriptors[i], TIOCOUTQ, &waiting) == 0 && waiting > 0)
			return false;
	return true;
}

void console_drain(void)
{
	struct timespec step = {.tv_nsec = DRAIN_STEP_MS * 1000000L};
	int empty_steps = 0;

	/* Empty twice in a row: between pipe and line bytes are in the thread's hands. */
	for (int waited_ms = 0; waited_ms < DRAIN_MS && empty_steps < 2;
		waited_ms += DRAIN_STEP_MS) {
		nanosleep(&step, NULL);
		empty_steps = console_empty() ? empty_steps + 1 : 0;
	}
}
