/* SPDX-License-Identifier: Apache-2.0 */
/* Collecting a kernel and its modules, from a package or from a directory. */
#include "initramfs/build_parts.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/cleanup.h"

#define MODULE_BYTES_MAX (64 * MIB)
#define KERNEL_BYTES_MAX (256 * MIB)
#define DEPTH_MAX	 16

/* "lib/modules/VERSION/rest", also below usr/. NULL when path is anything else. */
static const char *modules_part(const char *path)
{
	if (strncmp(path, "./", 2) == 0)
		path += 2;
	if (strncmp(path, "usr/", 4) == 0)
		path += 4;
	return strncmp(path, "lib/modules/", 12) == 0 ? path + 12 : NULL;
}

/* Is it a module file, and must it be unpacked? */
static bool is_module(const char *path, bool *compressed)
{
	static const char *const ends[] = {".ko", ".ko.xz", ".ko.zst", ".ko.gz"};
	size_t length = strlen(path);

	for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
		size_t end_length = strlen(ends[i]);

		*compressed = i > 0;
		if (length > end_length && strcmp(path + length - end_length, ends[i]) == 0)
			return true;
	}
	return false;
}

static bool is_kernel(const char *path)
{
	if (strncmp(path, "./", 2) == 0)
		path += 2;
	return strncmp(path, "boot/vmlinuz", 12) == 0 && strchr(path + 12, '/') == NULL;
}

bool kernel_wants(const char *path)
{
	bool compressed;

	return is_kernel(path) || (modules_part(path) != NULL && is_module(path, &compressed));
}

static bool unpack(const char *path, const uint8_t *bytes, size_t bytes_count,
	struct bytes_buffer *unpacked, struct failure *failure)
{
	struct archive *archive = archive_read_new();
	struct archive_entry *entry;
	uint8_t chunk[65536];
	la_ssize_t got = -1;

	if (archive == NULL)
		abort();
	archive_read_support_filter_all(archive);
	archive_read_support_format_raw(archive);
	if (archive_read_open_memory(archive, bytes, bytes_count) == ARCHIVE_OK &&
		archive_read_next_header(archive, &entry) == ARCHIVE_OK)
		while ((got = archive_read_data(archive, chunk, sizeof(chunk))) > 0 &&
			unpacked->count <= MODULE_BYTES_MAX)
			bytes_buffer_add(unpacked, chunk, (size_t)got);
	if (got != 0)
		failure_set(failure, ERROR_FORMAT, "cannot unpack %s: %s", path,
			got > 0 ? "too large" : archive_error_string(archive));
	archive_read_free(archive);
	return got == 0;
}

static bool kernel_add_module(struct kernel *kernel, const char *below, const uint8_t *bytes,
	size_t bytes_count, struct failure *failure)
{
	if (kernel->modules_count == kernel->modules_capacity) {
		kernel->modules_capacity = 2 * kernel->modules_capacity + 1024;
		kernel->modules = build_resize(
			kernel->modules, kernel->modules_capacity * sizeof(*kernel->modules));
	}
	struct module *module = &kernel->modules[kernel->modules_count++];
	const char *end = strstr(below, ".ko");

	*module = (struct module){.spool_offset = kernel->spool_bytes, .bytes_count = bytes_count};
	/* An unpacked module has lost what followed .ko. */
	module->path = build_allocate((size_t)(end - below) + sizeof(".ko"));
	memcpy(module->path, below, (size_t)(end - below) + 3);
	module->name = module_name_of_path(below);
	if (!module_parse(module, bytes, bytes_count, failure))
		return false;
	if (fwrite(bytes, 1, bytes_count, kernel->spool) != bytes_count)
		return failure_errno(failure, ERROR_SYSTEM, "cannot write a temporary file");
	kernel->spool_bytes += bytes_count;
	return true;
}

bool kernel_take(struct kernel *kernel, const char *path, const uint8_t *bytes, size_t bytes_count,
	struct failure *failure)
{
	if (is_kernel(path)) {
		kernel->vmlinuz.count = 0;
		bytes_buffer_add(&kernel->vmlinuz, bytes, bytes_count);
		return true;
	}
	const char *version = modules_part(path);
	const char *slash = version != NULL ? strchr(version, '/') : NULL;
	bool compressed;

	if (slash == NULL || !is_module(path, &compressed))
		return true;
	size_t version_length = (size_t)(slash - version);

	if (version_length == 0 || version_length >= sizeof(kernel->version))
		return failure_set(failure, ERROR_FORMAT, "no kernel version in %s", path);
	if (kernel->version[0] == '\0')
		memcpy(kernel->version, version, version_length);
	if (strncmp(kernel->version, version, version_length) != 0 ||
		kernel->version[version_length] != '\0')
		return failure_set(failure, ERROR_UNSUPPORTED,
			"there are modules of more than one kernel: %s and %.*s; give one "
			"version's directory",
			kernel->version, (int)version_length, version);
	if (!compressed)
		return kernel_add_module(kernel, slash + 1, bytes, bytes_count, failure);
	struct bytes_buffer unpacked = {0};
	bool good = unpack(path, bytes, bytes_count, &unpacked, failure) &&
		    kernel_add_module(kernel, slash + 1, unpacked.bytes, unpacked.count, failure);

