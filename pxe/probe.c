/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One DHCPDISCOVER (RFC 2131) over a packet socket: UDP port 68 may belong to this machine's own
 * DHCP client, and the interface needs no address for it. Offers are for a broadcast flag, so they
 * reach every station.
 */
#include "pxe/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/cleanup.h"

#define DHCP_SERVER_PORT 67
#define DHCP_CLIENT_PORT 68
#define DHCP_FIXED_BYTES 236 /* up to the options' magic number */
#define DHCP_OPTIONS_AT	 (DHCP_FIXED_BYTES + 4)
#define DHCP_MAGIC	 0x63825363U
#define OPTION_TYPE	 53
#define OPTION_SERVER	 54
#define OPTION_END	 255
#define DHCPDISCOVER	 1
#define DHCPOFFER	 2
#define ASK_EVERY_MS	 1000

bool interface_lookup(
	const char *interface, struct interface_address *found, struct failure *failure)
{
	struct ifaddrs *list;
	bool known = false;
	bool has_address = false;

	if (getifaddrs(&list) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot list network interfaces");
	for (struct ifaddrs *at = list; at != NULL && !has_address; at = at->ifa_next) {
		if (strcmp(at->ifa_name, interface) != 0)
			continue;
		known = true;
		found->up = (at->ifa_flags & IFF_UP) != 0;
		if (at->ifa_addr == NULL || at->ifa_addr->sa_family != AF_INET ||
			at->ifa_netmask == NULL)
			continue;
		found->address = ((struct sockaddr_in *)(void *)at->ifa_addr)->sin_addr;
		found->netmask = ((struct sockaddr_in *)(void *)at->ifa_netmask)->sin_addr;
		has_address = true;
	}
	freeifaddrs(list);
	if (!known)
		return failure_set(failure, ERROR_NOT_FOUND,
			"there is no network interface '%s' (`ip link` lists them)", interface);
	if (!has_address)
		return failure_set(failure, ERROR_NO_ADDRESS,
			"interface %s has no IPv4 address; give it one first, as in: ip address "
			"add 10.0.0.1/24 dev %s",
			interface, interface);
	if (!found->up)
		return failure_set(failure, ERROR_NO_LINK,
			"interface %s is down; bring it up first: ip link set %s up", interface,
			interface);
	return true;
}

static uint16_t ip_checksum(const uint8_t *bytes, size_t bytes_count)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < bytes_count; i += 2)
		sum += be16_read(bytes + i);
	sum = (sum >> 16) + (sum & 0xffff);
	sum += sum >> 16;
	return (uint16_t)~sum;
}

/* IP, UDP and DHCP in one; returns its length. */
static size_t discover_write(uint8_t *packet, const uint8_t mac[static 6], uint32_t transaction)
{
	uint8_t *udp = packet + sizeof(struct iphdr);
	uint8_t *dhcp = udp + sizeof(struct udphdr);
	static const uint8_t options[] = {
		OPTION_TYPE, 1, DHCPDISCOVER, 55, 3, 1, 3, 54, OPTION_END};
	size_t dhcp_bytes = 300; /* what BOOTP relays expect at least */
	size_t packet_bytes = sizeof(struct iphdr) + sizeof(struct udphdr) + dhcp_bytes;

	memset(packet, 0, packet_bytes);
	dhcp[0] = 1; /* request, Ethernet, six octets */
	dhcp[1] = 1;
	dhcp[2] = 6;
	be32_write(dhcp + 4, transaction);
	be16_write(dhcp + 10, 0x8000); /* answer by broadcast */
	memcpy(dhcp + 28, mac, 6);
	be32_write(dhcp + DHCP_FIXED_BYTES, DHCP_MAGIC);
	memcpy(dhcp + DHCP_OPTIONS_AT, options, sizeof(options));
	be16_write(udp, DHCP_CLIENT_PORT);
	be16_write(udp + 2, DHCP_SERVER_PORT);
	be16_write(udp + 4, (uint16_t)(sizeof(struct udphdr) + dhcp_bytes));
	packet[0] = 0x45;
	be16_write(packet + 2, (uint16_t)packet_bytes);
	packet[8] = 64;
	packet[9] = IPPROTO_UDP;
	be32_write(packet + 16, INADDR_BROADCAST);
	be16_write(packet + 10, ip_checksum(packet, sizeof(struct iphdr)));
	return packet_bytes;
}

