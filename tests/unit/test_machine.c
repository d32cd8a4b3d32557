/* SPDX-License-Identifier: Apache-2.0 */
/* Who the machine is, what it is made of, and what its kernel was told. */
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

#include "initramfs/agent_options.h"
#include "initramfs/machine.h"
#include "initramfs/modules.h"

static void macs_are_read_in_all_their_forms(void **state)
{
	(void)state;
	static const char *const wrong[] = {"", "52:54:00:12:34", "52:54:00:12:34:5g",
		"52:54:00:12:34:567", "5254.0012.3456", "52 54 00 12 34 56"};
	char mac[NODE_ID_MAX];

	assert_true(mac_parse(mac, "01-52-54-00-AB-34-56"));
	assert_string_equal(mac, "52:54:00:ab:34:56");
	assert_true(mac_parse(mac, "52:54:00:AB:34:56"));
	assert_string_equal(mac, "52:54:00:ab:34:56");
	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++)
		assert_false(mac_parse(mac, wrong[i]));
}

static void the_command_line_is_read(void **state)
{
	(void)state;
	static const char line[] = "quiet BOOTIF=01-52-54-00-12-34-56 swarmboot.server=http://a:1 "
				   "console=ttyS0 console=tty0 swarmboot.rescue\n";
	char value[32];

	assert_true(command_line_get(line, "swarmboot.server", value, sizeof(value)));
	assert_string_equal(value, "http://a:1");
	assert_true(command_line_get(line, "console", value, sizeof(value)));
	assert_string_equal(value, "tty0");
	assert_true(command_line_get(line, "swarmboot.rescue", value, sizeof(value)));
	assert_string_equal(value, "");
	assert_false(command_line_get(line, "swarmboot.serve", value, sizeof(value)));
	assert_false(command_line_get(line, "uiet", value, sizeof(value)));
	assert_false(command_line_get(line, "swarmboot.server", value, 5));
}

static void the_command_line_gives_no_leave_to_write(void **state)
{
	(void)state;
	struct agent_options options;
	struct failure failure = {0};

	assert_true(agent_options_from_command_line(&options,
		"swarmboot.server=http://10.0.0.1:80 swarmboot.faults=x swarmboot.settle=0 "
		"swarmboot.keys=/tmp swarmboot.disk=/dev/sda",
		&failure));
	assert_null(options.faults);
	assert_int_equal(options.settle_s, 10);
	assert_string_equal(options.keys, "/etc/swarmboot/keys");
	assert_int_equal(options.disks.specifications_count, 0);
	assert_false(agent_options_from_command_line(&options, "quiet", &failure));
	assert_true(agent_options_from_command_line(&options, "swarmboot.rescue", &failure));
	assert_true(options.rescue);
}

static char sys[PATH_MAX];

static void put(const char *name, const char *text)
{
	char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", sys, name);
	for (char *at = path + strlen(sys) + 1; (at = strchr(at, '/')) != NULL; at++) {
		*at = '\0';
		mkdir(path, 0755);
		*at = '/';
	}
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int make_sys(void **state)
{
	(void)state;
	snprintf(sys, sizeof(sys), "/tmp/test-machine-XXXXXX");
	return mkdtemp(sys) != NULL ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
	(void)about;
	(void)kind;
	(void)where;
	return remove(path);
}

static int remove_sys(void **state)
{
	(void)state;
	return nftw(sys, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void every_modalias_is_found_once(void **state)
{
	(void)state;
	struct modules *modules = modules_create();
	char **aliases;

	put("devices/pci0000:00/0000:00:03.0/modalias", "pci:v00008086d00001572\n");
	put("devices/pci0000:00/0000:00:03.0/virtio0/modalias", "virtio:d00000001v00001AF4\n");
	put("devices/pci0000:00/0000:00:04.0/modalias", "pci:v00008086d00001572\n");
	put("devices/pci0000:00/0000:00:05.0/modalias", "\n");
	assert_int_equal(modules_collect(modules, sys, &aliases), 2);
	assert_int_equal(modules_collect(modules, sys, &aliases), 0);
	/* A driver has made a new device appear. */
	put("devices/pci0000:00/0000:00:06.0/host0/modalias", "scsi:t-0x00\n");
	assert_int_equal(modules_collect(modules, sys, &aliases), 1);
	assert_string_equal(aliases[0], "scsi:t-0x00");
	modules_destroy(modules);
}

static void functions_without_driver_are_named(void **state)
{
	(void)state;
	char functions[4][64];

	put("bus/pci/devices/0000:00:03.0/class", "0x020000\n");
	put("bus/pci/devices/0000:00:03.0/vendor", "0x8086\n");
	put("bus/pci/devices/0000:00:03.0/device", "0x1572\n");
	put("bus/pci/devices/0000:00:04.0/class", "0x010802\n");
	put("bus/pci/devices/0000:00:04.0/driver/x", "");
	put("bus/pci/devices/0000:00:05.0/class", "0x030000\n");
	assert_int_equal(modules_missing(sys, functions, 4), 1);
	assert_string_equal(functions[0], "0000:00:03.0 8086:1572 network");
	put("bus/pci/devices/0000:00:06.0/class", "0x010400\n");
	assert_int_equal(modules_missing(sys, functions, 1), 1);
	assert_int_equal(modules_missing(sys, functions, 4), 2);
}

static void the_machine_knows_its_names(void **state)
{
	(void)state;
	struct machine machine;

	put("class/dmi/id/product_uuid", "4C4C4544-0042-4E10-8051-B4C04F593332\n");
	put("class/dmi/id/product_serial", "  ABC123 \n");
	put("class/net/eth0/address", "52:54:00:AA:00:01\n");
	put("class/net/lo/address", "00:00:00:00:00:00\n");
	put("class/net/ib0/address",
		"80:00:02:08:fe:80:00:00:00:00:00:00:00:00:00:00:00:00:00:01\n");
	put("firmware/efi/x", "");
	machine_read(&machine, sys);
	assert_string_equal(machine.uuid, "4c4c4544-0042-4e10-8051-b4c04f593332");
	assert_string_equal(machine.serial, "ABC123");
	assert_true(machine.firmware_uefi);
	assert_int_equal(machine.macs_count, 1);
	assert_true(machine_has_mac(&machine, "52:54:00:aa:00:01"));
	assert_false(machine_has_mac(&machine, "52:54:00:aa:00:02"));
	assert_false(machine_has_mac(&machine, ""));
}

#define IN_SYS(name) cmocka_unit_test_setup_teardown(name, make_sys, remove_sys)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(macs_are_read_in_all_their_forms),
		cmocka_unit_test(the_command_line_is_read),
		cmocka_unit_test(the_command_line_gives_no_leave_to_write),
		IN_SYS(every_modalias_is_found_once),
		IN_SYS(functions_without_driver_are_named),
		IN_SYS(the_machine_knows_its_names),
	};

	return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
