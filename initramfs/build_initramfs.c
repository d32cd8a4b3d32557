/* SPDX-License-Identifier: Apache-2.0 */
/* Putting the initramfs together: agent, busybox, keys, drivers. */
#include "initramfs/build_parts.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM_BYTES_MAX (64 * MIB)
#define KEY_BYTES_MAX	  (64 * KIB)
#define DEFAULT_STATE	  "/var/lib/swarmboot"

/* Where the running program lies, without a final slash. */
static bool program_directory(char directory[static PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", directory, PATH_MAX - 1);

	if (length <= 0)
		return false;
	directory[length] = '\0';
	*strrchr(directory, '/') = '\0';
	return true;
}

static bool default_kernel(char path[static PATH_MAX], struct failure *failure)
{
	char directory[PATH_MAX];
	char pattern[PATH_MAX];
	glob_t found;

	path[0] = '\0';
	if (program_directory(directory) &&
		(size_t)snprintf(pattern, sizeof(pattern), "%s/packages/linux-image-*.deb",
			directory) < sizeof(pattern) &&
		glob(pattern, 0, NULL, &found) == 0) {
		/* The newest by version, not by the alphabet. */
		const char *newest = found.gl_pathv[0];

		for (size_t i = 1; i < found.gl_pathc; i++)
			if (strverscmp(found.gl_pathv[i], newest) > 0)
				newest = found.gl_pathv[i];
		snprintf(path, PATH_MAX, "%s", newest);
		globfree(&found);
	}
	if (path[0] == '\0')
		return failure_set(failure, ERROR_NOT_FOUND,
			"no kernel: give --kernel linux-image-*.deb (apt-get download "
			"linux-image-amd64's dependency, or run scripts/setup)");
	return true;
}

static bool default_agent(char path[static PATH_MAX], struct failure *failure)
{
	static const char *const places[] = {
		"/swarmboot-agent", "/../lib/swarmboot/swarmboot-agent"};
	char directory[PATH_MAX];

	for (size_t i = 0; program_directory(directory) && i < ARRAY_COUNT(places); i++)
		if ((size_t)snprintf(path, PATH_MAX, "%s%s", directory, places[i]) < PATH_MAX &&
			access(path, R_OK) == 0)
			return true;
	return failure_set(failure, ERROR_NOT_FOUND,
		"no swarmboot-agent beside this program; give --agent FILE");
}

/* A program for the initramfs must bring everything with it: no interpreter, no shared libraries.
 */
static bool is_static_program(const struct bytes_buffer *file)
{
	Elf64_Ehdr header;

	if (file->count < sizeof(header))
		return false;
	memcpy(&header, file->bytes, sizeof(header));
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64)
		return false;
	for (size_t i = 0; i < header.e_phnum; i++) {
		uint64_t offset = header.e_phoff + i * sizeof(Elf64_Phdr);
		Elf64_Phdr part;

		if (offset > file->count - sizeof(part))
			return false;
		memcpy(&part, file->bytes + offset, sizeof(part));
		if (part.p_type == PT_INTERP)
			return false;
	}
	return true;
}

static bool add_program(struct image_writer *writer, const char *source, const char *path,
	uint64_t *bytes_count, struct failure *failure)
{
	struct bytes_buffer file = {0};
	bool good = file_read_whole(source, PROGRAM_BYTES_MAX, &file, failure);

	if (good && !is_static_program(&file))
		good = failure_set(failure, ERROR_FORMAT, "%s is not a static program", source);
	if (good)
		good = image_add_file(writer, path, 0755, file.bytes, file.count, failure);
	*bytes_count = file.count;
	bytes_buffer_free(&file);
	return good;
}

