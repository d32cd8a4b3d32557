/* SPDX-License-Identifier: Apache-2.0 */
/* `swarmboot image import`. */
#include "images/commands.h"

#include "lib/units.h"

#include <stdio.h>
#include <stdlib.h>

struct import_options {
	const char *name;
	const char *member;
	const char *state;
	const char *out;
	const char *key;
	uint64_t piece_bytes;
	uint64_t sector_bytes;
	struct option_texts trackers;
	bool json;
	bool quiet;
	bool is_private;
};

static bool sizes_check(const struct import_options *options, struct failure *failure)
{
	uint64_t piece = options->piece_bytes;

	if (piece != 0 && ((piece & (piece - 1)) != 0 || piece < 16 * KIB ||
				  piece > METAINFO_PIECE_BYTES_MAX))
		return failure_set(failure, ERROR_USAGE,
			"--piece-size must be a power of two from 16KiB to 64MiB");
	if (options->sector_bytes != 0 && options->sector_bytes != 512 &&
		options->sector_bytes != 4096)
		return failure_set(failure, ERROR_USAGE, "--sector-size must be 512 or 4096");
	if (options->key != NULL && options->out == NULL)
		return failure_set(failure, ERROR_USAGE,
			"--key goes with --out; the store signs with the site's own key");
	if (options->out != NULL && options->member != NULL)
		return failure_set(failure, ERROR_USAGE,
			"--member does not go with --out, which takes FILE as it lies");
	return true;
}

static bool import_out(const struct import_options *options, const struct import_request *request,
	struct import_result *result, struct failure *failure)
{
	struct site_key *key = NULL;

	if (options->key != NULL) {
		key = site_key_open(options->key, false, failure);
		if (key == NULL)
			return false;
	}
	bool made = image_metainfo_for_file(request, options->out, key, result, failure);
	site_key_close(key);
	return made;
}

static bool run(const struct import_options *options, const char *file, struct progress *progress,
	struct import_result *result, struct failure *failure)
{
	struct image_store store;
	struct tracker_url trackers[METAINFO_TRACKERS_MAX];
	struct import_request request = {.file = file,
		.member = options->member,
		.name = options->name,
		.piece_bytes = (uint32_t)options->piece_bytes,
		.sector_bytes = (uint32_t)options->sector_bytes,
		.is_private = options->is_private,
		.progress = image_progress,
		.progress_context = progress,
		.stop = image_stop_on_signals()};

	if (!sizes_check(options, failure) || !tracker_tiers_parse(&options->trackers, trackers,
						      &request.trackers_count, failure))
		return false;
	request.trackers = trackers;
	if (options->out != NULL)
		return import_out(options, &request, result, failure);
	return store_open(&store, options->state, true, failure) &&
	       image_import(&store, &request, result, failure);
}

static int print_result(const struct import_result *result, bool json)
{
	char infohash[2 * SHA1_BYTES + 1];
	char length[UNITS_TEXT_MAX];
	char piece[UNITS_TEXT_MAX];

	hex_write(infohash, result->infohash, SHA1_BYTES);
	if (json)
		return image_print_json(
			"image import", json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "name",
						result->name, "infohash", infohash, "length_bytes",
						(json_int_t)result->length_bytes, "piece_bytes",
						(json_int_t)result->piece_bytes, "pieces_count",
						(json_int_t)result->pieces_count, "sector_bytes",
						(json_int_t)result->sector_bytes));
	printf("%s: %s, %u pieces of %s, infohash %s\n", result->name,
		size_format(length, result->length_bytes), result->pieces_count,
		size_format(piece, result->piece_bytes), infohash);
	return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

int image_import_main(int argc, char **argv)
{
	struct import_options options = {.state = store_default_state()};
	struct import_result result;
	struct progress progress = {.what = "import"};
	struct failure failure = {0};
	const char *operands[1];
	size_t operands_count = 0;
	const struct option_description descriptions[] = {
		{"name", OPTION_TEXT, &options.name, "NAME", "name of the image (default: FILE's)"},
		{"member", OPTION_TEXT, &options.member, "NAME",
			"which file of an archive with several"},
		{"piece-size", OPTION_SIZE, &options.piece_bytes, "SIZE",
			"power of two (default: 1MiB to 8MiB, by the image's length)"},
		{"sector-size", OPTION_SIZE, &options.sector_bytes, "512|4096",
			"logical sector size of the disks it is for (default: as its partition "
			"table says, else 512)"},
		{"tracker", OPTION_TEXTS, &options.trackers, "URL[,URL...]",
			"trackers of a tier, for the metainfo; repeated for the next tier"},
		{"private", OPTION_FLAG, &options.is_private, NULL,
			"peers come from its trackers alone: no peer exchange, local discovery or "
			"DHT"},
		{"out", OPTION_TEXT, &options.out, "FILE",
			"no store: write only a metainfo for FILE as it lies"},
		{"key", OPTION_TEXT, &options.key, "KEYFILE",
			"with --out: sign with this key (default: unsigned)"},
		{"state", OPTION_TEXT, &options.state, "DIR", "state directory of the site"},
		{"json", OPTION_FLAG, &options.json, NULL, "print the result as JSON"},
		{"quiet", OPTION_FLAG, &options.quiet, NULL, "no progress"}, {0}};
	const struct command_description description = {
		.usage = "swarmboot image import FILE [option...]",
		.about = "Takes a disk image into the store: keeps it sparse, hashes it on all "
			 "cores, "
			 "signs it\nwith the site's key (made on first use). FILE is a raw disk, "
			 "maybe compressed (gzip, xz, zstd,\nbzip2, lz4), maybe in a tar or zip.",
		.options = descriptions,
		.operands_min = 1,
		.operands_max = 1};

	switch (command_parse(&description, argc, argv, operands, &operands_count)) {
	case PARSE_HELP:
		return EXIT_OK;
	case PARSE_WRONG:
		return EXIT_USAGE;
	case PARSE_OK:
		break;
	}
	progress.quiet = options.quiet || options.json;
	if (!run(&options, operands[0], &progress, &result, &failure))
		return command_fail("image import", &failure);
	if (progress.total_bytes > 0)
		progress_end(&progress, progress.total_bytes);
	return print_result(&result, options.json);
}
