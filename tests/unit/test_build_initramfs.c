/* SPDX-License-Identifier: Apache-2.0 */
/* The builder, on kernels of three modules that each test makes for itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "initramfs/build_parts.h"

#define VERSION	   "6.1.0-test"
#define MODULES	   "lib/modules/" VERSION "/"
#define PUBLIC_KEY "-----BEGIN PUBLIC KEY-----\nMCowBQ==\n-----END PUBLIC KEY-----\n"

/* An ELF object with nothing in it but .modinfo. Returns its length. */
static size_t make_module(uint8_t bytes[4096], const char *modinfo, size_t modinfo_bytes)
{
	static const char names[] = "\0.modinfo\0.shstrtab";
	Elf64_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_REL,
		.e_machine = EM_X86_64,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 3,
		.e_shstrndx = 2};
	Elf64_Shdr sections[3] = {{0}, {.sh_name = 1, .sh_type = SHT_PROGBITS},
		{.sh_name = 10, .sh_type = SHT_STRTAB, .sh_size = sizeof(names)}};
	size_t at = sizeof(header);

	sections[1].sh_offset = at;
	sections[1].sh_size = modinfo_bytes;
	memcpy(bytes + at, modinfo, modinfo_bytes);
	at += modinfo_bytes;
	sections[2].sh_offset = at;
	memcpy(bytes + at, names, sizeof(names));
	at += sizeof(names);
	header.e_shoff = at;
	memcpy(bytes + at, sections, sizeof(sections));
	memcpy(bytes, &header, sizeof(header));
	return at + sizeof(sections);
}

static char root[PATH_MAX];

static void put(const char *name, const void *bytes, size_t count, mode_t mode)
{
	char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
		*at = '\0';
		mkdir(path, 0755);
		*at = '/';
	}
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, count, file), count);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

#define PUT_MODULE(path, modinfo)                                                                  \
	do {                                                                                       \
		uint8_t object[4096];                                                              \
		put(path, object, make_module(object, modinfo, sizeof(modinfo)), 0644);            \
	} while (0)

/* A program without interpreter, as far as its head tells. */
static void put_program(const char *name, bool dynamic)
{
	uint8_t bytes[sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr)] = {0};
	Elf64_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_phnum = 1};
	Elf64_Phdr part = {.p_type = dynamic ? PT_INTERP : PT_LOAD};

	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), &part, sizeof(part));
	put(name, bytes, sizeof(bytes), 0755);
}

static int make_root(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/test-initramfs-XXXXXX");
	if (mkdtemp(root) == NULL)
		return -1;
	PUT_MODULE("k/" MODULES "kernel/drivers/net/ethernet/fast-net.ko",
		"license=GPL\0depends=fast-bus,libfast\0alias=pci:v00008086d00001572*\0"
		"softdep=pre: fast_phy");
	PUT_MODULE("k/" MODULES "kernel/drivers/bus/fast-bus.ko", "depends=libfast");
	PUT_MODULE("k/" MODULES "kernel/lib/libfast.ko", "depends=");
	PUT_MODULE("k/" MODULES "kernel/drivers/net/phy/fast_phy.ko", "depends=\0alias=mdio:0001");
	PUT_MODULE("k/" MODULES "kernel/sound/noise.ko", "depends=\0alias=pci:sound");
	put("k/boot/vmlinuz-" VERSION, "kernel", 6, 0644);
	put_program("agent", false);
	put_program("busybox", false);
	put_program("dynamic", true);
	put("site.pub", PUBLIC_KEY, strlen(PUBLIC_KEY), 0644);
	return 0;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
	(void)about;
	(void)kind;
	(void)where;
	return remove(path);
}

