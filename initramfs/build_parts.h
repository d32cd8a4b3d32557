/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the builder share with one another. */
#ifndef INITRAMFS_BUILD_PARTS_H
#define INITRAMFS_BUILD_PARTS_H

#include "initramfs/build.h"

#include <stdio.h>

/* ---- memory (build_parts.c): abort with a message when there is none ---- */

void *build_allocate(size_t bytes);
void *build_resize(void *memory, size_t bytes);

/* A growing array of texts that it owns. */
struct texts {
	char **items;
	size_t count;
	size_t capacity;
};

void texts_add(struct texts *texts, const char *text, size_t length);
void texts_free(struct texts *texts);

/* Growing bytes; used to put text files together. */
struct bytes_buffer {
	uint8_t *bytes;
	size_t count;
	size_t capacity;
};

void bytes_buffer_add(struct bytes_buffer *buffer, const void *bytes, size_t count);
void bytes_buffer_print(struct bytes_buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void bytes_buffer_free(struct bytes_buffer *buffer);

/* A whole file, at most bytes_max of it (ERROR_LIMIT when it is larger). */
MUST_USE bool file_read_whole(
	const char *path, uint64_t bytes_max, struct bytes_buffer *buffer, struct failure *failure);

/* Writes PATH.new, flushes it to the disk, and renames it to PATH. */
MUST_USE bool file_replace(
	const char *path, const void *bytes, size_t bytes_count, struct failure *failure);

/* ---- one kernel module (build_modinfo.c) ---- */

struct module {
	char *path;	       /* below lib/modules/VERSION: "kernel/drivers/net/.../r8169.ko" */
	char *name;	       /* "r8169"; '-' is '_', as the kernel has it */
	struct texts depends;  /* names */
	struct texts aliases;  /* patterns */
	struct texts softdeps; /* names or aliases, pre and post */
	uint64_t spool_offset; /* where its bytes lie in the kernel's spool */
	uint64_t bytes_count;
	bool wanted;
	bool visited;
};

/* The name a module file has: the last part of path, without ".ko" and what follows it. */
char *module_name_of_path(const char *path);

/* Reads depends, alias and softdep from the ELF section .modinfo of a 64-bit little-endian object.
 */
MUST_USE bool module_parse(
	struct module *module, const uint8_t *bytes, size_t bytes_count, struct failure *failure);

/* ---- a kernel and its modules (build_kernel.c, build_deb.c) ---- */

struct kernel {
	char version[64];
	struct module *modules; /* sorted by name after kernel_open */
	size_t modules_count;
	size_t modules_capacity;
	FILE *spool; /* an unnamed temporary file with the modules' bytes */
	uint64_t spool_bytes;
	struct bytes_buffer vmlinuz;
};

/* Reads all of a .deb or directory. */
MUST_USE bool kernel_open(struct kernel *kernel, const char *path, struct failure *failure);
void kernel_close(struct kernel *kernel);

/* Offers one file of the package: keeps it when it is a module or the kernel. `path` is relative to
 * the root of the package. */
MUST_USE bool kernel_take(struct kernel *kernel, const char *path, const uint8_t *bytes,
	size_t bytes_count, struct failure *failure);

/* Would kernel_take keep it? */
bool kernel_wants(const char *path);

MUST_USE bool kernel_read_deb(struct kernel *kernel, const char *path, struct failure *failure);

/* NULL when there is none. */
struct module *kernel_find_module(const struct kernel *kernel, const char *name);
MUST_USE bool kernel_read_module(const struct kernel *kernel, const struct module *module,
	uint8_t *bytes, struct failure *failure);

/* ---- which modules (build_select.c) ---- */

/* Marks what `drivers` asks for, and everything that needs, as wanted. */
MUST_USE bool modules_select(struct kernel *kernel, const char *drivers, struct failure *failure);

/* modules.dep and modules.alias for the wanted ones, as depmod writes them. */
void modules_write_dep(const struct kernel *kernel, struct bytes_buffer *text);
void modules_write_alias(const struct kernel *kernel, struct bytes_buffer *text);

/* ---- the archive (build_archive.c) ---- */

struct image_writer;

MUST_USE struct image_writer *image_writer_open(struct failure *failure);
MUST_USE bool image_add_directory(
	struct image_writer *writer, const char *path, struct failure *failure);
MUST_USE bool image_add_file(struct image_writer *writer, const char *path, unsigned mode,
	const void *bytes, size_t bytes_count, struct failure *failure);
MUST_USE bool image_add_link(
	struct image_writer *writer, const char *path, const char *target, struct failure *failure);
MUST_USE bool image_add_character_device(struct image_writer *writer, const char *path,
	unsigned mode, unsigned major, unsigned minor, struct failure *failure);
/* Ends the archive; its bytes stay valid until image_writer_close. */
MUST_USE bool image_writer_finish(struct image_writer *writer, struct bytes_buffer *compressed,
	uint64_t *unpacked_bytes, struct failure *failure);
struct image_writer *image_writer_close(struct image_writer *writer);

/* The script that busybox udhcpc runs (build_udhcpc.c). */
extern const char udhcpc_script[];

#endif
