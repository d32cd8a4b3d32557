/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A DHT node that gets any datagrams, as queries, as replies to what it asks, again and again: it
 * keeps its promises on the size of what it sends and of what it holds.
 */
#include "dht/dht.h"
#include "tests/fuzz/check.h"

static uint8_t first[4096];

static void plain_mac(uint8_t mac[static SHA256_BYTES], const void *key, size_t key_bytes,
	const void *bytes, size_t bytes_count)
{
	(void)key;
	(void)key_bytes;
	memset(mac, 0, SHA256_BYTES);
	memcpy(mac, bytes, bytes_count < SHA256_BYTES ? bytes_count : SHA256_BYTES);
}

struct asker {
	struct dht *dht;
	uint64_t now_ns;
	uint8_t transaction[4]; /* of the last query of the node's */
	struct peer_address asked;
	bool has_query;
};

static void drain(struct asker *asker, size_t query_bytes)
{
	struct dht_effect effect;
	static struct krpc_message sent;

	while (dht_next_effect(asker->dht, &effect)) {
		if (effect.kind != DHT_EFFECT_SEND)
			continue;
		CHECK(effect.bytes_count > 0 && effect.bytes_count <= KRPC_BYTES_MAX);
		CHECK(krpc_parse(&sent, effect.bytes, effect.bytes_count) == KRPC_GOOD);
		if (sent.kind != KRPC_QUERY) {
			/* Nobody has ever answered it: nobody is more than this worth. */
			CHECK(asker->has_query ||
				effect.bytes_count <= DHT_REPLY_FACTOR * query_bytes);
			continue;
		}
		asker->has_query = true;
		asker->asked = effect.address;
		memcpy(asker->transaction, sent.transaction, sizeof(asker->transaction));
	}
}

static void give(struct asker *asker, const uint8_t *data, size_t size)
{
	struct peer_address from = {.port = 4000};
	static const uint8_t ip[4] = {10, 1, 2, 3};

	peer_address_from4(&from, ip, 4000);
	if (asker->has_query)
		from = asker->asked;
	/* A reply that names our transaction is one to what we asked: where the input has the
	 * letters "t4:" four bytes of it follow. */
	memcpy(first, data, size);
	for (size_t i = 0; asker->has_query && i + 7 <= size; i++)
		if (memcmp(first + i, "t4:", 3) == 0)
			memcpy(first + i + 3, asker->transaction, sizeof(asker->transaction));
	dht_received(asker->dht, asker->now_ns, &from, first, size);
	drain(asker, size);
	asker->now_ns += 300 * NS_PER_MS;
	dht_tick(asker->dht, asker->now_ns);
	drain(asker, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void *memory;
	struct dht_settings settings = {.id = "an id of our own...",
		.family4 = true,
		.family6 = true,
		.mac = plain_mac,
		.seed = 1};
	struct dht_search search = {.announce_port = 6881, .cookie = 3};
	struct asker asker = {.now_ns = NS_PER_S};
	struct dht_status status;

	if (size > sizeof(first))
		return 0;
	if (memory == NULL)
		memory = malloc(dht_bytes());
	asker.dht = dht_create(memory, &settings, asker.now_ns);
	/* Datagrams are apart where a zero byte, a newline and a zero byte are. */
	while (size > 0) {
		size_t end = 0;

		while (end < size && !(end + 3 <= size && memcmp(data + end, "\0\n", 3) == 0))
			end++;
		give(&asker, data, end);
		(void)dht_search(asker.dht, asker.now_ns, &search);
		drain(&asker, end);
		size_t skip = end + 3 < size ? end + 3 : size;

		data += skip;
		size -= skip;
	}
	dht_status(asker.dht, &status);
	CHECK(status.nodes_count <= 2 * 64 * 8);
	CHECK(dht_deadline_ns(asker.dht) > 0);
	return 0;
}
