/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a datagram of a UDP tracker; first byte says request, or reply over IPv4 or IPv6. */
#include "tests/fuzz/check.h"
#include "wire/udp_tracker.h"

static uint8_t copy[8192];
static uint8_t copy_again[8192];

static void check_request(const uint8_t *data, size_t size)
{
	static struct udp_tracker_request request;
	static struct udp_tracker_request again;
	const char *reason;

	if (!udp_tracker_request_parse(&request, data, size, &reason)) {
		CHECK(strlen(reason) < TRACKER_TEXT_MAX);
		return;
	}
	size_t written = udp_tracker_request_write(&request, copy, sizeof(copy));

	/* Names may be escaped where they were not. */
	CHECK(written > 0 && written <= size + 2 + HTTP_PLACE_BYTES_MAX);
	CHECK(udp_tracker_request_parse(&again, copy, written, &reason));
	CHECK(udp_tracker_request_write(&again, copy_again, sizeof(copy_again)) == written);
	CHECK(memcmp(copy, copy_again, written) == 0);
	if (request.action != UDP_TRACKER_ANNOUNCE)
		return; /* what is there of an announce is an earlier one's */
	CHECK(strcmp(request.announce.site, again.announce.site) == 0);
	CHECK(strcmp(request.announce.rack, again.announce.rack) == 0);
	CHECK(request.announce.paused == again.announce.paused);
}

static void check_reply(const uint8_t *data, size_t size, bool ipv6)
{
	static struct udp_tracker_reply reply;
	static struct udp_tracker_reply again;

	if (!udp_tracker_reply_parse(&reply, data, size, ipv6))
		return;
	size_t written = udp_tracker_reply_write(&reply, ipv6, copy, sizeof(copy));

	CHECK(written > 0 && written <= size);
	CHECK(udp_tracker_reply_parse(&again, copy, written, ipv6));
	CHECK(reply.action == again.action && reply.transaction_id == again.transaction_id);
	CHECK(reply.announce.peers_count == again.announce.peers_count);
	CHECK(reply.entries_count == again.entries_count);
	CHECK(strcmp(reply.announce.failure, again.announce.failure) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == 'q')
		check_request(data + 1, size - 1);
	else
		check_reply(data + 1, size - 1, data[0] == '6');
	return 0;
}
