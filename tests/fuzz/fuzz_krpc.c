/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a datagram of the DHT: what is read can be written, and is read as the same. */
#include "tests/fuzz/check.h"
#include "wire/krpc.h"

static uint8_t first[65536];
static uint8_t second[65536];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct krpc_message message;
	static struct krpc_message again;

	if (krpc_parse(&message, data, size) != KRPC_GOOD)
		return 0;
	CHECK(message.transaction_bytes > 0 && message.transaction_bytes <= KRPC_TRANSACTION_MAX);
	CHECK(message.nodes4_count <= KRPC_NODES_MAX && message.nodes6_count <= KRPC_NODES_MAX);
	CHECK(message.values_count <= KRPC_VALUES_MAX);
	size_t written = krpc_write(&message, first, sizeof(first));

	CHECK(written > 0);
	CHECK(krpc_parse(&again, first, written) == KRPC_GOOD);
	CHECK(krpc_write(&again, second, sizeof(second)) == written);
	CHECK(memcmp(first, second, written) == 0);
	return 0;
}
