/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling a service manager how it goes: the protocol of sd_notify(3), which is promised to stay as
 * it is, datagrams of `NAME=value` lines to the socket in $NOTIFY_SOCKET. A dozen lines here save a
 * library that is there on Debian and not elsewhere, and headers that building would need.
 */
#ifndef TRACKER_NOTIFY_H
#define TRACKER_NOTIFY_H

#include <sys/socket.h>
#include <sys/un.h>

#include "lib/failure.h"

struct notify {
	int fd; /* -1: nobody wants to know */
	struct sockaddr_un address;
	socklen_t address_bytes;
	uint64_t watchdog_us; /* how long it is patient; 0: it does not watch */
};

/* From the environment. False when $NOTIFY_SOCKET is set, but no address of a socket. */
MUST_USE bool notify_open(struct notify *notify, struct failure *failure);
void notify_close(struct notify *notify);

/* Lines, separated by line ends, in one datagram. What cannot be sent is lost, as it is with the
 * library: a manager that went away is no reason to stop. */
void notify_send(const struct notify *notify, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* RELOADING=1 with the time that the manager wants beside it. */
void notify_reloading(const struct notify *notify);

#endif
