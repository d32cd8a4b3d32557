/* SPDX-License-Identifier: Apache-2.0 */
/* Which drivers go into the initramfs, and the tables by which modprobe finds them. */
#include "initramfs/build_parts.h"

#include <fnmatch.h>
#include <stdlib.h>

/* Network cards and disk controllers of servers, desktops and virtual machines, with what they load
 * by name at run time (PHY drivers, digests). A '/' at the end means everything below. */
static const char *const all_drivers[] = {
	"kernel/arch/x86/crypto/crc32c-intel.ko",
	"kernel/arch/x86/crypto/crct10dif-pclmul.ko",
	"kernel/crypto/crc32c_generic.ko",
	"kernel/crypto/crct10dif_generic.ko",
	"kernel/drivers/ata/",
	"kernel/drivers/block/mtip32xx/",
	"kernel/drivers/block/virtio_blk.ko",
	"kernel/drivers/block/xen-blkfront.ko",
	"kernel/drivers/char/hw_random/virtio-rng.ko",
	"kernel/drivers/hv/",
	"kernel/drivers/message/fusion/",
	"kernel/drivers/mmc/",
	"kernel/drivers/net/ethernet/",
	"kernel/drivers/net/hyperv/",
	"kernel/drivers/net/mdio/",
	"kernel/drivers/net/pcs/",
	"kernel/drivers/net/phy/",
	"kernel/drivers/net/virtio_net.ko",
	"kernel/drivers/net/vmxnet3/",
	"kernel/drivers/net/xen-netfront.ko",
	"kernel/drivers/nvme/host/",
	"kernel/drivers/pci/controller/",
	"kernel/drivers/scsi/",
	"kernel/drivers/virtio/",
};

/* Below those, but of no use here: switch chips, laptops' cards, tapes, disks made of RAM. */
static const char *const not_drivers[] = {
	"kernel/drivers/mmc/core/mmc_test.ko",
	"kernel/drivers/mmc/core/sdio_uart.ko",
	"kernel/drivers/net/ethernet/mellanox/mlxsw/",
	"kernel/drivers/scsi/ch.ko",
	"kernel/drivers/scsi/osst.ko",
	"kernel/drivers/scsi/pcmcia/",
	"kernel/drivers/scsi/scsi_debug.ko",
	"kernel/drivers/scsi/st.ko",
};

static bool path_in(const char *path, const char *const *list, size_t list_count)
{
	for (size_t i = 0; i < list_count; i++) {
		size_t length = strlen(list[i]);

		if (list[i][length - 1] == '/' ? strncmp(path, list[i], length) == 0
					       : strcmp(path, list[i]) == 0)
			return true;
	}
	return false;
}

static void want(struct kernel *kernel, struct module *module);

/* A name, or an alias that any number of modules may have. */
static void want_by_alias(struct kernel *kernel, const char *text)
{
	struct module *named = kernel_find_module(kernel, text);

	if (named != NULL) {
		want(kernel, named);
		return;
	}
	for (size_t i = 0; i < kernel->modules_count; i++)
		for (size_t k = 0; k < kernel->modules[i].aliases.count; k++)
			if (fnmatch(kernel->modules[i].aliases.items[k], text, 0) == 0)
				want(kernel, &kernel->modules[i]);
}

static void want(struct kernel *kernel, struct module *module)
{
	if (module->wanted)
		return;
	module->wanted = true;
	for (size_t i = 0; i < module->depends.count; i++) {
		struct module *needed = kernel_find_module(kernel, module->depends.items[i]);

		/* One that is not there is built into the kernel. */
		if (needed != NULL)
			want(kernel, needed);
	}
	for (size_t i = 0; i < module->softdeps.count; i++)
		want_by_alias(kernel, module->softdeps.items[i]);
}

static void want_all(struct kernel *kernel)
{
	for (size_t i = 0; i < kernel->modules_count; i++) {
		const char *path = kernel->modules[i].path;

		if (path_in(path, all_drivers, ARRAY_COUNT(all_drivers)) &&
			!path_in(path, not_drivers, ARRAY_COUNT(not_drivers)))
			want(kernel, &kernel->modules[i]);
	}
}

bool modules_select(struct kernel *kernel, const char *drivers, struct failure *failure)
{
	char name[128];

	while (*drivers != '\0') {
		size_t length = strcspn(drivers, ",");

		if (length >= sizeof(name))
			return failure_set(failure, ERROR_USAGE, "a driver's name is too long");
		snprintf(name, sizeof(name), "%.*s", (int)length, drivers);
		drivers += length;
		drivers += *drivers == ',';
		if (strcmp(name, "all") == 0) {
			want_all(kernel);
			continue;
		}
		if (strcmp(name, "none") == 0 || name[0] == '\0')
			continue;
		struct module *module = kernel_find_module(kernel, name);

		if (module == NULL)
			return failure_set(failure, ERROR_NOT_FOUND,
				"kernel %s has no module %s (it may be built in)", kernel->version,
				name);
		want(kernel, module);
	}
	return true;
}

/* Puts what `module` needs, deepest first, into order. */
static void order_visit(const struct kernel *kernel, struct module *module, struct module **order,
	size_t *order_count)
{
	if (module->visited)
		return;
	module->visited = true;
	for (size_t i = 0; i < module->depends.count; i++) {
		struct module *needed = kernel_find_module(kernel, module->depends.items[i]);

		if (needed != NULL)
			order_visit(kernel, needed, order, order_count);
	}
	/* A soft dependency by name ("pre: realtek") is made a hard one: busybox knows no soft
	 * ones. */
	for (size_t i = 0; i < module->softdeps.count; i++) {
		struct module *needed = kernel_find_module(kernel, module->softdeps.items[i]);

		if (needed != NULL)
			order_visit(kernel, needed, order, order_count);
	}
	order[(*order_count)++] = module;
}

void modules_write_dep(const struct kernel *kernel, struct bytes_buffer *text)
{
	struct module **order = build_allocate((kernel->modules_count + 1) * sizeof(*order));

	for (size_t i = 0; i < kernel->modules_count; i++) {
		size_t order_count = 0;

		if (!kernel->modules[i].wanted)
			continue;
		for (size_t k = 0; k < kernel->modules_count; k++)
			kernel->modules[k].visited = false;
		order_visit(kernel, &kernel->modules[i], order, &order_count);
		bytes_buffer_print(text, "%s:", kernel->modules[i].path);
		/* As depmod has it: what is to be loaded first stands last. */
		for (size_t k = order_count - 1; k-- > 0;)
			bytes_buffer_print(text, " %s", order[k]->path);
		bytes_buffer_print(text, "\n");
	}
	free(order);
}

void modules_write_alias(const struct kernel *kernel, struct bytes_buffer *text)
{
	for (size_t i = 0; i < kernel->modules_count; i++) {
		const struct module *module = &kernel->modules[i];

		for (size_t k = 0; module->wanted && k < module->aliases.count; k++)
			bytes_buffer_print(
				text, "alias %s %s\n", module->aliases.items[k], module->name);
	}
}
