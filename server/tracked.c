/* SPDX-License-Identifier: Apache-2.0 */
/* The store's images, told to the tracker. */
#include "server/tracked.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/log.h"
#include "tracker/allow_list.h"

/* An image whose metainfo was read; a file is not read again while it is the same one. */
struct known {
	char name[IMAGE_NAME_MAX + 1];
	ino_t inode;
	struct timespec modified;
	uint8_t infohash[SHA1_BYTES];
};

struct tracked {
	const struct image_store *store;
	struct tracker *tracker;
	struct timespec modified; /* of the directory of images, when it was listed */
	struct known *known;	  /* sorted by name */
	size_t known_count;
	struct allow_list allowed;
};

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static const struct known *known_find(const struct tracked *tracked, const char *name)
{
	for (size_t i = 0; i < tracked->known_count; i++)
		if (strcmp(tracked->known[i].name, name) == 0)
			return &tracked->known[i];
	return NULL;
}

/* False for an image that is just going, or is broken: nothing of it is served. */
static bool image_read(const struct tracked *tracked, const char *name, struct known *known)
{
	struct failure failure = {0};
	char path[STORE_PATH_MAX];
	struct stat about;
	const struct known *before = known_find(tracked, name);

	if (strlen(name) > IMAGE_NAME_MAX ||
		!store_image_path(tracked->store, name, "image.torrent", path, &failure) ||
		stat(path, &about) != 0)
		return false;
	if (before != NULL && before->inode == about.st_ino &&
		same_time(&before->modified, &about.st_mtim)) {
		*known = *before;
		return true;
	}
	struct image *image = image_open(tracked->store, name, &failure);
	if (image == NULL) {
		log_debug("image %s is not announced: %s", name, failure.text);
		return false;
	}
	*known = (struct known){.inode = about.st_ino, .modified = about.st_mtim};
	memcpy(known->name, name, strlen(name));
	memcpy(known->infohash, image->metainfo.infohash, SHA1_BYTES);
	image_close(image);
	return true;
}

static void tell(struct tracked *tracked)
{
	struct allow_list now = {0};
	size_t added;
	size_t removed;

	if (!allow_list_make(&now, tracked->known_count)) {
		log_error("no memory to tell the tracker of the images");
		return;
	}
	for (size_t i = 0; i < tracked->known_count; i++)
		memcpy(now.infohashes[now.count++], tracked->known[i].infohash, SHA1_BYTES);
	allow_list_sort(&now);
	if (!allow_list_apply(tracked->tracker, &tracked->allowed, &now, &added, &removed))
		log_error("the tracker has no room for all images");
	allow_list_release(&tracked->allowed);
	tracked->allowed = now;
}

/* Images are renamed into the directory when they are whole, and out of it: that changes its time.
 */
void tracked_refresh(struct tracked *tracked)
{
	struct failure failure = {0};
	struct image_names names;
	struct stat about;
	size_t count = 0;

	if (stat(tracked->store->images, &about) != 0 ||
		same_time(&about.st_mtim, &tracked->modified))
		return;
	if (!image_names_list(tracked->store, &names, &failure)) {
		log_warning("cannot list the images for the tracker: %s", failure.text);
		return;
	}
	struct known *known = calloc(names.count + 1, sizeof(*known));
	for (size_t i = 0; known != NULL && i < names.count; i++)
		count += image_read(tracked, names.names[i], &known[count]);
	image_names_free(&names);
	if (known == NULL) {
		log_error("no memory to tell the tracker of the images");
		return;
	}
	free(tracked->known);
	tracked->known = known;
	tracked->known_count = count;
	/* The clock of files is coarse: what changed just now may change again at the same time. */
	if (about.st_mtim.tv_sec + 1 < time(NULL))
		tracked->modified = about.st_mtim;
	tell(tracked);
}

struct tracked *tracked_create(
	const struct image_store *store, struct tracker *tracker, struct failure *failure)
{
	struct tracked *tracked = calloc(1, sizeof(*tracked));

	if (tracked == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for the tracker's images");
		return NULL;
	}
	tracked->store = store;
	tracked->tracker = tracker;
	tracked_refresh(tracked);
	return tracked;
}

struct tracked *tracked_destroy(struct tracked *tracked)
{
	if (tracked == NULL)
		return NULL;
	free(tracked->known);
	allow_list_release(&tracked->allowed);
	free(tracked);
	return NULL;
}
