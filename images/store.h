/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The images of a site, as they lie under the state directory (ARCHITECTURE.md, "State on the
 * server"): images/NAME/disk.raw and images/NAME/image.torrent. An image is there whole or not at
 * all: imports are made in a hidden directory beside it and renamed at the end.
 */
#ifndef IMAGES_STORE_H
#define IMAGES_STORE_H

#include "runtime/crypto.h"
#include "wire/metainfo.h"

#define STORE_PATH_MAX	    1024
#define STORE_IMAGES_MAX    1024
#define IMAGE_NAME_MAX	    100
#define STORE_STATE_DEFAULT "/var/lib/swarmboot"

/* $SWARMBOOT_STATE, else the default. */
const char *store_default_state(void);

struct image_store {
	char state[STORE_PATH_MAX];	  /* the state directory */
	char images[STORE_PATH_MAX + 16]; /* its directory of images */
};

/* Makes the directories when `create`; without it a store that does not exist is an empty one. */
MUST_USE bool store_open(
	struct image_store *store, const char *state, bool create, struct failure *failure);

/* Path of something in the state directory: "keys/site.key". False when it does not fit. */
MUST_USE bool store_path(const struct image_store *store, const char *relative,
	char path[static STORE_PATH_MAX], struct failure *failure);

/* Path of a file of an image, "" for its directory. False when it does not fit. */
MUST_USE bool store_image_path(const struct image_store *store, const char *name, const char *file,
	char path[static STORE_PATH_MAX], struct failure *failure);

/* Names: letters, digits, '.', '_', '-', '+', not first a '.', '-' or '+'; at most IMAGE_NAME_MAX.
 */
bool image_name_valid(const char *name);

/* One image, its metainfo parsed. Everything in `metainfo` is borrowed from `metainfo_bytes`. */
struct image {
	char name[IMAGE_NAME_MAX + 1];
	char disk_path[STORE_PATH_MAX];
	char metainfo_path[STORE_PATH_MAX];
	uint8_t *metainfo_bytes;
	size_t metainfo_bytes_count;
	struct metainfo metainfo;
};

/* NULL with NOT_FOUND when there is none of that name. Does not check signatures or content. */
MUST_USE struct image *image_open(
	const struct image_store *store, const char *name, struct failure *failure);
struct image *image_close(struct image *image);

/* Opens the image with this infohash. */
MUST_USE struct image *image_find(const struct image_store *store,
	const uint8_t infohash[SHA1_BYTES], struct failure *failure);

/* Names of all images, sorted. The caller frees with image_names_free. LIMIT past
 * STORE_IMAGES_MAX. */
struct image_names {
	char **names;
	size_t count;
};
MUST_USE bool image_names_list(
	const struct image_store *store, struct image_names *names, struct failure *failure);
void image_names_free(struct image_names *names);

/* Takes an image out of the store at once, then frees its space. */
MUST_USE bool image_remove(
	const struct image_store *store, const char *name, struct failure *failure);

/* An import under way. */
struct store_import {
	char directory[STORE_PATH_MAX]; /* hidden, locked */
	char disk_path[STORE_PATH_MAX];
	char metainfo_path[STORE_PATH_MAX];
	char name[IMAGE_NAME_MAX + 1];
	int lock_fd;
};

/* EXISTS when the name is taken. Also clears what a killed import left behind. */
MUST_USE bool store_import_begin(const struct image_store *store, const char *name,
	struct store_import *import, struct failure *failure);
/* Everything in the directory must have been synced. EXISTS when somebody else was faster. */
MUST_USE bool store_import_commit(
	const struct image_store *store, struct store_import *import, struct failure *failure);
/* After failure: leaves nothing. Harmless after commit. */
void store_import_abandon(struct store_import *import);

#endif
