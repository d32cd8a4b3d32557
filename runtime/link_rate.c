/* SPDX-License-Identifier: Apache-2.0 */
/* TCP_INFO. A file of its own: <linux/tcp.h>, which knows of the rate, and <netinet/tcp.h> do not
 * go together. */
#include "runtime/link_rate.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

uint64_t link_rate_bytes_per_s(int socket_descriptor)
{
	struct tcp_info info = {0};
	socklen_t info_bytes = sizeof(info);

	if (getsockopt(socket_descriptor, IPPROTO_TCP, TCP_INFO, &info, &info_bytes) != 0 ||
		info_bytes < offsetof(struct tcp_info, tcpi_delivery_rate) +
				     sizeof(info.tcpi_delivery_rate))
		return 0;
	return info.tcpi_delivery_rate;
}
