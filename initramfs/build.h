/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builder of the initramfs that the agent lives in: a reproducible newc cpio, compressed with zstd,
 * written without root. Same inputs, same bytes.
 */
#ifndef INITRAMFS_BUILD_H
#define INITRAMFS_BUILD_H

#include "lib/failure.h"

/* NULL means the default everywhere but in `out`. */
struct initramfs_settings {
	const char *out;	/* the initramfs; replaced in one step when it is complete */
	const char *kernel;	/* a linux-image .deb, a directory with lib/modules and boot (or one
				   version of lib/modules itself). Default: the newest
				   packages/linux-image-*.deb beside the program */
	const char *kernel_out; /* where to put vmlinuz; NULL: nowhere */
	const char *keys;	/* public key (PEM), or a directory of *.pub. Default: the site's */
	const char *agent;	/* default: swarmboot-agent beside the program */
	const char *busybox;	/* a static one. Default: /bin/busybox */
	const char *drivers;	/* "all" (default), "none", or module names: "virtio_net,nvme".
				   "all,NAME" adds to all */
};

struct initramfs_result {
	char kernel_version[64]; /* "" with drivers "none" and no kernel_out */
	uint32_t modules_count;
	uint64_t modules_bytes;
	uint64_t agent_bytes;
	uint64_t busybox_bytes;
	uint64_t unpacked_bytes;
	uint64_t compressed_bytes;
	uint64_t kernel_bytes;
};

MUST_USE bool initramfs_build(const struct initramfs_settings *settings,
	struct initramfs_result *result, struct failure *failure);

#endif
