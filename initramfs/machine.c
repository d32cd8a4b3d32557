/* SPDX-License-Identifier: Apache-2.0 */
/* SMBIOS texts, MAC addresses, and the kernel's command line. */
#include "initramfs/machine.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "initramfs/disks.h"
#include "lib/cleanup.h"

bool mac_parse(char mac[static NODE_ID_MAX], const char *text)
{
	/* BOOTIF begins with the hardware type: 01 is Ethernet. */
	if (strlen(text) == 20)
		text += 3;
	if (strlen(text) != 17)
		return false;
	for (int i = 0; i < 17; i++) {
		if (i % 3 == 2 ? text[i] != ':' && text[i] != '-'
			       : !isxdigit((unsigned char)text[i]))
			return false;
		mac[i] = i % 3 == 2 ? ':' : (char)tolower((unsigned char)text[i]);
	}
	mac[17] = '\0';
	return true;
}

bool command_line_get(const char *line, const char *name, char *value, size_t capacity)
{
	size_t name_length = strlen(name);
	bool found = false;

	while (*line != '\0') {
		size_t length = strcspn(line, " \n");

		if (length >= name_length && strncmp(line, name, name_length) == 0 &&
			(length == name_length || line[name_length] == '=')) {
			const char *start = line + name_length + (length > name_length);
			size_t value_length = length - (size_t)(start - line);

			found = value_length < capacity;
			if (found) {
				memcpy(value, start, value_length);
				value[value_length] = '\0';
			}
		}
		line += length;
		line += *line != '\0';
	}
	return found;
}

static void text_read(const char *sys, const char *name, char *text, size_t capacity)
{
	char path[PATH_MAX];
	uint8_t raw[256];

	text[0] = '\0';
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", sys, name) >= sizeof(path))
		return;
	SCOPED(file) FILE *file = fopen(path, "re");

	if (file == NULL)
		return;
	disk_text_clean(text, capacity, raw, fread(raw, 1, sizeof(raw), file));
}

void machine_read(struct machine *machine, const char *sys)
{
	char path[PATH_MAX];
	struct dirent *entry;

	memset(machine, 0, sizeof(*machine));
	text_read(sys, "class/dmi/id/product_uuid", machine->uuid, sizeof(machine->uuid));
	for (char *at = machine->uuid; *at != '\0'; at++)
		*at = (char)tolower((unsigned char)*at);
	text_read(sys, "class/dmi/id/product_serial", machine->serial, sizeof(machine->serial));
	if ((size_t)snprintf(path, sizeof(path), "%s/firmware/efi", sys) < sizeof(path))
		machine->firmware_uefi = access(path, F_OK) == 0;
	if ((size_t)snprintf(path, sizeof(path), "%s/class/net", sys) >= sizeof(path))
		return;
	DIR *entries = opendir(path);

	while (entries != NULL && machine->macs_count < MACHINE_MACS_MAX &&
		(entry = readdir(entries)) != NULL) {
		char text[64];

		if (entry->d_name[0] == '.' ||
			(size_t)snprintf(path, sizeof(path), "class/net/%s/address",
				entry->d_name) >= sizeof(path))
			continue;
		text_read(sys, path, text, sizeof(text));
		if (mac_parse(machine->macs[machine->macs_count], text) &&
			strcmp(machine->macs[machine->macs_count], "00:00:00:00:00:00") != 0)
			machine->macs_count++;
	}
	if (entries != NULL)
		closedir(entries);
}

bool machine_has_mac(const struct machine *machine, const char *mac)
{
	for (uint32_t i = 0; i < machine->macs_count; i++)
		if (strcmp(machine->macs[i], mac) == 0)
			return true;
	return false;
}
