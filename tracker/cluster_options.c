/* SPDX-License-Identifier: Apache-2.0 */
/* From options to the settings of a cluster. */
#include "tracker/cluster_options.h"

#include <string.h>

bool cluster_options_given(const struct cluster_options *options)
{
	return options->members.count > 0 || options->key_path != NULL || options->listen != NULL ||
	       options->group != NULL || options->interface != NULL ||
	       (options->ttl != 0 && options->ttl != CLUSTER_TTL_DEFAULT);
}

static bool read_address(
	const char *text, struct sockaddr_storage *address, struct failure *failure)
{
	unsigned address_bytes;

	return text == NULL || address_parse(text, address, &address_bytes, failure);
}

bool cluster_options_read(const struct cluster_options *options,
	struct tracker_cluster_settings *settings, struct failure *failure)
{
	uint8_t key[SYNC_KEY_BYTES];

	*settings = (struct tracker_cluster_settings){.interface = options->interface,
		.ttl = options->ttl == 0 ? CLUSTER_TTL_DEFAULT : (uint32_t)options->ttl,
		.key_path = options->key_path};
	if (options->members.count == 0 && options->group == NULL)
		return failure_set(failure, ERROR_USAGE,
			"a cluster needs --cluster for each member, or --cluster-group");
	if (options->key_path == NULL)
		return failure_set(failure, ERROR_USAGE,
			"a cluster needs --cluster-key FILE; made once by (umask 077; openssl rand "
			"-hex 32 >FILE), the same on all members");
	if (options->members.count > CLUSTER_MEMBERS_MAX)
		return failure_set(failure, ERROR_USAGE, "a cluster has at most %d members",
			CLUSTER_MEMBERS_MAX);
	if (options->ttl > CLUSTER_TTL_MAX)
		return failure_set(
			failure, ERROR_USAGE, "--cluster-ttl must be 1 to %d", CLUSTER_TTL_MAX);
	if (options->group != NULL && options->members.count == 0 && options->listen == NULL)
		return failure_set(failure, ERROR_USAGE,
			"--cluster-group alone does not say where this machine is: "
			"--cluster-listen does");
	for (size_t i = 0; i < options->members.count; i++)
		if (!read_address(options->members.texts[i], &settings->members[i], failure))
			return false;
	settings->members_count = options->members.count;
	return read_address(options->listen, &settings->listen, failure) &&
	       read_address(options->group, &settings->group, failure) &&
	       cluster_key_load(options->key_path, key, key, failure);
}
