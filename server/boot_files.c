/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel, initramfs and iPXE files. The initramfs holds the site's public key, so every site has
 * its own; boot/inputs names what it was made from (paths, sizes, times), and is written last.
 */
#include "server/boot_files.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "initramfs/build.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define INPUTS_BYTES_MAX 8192

struct inputs {
	char kernel[STORE_PATH_MAX];
	char agent[STORE_PATH_MAX];
	char keys[STORE_PATH_MAX];
	char text[INPUTS_BYTES_MAX];
	size_t used;
};

/* "DIRECTORY-OF-THIS-PROGRAM/name". */
static bool beside_program(
	const char *name, char path[static STORE_PATH_MAX], struct failure *failure)
{
	char self[STORE_PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (length < 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot find this program's own path");
	self[length] = '\0';
	char *slash = strrchr(self, '/');

	if (slash == NULL || snprintf(path, STORE_PATH_MAX, "%.*s/%s", (int)(slash - self), self,
				     name) >= STORE_PATH_MAX)
		return failure_set(failure, ERROR_LIMIT, "this program's path is too long");
	return true;
}

/* The last match in version order, or false. */
static bool newest_match(const char *pattern, char path[static STORE_PATH_MAX])
{
	glob_t found;
	const char *best = NULL;

	if (glob(pattern, 0, NULL, &found) != 0)
		return false;
	for (size_t i = 0; i < found.gl_pathc; i++)
		if (best == NULL || strverscmp(found.gl_pathv[i], best) > 0)
			best = found.gl_pathv[i];
	bool fits = best != NULL && snprintf(path, STORE_PATH_MAX, "%s", best) < STORE_PATH_MAX;

	globfree(&found);
	return fits;
}

static bool kernel_find(
	const char *wanted, char path[static STORE_PATH_MAX], struct failure *failure)
{
	char pattern[STORE_PATH_MAX];

	if (wanted != NULL) {
		if (snprintf(path, STORE_PATH_MAX, "%s", wanted) >= STORE_PATH_MAX)
			return failure_set(failure, ERROR_LIMIT, "--kernel: the path is too long");
		if (access(path, R_OK) != 0)
			return failure_errno(failure, ERROR_SYSTEM, "--kernel %s", wanted);
		return true;
	}
	if (!beside_program("packages/linux-image-*.deb", pattern, failure))
		return false;
	if (newest_match(pattern, path) ||
		newest_match("/usr/share/swarmboot/linux-image-*.deb", path))
		return true;
	return failure_set(failure, ERROR_NOT_FOUND,
		"no kernel package: neither %s nor /usr/share/swarmboot has one; run scripts/setup "
		"or give --kernel DEB|DIR",
		pattern);
}

/* A file that is not there shows in the text too: then its coming is a change. */
static void inputs_add(struct inputs *inputs, const char *path)
{
	struct stat about = {0};

	(void)stat(path, &about);
	int length = snprintf(inputs->text + inputs->used, sizeof(inputs->text) - inputs->used,
		"%s %lld %lld.%09ld\n", path, (long long)about.st_size,
		(long long)about.st_mtim.tv_sec, about.st_mtim.tv_nsec);

	if (length > 0)
		inputs->used += u64_min((uint64_t)length, sizeof(inputs->text) - 1 - inputs->used);
}

static bool inputs_collect(struct inputs *inputs, const struct image_store *store,
	const struct boot_files_settings *settings, struct failure *failure)
{
	char pattern[STORE_PATH_MAX];
	glob_t keys;

	inputs->used = 0;
	if (!kernel_find(settings->kernel, inputs->kernel, failure) ||
		!store_path(store, "keys", inputs->keys, failure) ||
		!store_path(store, "keys/*.pub", pattern, failure))
		return false;
	if (settings->agent != NULL)
		snprintf(inputs->agent, sizeof(inputs->agent), "%s", settings->agent);
	else if (!beside_program("swarmboot-agent", inputs->agent, failure))
		return false;
	if (access(inputs->agent, R_OK) != 0)
		return failure_errno(failure, ERROR_SYSTEM,
			"the agent %s cannot be read (make builds it)", inputs->agent);
	inputs_add(inputs, inputs->kernel);
	inputs_add(inputs, inputs->agent);
	inputs_add(inputs, "/bin/busybox");
	inputs_add(inputs, "/proc/self/exe");
	if (glob(pattern, 0, NULL, &keys) == 0) {
		for (size_t i = 0; i < keys.gl_pathc; i++)
			inputs_add(inputs, keys.gl_pathv[i]);
		globfree(&keys);
	}
	int length = snprintf(inputs->text + inputs->used, sizeof(inputs->text) - inputs->used,
		"drivers %s\n", settings->drivers != NULL ? settings->drivers : "all");

	if (length < 0 || (size_t)length >= sizeof(inputs->text) - inputs->used)
		return failure_set(failure, ERROR_LIMIT, "too many keys or drivers");
	inputs->used += (size_t)length;
	return true;
}

static bool inputs_are_those_of(const struct inputs *inputs, const char *path)
{
	char text[INPUTS_BYTES_MAX];
	SCOPED(file) FILE *file = fopen(path, "re");

	if (file == NULL)
		return false;
	size_t got = fread(text, 1, sizeof(text), file);

	return got == inputs->used && memcmp(text, inputs->text, got) == 0;
}

/* Writes a whole file beside its place, syncs, renames. */
static bool file_replace(
	const char *path, const void *bytes, size_t bytes_count, struct failure *failure)
{
	char temporary[STORE_PATH_MAX + 8];

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	int descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (descriptor < 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot write %s", temporary);
	for (size_t done = 0; done < bytes_count;) {
		ssize_t wrote =
			write(descriptor, (const uint8_t *)bytes + done, bytes_count - done);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0) {
			failure_errno(failure, ERROR_SYSTEM, "cannot write %s", temporary);
			close(descriptor);
			(void)unlink(temporary);
			return false;
		}
		done += (size_t)wrote;
	}
	bool synced = fsync(descriptor) == 0;

	if (close(descriptor) != 0 || !synced || rename(temporary, path) != 0) {
		failure_errno(failure, ERROR_SYSTEM, "cannot write %s", path);
		(void)unlink(temporary);
		return false;
	}
	return true;
}

static bool directory_make(const char *path, struct failure *failure)
{
	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return true;
	return failure_errno(failure, ERROR_SYSTEM, "cannot make %s", path);
}

/* The first stage that TFTP hands out. */
static bool ipxe_copy(const struct image_store *store, const char *name, struct failure *failure)
{
	char relative[64];
	char source[128];
	char target[STORE_PATH_MAX];
	struct stat about;

	snprintf(relative, sizeof(relative), "boot/tftp/%s", name);
	snprintf(source, sizeof(source), "/usr/lib/ipxe/%s", name);
	if (!store_path(store, relative, target, failure))
		return false;
	SCOPED(fd) int descriptor = open(source, O_RDONLY | O_CLOEXEC);

	if (descriptor < 0)
		return failure_errno(failure, ERROR_SYSTEM,
			"iPXE is not installed (Debian: apt-get install ipxe): %s", source);
	if (fstat(descriptor, &about) != 0 || about.st_size <= 0 ||
		about.st_size > (off_t)(16 * MIB))
		return failure_set(failure, ERROR_FORMAT, "%s is no boot loader", source);
	SCOPED(free) uint8_t *bytes = malloc((size_t)about.st_size);

	if (bytes == NULL)
		return failure_set(failure, ERROR_MEMORY, "no memory for %s", source);
	for (size_t done = 0; done < (size_t)about.st_size;) {
		ssize_t got = read(descriptor, bytes + done, (size_t)about.st_size - done);

		if (got <= 0)
			return failure_errno(failure, ERROR_SYSTEM, "cannot read %s", source);
		done += (size_t)got;
	}
	return file_replace(target, bytes, (size_t)about.st_size, failure);
}

/* A boot loader that starts the local disk's own, for UEFI firmware that does not go on by itself
 * (local boot method `esp`). Made by GRUB's tools; without them that method has only iPXE's own
 * ways. */
static void local_efi_make(const char *directory)
{
	static const char program[] = "/usr/bin/grub-mkimage";
	static const char text[] = "search --no-floppy --file --set=root /EFI/BOOT/BOOTX64.EFI\n"
				   "chainloader /EFI/BOOT/BOOTX64.EFI\n"
				   "boot\n"
				   "exit\n";
	char config[STORE_PATH_MAX + 16];
	char made[STORE_PATH_MAX + 16];
	char target[STORE_PATH_MAX + 16];
	struct failure failure;
	pid_t child;
	int status = -1;

	snprintf(config, sizeof(config), "%s/local.cfg", directory);
	snprintf(made, sizeof(made), "%s/local.new", directory);
	snprintf(target, sizeof(target), "%s/local.efi", directory);
	char *arguments[] = {(char *)program, (char *)"-O", (char *)"x86_64-efi", (char *)"-p",
		(char *)"/none", (char *)"-c", config, (char *)"-o", made, (char *)"part_gpt",
		(char *)"part_msdos", (char *)"fat", (char *)"search", (char *)"search_fs_file",
		(char *)"chain", (char *)"boot", (char *)"configfile", (char *)"normal",
		(char *)"echo", NULL};

	if (access(program, X_OK) != 0 || access("/usr/lib/grub/x86_64-efi", R_OK) != 0)
		return;
	if (file_replace(config, text, sizeof(text) - 1, &failure) &&
		posix_spawn(&child, program, NULL, NULL, arguments, environ) == 0)
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || rename(made, target) != 0)
		log_warning("%s failed: the local boot method esp will do without it", program);
}

bool boot_files_prepare(const struct image_store *store, const struct boot_files_settings *settings,
	bool *built, struct failure *failure)
{
	char paths[5][STORE_PATH_MAX];
	struct inputs *inputs = calloc(1, sizeof(*inputs));
	struct initramfs_result result;
	static const char *const names[] = {
		"boot", "boot/tftp", "boot/kernel", "boot/initramfs", "boot/inputs"};
	bool fine = inputs != NULL || failure_set(failure, ERROR_MEMORY, "no memory");

	*built = false;
	for (size_t i = 0; fine && i < ARRAY_COUNT(names); i++)
		fine = store_path(store, names[i], paths[i], failure);
	fine = fine && directory_make(paths[0], failure) && directory_make(paths[1], failure) &&
	       ipxe_copy(store, "undionly.kpxe", failure) &&
	       ipxe_copy(store, "snponly.efi", failure) &&
	       inputs_collect(inputs, store, settings, failure);
	if (fine && (settings->force || !inputs_are_those_of(inputs, paths[4]) ||
			    access(paths[2], R_OK) != 0 || access(paths[3], R_OK) != 0)) {
		struct initramfs_settings build = {.out = paths[3],
			.kernel = inputs->kernel,
			.kernel_out = paths[2],
			.keys = inputs->keys,
			.agent = inputs->agent,
			.drivers = settings->drivers};

		fine = initramfs_build(&build, &result, failure) &&
		       file_replace(paths[4], inputs->text, inputs->used, failure);
		*built = fine;
	}
	if (fine)
		local_efi_make(paths[0]);
	free(inputs);
	return fine;
}
