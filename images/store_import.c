/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting images into the store and taking them out. What is under way lies in a directory whose
 * name begins with a dot, and is locked by the process at work: one that is not locked was left
 * behind by a process that was killed, and is cleared away by the next import.
 */
#include "images/store.h"

#include "lib/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#define WORK_PREFIX ".work-"

static bool sync_directory(const char *path, struct failure *failure)
{
	SCOPED(fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot sync the directory %s", path);
	return true;
}

/* An image's directory has files only. */
static bool remove_directory(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;

	if (directory == NULL)
		return errno == ENOENT;
	while ((entry = readdir(directory)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			unlinkat(dirfd(directory), entry->d_name, 0) != 0)
			break; /* rmdir then says so */
	closedir(directory);
	return rmdir(path) == 0;
}

static int lock_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int is_work_name(const struct dirent *entry)
{
	return strncmp(entry->d_name, WORK_PREFIX, strlen(WORK_PREFIX)) == 0;
}

/* The store's own lock keeps a directory from being cleared between being made and being locked. */
static int lock_store(const struct image_store *store, struct failure *failure)
{
	int fd = open(store->images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX) != 0) {
		failure_errno(failure, ERROR_SYSTEM, "cannot lock %s", store->images);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static void clear_left_behind(const struct image_store *store)
{
	struct dirent **entries = NULL;
	int count = scandir(store->images, &entries, is_work_name, alphasort);
	char path[STORE_PATH_MAX + 512];

	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", store->images, entries[i]->d_name);
		SCOPED(fd) int fd = lock_directory(path);
		if (fd >= 0 && !remove_directory(path))
			fprintf(stderr, "swarmboot: cannot remove %s, left by a killed import\n",
				path);
		free(entries[i]);
	}
	free(entries);
}

static bool taken(const char *name, struct failure *failure)
{
	return failure_set(failure, ERROR_EXISTS,
		"there is an image %s already: remove it (swarmboot image remove %s) or choose "
		"another --name",
		name, name);
}

bool store_import_begin(const struct image_store *store, const char *name,
	struct store_import *import, struct failure *failure)
{
	char path[STORE_PATH_MAX];

	*import = (struct store_import){.lock_fd = -1};
	if (!image_name_valid(name))
		return failure_set(failure, ERROR_USAGE,
			"%.100s cannot be an image's name: letters, digits, . _ - + (not first), "
			"at "
			"most %d; choose one with --name",
			name, IMAGE_NAME_MAX);
	if (!store_image_path(store, name, "", path, failure))
		return false;
	if (access(path, F_OK) == 0)
		return taken(name, failure);
	SCOPED(fd) int store_fd = lock_store(store, failure);
	if (store_fd < 0)
		return false;
	clear_left_behind(store);
	snprintf(import->name, sizeof(import->name), "%s", name);
	snprintf(import->directory, sizeof(import->directory), "%.900s/" WORK_PREFIX "XXXXXX",
		store->images);
	if (mkdtemp(import->directory) == NULL) {
		import->directory[0] = '\0';
		return failure_errno(failure, ERROR_SYSTEM, "cannot write in %s", store->images);
	}
	snprintf(import->disk_path, sizeof(import->disk_path), "%.1000s/disk.raw",
		import->directory);
	snprintf(import->metainfo_path, sizeof(import->metainfo_path), "%.1000s/image.torrent",
		import->directory);
	import->lock_fd = lock_directory(import->directory);
	if (import->lock_fd < 0) {
		failure_errno(failure, ERROR_SYSTEM, "cannot lock %s", import->directory);
		store_import_abandon(import);
		return false;
	}
	return true;
}

bool store_import_commit(
	const struct image_store *store, struct store_import *import, struct failure *failure)
{
	char path[STORE_PATH_MAX];

	if (!store_image_path(store, import->name, "", path, failure))
		return false;
	/* mkdtemp made it private; images are for all to read. */
	if (chmod(import->directory, 0755) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot set up %s", import->directory);
	if (!sync_directory(import->directory, failure))
		return false;
	if (renameat2(AT_FDCWD, import->directory, AT_FDCWD, path, RENAME_NOREPLACE) != 0) {
		if (errno == EEXIST)
			return taken(import->name, failure);
		return failure_errno(failure, ERROR_SYSTEM, "cannot make %s", path);
	}
	import->directory[0] = '\0';
	close(import->lock_fd);
	import->lock_fd = -1;
	return sync_directory(store->images, failure);
}

void store_import_abandon(struct store_import *import)
{
	if (import->directory[0] != '\0' && !remove_directory(import->directory))
		fprintf(stderr, "swarmboot: cannot remove %s\n", import->directory);
	import->directory[0] = '\0';
	if (import->lock_fd >= 0)
		close(import->lock_fd);
	import->lock_fd = -1;
}

bool image_remove(const struct image_store *store, const char *name, struct failure *failure)
{
	char path[STORE_PATH_MAX];
	char away[STORE_PATH_MAX];

	if (!image_name_valid(name) || !store_image_path(store, name, "", path, NULL) ||
		access(path, F_OK) != 0)
		return failure_set(failure, ERROR_NOT_FOUND, "there is no image %.100s in %s", name,
			store->images);
	SCOPED(fd) int store_fd = lock_store(store, failure);
	if (store_fd < 0)
		return false;
	clear_left_behind(store);
	/* Out of sight in one step; what a kill leaves of it, the next import or removal clears. */
	snprintf(away, sizeof(away), "%.900s/" WORK_PREFIX "XXXXXX", store->images);
	if (mkdtemp(away) == NULL)
		return failure_errno(failure, ERROR_SYSTEM, "cannot write in %s", store->images);
	if (rename(path, away) != 0) {
		failure_errno(failure, ERROR_SYSTEM, "cannot remove %s", path);
		if (rmdir(away) != 0)
			perror(away);
		return false;
	}
	if (!sync_directory(store->images, failure))
		return false;
	if (!remove_directory(away))
		return failure_errno(failure, ERROR_SYSTEM, "cannot remove %s", away);
	return true;
}
