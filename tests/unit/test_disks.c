/* SPDX-License-Identifier: Apache-2.0 */
/* Reading disks from a sysfs tree that each test makes for itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "initramfs/disks.h"

static void make_directories(const char *path)
{
	char part[PATH_MAX];

	for (const char *at = path + 1; *at != '\0'; at++) {
		if (*at != '/')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)(at - path), path);
		mkdir(part, 0755);
	}
	mkdir(path, 0755);
}

static void put_bytes(const char *directory, const char *name, const void *bytes, size_t count)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, count, file), count);
	assert_int_equal(fclose(file), 0);
}

static void put(const char *directory, const char *name, const char *text)
{
	put_bytes(directory, name, text, strlen(text));
}

/* A disk `name` whose device hangs at `where` below devices/; its sysfs directory goes into `disk`.
 */
static void add_disk(const char *sys, const char *where, const char *name, char disk[PATH_MAX])
{
	char path[PATH_MAX];
	char link[PATH_MAX];

	snprintf(disk, PATH_MAX, "%s/devices/%s/%s", sys, where, name);
	snprintf(path, sizeof(path), "%s/devices/%s/%s/queue", sys, where, name);
	make_directories(path);
	snprintf(path, sizeof(path), "%s/devices/%s/%s/device", sys, where, name);
	make_directories(path);
	put(disk, "size", "2097152\n");
	put(disk, "ro", "0\n");
	put(disk, "removable", "0\n");
	put(disk, "queue/logical_block_size", "512\n");
	put(disk, "queue/physical_block_size", "4096\n");
	snprintf(path, sizeof(path), "../devices/%s/%s", where, name);
	snprintf(link, sizeof(link), "%s/block/%s", sys, name);
	assert_int_equal(symlink(path, link), 0);
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
	(void)about;
	(void)kind;
	(void)where;
	return remove(path);
}

