/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `swarmboot tracker` was told, on its command line and in its file: one table describes every
 * option, for the command line, the file, the checks of values, and what a reload may change.
 */
#ifndef TRACKER_DAEMON_OPTIONS_H
#define TRACKER_DAEMON_OPTIONS_H

#include "tracker/cluster_options.h"

struct daemon_options {
	struct option_texts listen;
	struct option_texts udp;
	const char *status_listen; /* "none": nowhere; NULL: the default, if it is free */
	uint64_t interval_s;
	uint64_t peers_max;
	uint64_t swarms_max;	    /* 0: as many as fit the list of infohashes, 1,024 at least */
	uint64_t share_per_address; /* percent */
	uint64_t requests_max;	    /* these as in struct tracker_settings; 0: the default */
	uint64_t connections_max;
	uint64_t connections_per_address;
	const char *allow_path;
	const char *sites_path;
	struct cluster_options cluster;
	const char *user;
	const char *log_level;
	const char *log_format;
	const char *config_path;
	bool check_config;
	char *config_text; /* what values from the file point into */
};

/* Reads argv and the file that it names, and checks every value. PARSE_WRONG: either what is wrong
 * was printed (failure->error stays ERROR_NONE), or it is in the failure. Values of the command
 * line point into argv. Release it in any case. */
MUST_USE enum parse_result daemon_options_read(
	struct daemon_options *options, int argc, char **argv, struct failure *failure);
void daemon_options_release(struct daemon_options *options);

/* Names of options that differ and that only a restart can change: calls for each. */
void daemon_options_fixed(const struct daemon_options *before, const struct daemon_options *now,
	void (*changed)(const char *name));

#endif
