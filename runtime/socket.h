/* SPDX-License-Identifier: Apache-2.0 */
/* TCP sockets as the data path uses them, and addresses between their forms. */
#ifndef RUNTIME_SOCKET_H
#define RUNTIME_SOCKET_H

#include <sys/socket.h>

#include "lib/failure.h"
#include "wire/peer_address.h"

/* IPv6, or "1.2.3.4:5" for a mapped IPv4; "[::1]:5". */
#define SOCKET_TEXT_MAX 64
const char *socket_address_text(
	char text[static SOCKET_TEXT_MAX], const struct peer_address *address);

/* False for families other than IPv4 and IPv6. */
MUST_USE bool socket_address_from_sockaddr(
	struct peer_address *address, const struct sockaddr *socket_address);
socklen_t socket_address_to_sockaddr(
	struct sockaddr_storage *socket_address, const struct peer_address *address);

/* Listening, non-blocking, close-on-exec. [::] takes IPv4 too, and falls back to 0.0.0.0 where
 * there is no IPv6. -1 on failure. */
MUST_USE int socket_listen(const struct sockaddr_storage *address, socklen_t address_bytes,
	uint16_t *port, struct failure *failure);

/* 0.0.0.0 or [::], whatever the port. */
MUST_USE bool socket_address_is_unspecified(const struct peer_address *address);

/* Makes connections leave from `source` (its port is not used), so that others see the address we
 * listen on and not whichever the route prefers. An unspecified source, or one of the other family,
 * changes nothing. False with errno set. */
MUST_USE bool socket_bind_source(int socket_descriptor, const struct peer_address *source,
	const struct peer_address *target);

/* Starts to connect without waiting. -1 with errno set on failure. */
MUST_USE int socket_connect(const struct peer_address *address, const struct peer_address *source);

/* No Nagle; what is not yet sent stays with us, so that control messages overtake data. */
void socket_tune(int socket_descriptor);

/* errno of a finished connect, 0 when it is up. */
MUST_USE int socket_connect_result(int socket_descriptor);

#endif
