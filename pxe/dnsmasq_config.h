/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of dnsmasq: full DHCP or proxyDHCP for one interface, TFTP for the first stage,
 * and the boot file names that lead stock iPXE to /boot.ipxe. Addresses are IPv4 in network order.
 */
#ifndef PXE_DNSMASQ_CONFIG_H
#define PXE_DNSMASQ_CONFIG_H

#include <netinet/in.h>

#include "lib/failure.h"

#define DNSMASQ_CONFIG_BYTES_MAX 8192

struct dhcp_range {
	struct in_addr first;
	struct in_addr last;
};

struct dnsmasq_config {
	bool proxy; /* beside an existing DHCP server */
	const char *interface;
	struct in_addr address; /* of this server on that interface */
	struct in_addr netmask;
	struct dhcp_range range; /* full only */
	uint64_t lease_s;	 /* full only; 0: one hour */
	struct in_addr router;	 /* full only; 0.0.0.0: none is told */
	uint16_t http_port;
	const char *tftp_root;
	const char *lease_file;
	const char *user; /* "": dnsmasq's own; "root" when only root can reach tftp_root */
};

/* Returns the length, 0 (and a failure) when it does not fit or a path or name cannot be written in
 * dnsmasq's syntax. */
size_t dnsmasq_config_render(
	char *text, size_t capacity, const struct dnsmasq_config *config, struct failure *failure);

/* "FIRST,LAST" or "FIRST-LAST"; both must lie in the interface's subnet. */
MUST_USE bool dhcp_range_parse(struct dhcp_range *range, const char *text, struct in_addr address,
	struct in_addr netmask, struct failure *failure);

/* The upper half of the subnet, where fewer fixed addresses are; at most 8192 addresses. */
MUST_USE bool dhcp_range_default(struct dhcp_range *range, struct in_addr address,
	struct in_addr netmask, struct failure *failure);

#endif
