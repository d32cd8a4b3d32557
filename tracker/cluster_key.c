/* SPDX-License-Identifier: Apache-2.0 */
/* The secret that the trackers of a cluster share, from a file that nobody else may read. */
#include "tracker/cluster.h"

#include "lib/cleanup.h"
#include "runtime/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#define CLUSTER_KEY_RECIPE                                                                         \
	"made once by (umask 077; openssl rand -hex 32 >FILE), the same on all members"

/* Of the service manager, which looks after it: newer ones let its reader in by an ACL, whose mask
 * shows as the group's bits. */
static bool is_credential(const char *path)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	size_t bytes = directory != NULL ? strlen(directory) : 0;

	return bytes > 0 && strncmp(path, directory, bytes) == 0 && path[bytes] == '/';
}

static bool key_file_safe(const char *path, const struct stat *status, struct failure *failure)
{
	mode_t others = S_IRWXG | S_IRWXO;

	if (is_credential(path))
		others &= ~(mode_t)S_IRGRP;
	if (!S_ISREG(status->st_mode))
		return failure_set(failure, ERROR_FORMAT,
			"the cluster's key %s is not a file: it is " CLUSTER_KEY_RECIPE, path);
	if ((status->st_mode & others) != 0)
		return failure_set(failure, ERROR_PERMISSION,
			"the cluster's key %s may be used by others than its owner: chmod 600 it",
			path);
	if (status->st_uid != geteuid() && status->st_uid != 0)
		return failure_set(failure, ERROR_PERMISSION,
			"the cluster's key %s belongs to user %u, not to us or root: chown it",
			path, status->st_uid);
	return true;
}

static bool key_read(const char *path, uint8_t *bytes, size_t capacity, size_t *bytes_count,
	struct failure *failure)
{
	SCOPED(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;

	*bytes_count = 0;
	if (fd < 0 && errno == ENOENT)
		return failure_set(failure, ERROR_NOT_FOUND,
			"there is no %s: the cluster's key is " CLUSTER_KEY_RECIPE, path);
	if (fd < 0 || fstat(fd, &status) != 0)
		return failure_errno(failure, ERROR_SYSTEM,
			"cannot read the cluster's key %s as user %u%s", path, geteuid(),
			errno == EACCES ? ", who must own it or get it by LoadCredential=" : "");
	if (!key_file_safe(path, &status, failure))
		return false;
	while (*bytes_count < capacity) {
		ssize_t got = read(fd, bytes + *bytes_count, capacity - *bytes_count);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return failure_errno(
				failure, ERROR_SYSTEM, "cannot read the cluster's key %s", path);
		if (got == 0)
			break;
		*bytes_count += (size_t)got;
	}
	/* An editor's newline is no part of it. */
	while (*bytes_count > 0 &&
		(bytes[*bytes_count - 1] == '\n' || bytes[*bytes_count - 1] == '\r'))
		--*bytes_count;
	return true;
}

bool cluster_key_load(const char *path, uint8_t datagrams[static SYNC_KEY_BYTES],
	uint8_t streams[static SYNC_KEY_BYTES], struct failure *failure)
{
	static const char for_datagrams[] = "swarmboot tracker cluster datagrams 1";
	static const char for_streams[] = "swarmboot tracker cluster streams 1";
	uint8_t bytes[CLUSTER_KEY_BYTES_MAX + 1];
	size_t bytes_count;

	if (!key_read(path, bytes, sizeof(bytes), &bytes_count, failure))
		return false;
	if (bytes_count < CLUSTER_KEY_BYTES_MIN || bytes_count > CLUSTER_KEY_BYTES_MAX)
		return failure_set(failure, ERROR_FORMAT,
			"the cluster's key %s must hold %d to %d bytes: it is " CLUSTER_KEY_RECIPE,
			path, CLUSTER_KEY_BYTES_MIN, CLUSTER_KEY_BYTES_MAX);
	crypto_hmac_sha256(datagrams, bytes, bytes_count, for_datagrams, sizeof(for_datagrams) - 1);
	crypto_hmac_sha256(streams, bytes, bytes_count, for_streams, sizeof(for_streams) - 1);
	explicit_bzero(bytes, sizeof(bytes));
	return true;
}
