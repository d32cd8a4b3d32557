/* SPDX-License-Identifier: Apache-2.0 */
/* Loading drivers for the hardware that is there, and naming the hardware that has none. */
#ifndef INITRAMFS_MODULES_H
#define INITRAMFS_MODULES_H

#include "wire/report.h"

/* The modaliases that were seen, so that each is tried once. */
struct modules;

struct modules *modules_create(void);
struct modules *modules_destroy(struct modules *modules);

/* Walks SYS/devices for modalias files and hands those that are new to modprobe. Returns how many
 * were new: a driver makes new devices appear, so the caller repeats until it is 0. */
size_t modules_probe(struct modules *modules, const char *sys);

/* Collects the new ones without loading anything; for modules_probe and its tests. The result is
 * borrowed until the next call. */
size_t modules_collect(struct modules *modules, const char *sys, char ***aliases);

/* Loads modules by name, separated by commas. */
void modules_load_named(const char *names);

/* Network and storage functions on PCI (class 01 and 02) that no driver has claimed:
 * "0000:00:03.0 8086:1572 network". Returns their number. */
uint32_t modules_missing(const char *sys, char functions[][64], uint32_t functions_max);

#endif
