/* SPDX-License-Identifier: Apache-2.0 */
/* The network of a machine that has just booted: link, then an address that is kept. */
#ifndef INITRAMFS_NET_H
#define INITRAMFS_NET_H

#include "wire/report.h"

struct net {
	char interface[32];
	char mac[NODE_ID_MAX];
	char address[64]; /* "10.0.0.17/24" */
};

#define NET_LINK_NS_MAX (60 * NS_PER_S) /* for a carrier */
#define NET_ADDRESS_NS_MAX                                                                         \
	(90 * NS_PER_S) /* for DHCP: a port in spanning tree forwards after 50 s */

/* Sets all interfaces up, waits for a carrier on the one that booted (boot_mac; "": the first that
 * has one; also after the time is over), and starts a DHCP client that is kept running. Blocks;
 * calls `probe` twice a second while it waits, so that late drivers are loaded. */
MUST_USE bool net_bring_up(struct net *net, const char *boot_mac, void (*probe)(void *context),
	void *context, struct failure *failure);

#endif
