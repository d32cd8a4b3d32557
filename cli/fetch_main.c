/* SPDX-License-Identifier: Apache-2.0 */
/* `swarmboot fetch`: an image to a file or device, as an ordinary process. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/metainfo_file.h"
#include "cli/transfer_run.h"
#include "lib/log.h"

struct fetch_options {
	const char *to;
	const char *trust;
	bool is_unsigned;
	bool holdback;
	struct transfer_run run;
};

static enum parse_result parse(
	struct fetch_options *options, int argc, char **argv, const char **metainfo_path)
{
	const struct option_description descriptions[] = {
		{"to", OPTION_TEXT, &options->to, "FILE-OR-DEVICE", "where the image goes"},
		{"trust", OPTION_TEXT, &options->trust, "FILE-OR-DIR",
			"public keys (*.pub) that may have signed the metainfo"},
		{"unsigned", OPTION_FLAG, &options->is_unsigned, NULL, "do without a signature"},
		{"stay", OPTION_FLAG, &options->run.stay, NULL,
			"serve afterwards, until SIGTERM or Ctrl-C"},
		{"holdback", OPTION_FLAG, &options->holdback, NULL,
			"write the image's first and last MiB last"},
		{"readback", OPTION_FLAG, &options->run.readback, NULL,
			"read the medium back and check it before it is complete"},
		{"down", OPTION_RATE, &options->run.rates.down_bytes_per_s, "RATE",
			"receive no more than this"},
		TRANSFER_OPTIONS(options->run),
		{0},
	};
	const struct command_description description = {
		.usage = "swarmboot fetch METAINFO --to FILE-OR-DEVICE [option...]",
		.about = "Fetches the image that METAINFO describes. What the target holds already "
			 "is found and kept.\nEnds with status 0 only when every byte is durable; "
			 "run it again to carry on.",
		.options = descriptions,
		.operands_min = 1,
		.operands_max = 1,
	};
	size_t operands_count;

	return command_parse(&description, argc, argv, metainfo_path, &operands_count);
}

static bool check_options(const struct fetch_options *options, struct failure *failure)
{
	if (options->to == NULL)
		return failure_set(
			failure, ERROR_USAGE, "--to FILE-OR-DEVICE is missing (see --help)");
	return transfer_run_check(&options->run, failure);
}

static bool check_metainfo(const struct fetch_options *options, const struct metainfo_file *file,
	struct failure *failure)
{
	if (options->is_unsigned)
		log_warning("the metainfo's signature is NOT checked (--unsigned)");
	else if (!metainfo_file_check_signature(file, options->trust, failure))
		return false;
	if (file->metainfo.pieces_sha256 == NULL)
		log_warning("the metainfo has no SHA-256: pieces are checked by SHA-1");
	return true;
}

/* An image made for another logical sector size would not boot from this disk. */
static bool check_sector(const char *path, const struct block_device *device, uint32_t sector_bytes,
	struct failure *failure)
{
	struct stat about;

	if (sector_bytes == 0 || stat(path, &about) != 0 || !S_ISBLK(about.st_mode) ||
		device->sector_bytes == sector_bytes)
		return true;
	return failure_set(failure, ERROR_DISK_SECTOR_SIZE,
		"%s has logical sectors of %" PRIu32 " bytes, the image was made for %" PRIu32,
		path, device->sector_bytes, sector_bytes);
}

/* The stack of layers over the target. A layer that cannot be made closes what is below. */
static bool open_target(
	struct fetch_options *options, const struct metainfo *metainfo, struct failure *failure)
{
	struct block_device *device =
		block_device_open(options->to, true, metainfo->length_bytes, failure);

	if (device == NULL)
		return false;
	if (!check_sector(options->to, device, metainfo->sector_bytes, failure)) {
		block_device_close(device);
		return false;
	}
	if (options->run.faults != NULL) {
		struct block_device *faults =
			block_device_faults_open(device, options->run.faults, failure);

		if (faults == NULL) {
			block_device_close(device);
			return false;
		}
		device = faults;
	}
	if (options->holdback) {
		options->run.holdback =
			block_device_holdback_open(device, metainfo->length_bytes, failure);
		if (options->run.holdback == NULL) {
			block_device_close(device);
			return false;
		}
		device = options->run.holdback;
	}
	options->run.device = device;
	return true;
}

int fetch_main(int argc, char **argv)
{
	struct fetch_options options = {.run = {.command = "fetch"}};
	struct metainfo_file file = {0};
	struct failure failure;
	const char *metainfo_path;
	int status;
	bool existed;

	switch (parse(&options, argc, argv, &metainfo_path)) {
	case PARSE_HELP:
		return EXIT_OK;
	case PARSE_WRONG:
		return EXIT_USAGE;
	case PARSE_OK:
		break;
	}
	if (!check_options(&options, &failure))
		return transfer_run_fail(&options.run, &failure);
	existed = access(options.to, F_OK) == 0;
	if (metainfo_file_open(&file, metainfo_path, &failure) &&
		check_metainfo(&options, &file, &failure) &&
		open_target(&options, &file.metainfo, &failure)) {
		metainfo_file_shrink(&file);
		options.run.metainfo = &file.metainfo;
		status = transfer_run(&options.run);
		block_device_close(options.run.device);
	} else {
		status = transfer_run_fail(&options.run, &failure);
	}
	/* A target that was made for nothing goes again. */
	if (!existed && !options.run.started)
		(void)unlink(options.to);
	metainfo_file_close(&file);
	return status;
}
