/* SPDX-License-Identifier: Apache-2.0 */
/* TCP sockets as the data path uses them, and addresses between their forms. */
#include "runtime/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define LISTEN_BACKLOG	   256
#define NOT_SENT_BYTES_MAX (128 * 1024)

const char *socket_address_text(
	char text[static SOCKET_TEXT_MAX], const struct peer_address *address)
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if (peer_address_is4(address)) {
		inet_ntop(AF_INET, address->ip + 12, ip, sizeof(ip));
		snprintf(text, SOCKET_TEXT_MAX, "%s:%u", ip, address->port);
	} else {
		inet_ntop(AF_INET6, address->ip, ip, sizeof(ip));
		snprintf(text, SOCKET_TEXT_MAX, "[%s]:%u", ip, address->port);
	}
	return text;
}

bool socket_address_from_sockaddr(
	struct peer_address *address, const struct sockaddr *socket_address)
{
	if (socket_address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)socket_address;
		uint8_t ip[4];

		memcpy(ip, &v4->sin_addr, sizeof(ip));
		peer_address_from4(address, ip, ntohs(v4->sin_port));
		return true;
	}
	if (socket_address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)socket_address;

		memcpy(address->ip, &v6->sin6_addr, sizeof(address->ip));
		address->port = ntohs(v6->sin6_port);
		return true;
	}
	return false;
}

socklen_t socket_address_to_sockaddr(
	struct sockaddr_storage *socket_address, const struct peer_address *address)
{
	memset(socket_address, 0, sizeof(*socket_address));
	if (peer_address_is4(address)) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)socket_address;

		v4->sin_family = AF_INET;
		v4->sin_port = htons(address->port);
		memcpy(&v4->sin_addr, address->ip + 12, 4);
		return sizeof(*v4);
	}

	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)socket_address;

	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(address->port);
	memcpy(&v6->sin6_addr, address->ip, sizeof(address->ip));
	return sizeof(*v6);
}

static bool is_any6(const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

	return address->ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

static int listen_on(const struct sockaddr_storage *address, socklen_t address_bytes)
{
	int on = 1;
	int off = 0;
	SCOPED(fd)
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
		return -1;
	if (is_any6(address) && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)address, address_bytes) != 0 ||
		listen(fd, LISTEN_BACKLOG) != 0)
		return -1;

	int taken = fd;

	fd = -1;
	return taken;
}

int socket_listen(const struct sockaddr_storage *address, socklen_t address_bytes, uint16_t *port,
	struct failure *failure)
{
	struct peer_address named = {0};
	struct sockaddr_storage bound;
	socklen_t bound_bytes = sizeof(bound);
	char text[SOCKET_TEXT_MAX];
	int fd = listen_on(address, address_bytes);

	if (!socket_address_from_sockaddr(&named, (const struct sockaddr *)address)) {
		failure_set(failure, ERROR_USAGE, "cannot listen: not an IPv4 or IPv6 address");
		return -1;
	}
	if (fd < 0 && errno == EAFNOSUPPORT && is_any6(address)) {
		struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(named.port)};
		struct sockaddr_storage storage = {0};

		memcpy(&storage, &any4, sizeof(any4));
		fd = listen_on(&storage, sizeof(any4));
	}
	if (fd < 0) {
		failure_errno(failure, ERROR_SYSTEM, "cannot listen on %s",
			socket_address_text(text, &named));
		return -1;
	}
	if (getsockname(fd, (struct sockaddr *)&bound, &bound_bytes) != 0 ||
		!socket_address_from_sockaddr(&named, (const struct sockaddr *)&bound)) {
		failure_errno(failure, ERROR_SYSTEM, "cannot tell the listening port");
		close(fd);
		return -1;
	}
	*port = named.port;
	return fd;
}

void socket_tune(int socket_descriptor)
{
	int on = 1;
	int not_sent_bytes = NOT_SENT_BYTES_MAX;

	/* Both only make things faster: a kernel that refuses is no reason to stop. */
	(void)setsockopt(socket_descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(socket_descriptor, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &not_sent_bytes,
		sizeof(not_sent_bytes));
}

bool socket_address_is_unspecified(const struct peer_address *address)
{
	size_t prefix_bytes = peer_address_is4(address) ? 12 : 0;

	return bytes_all_zero(address->ip + prefix_bytes, sizeof(address->ip) - prefix_bytes);
}

bool socket_bind_source(
	int socket_descriptor, const struct peer_address *source, const struct peer_address *target)
{
	struct peer_address local = *source;
	struct sockaddr_storage storage;

	local.port = 0;
	if (socket_address_is_unspecified(source) ||
		peer_address_is4(source) != peer_address_is4(target))
		return true;

	socklen_t storage_bytes = socket_address_to_sockaddr(&storage, &local);

	return bind(socket_descriptor, (const struct sockaddr *)&storage, storage_bytes) == 0;
}

/* source NULL: from wherever the route says. */
static int connect_from(const struct peer_address *address, const struct peer_address *source)
{
	struct sockaddr_storage storage;
	socklen_t storage_bytes = socket_address_to_sockaddr(&storage, address);
	SCOPED(fd)
	int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	socket_tune(fd);
	if (source != NULL && !socket_bind_source(fd, source, address))
		return -1;
	if (connect(fd, (const struct sockaddr *)&storage, storage_bytes) != 0 &&
		errno != EINPROGRESS)
		return -1;

	int taken = fd;

	fd = -1;
	return taken;
}

int socket_connect(const struct peer_address *address, const struct peer_address *source)
{
	int fd = connect_from(address, source);

	/* From loopback, for one, there is no way to the network. */
	return fd < 0 ? connect_from(address, NULL) : fd;
}

int socket_connect_result(int socket_descriptor)
{
	int result = 0;
	socklen_t result_bytes = sizeof(result);

	if (getsockopt(socket_descriptor, SOL_SOCKET, SO_ERROR, &result, &result_bytes) != 0)
		return errno;
	return result;
}