/* True when the packet is an offer for this transaction; says by whom. */
static bool offer_read(
	const uint8_t *packet, size_t packet_bytes, uint32_t transaction, struct in_addr *server)
{
	if (packet_bytes < sizeof(struct iphdr) || packet[0] >> 4 != 4 || packet[9] != IPPROTO_UDP)
		return false;
	size_t header_bytes = (size_t)(packet[0] & 15) * 4;
	size_t dhcp_at = header_bytes + sizeof(struct udphdr);

	if (header_bytes < sizeof(struct iphdr) || packet_bytes < dhcp_at + DHCP_OPTIONS_AT)
		return false;
	const uint8_t *dhcp = packet + dhcp_at;
	size_t dhcp_bytes = packet_bytes - dhcp_at;

	if (be16_read(packet + header_bytes + 2) != DHCP_CLIENT_PORT || dhcp[0] != 2 ||
		be32_read(dhcp + 4) != transaction ||
		be32_read(dhcp + DHCP_FIXED_BYTES) != DHCP_MAGIC)
		return false;
	bool offer = false;

	memcpy(&server->s_addr, packet + 12, 4);
	for (size_t at = DHCP_OPTIONS_AT; at + 1 < dhcp_bytes && dhcp[at] != OPTION_END;) {
		if (dhcp[at] == 0) { /* padding has no length */
			at++;
			continue;
		}
		size_t length = dhcp[at + 1];

		if (at + 2 + length > dhcp_bytes)
			return false;
		if (dhcp[at] == OPTION_TYPE && length == 1)
			offer = dhcp[at + 2] == DHCPOFFER;
		if (dhcp[at] == OPTION_SERVER && length == 4)
			memcpy(&server->s_addr, dhcp + at + 2, 4);
		at += 2 + length;
	}
	return offer;
}

static int64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int probe_socket(const char *interface, struct sockaddr_ll *broadcast, uint8_t mac[static 6],
	struct failure *failure)
{
	int socket_fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETHERTYPE_IP));
	struct ifreq request = {0};

	if (socket_fd < 0) {
		failure_errno(failure, ERROR_SYSTEM, "cannot listen for DHCP servers");
		return -1;
	}
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (ioctl(socket_fd, SIOCGIFHWADDR, &request) != 0) {
		failure_errno(failure, ERROR_SYSTEM, "cannot read the address of %s", interface);
		close(socket_fd);
		return -1;
	}
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	*broadcast = (struct sockaddr_ll){.sll_family = AF_PACKET,
		.sll_protocol = htons(ETHERTYPE_IP),
		.sll_ifindex = (int)if_nametoindex(interface),
		.sll_halen = 6};
	memset(broadcast->sll_addr, 0xff, 6);
	if (bind(socket_fd, (const struct sockaddr *)(const void *)broadcast, sizeof(*broadcast)) !=
		0) {
		failure_errno(failure, ERROR_SYSTEM, "cannot listen on %s", interface);
		close(socket_fd);
		return -1;
	}
	return socket_fd;
}

bool dhcp_probe(const char *interface, struct in_addr own, unsigned wait_ms, bool *found,
	struct in_addr *server, struct failure *failure)
{
	struct sockaddr_ll broadcast;
	uint8_t mac[6];
	uint8_t packet[2048];
	uint32_t transaction;
	SCOPED(fd) int socket_fd = probe_socket(interface, &broadcast, mac, failure);

	*found = false;
	if (socket_fd < 0)
		return false;
	if (getrandom(&transaction, sizeof(transaction), 0) != sizeof(transaction))
		return failure_errno(failure, ERROR_SYSTEM, "no random numbers");
	size_t packet_bytes = discover_write(packet, mac, transaction);
	uint8_t answer[2048];
	int64_t end_ms = monotonic_ms() + wait_ms;
	int64_t ask_ms = 0;

	for (int64_t now_ms = monotonic_ms(); now_ms < end_ms; now_ms = monotonic_ms()) {
		struct pollfd readable = {.fd = socket_fd, .events = POLLIN};

		if (now_ms >= ask_ms) {
			if (sendto(socket_fd, packet, packet_bytes, 0,
				    (const struct sockaddr *)(const void *)&broadcast,
				    sizeof(broadcast)) < 0)
				return failure_errno(
					failure, ERROR_NETWORK, "cannot send on %s", interface);
			ask_ms = now_ms + ASK_EVERY_MS;
		}
		int64_t until_ms = ask_ms < end_ms ? ask_ms : end_ms;

		if (poll(&readable, 1, (int)(until_ms - now_ms)) <= 0)
			continue;
		ssize_t got = recv(socket_fd, answer, sizeof(answer), 0);

		if (got > 0 && offer_read(answer, (size_t)got, transaction, server) &&
			server->s_addr != own.s_addr) {
			*found = true;
			return true;
		}
	}
	return true;
}
