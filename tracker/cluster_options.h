/* SPDX-License-Identifier: Apache-2.0 */
/* The options by which a command's tracker joins a cluster, the same for all commands. */
#ifndef TRACKER_CLUSTER_OPTIONS_H
#define TRACKER_CLUSTER_OPTIONS_H

#include "cli/command.h"
#include "tracker/cluster.h"

struct cluster_options {
	struct option_texts members;
	const char *listen;
	const char *key_path;
	const char *group;
	const char *interface;
	uint64_t ttl; /* 0: CLUSTER_TTL_DEFAULT */
};

#define CLUSTER_TTL_DEFAULT 1
#define CLUSTER_TTL_MAX	    255

/* Entries of a table of options. */
#define CLUSTER_OPTION_MEMBERS(value)                                                              \
	{                                                                                          \
		"cluster", OPTION_TEXTS, value, "ADDR:PORT",                                       \
			"a tracker that answers for this one, and this one for it; repeated for "  \
			"each member of the cluster, the list being the same for all"              \
	}
#define CLUSTER_OPTION_KEY(value)                                                                  \
	{                                                                                          \
		"cluster-key", OPTION_TEXT, value, "FILE",                                         \
			"the secret of the cluster's members; made by: (umask 077; openssl rand "  \
			"-hex 32 >FILE)"                                                           \
	}
#define CLUSTER_OPTION_LISTEN(value)                                                               \
	{                                                                                          \
		"cluster-listen", OPTION_TEXT, value, "ADDR:PORT",                                 \
			"which of the cluster's addresses is this machine's, when that is not "    \
			"plain"                                                                    \
	}
#define CLUSTER_OPTION_GROUP(value)                                                                \
	{                                                                                          \
		"cluster-group", OPTION_TEXT, value, "ADDR:PORT",                                  \
			"a multicast group by which members find and tell each other"              \
	}
#define CLUSTER_OPTION_INTERFACE(value)                                                            \
	{                                                                                          \
		"cluster-interface", OPTION_TEXT, value, "NAME", "the group's network interface"   \
	}
#define CLUSTER_OPTION_TTL(value)                                                                  \
	{                                                                                          \
		"cluster-ttl", OPTION_COUNT, value, "N",                                           \
			"how far what is sent to the group goes: routers, plus 1 (default 1)"      \
	}

/* All of them, into a struct cluster_options. */
#define CLUSTER_OPTIONS(options)                                                                   \
	CLUSTER_OPTION_MEMBERS(&(options).members), CLUSTER_OPTION_KEY(&(options).key_path),       \
		CLUSTER_OPTION_LISTEN(&(options).listen), CLUSTER_OPTION_GROUP(&(options).group),  \
		CLUSTER_OPTION_INTERFACE(&(options).interface), CLUSTER_OPTION_TTL(&(options).ttl)

/* Whether a cluster is to be joined at all. */
bool cluster_options_given(const struct cluster_options *options);
/* Checks them, and reads the key, so that a mistake is known before anything begins. */
MUST_USE bool cluster_options_read(const struct cluster_options *options,
	struct tracker_cluster_settings *settings, struct failure *failure);

#endif
