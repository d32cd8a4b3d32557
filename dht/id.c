/* SPDX-License-Identifier: Apache-2.0 */
/* Ids: distances, sites, and BEP 42's bond between an id and a public address. */
#include "dht/id.h"

unsigned dht_id_common_bits(
	const uint8_t a[static DHT_ID_BYTES], const uint8_t b[static DHT_ID_BYTES])
{
	for (unsigned i = 0; i < DHT_ID_BYTES; i++)
		if (a[i] != b[i])
			return 8 * i + (unsigned)__builtin_clz((unsigned)(a[i] ^ b[i])) - 24;
	return DHT_ID_BITS;
}

bool dht_id_nearer(const uint8_t target[static DHT_ID_BYTES], const uint8_t a[static DHT_ID_BYTES],
	const uint8_t b[static DHT_ID_BYTES])
{
	for (size_t i = 0; i < DHT_ID_BYTES; i++)
		if (a[i] != b[i])
			return (a[i] ^ target[i]) < (b[i] ^ target[i]);
	return false;
}

void dht_id_into_site(
	uint8_t id[static DHT_ID_BYTES], const uint8_t site_digest[static DHT_ID_BYTES])
{
	memcpy(id, site_digest, DHT_SITE_BYTES);
}

/* CRC-32C (Castagnoli), bit by bit: a few bytes, once. */
static uint32_t crc32c(const uint8_t *bytes, size_t bytes_count)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < bytes_count; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

void dht_id_secure(uint8_t id[static DHT_ID_BYTES], const struct peer_address *address)
{
	static const uint8_t mask4[] = {0x03, 0x0f, 0x3f, 0xff};
	static const uint8_t mask6[] = {0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff};
	bool is4 = peer_address_is4(address);
	const uint8_t *ip = address->ip + (is4 ? 12 : 0);
	size_t ip_bytes = is4 ? sizeof(mask4) : sizeof(mask6);
	uint8_t masked[sizeof(mask6)];

	for (size_t i = 0; i < ip_bytes; i++)
		masked[i] = ip[i] & (is4 ? mask4 : mask6)[i];
	masked[0] = (uint8_t)(masked[0] | (id[DHT_ID_BYTES - 1] & 7) << 5);

	uint32_t crc = crc32c(masked, ip_bytes);

	id[0] = (uint8_t)(crc >> 24);
	id[1] = (uint8_t)(crc >> 16);
	id[2] = (uint8_t)((crc >> 8 & 0xf8) | (id[2] & 7));
}

static bool public4(const uint8_t *ip)
{
	return !(ip[0] == 0 || ip[0] == 10 || ip[0] == 127 || ip[0] >= 224 ||
		 (ip[0] == 100 && (ip[1] & 0xc0) == 64) || (ip[0] == 169 && ip[1] == 254) ||
		 (ip[0] == 172 && (ip[1] & 0xf0) == 16) || (ip[0] == 192 && ip[1] == 168));
}

bool dht_address_is_public(const struct peer_address *address)
{
	if (peer_address_is4(address))
		return public4(address->ip + 12);
	return (address->ip[0] & 0xe0) == 0x20; /* 2000::/3, all that is given out */
}
