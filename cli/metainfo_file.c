/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a metainfo file and checking who signed it. */
#include "cli/metainfo_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "runtime/budget.h"
#include "runtime/crypto.h"
#include "runtime/memory.h"

static bool read_all(int descriptor, uint8_t *bytes, size_t bytes_count)
{
	while (bytes_count > 0) {
		ssize_t got = read(descriptor, bytes, bytes_count);

		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0)
			errno = EIO; /* it became shorter meanwhile */
		if (got <= 0)
			return false;
		bytes += got;
		bytes_count -= (size_t)got;
	}
	return true;
}

bool metainfo_file_open(struct metainfo_file *file, const char *path, struct failure *failure)
{
	struct stat about;
	SCOPED(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

	*file = (struct metainfo_file){0};
	if (fd < 0 || fstat(fd, &about) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot open %s", path);
	if (!S_ISREG(about.st_mode) || about.st_size <= 0 ||
		(uint64_t)about.st_size > METAINFO_BYTES_MAX)
		return failure_set(failure, ERROR_FORMAT, "%s is not a metainfo file", path);
	file->bytes = memory_allocate(1, (size_t)about.st_size);
	if (!read_all(fd, file->bytes, (size_t)about.st_size)) {
		failure_errno(failure, ERROR_SYSTEM, "cannot read %s", path);
		metainfo_file_close(file);
		return false;
	}

	struct failure cause;

	if (!metainfo_parse(&file->metainfo, file->bytes, (size_t)about.st_size, &crypto_digest_ops,
		    &cause)) {
		failure_set(failure, cause.error, "%s: %.200s", path, cause.text);
		metainfo_file_close(file);
		return false;
	}
	return true;
}

void metainfo_file_close(struct metainfo_file *file)
{
	free(file->bytes);
	*file = (struct metainfo_file){0};
}

bool metainfo_file_check_signature(
	const struct metainfo_file *file, const char *trust_path, struct failure *failure)
{
	const struct metainfo *metainfo = &file->metainfo;
	struct trusted_keys trusted = {0};

	if (trust_path == NULL)
		return failure_set(failure, ERROR_SIGNATURE_MISSING,
			"no key to check the metainfo's signature with: give --trust, or "
			"--unsigned to do without");
	return trusted_keys_load(&trusted, trust_path, failure) &&
	       crypto_verify_any(&trusted, metainfo->signatures, metainfo->signatures_count,
		       metainfo->info, metainfo->info_bytes, failure);
}

void metainfo_file_shrink(struct metainfo_file *file)
{
	file->bytes = budget_shrink_metainfo(&file->metainfo, file->bytes);
}