static bool add_key(struct image_writer *writer, const char *source, struct failure *failure)
{
	static const char begin[] = "-----BEGIN PUBLIC KEY-----";
	struct bytes_buffer file = {0};
	char path[PATH_MAX];
	const char *slash = strrchr(source, '/');
	const char *name = slash != NULL ? slash + 1 : source;
	size_t length = strlen(name);
	bool has_end = length > 4 && strcmp(name + length - 4, ".pub") == 0;

	snprintf(path, sizeof(path), "etc/swarmboot/keys/%s%s", name, has_end ? "" : ".pub");
	bool good = file_read_whole(source, KEY_BYTES_MAX, &file, failure);

	/* Never a private key by mistake. */
	if (good && (file.count < sizeof(begin) - 1 ||
			    memmem(file.bytes, file.count, begin, sizeof(begin) - 1) == NULL ||
			    memmem(file.bytes, file.count, "PRIVATE", 7) != NULL))
		good = failure_set(failure, ERROR_FORMAT, "%s is not a public key", source);
	if (good)
		good = image_add_file(writer, path, 0644, file.bytes, file.count, failure);
	bytes_buffer_free(&file);
	return good;
}

static int is_public_key(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return entry->d_name[0] != '.' && length > 4 &&
	       strcmp(entry->d_name + length - 4, ".pub") == 0;
}

static bool add_keys(struct image_writer *writer, const char *keys, struct failure *failure)
{
	struct dirent **entries = NULL;
	struct stat about;
	char path[PATH_MAX];
	bool good = true;

	if (stat(keys, &about) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot open the keys %s", keys);
	if (!S_ISDIR(about.st_mode))
		return add_key(writer, keys, failure);
	int count = scandir(keys, &entries, is_public_key, alphasort);

	if (count < 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot list %s", keys);
	if (count == 0)
		good = failure_set(failure, ERROR_NOT_FOUND, "there is no *.pub in %s", keys);
	for (int i = 0; i < count; i++) {
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", keys, entries[i]->d_name) >=
			sizeof(path))
			good = failure_set(failure, ERROR_LIMIT, "the path %s is too long", keys);
		good = good && add_key(writer, path, failure);
		free(entries[i]);
	}
	free(entries);
	return good;
}

static int by_path(const void *a, const void *b)
{
	return strcmp((*(struct module *const *)a)->path, (*(struct module *const *)b)->path);
}

static bool add_module(struct image_writer *writer, const struct kernel *kernel,
	const struct module *module, struct failure *failure)
{
	uint8_t *bytes = build_allocate(module->bytes_count);
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "lib/modules/%s/%s", kernel->version, module->path);
	bool good = kernel_read_module(kernel, module, bytes, failure) &&
		    image_add_file(writer, path, 0644, bytes, module->bytes_count, failure);

	free(bytes);
	return good;
}

static bool add_text(struct image_writer *writer, const struct kernel *kernel, const char *name,
	struct bytes_buffer *text, struct failure *failure)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "lib/modules/%s/%s", kernel->version, name);
	bool good = image_add_file(writer, path, 0644, text->bytes, text->count, failure);

	bytes_buffer_free(text);
	return good;
}

static bool add_modules(struct image_writer *writer, struct kernel *kernel, const char *drivers,
	struct initramfs_result *result, struct failure *failure)
{
	struct bytes_buffer dep = {0};
	struct bytes_buffer alias = {0};
	size_t count = 0;

	if (!modules_select(kernel, drivers, failure))
		return false;
	struct module **wanted = build_allocate((kernel->modules_count + 1) * sizeof(*wanted));

	for (size_t i = 0; i < kernel->modules_count; i++)
		if (kernel->modules[i].wanted)
			wanted[count++] = &kernel->modules[i];
	qsort(wanted, count, sizeof(*wanted), by_path);
	bool good = true;

	for (size_t i = 0; i < count && good; i++) {
		result->modules_count++;
		result->modules_bytes += wanted[i]->bytes_count;
		good = add_module(writer, kernel, wanted[i], failure);
	}
	free(wanted);
	if (!good || count == 0)
		return good;
	modules_write_dep(kernel, &dep);
	modules_write_alias(kernel, &alias);
	good = add_text(writer, kernel, "modules.dep", &dep, failure);
	return add_text(writer, kernel, "modules.alias", &alias, good ? failure : NULL) && good;
}

