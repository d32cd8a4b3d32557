/* SPDX-License-Identifier: Apache-2.0 */
/* Names of states, stages and settings, and the one form of a MAC address. Pure. */
#include "server/nodes_core.h"

static const char *const state_names[] = {
	"known", "armed", "imaging", "finishing", "done", "failed"};
static const char *const mark_names[] = {
	"dhcp", "script", "kernel", "agent", "plan", "fetch", "finish", "done"};
static const char *const local_boot_names[] = {"auto", "exit", "sanboot", "esp"};
static const char *const end_names[] = {"reboot", "poweroff", "stay"};

_Static_assert(ARRAY_COUNT(state_names) == NODE_STATES_COUNT, "a name for every state");
_Static_assert(ARRAY_COUNT(mark_names) == MARKS_COUNT, "a name for every stage");
_Static_assert(ARRAY_COUNT(local_boot_names) == LOCAL_BOOTS_COUNT, "a name for every method");

const char *node_state_name(enum node_state state)
{
	return (size_t)state < ARRAY_COUNT(state_names) ? state_names[state] : "?";
}

const char *node_mark_name(enum node_mark mark)
{
	return (size_t)mark < ARRAY_COUNT(mark_names) ? mark_names[mark] : "?";
}

const char *local_boot_name(enum local_boot method)
{
	return (size_t)method < ARRAY_COUNT(local_boot_names) ? local_boot_names[method] : "?";
}

const char *plan_end_name(enum plan_end end)
{
	return (size_t)end < ARRAY_COUNT(end_names) ? end_names[end] : "?";
}

/* The position of name among names, or names_count. */
static size_t name_find(const char *const *names, size_t names_count, const char *name)
{
	size_t i = 0;

	while (i < names_count && strcmp(names[i], name) != 0)
		i++;
	return i;
}

bool node_state_from_name(enum node_state *state, const char *name)
{
	size_t i = name_find(state_names, ARRAY_COUNT(state_names), name);

	*state = (enum node_state)i;
	return i < ARRAY_COUNT(state_names);
}

bool local_boot_from_name(enum local_boot *method, const char *name)
{
	size_t i = name_find(local_boot_names, ARRAY_COUNT(local_boot_names), name);

	*method = (enum local_boot)i;
	return i < ARRAY_COUNT(local_boot_names);
}

bool plan_end_from_name(enum plan_end *end, const char *name)
{
	size_t i = name_find(end_names, ARRAY_COUNT(end_names), name);

	*end = (enum plan_end)i;
	return i < ARRAY_COUNT(end_names);
}

/* -1: not a hex digit. */
static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

bool mac_normalise(char mac[static NODE_MAC_CHARS + 1], const char *text)
{
	uint8_t bytes[6];
	char separator = '\0';

	for (size_t i = 0; i < sizeof(bytes); i++) {
		int high = hex_value(text[0]);
		int low = high < 0 ? -1 : hex_value(text[1]);

		if (low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
		text += 2;
		if (i == 0 && (*text == ':' || *text == '-'))
			separator = *text;
		if (i + 1 < sizeof(bytes) && separator != '\0' && *text++ != separator)
			return false;
	}
	if (*text != '\0' || (bytes[0] & 1) != 0 || bytes_all_zero(bytes, sizeof(bytes)))
		return false;
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < sizeof(bytes); i++) {
		mac[3 * i] = digits[bytes[i] >> 4];
		mac[3 * i + 1] = digits[bytes[i] & 15];
		mac[3 * i + 2] = ':';
	}
	mac[NODE_MAC_CHARS] = '\0';
	return true;
}
