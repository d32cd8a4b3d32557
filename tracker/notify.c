/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams to a service manager. */
#include "tracker/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"

#define MESSAGE_BYTES_MAX 512

/* A decimal number in the environment; 0 when it is absent or anything else. */
static uint64_t number_of(const char *name)
{
	const char *text = getenv(name);
	char *end;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return 0;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' ? number : 0;
}

bool notify_open(struct notify *notify, struct failure *failure)
{
	const char *path = getenv("NOTIFY_SOCKET");

	*notify = (struct notify){.fd = -1, .address = {.sun_family = AF_UNIX}};
	if (path == NULL || path[0] == '\0')
		return true;
	size_t bytes = strlen(path);
	if ((path[0] != '/' && path[0] != '@') || bytes < 2 ||
		bytes >= sizeof(notify->address.sun_path))
		return failure_set(failure, ERROR_UNSUPPORTED,
			"$NOTIFY_SOCKET is \"%.80s\", which is no address of a Unix socket", path);
	memcpy(notify->address.sun_path, path, bytes);
	if (path[0] == '@')
		notify->address.sun_path[0] = '\0';
	notify->address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes);
	notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (notify->fd < 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot make a socket");
	/* Meant for another process of the service when $WATCHDOG_PID is not ours. */
	uint64_t pid = number_of("WATCHDOG_PID");
	if (pid == 0 || pid == (uint64_t)getpid())
		notify->watchdog_us = number_of("WATCHDOG_USEC");
	return true;
}

void notify_close(struct notify *notify)
{
	if (notify->fd >= 0)
		close(notify->fd);
	notify->fd = -1;
}

void notify_send(const struct notify *notify, const char *format, ...)
{
	char message[MESSAGE_BYTES_MAX];
	va_list arguments;

	if (notify->fd < 0)
		return;
	va_start(arguments, format);
	int bytes = vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	if (bytes <= 0)
		return;
	if (sendto(notify->fd, message, u64_min((uint64_t)bytes, sizeof(message) - 1), MSG_NOSIGNAL,
		    (const struct sockaddr *)&notify->address, notify->address_bytes) < 0)
		log_debug("cannot tell the service manager: %s", strerror(errno));
}

void notify_reloading(const struct notify *notify)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	notify_send(notify, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=Reading the files again",
		(unsigned long long)now.tv_sec * 1000000 +
			(unsigned long long)now.tv_nsec / NS_PER_US);
}
