/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dnsmasq as a supervised child: started again with back-off when it dies, stopped with this
 * process however that ends. What its log says about machines comes as events.
 */
#ifndef PXE_DNSMASQ_H
#define PXE_DNSMASQ_H

#include <event2/event.h>

#include "pxe/dnsmasq_log.h"

struct dnsmasq;

struct dnsmasq_settings {
	struct event_base *base; /* borrowed */
	const char *program;	 /* "dnsmasq": looked up in PATH and the sbin directories */
	const char *config_path;
	void (*on_line)(void *context, const struct dnsmasq_line *line);
	/* text: why it ended and when it is started again; NULL: it runs again. */
	void (*on_state)(void *context, const char *text);
	void *context;
};

/* Has dnsmasq check the configuration, then starts it. */
MUST_USE struct dnsmasq *dnsmasq_start(
	const struct dnsmasq_settings *settings, struct failure *failure);
bool dnsmasq_running(const struct dnsmasq *dnsmasq);
/* Ends the child and waits for it. */
struct dnsmasq *dnsmasq_stop(struct dnsmasq *dnsmasq);

#endif