	bytes_buffer_free(&unpacked);
	return good;
}

/* Reads what lies below `root`/`below`, without following links. */
static bool read_tree(struct kernel *kernel, const char *root, const char *below, int depth,
	struct failure *failure)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", root, below) >= sizeof(path) ||
		depth > DEPTH_MAX)
		return failure_set(failure, ERROR_LIMIT, "%s is too deep", below);
	DIR *directory = opendir(path);

	if (directory == NULL)
		return failure_errno(failure, ERROR_SYSTEM, "cannot list %s", path);
	bool good = true;
	struct dirent *entry;

	while (good && (entry = readdir(directory)) != NULL) {
		char part[PATH_MAX];
		char full[PATH_MAX];
		struct stat about;

		if (entry->d_name[0] == '.')
			continue;
		if ((size_t)snprintf(part, sizeof(part), "%s/%s", below, entry->d_name) >=
				sizeof(part) ||
			(size_t)snprintf(full, sizeof(full), "%s/%s", root, part) >= sizeof(full)) {
			good = failure_set(failure, ERROR_LIMIT, "%s is too deep", below);
		} else if (lstat(full, &about) != 0) {
			good = failure_errno(failure, ERROR_SYSTEM, "cannot look at %s", full);
		} else if (S_ISDIR(about.st_mode)) {
			good = read_tree(kernel, root, part, depth + 1, failure);
		} else if (S_ISREG(about.st_mode) && kernel_wants(part)) {
			struct bytes_buffer file = {0};

			good = file_read_whole(full, KERNEL_BYTES_MAX, &file, failure) &&
			       kernel_take(kernel, part, file.bytes, file.count, failure);
			bytes_buffer_free(&file);
		}
	}
	closedir(directory);
	return good;
}

static bool is_directory(const char *root, const char *below)
{
	char path[PATH_MAX];
	struct stat about;

	return (size_t)snprintf(path, sizeof(path), "%s/%s", root, below) < sizeof(path) &&
	       stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static bool kernel_read_directory(struct kernel *kernel, const char *path, struct failure *failure)
{
	char real[PATH_MAX];

	if (is_directory(path, "lib/modules"))
		return read_tree(kernel, path, "lib/modules", 0, failure) &&
		       (!is_directory(path, "boot") || read_tree(kernel, path, "boot", 0, failure));
	/* One version of lib/modules: its root is three levels up. */
	if (!is_directory(path, "kernel") || realpath(path, real) == NULL)
		return failure_set(failure, ERROR_NOT_FOUND,
			"%s has neither lib/modules nor kernel in it", path);
	char *name = strrchr(real, '/');
	char *modules = strstr(real, "/lib/modules/");
	char part[PATH_MAX];

	if (name == NULL || modules == NULL || name != modules + 12)
		return failure_set(failure, ERROR_NOT_FOUND,
			"%s is not a directory lib/modules/VERSION", path);
	snprintf(part, sizeof(part), "%s", modules + 1);
	*modules = '\0';
	return read_tree(kernel, real, part, 0, failure);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct module *)a)->name, ((const struct module *)b)->name);
}

bool kernel_open(struct kernel *kernel, const char *path, struct failure *failure)
{
	struct stat about;

	*kernel = (struct kernel){.spool = tmpfile()};
	if (kernel->spool == NULL)
		return failure_errno(failure, ERROR_SYSTEM, "cannot make a temporary file");
	if (stat(path, &about) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot open the kernel %s", path);
	if (S_ISDIR(about.st_mode) ? !kernel_read_directory(kernel, path, failure)
				   : !kernel_read_deb(kernel, path, failure))
		return false;
	if (fflush(kernel->spool) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot write a temporary file");
	if (kernel->modules_count > 0)
		qsort(kernel->modules, kernel->modules_count, sizeof(*kernel->modules), by_name);
	return true;
}

void kernel_close(struct kernel *kernel)
{
	for (size_t i = 0; i < kernel->modules_count; i++) {
		free(kernel->modules[i].path);
		free(kernel->modules[i].name);
		texts_free(&kernel->modules[i].depends);
		texts_free(&kernel->modules[i].aliases);
		texts_free(&kernel->modules[i].softdeps);
	}
	free(kernel->modules);
	bytes_buffer_free(&kernel->vmlinuz);
	if (kernel->spool != NULL)
		fclose(kernel->spool);
	*kernel = (struct kernel){0};
}

struct module *kernel_find_module(const struct kernel *kernel, const char *name)
{
	char *plain = module_name_of_path(name);
	struct module key = {.name = plain};
	struct module *found = NULL;

	if (kernel->modules_count > 0)
		found = bsearch(&key, kernel->modules, kernel->modules_count,
			sizeof(*kernel->modules), by_name);
	free(plain);
	return found;
}

bool kernel_read_module(const struct kernel *kernel, const struct module *module, uint8_t *bytes,
	struct failure *failure)
{
	if (fseeko(kernel->spool, (off_t)module->spool_offset, SEEK_SET) != 0 ||
		fread(bytes, 1, module->bytes_count, kernel->spool) != module->bytes_count)
		return failure_errno(failure, ERROR_SYSTEM, "cannot read a temporary file");
	return true;
}
