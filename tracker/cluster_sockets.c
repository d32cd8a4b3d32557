/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of a cluster's member: which address is ours, who the others are, multicast. */
#include "tracker/cluster_sockets_private.h"

#include "runtime/socket.h"
#include "tracker/tracker_private.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

/* A second or so of batches of a large cluster, should we be held up. */
#define RECEIVE_BUFFER_BYTES (4 * 1024 * 1024)

static bool is_multicast(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET6)
		return IN6_IS_ADDR_MULTICAST(&((const struct sockaddr_in6 *)address)->sin6_addr);
	return IN_MULTICAST(ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr));
}

static socklen_t bytes_of(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					      : sizeof(struct sockaddr_in);
}

static bool port_is(const struct sockaddr_storage *address, uint16_t port)
{
	struct peer_address peer;

	return socket_address_from_sockaddr(&peer, (const struct sockaddr *)address) &&
	       peer.port == port;
}

/* An address of this machine is one that a socket can be bound to. */
static bool is_local(const struct sockaddr_storage *address)
{
	struct sockaddr_storage any_port = *address;
	int fd = socket(address->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	/* The same place in both families. */
	((struct sockaddr_in *)&any_port)->sin_port = 0;
	bool local = bind(fd, (struct sockaddr *)&any_port, bytes_of(&any_port)) == 0;
	close(fd);
	return local;
}

/* Where we are: as said, or the one member's address that is this machine's. */
static bool find_ourselves(const struct tracker_cluster_settings *settings,
	struct sockaddr_storage *listen, struct failure *failure)
{
	size_t found = 0;

	*listen = settings->listen;
	if (listen->ss_family != AF_UNSPEC)
		return true;
	for (size_t i = 0; i < settings->members_count; i++)
		if (is_local(&settings->members[i])) {
			*listen = settings->members[i];
			found++;
		}
	if (found == 1)
		return true;
	return failure_set(failure, ERROR_USAGE,
		found == 0
			? "none of the addresses that --cluster gives is this machine's: its own "
			  "belongs into the list, too; or --cluster-listen says where it listens"
			: "several of the addresses that --cluster gives are this machine's: "
			  "--cluster-listen says which one this tracker is");
}

static bool check_family(const struct sockaddr_storage *address,
	const struct sockaddr_storage *listen, struct failure *failure)
{
	char text[SOCKET_TEXT_MAX];
	struct peer_address peer;

	if (address->ss_family == listen->ss_family ||
		(address->ss_family == AF_INET && listen->ss_family == AF_INET6 &&
			IN6_IS_ADDR_UNSPECIFIED(
				&((const struct sockaddr_in6 *)listen)->sin6_addr) &&
			!is_multicast(address)))
		return true;
	if (!socket_address_from_sockaddr(&peer, (const struct sockaddr *)address))
		return failure_set(failure, ERROR_USAGE, "a member has no address");
	return failure_set(failure, ERROR_USAGE,
		"%s cannot be reached from the address that the cluster listens on: both must be "
		"IPv4 or IPv6",
		socket_address_text(text, &peer));
}

static bool find_others(const struct tracker_cluster_settings *settings,
	const struct sockaddr_storage *listen, struct cluster_core_settings *core,
	struct failure *failure)
{
	struct peer_address own;

	if (!socket_address_from_sockaddr(&own, (const struct sockaddr *)listen))
		return failure_set(failure, ERROR_USAGE, "the cluster has no address to listen on");
	for (size_t i = 0; i < settings->members_count; i++) {
		struct peer_address member;

		if (!check_family(&settings->members[i], listen, failure) ||
			!socket_address_from_sockaddr(
				&member, (const struct sockaddr *)&settings->members[i]))
			return false;
		if (member.port == 0)
			return failure_set(
				failure, ERROR_USAGE, "--cluster wants a port other than 0");
		if (peer_address_equal(&member, &own) ||
			(socket_address_is_unspecified(&own) &&
				port_is(&settings->members[i], own.port) &&
				is_local(&settings->members[i])))
			continue;
		if (core->members_count == CLUSTER_MEMBERS_MAX - 1)
			return failure_set(failure, ERROR_LIMIT, "a cluster has at most %d members",
				CLUSTER_MEMBERS_MAX);
		core->members[core->members_count++] = member;
	}
	return true;
}

/* What is sent to the group leaves by this interface, that far. */
static bool send_to_group(
	int fd, const struct sockaddr_storage *group, int ttl, int interface, struct in_addr own)
{
	int on = 1;
	struct ip_mreqn from = {.imr_address = own, .imr_ifindex = interface};

	if (group->ss_family == AF_INET6)
		return setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &ttl, sizeof(ttl)) == 0 &&
		       setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &on, sizeof(on)) == 0 &&
		       (interface == 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF,
						  &interface, sizeof(interface)) == 0);
	return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl)) == 0 &&
	       setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &on, sizeof(on)) == 0 &&
	       setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &from, sizeof(from)) == 0;
}

