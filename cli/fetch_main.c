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
	const char *listen;
	const char *progress;
	const char *compress;
	const char *trust;
	const char *faults;
	bool is_unsigned;
	bool holdback;
	struct transfer_run run;
};

static enum parse_result parse(
	struct fetch_options *options, int argc, char **argv, const char **metainfo_path)
{
	const struct option_description descriptions[] = {
		{"to", OPTION_TEXT, &options->to, "FILE-OR-DEVICE", "where the image goes"},
		{"listen", OPTION_TEXT, &options->listen, "ADDR:PORT",
			"accept peers here (default: any address and port)"},
		{"trust", OPTION_TEXT, &options->trust, "FILE-OR-DIR",
			"public keys (*.pub) that may have signed the metainfo"},
		{"unsigned", OPTION_FLAG, &options->is_unsigned, NULL, "do without a signature"},
		{"stay", OPTION_FLAG, &options->run.stay, NULL,
			"serve afterwards, until SIGTERM or Ctrl-C"},
		{"holdback", OPTION_FLAG, &options->holdback, NULL,
			"write the image's first and last MiB last"},
		{"readback", OPTION_FLAG, &options->run.readback, NULL,
			"read the medium back and check it before it is complete"},
		{"up", OPTION_RATE, &options->run.rates.up_bytes_per_s, "RATE",
			"send no more than this (100Mbit, 12MB/s)"},
		{"down", OPTION_RATE, &options->run.rates.down_bytes_per_s, "RATE",
			"receive no more than this"},
		{"ramp", OPTION_DURATION, &options->run.rates.ramp_s, "TIME",
			"reach these rates only after so long"},
		{"memory", OPTION_SIZE, &options->run.memory_bytes, "SIZE",
			"of the whole process (default 64MiB; two pieces at least)"},
		{"peer", OPTION_TEXTS, &options->run.peers, "ADDR:PORT",
			"a peer to begin with (repeatable)"},
		{"tracker", OPTION_TEXTS, &options->run.trackers, "URL",
			"a tracker instead of the metainfo's (repeatable)"},
		{"no-pex", OPTION_FLAG, &options->run.no_pex, NULL,
			"neither tell peers of each other nor listen to what they tell"},
		{"lsd", OPTION_FLAG, &options->run.lsd, NULL,
			"find peers on the network segment, too (default: only without tracker and "
			"peer)"},
		{"no-lsd", OPTION_FLAG, &options->run.no_lsd, NULL, "do not, in any case"},
		{"lsd-hops", OPTION_COUNT, &options->run.lsd_hops, "N",
			"find them beyond N - 1 routers that pass multicast on (default 1)"},
		{"dht", OPTION_TEXTS, &options->run.dht_nodes, "ADDR:PORT",
			"a node of the DHT to begin with (repeatable)"},
		{"no-dht", OPTION_FLAG, &options->run.no_dht, NULL,
			"do not look peers up in the DHT"},
		{"compress", OPTION_TEXT, &options->compress, "auto|always|off",
			"blocks between our own nodes (default auto: where that is faster)"},
		{"rack", OPTION_TEXT, &options->run.rack, "NAME",
			"the rack it stands in: what its neighbours have crosses no uplink"},
		{"site", OPTION_TEXT, &options->run.site, "NAME",
			"the site it belongs to, likewise"},
		{"relay", OPTION_FLAG, &options->run.relay, NULL,
			"import for the site: be with its trackers and with the other site's"},
		{"progress", OPTION_TEXT, &options->progress, "json",
			"one JSON object a line on standard output"},
		{"faults", OPTION_TEXT, &options->faults, "SPEC",
			"inject disk faults, for tests (write-error-after=BYTES, ...)"},
		{"verbose", OPTION_FLAG, &options->run.verbose, NULL, "say more on standard error"},
		{"seed-of-choices", OPTION_COUNT, &options->run.seed_of_choices, "N",
			"repeatable random choices"},
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

static bool check_options(struct fetch_options *options, struct failure *failure)
{
	if (options->to == NULL)
		return failure_set(
			failure, ERROR_USAGE, "--to FILE-OR-DEVICE is missing (see --help)");
	if (options->progress != NULL && strcmp(options->progress, "json") != 0)
		return failure_set(failure, ERROR_USAGE, "--progress knows only \"json\"");
	options->run.json = options->progress != NULL;
	if (!transfer_run_frames(options->compress, &options->run.frames, failure) ||
		!transfer_run_discovery_check(&options->run, failure))
		return false;
	return address_parse(options->listen != NULL ? options->listen : ":0", &options->run.listen,
		&options->run.listen_bytes, failure);
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
	if (options->faults != NULL) {
		struct block_device *faults =
			block_device_faults_open(device, options->faults, failure);

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
		return transfer_run_fail("fetch", options.run.json, &failure);
	existed = access(options.to, F_OK) == 0;
	if (metainfo_file_open(&file, metainfo_path, &failure) &&
		check_metainfo(&options, &file, &failure) &&
		open_target(&options, &file.metainfo, &failure)) {
		metainfo_file_shrink(&file);
		options.run.metainfo = &file.metainfo;
		status = transfer_run(&options.run);
		block_device_close(options.run.device);
	} else {
		status = transfer_run_fail("fetch", options.run.json, &failure);
	}
	/* A target that was made for nothing goes again. */
	if (!existed && !options.run.started)
		(void)unlink(options.to);
	metainfo_file_close(&file);
	return status;
}
