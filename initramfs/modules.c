/* SPDX-License-Identifier: Apache-2.0 */
/* Drivers by modalias: the kernel writes what a device is into a file, modprobe finds who drives
 * it. */
#include "initramfs/modules.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "initramfs/child.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define ALIASES_MAX	    65536
#define ALIAS_BYTES_MAX	    1024
#define DEPTH_MAX	    40
#define BATCH_MAX	    64
#define MODPROBE_TIMEOUT_MS 60000

struct modules {
	char **aliases; /* in the order they were found */
	size_t aliases_count;
	size_t aliases_capacity;
	size_t *slots; /* open addressing by hash: index + 1, 0 is free */
	size_t slots_count;
};

static void *allocate(void *memory, size_t bytes)
{
	void *result = realloc(memory, bytes);

	if (result == NULL) {
		log_error("out of memory");
		abort();
	}
	return result;
}

struct modules *modules_create(void)
{
	struct modules *modules = allocate(NULL, sizeof(*modules));

	*modules = (struct modules){.slots_count = 2 * ALIASES_MAX};
	modules->slots = allocate(NULL, modules->slots_count * sizeof(*modules->slots));
	memset(modules->slots, 0, modules->slots_count * sizeof(*modules->slots));
	return modules;
}

struct modules *modules_destroy(struct modules *modules)
{
	if (modules == NULL)
		return NULL;
	for (size_t i = 0; i < modules->aliases_count; i++)
		free(modules->aliases[i]);
	free(modules->aliases);
	free(modules->slots);
	free(modules);
	return NULL;
}

static void alias_add(struct modules *modules, const char *alias)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (const char *at = alias; *at != '\0'; at++)
		hash = (hash ^ (uint8_t)*at) * 0x100000001b3;
	size_t slot = hash % modules->slots_count;

	while (modules->slots[slot] != 0) {
		if (strcmp(modules->aliases[modules->slots[slot] - 1], alias) == 0)
			return;
		slot = (slot + 1) % modules->slots_count;
	}
	if (modules->aliases_count == ALIASES_MAX)
		return;
	if (modules->aliases_count == modules->aliases_capacity) {
		modules->aliases_capacity = 2 * modules->aliases_capacity + 64;
		modules->aliases = allocate(
			modules->aliases, modules->aliases_capacity * sizeof(*modules->aliases));
	}
	size_t bytes = strlen(alias) + 1;
	char *copy = allocate(NULL, bytes);

	memcpy(copy, alias, bytes);
	modules->aliases[modules->aliases_count++] = copy;
	modules->slots[slot] = modules->aliases_count;
}

static bool first_line(const char *path, char *line, size_t capacity)
{
	SCOPED(file) FILE *file = fopen(path, "re");

	if (file == NULL || fgets(line, (int)capacity, file) == NULL)
		return false;
	line[strcspn(line, "\n")] = '\0';
	return line[0] != '\0';
}

static void collect_tree(struct modules *modules, const char *directory, int depth)
{
	DIR *entries = opendir(directory);
	struct dirent *entry;

	/* Devices come and go while we look: what cannot be opened is no longer there. */
	if (entries == NULL)
		return;
	while ((entry = readdir(entries)) != NULL) {
		char path[PATH_MAX];
		char alias[ALIAS_BYTES_MAX];

		if (entry->d_name[0] == '.' || (size_t)snprintf(path, sizeof(path), "%s/%s",
						       directory, entry->d_name) >= sizeof(path))
			continue;
		if (entry->d_type == DT_DIR && depth < DEPTH_MAX)
			collect_tree(modules, path, depth + 1);
		else if (entry->d_type == DT_REG && strcmp(entry->d_name, "modalias") == 0 &&
			 first_line(path, alias, sizeof(alias)))
			alias_add(modules, alias);
	}
	closedir(entries);
}

size_t modules_collect(struct modules *modules, const char *sys, char ***aliases)
{
	char path[PATH_MAX];
	size_t first = modules->aliases_count;

	if ((size_t)snprintf(path, sizeof(path), "%s/devices", sys) < sizeof(path))
		collect_tree(modules, path, 0);
	*aliases = modules->aliases + first;
	return modules->aliases_count - first;
}

static void modprobe(char *const *names, size_t names_count)
{
	char *arguments[BATCH_MAX + 7] = {"/bin/busybox", "modprobe", "-a", "-b", "-q", "--"};
	struct failure failure;
	int status;

	memcpy(arguments + 6, names, names_count * sizeof(*names));
	/* The exit status says only that some of them have no driver, which most have not. */
	if (!child_run(arguments, MODPROBE_TIMEOUT_MS, &status, &failure))
		log_warning("drivers: %s", failure.text);
}

size_t modules_probe(struct modules *modules, const char *sys)
{
	char **fresh;
	size_t fresh_count = modules_collect(modules, sys, &fresh);

	for (size_t i = 0; i < fresh_count; i += BATCH_MAX)
		modprobe(fresh + i, u64_min(BATCH_MAX, fresh_count - i));
	return fresh_count;
}

void modules_load_named(const char *names)
{
	char copy[512];
	char *list[BATCH_MAX];
	size_t count = 0;
	char *rest = copy;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", names) >= sizeof(copy)) {
		log_warning("the list of modules to load is too long");
		return;
	}
	for (char *name; count < BATCH_MAX && (name = strsep(&rest, ",")) != NULL;)
		if (name[0] != '\0' && name[0] != '-')
			list[count++] = name;
	if (count > 0)
		modprobe(list, count);
}

/* "0x8086" or "0x020000": the number, or 0. */
static unsigned long hexadecimal(const char *directory, const char *attribute)
{
	char path[PATH_MAX];
	char line[32];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, attribute) >= sizeof(path) ||
		!first_line(path, line, sizeof(line)))
		return 0;
	return strtoul(line, NULL, 16);
}

uint32_t modules_missing(const char *sys, char functions[][64], uint32_t functions_max)
{
	char path[PATH_MAX];
	uint32_t count = 0;
	struct dirent *entry;

	if ((size_t)snprintf(path, sizeof(path), "%s/bus/pci/devices", sys) >= sizeof(path))
		return 0;
	DIR *entries = opendir(path);

	while (entries != NULL && count < functions_max && (entry = readdir(entries)) != NULL) {
		char directory[PATH_MAX];
		char driver[PATH_MAX];

		if (entry->d_name[0] == '.' ||
			(size_t)snprintf(directory, sizeof(directory), "%s/%s", path,
				entry->d_name) >= sizeof(directory) ||
			(size_t)snprintf(driver, sizeof(driver), "%s/driver", directory) >=
				sizeof(driver))
			continue;
		unsigned long class = hexadecimal(directory, "class") >> 16;

		if ((class != 1 && class != 2) || access(driver, F_OK) == 0)
			continue;
		snprintf(functions[count++], 64, "%.20s %04lx:%04lx %s", entry->d_name,
			hexadecimal(directory, "vendor") & 0xffff,
			hexadecimal(directory, "device") & 0xffff,
			class == 1 ? "storage" : "network");
	}
	if (entries != NULL)
		closedir(entries);
	return count;
}