static bool hear_group(
	int fd, const struct sockaddr_storage *group, int interface, struct in_addr own)
{
	int on = 1;
	struct ip_mreqn join4 = {.imr_address = own, .imr_ifindex = interface};
	struct ipv6_mreq join6 = {.ipv6mr_interface = (unsigned)interface};

	/* Several members may be on one machine. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
		bind(fd, (const struct sockaddr *)group, bytes_of(group)) != 0)
		return false;
	if (group->ss_family == AF_INET6) {
		join6.ipv6mr_multiaddr = ((const struct sockaddr_in6 *)group)->sin6_addr;
		return setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &join6, sizeof(join6)) == 0;
	}
	join4.imr_multiaddr = ((const struct sockaddr_in *)group)->sin_addr;
	return setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join4, sizeof(join4)) == 0;
}

static bool group_open(struct cluster *cluster, const struct tracker_cluster_settings *settings,
	const struct sockaddr_storage *listen, struct failure *failure)
{
	const struct sockaddr_storage *group = &settings->group;
	int interface = 0;
	struct in_addr own = {.s_addr = INADDR_ANY};

	if (group->ss_family == AF_UNSPEC)
		return true;
	if (!is_multicast(group))
		return failure_set(
			failure, ERROR_USAGE, "--cluster-group wants a multicast address");
	if (!check_family(group, listen, failure))
		return false;
	if (settings->interface != NULL) {
		interface = (int)if_nametoindex(settings->interface);
		if (interface == 0)
			return failure_errno(
				failure, ERROR_SYSTEM, "no interface %s", settings->interface);
	}
	if (listen->ss_family == AF_INET)
		own = ((const struct sockaddr_in *)listen)->sin_addr;
	/* Groups of one link mean something with the link only. */
	cluster->group = *group;
	if (group->ss_family == AF_INET6)
		((struct sockaddr_in6 *)&cluster->group)->sin6_scope_id = (uint32_t)interface;
	group = &cluster->group;
	cluster->group_bytes = bytes_of(group);
	cluster->group_fd = socket(group->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (cluster->group_fd < 0 || !hear_group(cluster->group_fd, group, interface, own) ||
		!send_to_group(cluster->fd, group, (int)settings->ttl, interface, own))
		return failure_errno(
			failure, ERROR_SYSTEM, "cannot join the cluster's multicast group");
	return true;
}

bool cluster_sockets_open(struct cluster *cluster, const struct tracker_cluster_settings *settings,
	struct cluster_core_settings *core, int *listen_fd, struct failure *failure)
{
	struct sockaddr_storage listen;
	int bytes = RECEIVE_BUFFER_BYTES;

	if (!find_ourselves(settings, &listen, failure))
		return false;
	if (port_is(&listen, 0))
		return failure_set(
			failure, ERROR_USAGE, "--cluster-listen wants a port other than 0");
	if (!find_others(settings, &listen, core, failure))
		return false;
	if (core->members_count == 0 && settings->group.ss_family == AF_UNSPEC)
		return failure_set(failure, ERROR_USAGE,
			"--cluster names no other member: the list is the same on all of them, "
			"with every member's address");
	cluster->fd = tracker_bind(&listen, SOCK_DGRAM, failure);
	if (cluster->fd < 0)
		return false;
	*listen_fd = tracker_bind(&listen, SOCK_STREAM, failure);
	if (*listen_fd < 0)
		return false;
	cluster->ipv6 = listen.ss_family == AF_INET6;
	/* As root beyond the system's limit; less will do. */
	if (setsockopt(cluster->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0 &&
		setsockopt(cluster->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot set up the cluster's socket");
	return group_open(cluster, settings, &listen, failure);
}

socklen_t cluster_sockaddr(const struct cluster *cluster, struct sockaddr_storage *to,
	const struct peer_address *address)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;

	if (!cluster->ipv6)
		return socket_address_to_sockaddr(to, address);
	memset(to, 0, sizeof(*to));
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(address->port);
	memcpy(&v6->sin6_addr, address->ip, sizeof(address->ip));
	/* Members that the group found by addresses of one link are on the group's. */
	if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
		v6->sin6_scope_id = ((const struct sockaddr_in6 *)&cluster->group)->sin6_scope_id;
	return sizeof(*v6);
}