static int remove_root(void **state)
{
	(void)state;
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Path of a file below root; a few may be in use at once. */
static const char *at(const char *name)
{
	static char paths[8][2 * PATH_MAX];
	static size_t next;
	char *path = paths[next++ % ARRAY_COUNT(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
	return path;
}

static bool build(const char *out, const char *drivers, struct failure *failure)
{
	struct initramfs_result result;
	char out_path[2 * PATH_MAX];

	snprintf(out_path, sizeof(out_path), "%s/%s", root, out);
	struct initramfs_settings settings = {.out = out_path,
		.kernel = at("k"),
		.kernel_out = at("vmlinuz"),
		.keys = at("site.pub"),
		.agent = at("agent"),
		.busybox = at("busybox"),
		.drivers = drivers};

	return initramfs_build(&settings, &result, failure);
}

/* Content of one member, NUL-terminated; NULL when it is not in the archive. To be freed. */
static char *member(const char *archive_name, const char *wanted, struct archive_entry **about)
{
	struct archive *archive = archive_read_new();
	struct archive_entry *entry;
	char *content = NULL;

	archive_read_support_filter_zstd(archive);
	archive_read_support_format_cpio(archive);
	assert_int_equal(archive_read_open_filename(archive, at(archive_name), 4096), ARCHIVE_OK);
	while (content == NULL && archive_read_next_header(archive, &entry) == ARCHIVE_OK) {
		if (strcmp(archive_entry_pathname(entry), wanted) != 0)
			continue;
		bool regular = archive_entry_filetype(entry) == AE_IFREG;
		size_t bytes = regular ? (size_t)archive_entry_size(entry) : 0;

		content = calloc(1, bytes + 1);
		assert_int_equal(archive_read_data(archive, content, bytes), bytes);
		if (about != NULL)
			*about = archive_entry_clone(entry);
	}
	archive_read_free(archive);
	return content;
}

static bool has_member(const char *archive_name, const char *wanted)
{
	char *content = member(archive_name, wanted, NULL);

	free(content);
	return content != NULL;
}

static void named_drivers_come_with_all_they_need(void **state)
{
	(void)state;
	struct failure failure = {0};

	assert_true(build("a", "fast-net", &failure));
	char *dep = member("a", MODULES "modules.dep", NULL);
	char *alias = member("a", MODULES "modules.alias", NULL);

	assert_non_null(dep);
	assert_non_null(alias);
	/* What is loaded first stands last; a soft dependency counts. */
	assert_non_null(strstr(dep, "kernel/drivers/net/ethernet/fast-net.ko: "
				    "kernel/drivers/net/phy/fast_phy.ko "
				    "kernel/drivers/bus/fast-bus.ko kernel/lib/libfast.ko\n"));
	assert_non_null(strstr(alias, "alias pci:v00008086d00001572* fast_net\n"));
	assert_true(has_member("a", MODULES "kernel/lib/libfast.ko"));
	assert_false(has_member("a", MODULES "kernel/sound/noise.ko"));
	assert_null(strstr(dep, "noise"));
	free(dep);
	free(alias);
}

static void all_takes_network_and_leaves_sound(void **state)
{
	(void)state;
	struct failure failure = {0};

	assert_true(build("a", "all", &failure));
	assert_true(has_member("a", MODULES "kernel/drivers/net/ethernet/fast-net.ko"));
	assert_false(has_member("a", MODULES "kernel/sound/noise.ko"));
	assert_true(build("b", "all,noise", &failure));
	assert_true(has_member("b", MODULES "kernel/sound/noise.ko"));
	assert_true(build("c", "none", &failure));
	assert_false(has_member("c", MODULES "modules.dep"));
}

static void the_rest_is_there_and_belongs_to_root(void **state)
{
	(void)state;
	struct failure failure = {0};
	struct archive_entry *about = NULL;

	assert_true(build("a", "none", &failure));
	free(member("a", "init", &about));
	assert_non_null(about);
	assert_int_equal(archive_entry_perm(about), 0755);
	assert_int_equal(archive_entry_uid(about), 0);
	assert_int_equal(archive_entry_mtime(about), 0);
	archive_entry_free(about);
	free(member("a", "sbin/modprobe", &about));
	assert_string_equal(archive_entry_symlink(about), "../bin/busybox");
	archive_entry_free(about);
	free(member("a", "dev/console", &about));
	assert_int_equal(archive_entry_filetype(about), AE_IFCHR);
	archive_entry_free(about);
	char *key = member("a", "etc/swarmboot/keys/site.pub", NULL);

	assert_string_equal(key, PUBLIC_KEY);
	free(key);
	assert_true(has_member("a", "etc/swarmboot/udhcpc"));
	struct bytes_buffer vmlinuz = {0};

	assert_true(file_read_whole(at("vmlinuz"), 100, &vmlinuz, &failure));
	assert_memory_equal(vmlinuz.bytes, "kernel", 6);
	bytes_buffer_free(&vmlinuz);
}

static void the_same_inputs_give_the_same_bytes(void **state)
{
	(void)state;
	struct failure failure = {0};
	struct bytes_buffer first = {0};
	struct bytes_buffer second = {0};

	assert_true(build("a", "all", &failure));
	/* Times of files are no input. */
	assert_int_equal(utimensat(AT_FDCWD, at("agent"), NULL, 0), 0);
	assert_true(build("b", "all", &failure));
	assert_true(file_read_whole(at("a"), MIB, &first, &failure));
	assert_true(file_read_whole(at("b"), MIB, &second, &failure));
	assert_int_equal(first.count, second.count);
	assert_memory_equal(first.bytes, second.bytes, first.count);
	bytes_buffer_free(&first);
	bytes_buffer_free(&second);
}

static void mistakes_are_named_and_leave_nothing(void **state)
{
	(void)state;
	struct failure failure = {0};

	assert_false(build("a", "no_such_driver", &failure));
	assert_int_equal(failure.error, ERROR_NOT_FOUND);
	assert_non_null(strstr(failure.text, "no_such_driver"));
	assert_int_not_equal(access(at("a"), F_OK), 0);
	/* A private key never goes into an initramfs. */
	put("site.pub", "-----BEGIN PRIVATE KEY-----\n", 28, 0600);
	assert_false(build("a", "none", &failure));
	assert_int_equal(failure.error, ERROR_FORMAT);
	put("site.pub", PUBLIC_KEY, strlen(PUBLIC_KEY), 0644);
	assert_int_equal(rename(at("dynamic"), at("busybox")), 0);
	assert_false(build("a", "none", &failure));
	assert_non_null(strstr(failure.text, "static"));
	put_program("busybox", false);
	/* Two kernels in one directory: which of them would be a guess. */
	PUT_MODULE("k/lib/modules/6.2/kernel/lib/libfast.ko", "depends=");
	assert_false(build("a", "all", &failure));
	assert_non_null(strstr(failure.text, "more than one kernel"));
	assert_int_not_equal(access(at("a"), F_OK), 0);
	assert_int_not_equal(access(at("a.new"), F_OK), 0);
}

/* Every cut and every changed byte of a module is read without harm: the sanitizers watch. */
static void broken_modules_are_refused_not_followed(void **state)
{
	(void)state;
	static const char modinfo[] = "depends=a,b\0alias=pci:*\0softdep=pre: c";
	uint8_t whole[4096];
	size_t bytes = make_module(whole, modinfo, sizeof(modinfo));
	uint32_t refused = 0;

	for (size_t i = 0; i < bytes; i++)
		for (int change = 0; change < 3; change++) {
			uint8_t *copy = malloc(bytes);
			struct module module = {.path = (char *)"broken.ko"};
			struct failure failure;
			size_t length = change == 0 ? i : bytes;

			memcpy(copy, whole, bytes);
			copy[i] = change == 1	? 0xff
				  : change == 2 ? (uint8_t)(copy[i] + 1)
						: copy[i];
			uint8_t *exact = malloc(length > 0 ? length : 1);

			memcpy(exact, copy, length);
			refused += !module_parse(&module, exact, length, &failure);
			texts_free(&module.depends);
			texts_free(&module.aliases);
			texts_free(&module.softdeps);
			free(exact);
			free(copy);
		}
	assert_in_range(refused, bytes / 2, 3 * bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			named_drivers_come_with_all_they_need, make_root, remove_root),
		cmocka_unit_test_setup_teardown(
			all_takes_network_and_leaves_sound, make_root, remove_root),
		cmocka_unit_test_setup_teardown(
			the_rest_is_there_and_belongs_to_root, make_root, remove_root),
		cmocka_unit_test_setup_teardown(
			the_same_inputs_give_the_same_bytes, make_root, remove_root),
		cmocka_unit_test_setup_teardown(
			mistakes_are_named_and_leave_nothing, make_root, remove_root),
		cmocka_unit_test(broken_modules_are_refused_not_followed),
	};

	return cmocka_run_group_tests_name("build_initramfs", tests, NULL, NULL);
}
