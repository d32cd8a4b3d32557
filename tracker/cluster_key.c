/* SPDX-License-Identifier: Apache-2.0 */
/* The secret that the trackers of a cluster share, from a file that nobody else may read. */
#include "tracker/cluster.h"

#include "lib/cleanup.h"
#include "runtime/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static bool key_file_safe(const char *path, const struct stat *status, struct failure *failure)
{
	if (!S_ISREG(status->st_mode))
		return failure_set(failure, ERROR_FORMAT, "%s is not a file", path);
	if ((status->st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return failure_set(failure, ERROR_PERMISSION,
			"%s may be used by others than its owner: chmod 600 it", path);
	if (status->st_uid != geteuid() && status->st_uid != 0)
		return failure_set(
			failure, ERROR_PERMISSION, "%s is neither ours nor root's", path);
	return true;
}

static bool key_read(const char *path, uint8_t *bytes, size_t capacity, size_t *bytes_count,
	struct failure *failure)
{
	SCOPED(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;

	*bytes_count = 0;
	if (fd < 0 || fstat(fd, &status) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot read %s", path);
	if (!key_file_safe(path, &status, failure))
		return false;
	while (*bytes_count < capacity) {
		ssize_t got = read(fd, bytes + *bytes_count, capacity - *bytes_count);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return failure_errno(failure, ERROR_SYSTEM, "cannot read %s", path);
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
			"%s must hold %d to %d bytes of secret; make one by: "
			"(umask 077; openssl rand -hex 32 >%s)",
			path, CLUSTER_KEY_BYTES_MIN, CLUSTER_KEY_BYTES_MAX, path);
	crypto_hmac_sha256(datagrams, bytes, bytes_count, for_datagrams, sizeof(for_datagrams) - 1);
	crypto_hmac_sha256(streams, bytes, bytes_count, for_streams, sizeof(for_streams) - 1);
	explicit_bzero(bytes, sizeof(bytes));
	return true;
}
