/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scripts for stock iPXE. Every one of them ends in booting the local disk when something is not
 * there. Nothing that a machine sent goes into a script but its MAC address in normalised form.
 */
#ifndef PXE_IPXE_SCRIPT_H
#define PXE_IPXE_SCRIPT_H

#include "lib/bytes.h"

#define IPXE_SCRIPT_BYTES_MAX 4096

/* ESP: by the server's /boot/local.efi, which looks for the file on all disks; where the server has
 * none, by iPXE itself from a volume of a usual label. */
enum ipxe_local { IPXE_LOCAL_EXIT, IPXE_LOCAL_SANBOOT, IPXE_LOCAL_ESP };

/* All return the script's length, 0 when it does not fit or a text has characters that do not
 * belong there. server_url is "http://ADDR:PORT". */

/* What the boot file name leads to: asks /v1/boot who this machine is; local boot when nobody
 * answers within about half a minute. */
size_t ipxe_script_entry(char *script, size_t capacity, const char *server_url);

size_t ipxe_script_local(char *script, size_t capacity, enum ipxe_local method,
	const char *server_url, const char *why);

struct ipxe_agent {
	const char *server_url;
	const char *mac;     /* normalised */
	const char *options; /* more of the kernel's command line, "" for none */
	enum ipxe_local local;
};

/* Kernel and initramfs, tried three times; then the local disk. */
size_t ipxe_script_agent(char *script, size_t capacity, const struct ipxe_agent *agent);

#endif
