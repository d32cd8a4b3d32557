/* SPDX-License-Identifier: Apache-2.0 */
/* What `fetch` and `seed` share: one transfer in the foreground, told about as it goes. */
#ifndef CLI_TRANSFER_RUN_H
#define CLI_TRANSFER_RUN_H

#include <sys/socket.h>

#include "cli/command.h"
#include "runtime/session.h"

struct transfer_run {
	const char *command; /* "fetch" */
	const struct metainfo *metainfo;
	struct block_device *device;   /* top of the stack */
	struct block_device *holdback; /* to commit when complete, or NULL */
	const char *listen;	       /* NULL: any address and port */
	const char *progress;
	const char *compress;
	const char *faults;
	struct option_texts peers;
	struct option_texts trackers; /* a tier each; none: the metainfo's */
	struct option_texts dht_nodes;
	bool no_dht;
	bool seed;
	bool origin;
	bool relay;
	bool stay;
	bool readback;
	bool verbose;
	bool no_pex;
	bool lsd; /* wanted, or not; neither: only without a tracker */
	bool no_lsd;
	uint64_t lsd_hops;
	const char *rack; /* NULL: in none */
	const char *site;
	uint64_t memory_bytes;
	struct transfer_rates rates;
	uint64_t seed_of_choices;
	bool started; /* set by transfer_run: the device may have been written to */
};

/* Entries of a table of options, into a struct transfer_run. */
#define TRANSFER_OPTIONS(run)                                                                      \
	{"listen", OPTION_TEXT, &(run).listen, "ADDR:PORT",                                        \
		"accept peers here (default: any address and port)"},                              \
		{"peer", OPTION_TEXTS, &(run).peers, "ADDR:PORT",                                  \
			"a peer to begin with (repeatable)"},                                      \
		{"tracker", OPTION_TEXTS, &(run).trackers, "URL[,URL...]",                         \
			"trackers of a tier, instead of the metainfo's; repeated for the next "    \
			"tier"},                                                                   \
		{"rack", OPTION_TEXT, &(run).rack, "NAME",                                         \
			"the rack it stands in: what its neighbours have crosses no uplink"},      \
		{"site", OPTION_TEXT, &(run).site, "NAME", "the site it belongs to, likewise"},    \
		{"relay", OPTION_FLAG, &(run).relay, NULL,                                         \
			"import for the site: be with its trackers and with the other site's"},    \
		{"no-pex", OPTION_FLAG, &(run).no_pex, NULL,                                       \
			"neither tell peers of each other nor listen to what they tell"},          \
		{"lsd", OPTION_FLAG, &(run).lsd, NULL,                                             \
			"find peers on the network segment, too (default: only without tracker "   \
			"and peer)"},                                                              \
		{"no-lsd", OPTION_FLAG, &(run).no_lsd, NULL, "do not, in any case"},               \
		{"lsd-hops", OPTION_COUNT, &(run).lsd_hops, "N",                                   \
			"find them beyond N - 1 routers that pass multicast on (default 1)"},      \
		{"dht", OPTION_TEXTS, &(run).dht_nodes, "ADDR:PORT",                               \
			"a node of the DHT to begin with (repeatable)"},                           \
		{"no-dht", OPTION_FLAG, &(run).no_dht, NULL, "do not look peers up in the DHT"},   \
		{"up", OPTION_RATE, &(run).rates.up_bytes_per_s, "RATE",                           \
			"send no more than this (100Mbit, 12MB/s)"},                               \
		{"ramp", OPTION_DURATION, &(run).rates.ramp_s, "TIME",                             \
			"reach limits of rates only after so long"},                               \
		{"memory", OPTION_SIZE, &(run).memory_bytes, "SIZE",                               \
			"of the whole process (default 64MiB; two pieces at least)"},              \
		{"compress", OPTION_TEXT, &(run).compress, "auto|always|off",                      \
			"blocks between our own nodes (default auto: where that is faster)"},      \
		{"progress", OPTION_TEXT, &(run).progress, "json",                                 \
			"one JSON object a line on standard output"},                              \
		{"verbose", OPTION_FLAG, &(run).verbose, NULL, "say more on standard error"},      \
		{"faults", OPTION_TEXT, &(run).faults, "SPEC",                                     \
			"inject disk faults, for tests (read-error-at=OFFSET, ...)"},              \
	{                                                                                          \
		"seed-of-choices", OPTION_COUNT, &(run).seed_of_choices, "N",                      \
			"repeatable random choices"                                                \
	}

/* What they say makes sense: known before anything is opened. */
MUST_USE bool transfer_run_check(const struct transfer_run *run, struct failure *failure);

/* Runs until complete (without stay), failed or told to stop. Returns the exit status. */
MUST_USE int transfer_run(struct transfer_run *run);

/* Says what went wrong, as JSON too when that is wanted; returns the exit status. */
int transfer_run_fail(const struct transfer_run *run, const struct failure *failure);

#endif
