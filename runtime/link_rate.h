/* SPDX-License-Identifier: Apache-2.0 */
/* What a connection's way takes, by the kernel's account. */
#ifndef RUNTIME_LINK_RATE_H
#define RUNTIME_LINK_RATE_H

#include "lib/bytes.h"

/* Bytes per second that reached the other side lately; 0: not known. */
uint64_t link_rate_bytes_per_s(int socket_descriptor);

#endif
