/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What dnsmasq's log (log-dhcp) says about machines. The lines of one exchange carry its
 * transaction number; a PXE client is known by its vendor class, which comes on a line of its own:
 *
 *   dnsmasq-dhcp: 1122867 vendor class: PXEClient:Arch:00000:UNDI:002001
 *   dnsmasq-dhcp: 1122867 DHCPDISCOVER(eth0) 52:54:00:12:34:56
 *   dnsmasq-dhcp: 1122867 PXE(eth0) 52:54:00:12:34:56 proxy
 */
#ifndef PXE_DNSMASQ_LOG_H
#define PXE_DNSMASQ_LOG_H

#include "lib/failure.h"

enum dnsmasq_line_kind {
	DNSMASQ_OTHER,
	DNSMASQ_PXE_REQUEST, /* mac: a PXE client asked for an address or a boot file */
	DNSMASQ_TROUBLE,     /* text: what dnsmasq says went wrong */
};

struct dnsmasq_line {
	enum dnsmasq_line_kind kind;
	char mac[18];
	char text[256];
};

/* Remembers which of the recent transactions are of PXE clients. */
#define DNSMASQ_TRANSACTIONS_MAX 64

struct dnsmasq_log {
	struct {
		uint32_t id;
		bool pxe;
	} transactions[DNSMASQ_TRANSACTIONS_MAX];
	uint32_t next;
};

/* Reads one line without its line end. */
void dnsmasq_log_line(struct dnsmasq_log *log, const char *text, struct dnsmasq_line *line);

#endif
