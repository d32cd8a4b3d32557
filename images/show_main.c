/* SPDX-License-Identifier: Apache-2.0 */
/* `swarmboot image list`, `image show`: what is in the store. */
#include "images/commands.h"

#include "lib/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

struct show_options {
	const char *state;
	bool json;
};

static enum parse_result parse(struct show_options *options,
	const struct command_description *texts, int argc, char **argv, const char **operands)
{
	size_t operands_count = 0;
	const struct option_description descriptions[] = {
		{"state", OPTION_TEXT, &options->state, "DIR", "state directory of the site"},
		{"json", OPTION_FLAG, &options->json, NULL, "print JSON"}, {0}};
	struct command_description description = *texts;

	description.options = descriptions;
	options->state = store_default_state();
	return command_parse(&description, argc, argv, operands, &operands_count);
}

static uint64_t stored_bytes(const struct image *image)
{
	struct stat status;

	return stat(image->disk_path, &status) == 0 ? (uint64_t)status.st_blocks * 512 : 0;
}

static const char *created_text(const struct image *image, char text[static 32])
{
	time_t created = (time_t)image->metainfo.created_unix_s;
	struct tm broken_down;

	if (gmtime_r(&created, &broken_down) == NULL ||
		strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", &broken_down) == 0)
		snprintf(text, 32, "?");
	return text;
}

static json_t *image_json(const struct image_store *store, const struct image *image)
{
	const struct metainfo *metainfo = &image->metainfo;
	char infohash[2 * SHA1_BYTES + 1];
	char root[2 * SHA256_BYTES + 1];
	struct image_share share;
	struct failure failure = {0};
	bool is_signed = image_check_signature(store, image, NULL, &failure);

	if (!image_share_count(metainfo, &share, NULL))
		return NULL;
	hex_write(infohash, metainfo_swarm_hash(metainfo), SHA1_BYTES);
	hex_write(root, metainfo->sha256_root, SHA256_BYTES);
	json_t *json = json_pack(
		"{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:s, s:s}", "name",
		image->name, "infohash", infohash, "sha256_root", root, "length_bytes",
		(json_int_t)metainfo->length_bytes, "stored_bytes", (json_int_t)stored_bytes(image),
		"piece_bytes", (json_int_t)metainfo->piece_bytes, "pieces_count",
		(json_int_t)metainfo->pieces_count, "sector_bytes",
		(json_int_t)metainfo->sector_bytes, "created_unix_s",
		(json_int_t)metainfo->created_unix_s, "zero_pieces", (json_int_t)share.zero_pieces,
		"duplicate_pieces", (json_int_t)share.duplicate_pieces, "private",
		metainfo->is_private, "signature", is_signed ? "ok" : error_name(failure.error),
		"disk", image->disk_path);
	json_t *keys = json_array();
	for (uint32_t i = 0; json != NULL && i < metainfo->signatures_count; i++) {
		hex_write(root, metainfo->signatures[i].key, ED25519_KEY_BYTES);
		json_array_append_new(keys, json_string(root));
	}
	json_t *trackers = json_array();
	for (uint32_t i = 0; json != NULL && i < metainfo->trackers_count; i++)
		json_array_append_new(trackers, json_string(metainfo->trackers[i].url));
	if (json == NULL || json_object_set_new(json, "signature_keys", keys) != 0 ||
		json_object_set_new(json, "trackers", trackers) != 0)
		return NULL;
	return json;
}

static void list_row(const struct image_store *store, const struct image *image)
{
	char infohash[2 * SHA1_BYTES + 1];
	char length[UNITS_TEXT_MAX];
	char stored[UNITS_TEXT_MAX];
	struct failure failure = {0};
	bool is_signed = image_check_signature(store, image, NULL, &failure);

	hex_write(infohash, metainfo_swarm_hash(&image->metainfo), SHA1_BYTES);
	printf("%-24s %10s %10s  %s  %s\n", image->name,
		size_format(length, image->metainfo.length_bytes),
		size_format(stored, stored_bytes(image)), infohash,
		is_signed ? "signed" : error_name(failure.error));
}

/* One bad image does not hide the others, but makes the exit status say so. */
static int list_images(const struct image_store *store, const struct image_names *names, bool json)
{
	int status = EXIT_OK;
	json_t *array = json ? json_array() : NULL;

	if (!json && names->count > 0)
		printf("%-24s %10s %10s  %-40s  %s\n", "NAME", "LENGTH", "STORED", "INFOHASH",
			"SIGNATURE");
	for (size_t i = 0; i < names->count; i++) {
		struct failure failure = {0};
		struct image *image = image_open(store, names->names[i], &failure);

		if (image == NULL)
			status = command_fail("image list", &failure);
		else if (json)
			json_array_append_new(array, image_json(store, image));
		else
			list_row(store, image);
		image_close(image);
	}
	if (json && image_print_json("image list", array) != EXIT_OK)
		status = EXIT_FAILED;
	return fflush(stdout) == 0 ? status : EXIT_FAILED;
}

int image_list_main(int argc, char **argv)
{
	struct show_options options = {0};
	struct image_store store;
	struct image_names names;
	struct failure failure = {0};
	static const struct command_description description = {
		.usage = "swarmboot image list [option...]",
		.about = "Lists the images of the store: length, space that they take, infohash."};

	switch (parse(&options, &description, argc, argv, NULL)) {
	case PARSE_HELP:
		return EXIT_OK;
	case PARSE_WRONG:
		return EXIT_USAGE;
	case PARSE_OK:
		break;
	}
	if (!store_open(&store, options.state, false, &failure) ||
		!image_names_list(&store, &names, &failure))
		return command_fail("image list", &failure);
	int status = list_images(&store, &names, options.json);
	image_names_free(&names);
	return status;
}

static void show_signatures(const struct image_store *store, const struct image *image)
{
	char key[2 * ED25519_KEY_BYTES + 1];
	struct failure failure = {0};

	for (uint32_t i = 0; i < image->metainfo.signatures_count; i++) {
		hex_write(key, image->metainfo.signatures[i].key, ED25519_KEY_BYTES);
		printf("signed by   %s\n", key);
	}
	if (image_check_signature(store, image, NULL, &failure))
		printf("signature   right, by a key of this site\n");
	else
		printf("signature   %s\n", failure.text);
}

static bool show_image(
	const struct image_store *store, const struct image *image, struct failure *failure)
{
	const struct metainfo *metainfo = &image->metainfo;
	char hex[2 * SHA256_BYTES + 1];
	char text[UNITS_TEXT_MAX];
	char created[32];
	struct image_share share;

	if (!image_share_count(metainfo, &share, failure))
		return false;
	printf("name        %s\n", image->name);
	hex_write(hex, metainfo_swarm_hash(metainfo), SHA1_BYTES);
	printf("infohash    %s\n", hex);
	hex_write(hex, metainfo->sha256_root, SHA256_BYTES);
	printf("sha256 root %s\n", hex);
	printf("created     %s\n", created_text(image, created));
	printf("length      %s (%llu bytes)\n", size_format(text, metainfo->length_bytes),
		(unsigned long long)metainfo->length_bytes);
	printf("stored      %s\n", size_format(text, stored_bytes(image)));
	printf("sector size %u\n", metainfo->sector_bytes);
	printf("pieces      %u of %s\n", metainfo->pieces_count,
		size_format(text, metainfo->piece_bytes));
	printf("zero        %u pieces, %u %% of the image\n", share.zero_pieces,
		(unsigned)(share.zero_bytes * 100 / metainfo->length_bytes));
	printf("duplicate   %u pieces, %u %% of the image\n", share.duplicate_pieces,
		(unsigned)(share.duplicate_bytes * 100 / metainfo->length_bytes));
	if (metainfo->is_private)
		printf("private     peers come from its trackers alone\n");
	show_signatures(store, image);
	for (uint32_t i = 0; i < metainfo->trackers_count; i++)
		printf("tracker     %s\n", metainfo->trackers[i].url);
	printf("disk        %s\nmetainfo    %s\n", image->disk_path, image->metainfo_path);
	return fflush(stdout) == 0 || failure_errno(failure, ERROR_SYSTEM, "cannot print");
}

int image_show_main(int argc, char **argv)
{
	struct show_options options = {0};
	struct image_store store;
	struct failure failure = {0};
	const char *operands[1];
	static const struct command_description description = {
		.usage = "swarmboot image show NAME [option...]",
		.about = "Prints what is known of an image: infohash, pieces, how much of it is "
			 "zero "
			 "or repeats,\nsignature.",
		.operands_min = 1,
		.operands_max = 1};

	switch (parse(&options, &description, argc, argv, operands)) {
	case PARSE_HELP:
		return EXIT_OK;
	case PARSE_WRONG:
		return EXIT_USAGE;
	case PARSE_OK:
		break;
	}
	struct image *image = store_open(&store, options.state, false, &failure)
				      ? image_open(&store, operands[0], &failure)
				      : NULL;
	if (image == NULL)
		return command_fail("image show", &failure);
	int status = EXIT_OK;
	if (options.json)
		status = image_print_json("image show", image_json(&store, image));
	else if (!show_image(&store, image, &failure))
		status = command_fail("image show", &failure);
	image_close(image);
	return status;
}
