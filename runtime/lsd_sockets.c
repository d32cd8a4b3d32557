/* SPDX-License-Identifier: Apache-2.0 */
/* Multicast sockets of local discovery on the interfaces of this machine. */
#include "runtime/lsd_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

#include "runtime/memory.h"
#include "runtime/socket.h"

static void group_address(struct sockaddr_storage *group, socklen_t *bytes, bool ipv6)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)group;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)group;

	memset(group, 0, sizeof(*group));
	*bytes = ipv6 ? sizeof(*v6) : sizeof(*v4);
	if (ipv6) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(LSD_PORT);
		(void)inet_pton(AF_INET6, LSD_GROUP6, &v6->sin6_addr);
	} else {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(LSD_PORT);
		(void)inet_pton(AF_INET, LSD_GROUP4, &v4->sin_addr);
	}
}

/* ---- opening ---- */

static bool set_number(int descriptor, int level, int option, int number)
{
	return setsockopt(descriptor, level, option, &number, sizeof(number)) == 0;
}

static bool tune_send(int descriptor, bool ipv6, uint32_t hops)
{
	/* Other programs on this machine hear us too: two nodes of one host find each other. */
	if (ipv6)
		return set_number(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, (int)hops) &&
		       set_number(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1);
	return set_number(descriptor, IPPROTO_IP, IP_MULTICAST_TTL, (int)hops) &&
	       set_number(descriptor, IPPROTO_IP, IP_MULTICAST_LOOP, 1);
}

/* Bound to the group: no datagram that was sent to one machine gets here. And only what comes to
 * interfaces that we joined on, not whatever another program joined on. */
static bool tune_receive(int descriptor, bool ipv6)
{
	struct sockaddr_storage group;
	socklen_t group_bytes;

	group_address(&group, &group_bytes, ipv6);
	if (!set_number(descriptor, SOL_SOCKET, SO_REUSEADDR, 1))
		return false;
	if (ipv6 && !set_number(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1))
		return false;
	if (ipv6) /* younger than the rest: without it we hear more */
		(void)set_number(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
	else if (!set_number(descriptor, IPPROTO_IP, IP_MULTICAST_ALL, 0))
		return false;
	return bind(descriptor, (const struct sockaddr *)&group, group_bytes) == 0;
}

static void family_close(struct lsd_family *family)
{
	if (family->send_descriptor >= 0)
		close(family->send_descriptor);
	if (family->receive_descriptor >= 0)
		close(family->receive_descriptor);
	family->send_descriptor = family->receive_descriptor = -1;
}

static bool family_open(struct lsd_family *family, bool ipv6, uint32_t hops)
{
	int domain = ipv6 ? AF_INET6 : AF_INET;

	family->ipv6 = ipv6;
	family->send_descriptor = socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	family->receive_descriptor = socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return family->send_descriptor >= 0 && family->receive_descriptor >= 0 &&
	       tune_send(family->send_descriptor, ipv6, hops) &&
	       tune_receive(family->receive_descriptor, ipv6);
}

/* Which family is of use: that of the address we listen on; [::] takes both. */
static bool is_wanted(const struct peer_address *source, bool ipv6)
{
	if (peer_address_is4(source) != ipv6)
		return true;
	return !ipv6 && socket_address_is_unspecified(source);
}

bool lsd_sockets_open(struct lsd_sockets *sockets, const struct peer_address *source, uint32_t hops,
	struct failure *failure)
{
	uint32_t open_count = 0;
	int error = EAFNOSUPPORT;

	*sockets = (struct lsd_sockets){.source = *source, .hops = hops};
	for (uint32_t i = 0; i < ARRAY_COUNT(sockets->families); i++) {
		struct lsd_family *family = &sockets->families[i];

		family->send_descriptor = family->receive_descriptor = -1;
		if (!is_wanted(source, i == 1))
			continue;
		if (family_open(family, i == 1, hops)) {
			open_count++;
			continue;
		}
		error = errno;
		family_close(family);
	}
	errno = error;
	if (open_count == 0)
		return failure_errno(failure, ERROR_SYSTEM, "no socket for local discovery");
	lsd_sockets_refresh(sockets);
	return true;
}

void lsd_sockets_close(struct lsd_sockets *sockets)
{
	for (uint32_t i = 0; i < ARRAY_COUNT(sockets->families); i++)
		family_close(&sockets->families[i]);
}

/* ---- interfaces ---- */

static bool is_link_local(const struct peer_address *address)
{
	return address->ip[0] == 0xfe && (address->ip[1] & 0xc0) == 0x80;
}

/* An address from which, and at which, others on a segment reach us. */
static bool address_read(struct lsd_address *address, const struct ifaddrs *entry)
{
	const unsigned wanted = IFF_UP | IFF_MULTICAST;
	struct peer_address mask;

	if (entry->ifa_addr == NULL || entry->ifa_netmask == NULL ||
		(entry->ifa_flags & wanted) != wanted || (entry->ifa_flags & IFF_LOOPBACK) != 0)
		return false;
	if (!socket_address_from_sockaddr(&address->address, entry->ifa_addr) ||
		!socket_address_from_sockaddr(&mask, entry->ifa_netmask) ||
		is_link_local(&address->address))
		return false;
	if (peer_address_is4(&address->address))
		memset(mask.ip, 0xff, 12);
	memcpy(address->mask, mask.ip, sizeof(address->mask));
	address->interface = if_nametoindex(entry->ifa_name);
	return address->interface != 0;
}

/* Being a member already is no failure; any other shows in that nobody is heard there. */
static void join(const struct lsd_sockets *sockets, const struct lsd_address *address)
{
	struct sockaddr_storage group;
	socklen_t group_bytes;
	bool ipv6 = !peer_address_is4(&address->address);
	int descriptor = sockets->families[ipv6].receive_descriptor;

	group_address(&group, &group_bytes, ipv6);
	if (descriptor < 0)
		return;
	if (ipv6) {
		struct ipv6_mreq request = {.ipv6mr_interface = address->interface};

		request.ipv6mr_multiaddr = ((struct sockaddr_in6 *)&group)->sin6_addr;
		(void)setsockopt(
			descriptor, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof(request));
	} else {
		struct ip_mreqn request = {.imr_ifindex = (int)address->interface};

		request.imr_multiaddr = ((struct sockaddr_in *)&group)->sin_addr;
		(void)setsockopt(
			descriptor, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request));
	}
}