static int make_sys(void **state)
{
	static char sys[PATH_MAX];
	char path[PATH_MAX + 16];

	snprintf(sys, sizeof(sys), "/tmp/test-disks-XXXXXX");
	if (mkdtemp(sys) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/block", sys);
	*state = sys;
	return mkdir(path, 0755);
}

static int remove_sys(void **state)
{
	return nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static uint32_t scan(const char *sys, struct report_disk *disks)
{
	uint32_t disks_count;
	struct failure failure = {0};

	assert_true(disks_scan(sys, disks, REPORT_DISKS_MAX, &disks_count, &failure));
	return disks_count;
}

static void a_sata_disk_is_read_whole(void **state)
{
	struct report_disk disks[REPORT_DISKS_MAX];
	char at[PATH_MAX];

	add_disk(*state, "pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block", "sda", at);
	put_bytes(at, "device/vpd_pg80", "\0\x80\0\x14    S2RBNX0J123456  ", 24);
	put(at, "device/wwid", "naa.5002538d40000001\n");
	put(at, "device/model", "Samsung SSD  850 \n");
	assert_int_equal(scan(*state, disks), 1);
	assert_string_equal(disks[0].name, "sda");
	assert_string_equal(disks[0].serial, "S2RBNX0J123456");
	assert_string_equal(disks[0].wwn, "naa.5002538d40000001");
	assert_string_equal(disks[0].model, "Samsung SSD 850");
	assert_string_equal(disks[0].bus, "ata");
	assert_int_equal(disks[0].size_bytes, GIB);
	assert_int_equal(disks[0].sector_bytes, 512);
	assert_int_equal(disks[0].physical_sector_bytes, 4096);
	assert_true(disks[0].eligible);
	assert_string_equal(disks[0].why_not, "");
}

static void virtio_nvme_and_mmc_have_their_serials_elsewhere(void **state)
{
	struct report_disk disks[REPORT_DISKS_MAX];
	char at[PATH_MAX];

	add_disk(*state, "pci0000:00/0000:00:04.0/virtio1/block", "vda", at);
	put(at, "serial", "target-1");
	add_disk(*state, "pci0000:00/0000:00:05.0/nvme/nvme0", "nvme0n1", at);
	put(at, "wwid", "eui.0025385b71b00001\n");
	put(at, "device/serial", "S4EV  \n");
	put(at, "device/model", "Big NVMe          \n");
	add_disk(*state, "virtual/nvme-subsystem/nvme-subsys1", "nvme1n1", at);
	put(at, "wwid", "eui.01\n");
	add_disk(*state, "platform/mmc_host/mmc0/mmc0:0001/block", "mmcblk0", at);
	put(at, "device/cid", "150100424a54443452\n");
	put(at, "device/serial", "0x12345678\n");
	assert_int_equal(scan(*state, disks), 4);
	assert_string_equal(disks[0].name, "mmcblk0");
	assert_string_equal(disks[0].bus, "mmc");
	assert_string_equal(disks[0].wwn, "150100424a54443452");
	assert_string_equal(disks[1].bus, "nvme");
	assert_string_equal(disks[1].serial, "S4EV");
	assert_string_equal(disks[1].wwn, "eui.0025385b71b00001");
	assert_string_equal(disks[2].bus, "nvme");
	assert_string_equal(disks[3].bus, "virtio");
	assert_string_equal(disks[3].serial, "target-1");
	for (int i = 0; i < 4; i++)
		assert_true(disks[i].eligible);
}

static void what_must_never_match_says_why(void **state)
{
	static const struct {
		const char *where;
		const char *name;
		const char *attribute;
		const char *value;
		const char *why_not;
	} cases[] = {
		{"pci0/usb1/1-1/1-1:1.0/host3/target3:0:0/3:0:0:0/block", "sdb", NULL, NULL, "usb"},
		{"pci0/ata2/host1/t/1:0:0:0/block", "sdc", "removable", "1\n", "removable"},
		{"pci0/ata3/host2/t/1:0:0:0/block", "sdd", "ro", "1\n", "read-only"},
		{"pci0/ata4/host4/t/1:0:0:0/block", "sde", "size", "0\n", "no size"},
		{"pci0/ata4/host4/t/1:0:0:1/block", "sdf", "size", "-1\n", "no size"},
		{"pci0/ata5/host5/t/1:0:0:0/block", "sr0", NULL, NULL, "optical or floppy"},
		{"platform/floppy.0/block", "fd0", NULL, NULL, "optical or floppy"},
		{"p/mmc_host/mmc0/mmc0:0001/block/mmcblk0", "mmcblk0boot0", NULL, NULL,
			"boot partition"},
		{"virtual/block", "md0", NULL, NULL, "not a disk of its own"},
		{"virtual/block", "dm-0", NULL, NULL, "not a disk of its own"},
		{"virtual/block", "loop0", NULL, NULL, "not a disk of its own"},
		{"virtual/block", "zram0", NULL, NULL, "not a disk of its own"},
		{"LNXSYSTM:00/ndbus0/region0/block", "pmem0", NULL, NULL, "unknown bus"},
		{"pci0/ata6/host6/t/6:0:0:0/block", "sdg", "queue/logical_block_size", "0\n",
			"no sector size"},
	};
	struct report_disk disks[REPORT_DISKS_MAX];
	char at[PATH_MAX];

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		add_disk(*state, cases[i].where, cases[i].name, at);
		if (cases[i].attribute != NULL)
			put(at, cases[i].attribute, cases[i].value);
	}
	uint32_t disks_count = scan(*state, disks);

	assert_int_equal(disks_count, ARRAY_COUNT(cases));
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		for (uint32_t k = 0; k < disks_count; k++)
			if (strcmp(disks[k].name, cases[i].name) == 0) {
				assert_false(disks[k].eligible);
				assert_string_equal(disks[k].why_not, cases[i].why_not);
			}
}

static void hidden_paths_and_empty_loops_are_not_listed(void **state)
{
	struct report_disk disks[REPORT_DISKS_MAX];
	char at[PATH_MAX];

	add_disk(*state, "pci0/nvme/nvme0", "nvme0c0n1", at);
	put(at, "hidden", "1\n");
	add_disk(*state, "virtual/block", "loop7", at);
	put(at, "size", "0\n");
	assert_int_equal(scan(*state, disks), 0);
}

static void more_disks_than_fit_are_an_error_not_a_cut(void **state)
{
	struct report_disk disks[2];
	struct failure failure = {0};
	uint32_t disks_count;
	char at[PATH_MAX];

	add_disk(*state, "pci0/virtio1/block", "vda", at);
	add_disk(*state, "pci0/virtio2/block", "vdb", at);
	assert_true(disks_scan(*state, disks, 2, &disks_count, &failure));
	add_disk(*state, "pci0/virtio3/block", "vdc", at);
	assert_false(disks_scan(*state, disks, 2, &disks_count, &failure));
	assert_int_equal(failure.error, ERROR_LIMIT);
	assert_int_equal(disks_count, 2);
}

static void malformed_vpd_pages_give_no_serial(void **state)
{
	(void)state;
	static const struct {
		const char *page;
		size_t bytes;
		const char *serial;
	} cases[] = {{"\0\x80\0\x04"
		      "ABCD",
			     8, "ABCD"},
		{"\0\x80\0\x05"
		 "ABCD",
			8, ""},
		{"\0\x83\0\x04"
		 "ABCD",
			8, ""},
		{"\0\x80\0", 3, ""}, {"\0\x80\0\0", 4, ""},
		{"\0\x80\0\x04"
		 "A\x01\xff"
		 "D",
			8, "A??D"}};
	char serial[16];

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		disk_serial_of_vpd80(
			serial, sizeof(serial), (const uint8_t *)cases[i].page, cases[i].bytes);
		assert_string_equal(serial, cases[i].serial);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_sata_disk_is_read_whole, make_sys, remove_sys),
		cmocka_unit_test_setup_teardown(
			virtio_nvme_and_mmc_have_their_serials_elsewhere, make_sys, remove_sys),
		cmocka_unit_test_setup_teardown(
			what_must_never_match_says_why, make_sys, remove_sys),
		cmocka_unit_test_setup_teardown(
			hidden_paths_and_empty_loops_are_not_listed, make_sys, remove_sys),
		cmocka_unit_test_setup_teardown(
			more_disks_than_fit_are_an_error_not_a_cut, make_sys, remove_sys),
		cmocka_unit_test(malformed_vpd_pages_give_no_serial),
	};

	return cmocka_run_group_tests_name("disks", tests, NULL, NULL);
}
