/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the payload of a ut_pex message. */
#include "tests/fuzz/check.h"
#include "wire/peer_pex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct peer_pex pex;
	static struct peer_pex again;
	static uint8_t copy[PEX_BYTES_MAX];
	static uint8_t copy_again[PEX_BYTES_MAX];

	if (!peer_pex_parse(&pex, data, size))
		return 0;
	CHECK(pex.added_count <= PEX_PEERS_MAX && pex.dropped_count <= PEX_PEERS_MAX);
	size_t written = peer_pex_write(&pex, copy, sizeof(copy));

	/* Written in the order of families, it is a fixed point. */
	CHECK(written > 0);
	CHECK(peer_pex_parse(&again, copy, written));
	CHECK(again.added_count == pex.added_count && again.dropped_count == pex.dropped_count);
	CHECK(peer_pex_write(&again, copy_again, sizeof(copy_again)) == written);
	CHECK(memcmp(copy, copy_again, written) == 0);
	return 0;
}