void lsd_sockets_refresh(struct lsd_sockets *sockets)
{
	struct ifaddrs *list;
	bool any = socket_address_is_unspecified(&sockets->source);

	sockets->addresses_count = 0;
	if (getifaddrs(&list) != 0) {
		log_debug("local discovery: no list of interfaces");
		return;
	}
	for (const struct ifaddrs *entry = list;
		entry != NULL && sockets->addresses_count < LSD_ADDRESSES_MAX;
		entry = entry->ifa_next) {
		struct lsd_address *address = &sockets->addresses[sockets->addresses_count];

		if (!address_read(address, entry) ||
			(!any && memcmp(address->address.ip, sockets->source.ip,
					 sizeof(sockets->source.ip)) != 0))
			continue;
		join(sockets, address);
		sockets->addresses_count++;
	}
	freeifaddrs(list);
}

bool lsd_sockets_near(const struct lsd_sockets *sockets, const struct peer_address *from)
{
	if (sockets->hops > 1)
		return true;
	for (uint32_t i = 0; i < sockets->addresses_count; i++) {
		const struct lsd_address *address = &sockets->addresses[i];
		bool same = true;

		for (size_t k = 0; k < sizeof(from->ip); k++)
			same = same &&
			       ((from->ip[k] ^ address->address.ip[k]) & address->mask[k]) == 0;
		if (same)
			return true;
	}
	return false;
}

/* ---- datagrams ---- */

/* The first address of an interface speaks for it. */
static bool speaks(const struct lsd_sockets *sockets, uint32_t at, bool ipv6)
{
	const struct lsd_address *address = &sockets->addresses[at];

	if (peer_address_is4(&address->address) == ipv6)
		return false;
	for (uint32_t i = 0; i < at; i++)
		if (sockets->addresses[i].interface == address->interface &&
			peer_address_is4(&sockets->addresses[i].address) != ipv6)
			return false;
	return true;
}

static bool leave_by(int descriptor, const struct lsd_address *address, bool ipv6)
{
	if (ipv6)
		return set_number(
			descriptor, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)address->interface);
	struct ip_mreqn request = {.imr_ifindex = (int)address->interface};

	memcpy(&request.imr_address, address->address.ip + 12, sizeof(request.imr_address));
	return setsockopt(descriptor, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof(request)) == 0;
}

void lsd_sockets_send(struct lsd_sockets *sockets, const struct lsd_family *family,
	const uint8_t *bytes, size_t bytes_count)
{
	struct sockaddr_storage group;
	socklen_t group_bytes;

	group_address(&group, &group_bytes, family->ipv6);
	for (uint32_t i = 0; i < sockets->addresses_count; i++) {
		if (family->send_descriptor < 0 || !speaks(sockets, i, family->ipv6) ||
			!leave_by(family->send_descriptor, &sockets->addresses[i], family->ipv6))
			continue;
		/* What does not leave is as good as lost on the way: it is said again. */
		if (sendto(family->send_descriptor, bytes, bytes_count, 0,
			    (const struct sockaddr *)&group, group_bytes) < 0)
			log_debug("local discovery: interface %u does not send",
				sockets->addresses[i].interface);
	}
}

size_t lsd_sockets_receive(
	const struct lsd_family *family, uint8_t *bytes, size_t capacity, struct peer_address *from)
{
	struct sockaddr_storage sender = {0};
	socklen_t sender_bytes = sizeof(sender);
	ssize_t received = recvfrom(family->receive_descriptor, bytes, capacity, MSG_TRUNC,
		(struct sockaddr *)&sender, &sender_bytes);

	if (received <= 0 || !socket_address_from_sockaddr(from, (struct sockaddr *)&sender))
		return received == 0 ? capacity + 1 : 0;
	return (size_t)received <= capacity ? (size_t)received : capacity + 1;
}
