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
	struct sockaddr_storage listen;
	unsigned listen_bytes;
	struct option_texts peers;
	struct option_texts trackers; /* none: the metainfo's */
	struct option_texts dht_nodes;
	bool no_dht;
	bool seed;
	bool origin;
	bool relay;
	bool stay;
	bool readback;
	bool json;
	bool verbose;
	enum frames_mode frames;
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

/* What --compress says; NULL is auto. */
MUST_USE bool transfer_run_frames(
	const char *text, enum frames_mode *mode, struct failure *failure);

/* What it says of finding peers makes sense. */
MUST_USE bool transfer_run_discovery_check(const struct transfer_run *run, struct failure *failure);

/* Runs until complete (without stay), failed or told to stop. Returns the exit status. */
MUST_USE int transfer_run(struct transfer_run *run);

/* Says what went wrong, as JSON too when that is wanted; returns the exit status. */
int transfer_run_fail(const char *command, bool json, const struct failure *failure);

#endif
