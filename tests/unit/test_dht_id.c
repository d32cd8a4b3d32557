/* SPDX-License-Identifier: Apache-2.0 */
/* Ids of the DHT: distances, sites, BEP 42's own vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dht/id.h"

static void ids_keep_to_sites_and_to_bep_42(void **state)
{
	(void)state;
	static const struct {
		uint8_t ip[4];
		uint8_t random;
		uint8_t first[3];
	} vectors[] = {{{124, 31, 75, 21}, 1, {0x5f, 0xbf, 0xbf}},
		{{21, 75, 31, 124}, 86, {0x5a, 0x3c, 0xe9}},
		{{65, 23, 51, 170}, 22, {0xa5, 0xd4, 0x32}},
		{{84, 124, 73, 14}, 65, {0x1b, 0x03, 0x21}},
		{{43, 213, 53, 83}, 90, {0xe5, 0x6f, 0x6c}}};
	uint8_t a[DHT_ID_BYTES] = {0};
	uint8_t b[DHT_ID_BYTES] = {0};
	static const uint8_t private_ip[4] = {10, 0, 0, 1};
	struct peer_address address;

	for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
		peer_address_from4(&address, vectors[i].ip, 1);
		a[19] = vectors[i].random;
		dht_id_secure(a, &address);
		assert_int_equal(a[0], vectors[i].first[0]);
		assert_int_equal(a[1], vectors[i].first[1]);
		assert_int_equal(a[2] & 0xf8, vectors[i].first[2] & 0xf8);
		assert_true(dht_address_is_public(&address));
	}
	peer_address_from4(&address, private_ip, 1);
	assert_false(dht_address_is_public(&address));
	memset(a, 0, sizeof(a));
	assert_int_equal(dht_id_common_bits(a, b), 160);
	b[2] = 0x10;
	assert_int_equal(dht_id_common_bits(a, b), 19);
	assert_true(dht_id_nearer(b, b, a));
	assert_false(dht_id_nearer(b, a, b));
	memset(b, 0x33, sizeof(b));
	dht_id_into_site(a, b);
	assert_int_equal(dht_id_common_bits(a, b), 8 * DHT_SITE_BYTES + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_keep_to_sites_and_to_bep_42),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
