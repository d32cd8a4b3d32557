/* SPDX-License-Identifier: Apache-2.0 */
/* Peer addresses and their compact forms. */
#include "wire/peer_address.h"

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

bool peer_address_is4(const struct peer_address *address)
{
	return memcmp(address->ip, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

bool peer_address_equal(const struct peer_address *a, const struct peer_address *b)
{
	return a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

void peer_address_from4(struct peer_address *address, const uint8_t ip[static 4], uint16_t port)
{
	memcpy(address->ip, mapped_prefix, sizeof(mapped_prefix));
	memcpy(address->ip + sizeof(mapped_prefix), ip, 4);
	address->port = port;
}

void peer_address_from_compact4(struct peer_address *address, const uint8_t *bytes)
{
	peer_address_from4(address, bytes, be16_read(bytes + 4));
}

void peer_address_from_compact6(struct peer_address *address, const uint8_t *bytes)
{
	memcpy(address->ip, bytes, sizeof(address->ip));
	address->port = be16_read(bytes + 16);
}

void peer_address_to_compact6(const struct peer_address *address, uint8_t *bytes)
{
	memcpy(bytes, address->ip, sizeof(address->ip));
	be16_write(bytes + 16, address->port);
}

static size_t put_number(char *text, unsigned number, unsigned base)
{
	static const char digits[] = "0123456789abcdef";
	char reversed[8];
	size_t count = 0;
	size_t length = 0;

	do {
		reversed[count++] = digits[number % base];
		number /= base;
	} while (number > 0);
	while (count > 0)
		text[length++] = reversed[--count];
	return length;
}

/* RFC 5952: the longest run of at least two zero groups, the first of equal ones, becomes "::". */
static void find_zero_run(const uint8_t *ip, unsigned *run_start, unsigned *run_groups)
{
	*run_start = 8;
	*run_groups = 1;
	for (unsigned start = 0; start < 8; start++) {
		unsigned groups = 0;

		while (start + groups < 8 && be16_read(ip + 2 * (size_t)(start + groups)) == 0)
			groups++;
		if (groups > *run_groups) {
			*run_start = start;
			*run_groups = groups;
		}
	}
}

void peer_address_ip_write(char text[static PEER_IP_TEXT_MAX], const struct peer_address *address)
{
	const uint8_t *ip = address->ip;
	size_t used = 0;
	unsigned run_start;
	unsigned run_groups;

	if (peer_address_is4(address)) {
		for (size_t i = 12; i < 16; i++) {
			used += put_number(text + used, ip[i], 10);
			text[used++] = '.';
		}
		text[used - 1] = '\0';
		return;
	}
	find_zero_run(ip, &run_start, &run_groups);
	for (unsigned group = 0; group < 8; group++) {
		if (group == run_start) {
			text[used++] = ':';
			if (group == 0)
				text[used++] = ':';
			group += run_groups - 1;
			continue;
		}
		used += put_number(text + used, be16_read(ip + 2 * (size_t)group), 16);
		if (group < 7)
			text[used++] = ':';
	}
	text[used] = '\0';
}

/* Up to `digits_max` digits in this base; false when there is none or the number exceeds `limit`.
 */
static bool take_number(const char **text, const char *end, unsigned base, unsigned digits_max,
	unsigned limit, unsigned *number)
{
	unsigned digits = 0;

	*number = 0;
	while (*text < end && digits < digits_max && hex_digit(**text) < base) {
		*number = *number * base + hex_digit(**text);
		digits++;
		(*text)++;
	}
	return digits > 0 && *number <= limit;
}

/* a.b.c.d up to the end. */
static bool read_dotted(uint8_t *ip, const char *text, const char *end)
{
	for (size_t i = 0; i < 4; i++) {
		unsigned number;

		if (i > 0 && (text == end || *text++ != '.'))
			return false;
		if (!take_number(&text, end, 10, 3, 255, &number))
			return false;
		ip[i] = (uint8_t)number;
	}
	return text == end;
}

static bool read_groups(uint8_t *ip, const char *text, const char *end)
{
	size_t used = 0;       /* bytes */
	size_t gap = SIZE_MAX; /* where "::" stands */
	bool separated = true; /* a group may come now */

	memset(ip, 0, 16);
	if (end - text >= 2 && text[0] == ':' && text[1] == ':') {
		gap = 0;
		text += 2;
	}
	while (text < end) {
		unsigned number;

		if (used <= 12 && separated && memchr(text, '.', (size_t)(end - text)) != NULL &&
			memchr(text, ':', (size_t)(end - text)) == NULL) {
			if (!read_dotted(ip + used, text, end))
				return false;
			used += 4;
			separated = false;
			break;
		}
		if (used == 16 || !separated || !take_number(&text, end, 16, 4, 0xffff, &number))
			return false;
		be16_write(ip + used, (uint16_t)number);
		used += 2;
		separated = false;
		if (text < end && *text == ':') {
			separated = true;
			text++;
			if (text < end && *text == ':') {
				if (gap != SIZE_MAX)
					return false;
				gap = used;
				text++;
				if (text == end)
					separated = false;
			}
		}
	}
	if (gap == SIZE_MAX)
		return used == 16 && !separated;
	if (used == 16 || (separated && used > 0))
		return false;
	memmove(ip + 16 - (used - gap), ip + gap, used - gap);
	memset(ip + gap, 0, 16 - used);
	return true;
}

bool peer_address_ip_read(struct peer_address *address, const char *text, size_t text_bytes)
{
	uint8_t ip[16];
	const char *end = text + text_bytes;

	if (memchr(text, ':', text_bytes) == NULL) {
		if (!read_dotted(ip, text, end))
			return false;
		peer_address_from4(address, ip, address->port);
		return true;
	}
	if (!read_groups(ip, text, end))
		return false;
	memcpy(address->ip, ip, sizeof(ip));
	return true;
}
