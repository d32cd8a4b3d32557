/* SPDX-License-Identifier: Apache-2.0 */
/* Is there a DHCP server on this segment? Asks as any client would, takes no lease. */
#ifndef PXE_PROBE_H
#define PXE_PROBE_H

#include <netinet/in.h>

#include "lib/failure.h"

struct interface_address {
	struct in_addr address;
	struct in_addr netmask;
	bool up;
};

/* The interface's first IPv4 address. Clear failures: no such interface, no address. */
MUST_USE bool interface_lookup(
	const char *interface, struct interface_address *found, struct failure *failure);

/* Sends DHCPDISCOVER on the interface and listens for wait_ms. *found tells whether a server other
 * than `own` offered; its address is in *server. Needs CAP_NET_RAW. */
MUST_USE bool dhcp_probe(const char *interface, struct in_addr own, unsigned wait_ms, bool *found,
	struct in_addr *server, struct failure *failure);

#endif
