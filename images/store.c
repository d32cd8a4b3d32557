/* SPDX-License-Identifier: Apache-2.0 */
/* Images as directories of the store: naming, loading, listing, removing. */
#include "images/store.h"

#include "lib/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

const char *store_default_state(void)
{
	const char *state = getenv("SWARMBOOT_STATE");

	return state != NULL && state[0] != '\0' ? state : STORE_STATE_DEFAULT;
}

static bool make_directory(const char *path, mode_t mode, struct failure *failure)
{
	struct stat status;

	if (mkdir(path, mode) == 0 ||
		(errno == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode)))
		return true;
	return failure_errno(failure, ERROR_SYSTEM, "cannot make the directory %s", path);
}

bool store_open(struct image_store *store, const char *state, bool create, struct failure *failure)
{
	int used = snprintf(store->state, sizeof(store->state), "%s", state);

	/* Room for what is below it. */
	if (used <= 0 || (size_t)used + IMAGE_NAME_MAX + 64 >= sizeof(store->state))
		return failure_set(
			failure, ERROR_USAGE, "the state directory's name is empty or too long");
	snprintf(store->images, sizeof(store->images), "%s/images", store->state);
	return !create || (make_directory(store->state, 0755, failure) &&
				  make_directory(store->images, 0755, failure));
}

bool store_path(const struct image_store *store, const char *relative,
	char path[static STORE_PATH_MAX], struct failure *failure)
{
	int used = snprintf(path, STORE_PATH_MAX, "%s/%s", store->state, relative);

	if (used < 0 || used >= STORE_PATH_MAX)
		return failure_set(failure, ERROR_LIMIT, "the path of %s is too long", relative);
	return true;
}

bool store_image_path(const struct image_store *store, const char *name, const char *file,
	char path[static STORE_PATH_MAX], struct failure *failure)
{
	int used = snprintf(path, STORE_PATH_MAX, "%s/%s%s%s", store->images, name,
		file[0] == '\0' ? "" : "/", file);

	if (used < 0 || used >= STORE_PATH_MAX)
		return failure_set(
			failure, ERROR_LIMIT, "the path of the image %s is too long", name);
	return true;
}

bool image_name_valid(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._-+";
	size_t length = strlen(name);

	return length > 0 && length <= IMAGE_NAME_MAX && strspn(name, allowed) == length &&
	       strchr(".-+", name[0]) == NULL;
}

/* The whole file, owned by the caller. */
static uint8_t *read_whole(
	const char *path, uint64_t bytes_max, size_t *bytes_count, struct failure *failure)
{
	SCOPED(file) FILE *file = fopen(path, "re");
	struct stat status;

	if (file == NULL || fstat(fileno(file), &status) != 0) {
		failure_errno(failure, ERROR_SYSTEM, "cannot read %s", path);
		return NULL;
	}
	if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size > bytes_max) {
		failure_set(failure, ERROR_LIMIT, "%s is not a file of at most %llu bytes", path,
			(unsigned long long)bytes_max);
		return NULL;
	}
	size_t expected = (size_t)status.st_size;
	uint8_t *bytes = malloc(expected + 1);
	if (bytes == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for %s", path);
		return NULL;
	}
	*bytes_count = fread(bytes, 1, expected, file);
	if (*bytes_count != expected) {
		failure_errno(failure, ERROR_SYSTEM, "cannot read %s", path);
		free(bytes);
		return NULL;
	}
	return bytes;
}

struct image *image_open(const struct image_store *store, const char *name, struct failure *failure)
{
	struct stat status;

	if (!image_name_valid(name)) {
		failure_set(failure, ERROR_NOT_FOUND, "%.100s is not a name of an image", name);
		return NULL;
	}
	struct image *image = calloc(1, sizeof(*image));
	if (image == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for the image %s", name);
		return NULL;
	}
	snprintf(image->name, sizeof(image->name), "%s", name);
	if (!store_image_path(store, name, "disk.raw", image->disk_path, failure) ||
		!store_image_path(store, name, "image.torrent", image->metainfo_path, failure))
		return image_close(image);
	if (stat(image->metainfo_path, &status) != 0 && errno == ENOENT) {
		failure_set(failure, ERROR_NOT_FOUND, "there is no image %s in %s", name,
			store->images);
		return image_close(image);
	}
	image->metainfo_bytes = read_whole(
		image->metainfo_path, METAINFO_BYTES_MAX, &image->metainfo_bytes_count, failure);
	if (image->metainfo_bytes == NULL ||
		!metainfo_parse(&image->metainfo, image->metainfo_bytes,
			image->metainfo_bytes_count, &crypto_digest_ops, failure))
		return image_close(image);
	if (stat(image->disk_path, &status) != 0) {
		failure_errno(failure, ERROR_SYSTEM, "cannot read %s", image->disk_path);
		return image_close(image);
	}
	if ((uint64_t)status.st_size != image->metainfo.length_bytes) {
		failure_set(failure, ERROR_DIGEST_MISMATCH,
			"%s has %llu bytes and should have %llu", image->disk_path,
			(unsigned long long)status.st_size,
			(unsigned long long)image->metainfo.length_bytes);
		return image_close(image);
	}
	return image;
}

struct image *image_close(struct image *image)
{
	if (image != NULL)
		free(image->metainfo_bytes);
	free(image);
	return NULL;
}

struct image *image_find(const struct image_store *store, const uint8_t infohash[SHA1_BYTES],
	struct failure *failure)
{
	struct image_names names;
	struct image *found = NULL;
	char hex[2 * SHA1_BYTES + 1];

	if (!image_names_list(store, &names, failure))
		return NULL;
	for (size_t i = 0; i < names.count && found == NULL; i++) {
		/* An unreadable image must not hide the others. */
		struct image *image = image_open(store, names.names[i], NULL);

		if (image != NULL &&
			memcmp(metainfo_swarm_hash(&image->metainfo), infohash, SHA1_BYTES) == 0)
			found = image;
		else
			image_close(image);
	}
	image_names_free(&names);
	hex_write(hex, infohash, SHA1_BYTES);
	if (found == NULL)
		failure_set(failure, ERROR_NOT_FOUND, "there is no image with infohash %s", hex);
	return found;
}

static int is_image_name(const struct dirent *entry)
{
	return image_name_valid(entry->d_name);
}

bool image_names_list(
	const struct image_store *store, struct image_names *names, struct failure *failure)
{
	struct dirent **entries = NULL;
	int count = scandir(store->images, &entries, is_image_name, alphasort);

	*names = (struct image_names){0};
	if (count < 0 && errno == ENOENT)
		return true;
	if (count < 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot read %s", store->images);
	bool listed = count <= STORE_IMAGES_MAX;
	names->names = calloc((size_t)count + 1, sizeof(*names->names));
	if (!listed)
		failure_set(failure, ERROR_LIMIT, "%s has more than %d images", store->images,
			STORE_IMAGES_MAX);
	for (int i = 0; i < count; i++) {
		char *name = names->names == NULL ? NULL : strdup(entries[i]->d_name);

		free(entries[i]);
		if (name != NULL)
			names->names[names->count++] = name;
	}
	free(entries);
	if (listed && names->count != (size_t)count)
		listed = failure_set(failure, ERROR_MEMORY, "no memory for the list of images");
	if (!listed)
		image_names_free(names);
	return listed;
}

void image_names_free(struct image_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->names[i]);
	free(names->names);
	*names = (struct image_names){0};
}
