/* SPDX-License-Identifier: Apache-2.0 */
/* Reading dnsmasq's log lines. The log is our child's, but names and addresses in it come from the
 * network: every field is checked and bounded. */
#include "pxe/dnsmasq_log.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* The word's MAC address in lower case; false when the word is none. */
static bool mac_take(char mac[static 18], const char *word)
{
	for (size_t i = 0; i < 17; i++) {
		if (i % 3 == 2 ? word[i] != ':' : !isxdigit((unsigned char)word[i]))
			return false;
		mac[i] = (char)tolower((unsigned char)word[i]);
	}
	mac[17] = '\0';
	return word[17] == '\0' || word[17] == ' ';
}

/* The first MAC address among the words of text. */
static bool mac_find(char mac[static 18], const char *text)
{
	while (*text != '\0') {
		if (mac_take(mac, text))
			return true;
		text += strcspn(text, " ");
		text += strspn(text, " ");
	}
	return false;
}

static size_t transaction_find(struct dnsmasq_log *log, uint32_t id)
{
	for (size_t i = 0; i < DNSMASQ_TRANSACTIONS_MAX; i++)
		if (log->transactions[i].id == id)
			return i;
	size_t slot = log->next++ % DNSMASQ_TRANSACTIONS_MAX;

	memset(&log->transactions[slot], 0, sizeof(log->transactions[slot]));
	log->transactions[slot].id = id;
	return slot;
}

static bool is_trouble(const char *text)
{
	static const char *const words[] = {"no address available", "no address range", "not found",
		"failed", "cannot", "inaccessible", "permission denied", "Permission denied",
		"in use"};

	for (size_t i = 0; i < ARRAY_COUNT(words); i++)
		if (strstr(text, words[i]) != NULL)
			return true;
	return false;
}

void dnsmasq_log_line(struct dnsmasq_log *log, const char *text, struct dnsmasq_line *line)
{
	memset(line, 0, sizeof(*line));
	snprintf(line->text, sizeof(line->text), "%s", text);
	if (is_trouble(text))
		line->kind = DNSMASQ_TROUBLE;
	if (strncmp(text, "dnsmasq-dhcp", 12) != 0)
		return;
	const char *rest = strstr(text, ": ");

	if (rest == NULL || !isdigit((unsigned char)rest[2]))
		return;
	char *end;
	unsigned long id = strtoul(rest + 2, &end, 10);

	if (*end != ' ' || id > UINT32_MAX)
		return;
	rest = end + 1;
	bool pxe_class = strncmp(rest, "vendor class: PXEClient", 23) == 0;
	bool pxe_proxy = strncmp(rest, "PXE(", 4) == 0;
	bool request = strncmp(rest, "DHCPDISCOVER(", 13) == 0 || pxe_proxy;

	if (!pxe_class && !request)
		return;
	size_t slot = transaction_find(log, (uint32_t)id);

	if (pxe_class)
		log->transactions[slot].pxe = true;
	if (!request)
		return;
	if ((pxe_proxy || log->transactions[slot].pxe) && mac_find(line->mac, rest))
		line->kind = DNSMASQ_PXE_REQUEST;
	log->transactions[slot].pxe = false;
}
