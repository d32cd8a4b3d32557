/* SPDX-License-Identifier: Apache-2.0 */
/* What PXE hands out, in the state directory: boot/kernel, boot/initramfs, boot/tftp/. */
#ifndef SERVER_BOOT_FILES_H
#define SERVER_BOOT_FILES_H

#include "images/store.h"

struct boot_files_settings {
	const char *kernel;  /* DEB or directory; NULL: the package beside the program */
	const char *drivers; /* NULL: all */
	const char *agent;   /* NULL: beside the program */
	bool force;	     /* build even when nothing changed */
};

/* Builds kernel and initramfs when they are missing or made from other inputs, and copies iPXE.
 * *built tells whether anything was made anew. */
MUST_USE bool boot_files_prepare(const struct image_store *store,
	const struct boot_files_settings *settings, bool *built, struct failure *failure);

#endif
