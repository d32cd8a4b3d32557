/* SPDX-License-Identifier: Apache-2.0 */
/* `swarmboot seed`: serve an image from a file or device. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/metainfo_file.h"
#include "cli/transfer_run.h"
#include "lib/log.h"
#include "runtime/hash.h"
#include "runtime/memory.h"

struct seed_options {
	const char *from;
	bool verify;
	struct transfer_run run;
};

static enum parse_result parse(
	struct seed_options *options, int argc, char **argv, const char **metainfo_path)
{
	const struct option_description descriptions[] = {
		{"from", OPTION_TEXT, &options->from, "FILE-OR-DEVICE", "the image"},
		{"origin", OPTION_FLAG, &options->run.origin, NULL,
			"be the site's origin: nothing twice before everything once"},
		{"verify", OPTION_FLAG, &options->verify, NULL,
			"hash the whole image first (default: believe it if it is long enough)"},
		TRANSFER_OPTIONS(options->run),
		{0},
	};
	const struct command_description description = {
		.usage = "swarmboot seed METAINFO --from FILE-OR-DEVICE [option...]",
		.about = "Serves the image that METAINFO describes, until SIGTERM or Ctrl-C.",
		.options = descriptions,
		.operands_min = 1,
		.operands_max = 1,
	};
	size_t operands_count;

	return command_parse(&description, argc, argv, metainfo_path, &operands_count);
}

static bool check_options(const struct seed_options *options, struct failure *failure)
{
	if (options->from == NULL)
		return failure_set(
			failure, ERROR_USAGE, "--from FILE-OR-DEVICE is missing (see --help)");
	return transfer_run_check(&options->run, failure);
}

static bool piece_right(struct block_device *device, const struct metainfo *metainfo,
	struct piece_hasher *hasher, uint32_t piece, uint8_t *bytes, struct failure *failure)
{
	uint32_t piece_bytes = metainfo_piece_length(metainfo, piece);

	if (!block_device_read(
		    device, bytes, (uint64_t)piece * metainfo->piece_bytes, piece_bytes, failure))
		return false;
	piece_hasher_begin(hasher, piece);
	piece_hasher_update(hasher, bytes, piece_bytes);
	if (piece_hasher_matches(hasher))
		return true;
	return failure_set(failure, ERROR_DIGEST_MISMATCH,
		"%s is not that image: piece %" PRIu32 " differs", device->name, piece);
}

static bool verify(struct block_device *device, const struct metainfo *metainfo, bool quiet,
	struct failure *failure)
{
	struct piece_hasher *hasher = piece_hasher_create(metainfo);
	uint8_t *bytes = memory_allocate(1, metainfo->piece_bytes);
	struct progress progress = {.quiet = quiet};
	bool right = true;

	progress_start(&progress, "verify", metainfo->length_bytes);
	for (uint32_t piece = 0; right && piece < metainfo->pieces_count; piece++) {
		progress_show(&progress, (uint64_t)piece * metainfo->piece_bytes);
		right = piece_right(device, metainfo, hasher, piece, bytes, failure);
	}
	if (right)
		progress_end(&progress, metainfo->length_bytes);
	free(bytes);
	piece_hasher_destroy(hasher);
	return right;
}

static bool open_source(struct seed_options *options, struct failure *failure)
{
	struct block_device *device = block_device_open(options->from, false, 0, failure);

	if (device != NULL && options->run.faults != NULL) {
		struct block_device *faults =
			block_device_faults_open(device, options->run.faults, failure);

		if (faults == NULL)
			block_device_close(device);
		device = faults;
	}
	options->run.device = device;
	return device != NULL;
}

int seed_main(int argc, char **argv)
{
	struct seed_options options = {.run = {.command = "seed", .seed = true, .stay = true}};
	struct metainfo_file file = {0};
	struct failure failure;
	const char *metainfo_path;
	int status;

	switch (parse(&options, argc, argv, &metainfo_path)) {
	case PARSE_HELP:
		return EXIT_OK;
	case PARSE_WRONG:
		return EXIT_USAGE;
	case PARSE_OK:
		break;
	}
	if (check_options(&options, &failure) &&
		metainfo_file_open(&file, metainfo_path, &failure) &&
		open_source(&options, &failure) &&
		(!options.verify || verify(options.run.device, &file.metainfo,
					    options.run.progress != NULL, &failure))) {
		metainfo_file_shrink(&file);
		options.run.metainfo = &file.metainfo;
		status = transfer_run(&options.run);
	} else {
		status = transfer_run_fail(&options.run, &failure);
	}
	block_device_close(options.run.device);
	metainfo_file_close(&file);
	return status;
}