static bool add_skeleton(struct image_writer *writer, struct failure *failure)
{
	static const char *const directories[] = {"dev", "proc", "sys", "run", "tmp", "root",
		"etc/swarmboot/keys", "bin", "sbin", "usr/bin", "usr/sbin"};

	for (size_t i = 0; i < ARRAY_COUNT(directories); i++)
		if (!image_add_directory(writer, directories[i], failure))
			return false;
	return image_add_character_device(writer, "dev/console", 0600, 5, 1, failure) &&
	       image_add_character_device(writer, "dev/kmsg", 0600, 1, 11, failure) &&
	       image_add_character_device(writer, "dev/null", 0666, 1, 3, failure) &&
	       image_add_link(writer, "bin/sh", "busybox", failure) &&
	       image_add_link(writer, "sbin/modprobe", "../bin/busybox", failure) &&
	       image_add_file(writer, "etc/swarmboot/udhcpc", 0755, udhcpc_script,
		       strlen(udhcpc_script), failure);
}

static bool fill(struct image_writer *writer, const struct initramfs_settings *settings,
	struct kernel *kernel, struct initramfs_result *result, struct failure *failure)
{
	char agent[PATH_MAX];
	char keys[PATH_MAX];
	const char *state = getenv("SWARMBOOT_STATE");

	if (settings->agent == NULL && !default_agent(agent, failure))
		return false;
	snprintf(keys, sizeof(keys), "%s/keys", state != NULL ? state : DEFAULT_STATE);
	return add_skeleton(writer, failure) &&
	       add_program(writer, settings->agent != NULL ? settings->agent : agent, "init",
		       &result->agent_bytes, failure) &&
	       add_program(writer, settings->busybox != NULL ? settings->busybox : "/bin/busybox",
		       "bin/busybox", &result->busybox_bytes, failure) &&
	       add_keys(writer, settings->keys != NULL ? settings->keys : keys, failure) &&
	       add_modules(writer, kernel, settings->drivers != NULL ? settings->drivers : "all",
		       result, failure);
}

static bool write_outputs(const struct initramfs_settings *settings, struct kernel *kernel,
	struct image_writer *writer, struct initramfs_result *result, struct failure *failure)
{
	struct bytes_buffer compressed = {0};

	if (settings->kernel_out != NULL && kernel->vmlinuz.count == 0)
		return failure_set(failure, ERROR_NOT_FOUND, "there is no boot/vmlinuz in %s",
			settings->kernel != NULL ? settings->kernel : "the kernel's package");
	bool good = image_writer_finish(writer, &compressed, &result->unpacked_bytes, failure) &&
		    file_replace(settings->out, compressed.bytes, compressed.count, failure);

	result->compressed_bytes = compressed.count;
	result->kernel_bytes = kernel->vmlinuz.count;
	bytes_buffer_free(&compressed);
	return good && (settings->kernel_out == NULL ||
			       file_replace(settings->kernel_out, kernel->vmlinuz.bytes,
				       kernel->vmlinuz.count, failure));
}

bool initramfs_build(const struct initramfs_settings *settings, struct initramfs_result *result,
	struct failure *failure)
{
	char path[PATH_MAX];
	struct kernel kernel = {0};
	bool no_drivers = settings->drivers != NULL && strcmp(settings->drivers, "none") == 0;
	bool good = true;

	memset(result, 0, sizeof(*result));
	if (!no_drivers || settings->kernel_out != NULL) {
		const char *source = settings->kernel != NULL ? settings->kernel : path;

		good = (settings->kernel != NULL || default_kernel(path, failure)) &&
		       kernel_open(&kernel, source, failure);
		if (good && !no_drivers && kernel.modules_count == 0)
			good = failure_set(failure, ERROR_NOT_FOUND,
				"there are no modules in %s; is it the package of an unsigned or "
				"meta kernel?",
				source);
	}
	struct image_writer *writer = good ? image_writer_open(failure) : NULL;

	memcpy(result->kernel_version, kernel.version, sizeof(kernel.version));
	good = writer != NULL && fill(writer, settings, &kernel, result, failure) &&
	       write_outputs(settings, &kernel, writer, result, failure);
	image_writer_close(writer);
	kernel_close(&kernel);
	return good;
}
