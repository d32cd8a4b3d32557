/* SPDX-License-Identifier: Apache-2.0 */
/* Reading metainfo files: what they describe must be consistent before anything uses it. */
#include "wire/metainfo.h"

#include "wire/merkle.h"

static bool malformed(struct failure *failure, const char *text)
{
	return failure_text(failure, ERROR_FORMAT, text);
}

static bool unsupported(struct failure *failure, const char *text)
{
	return failure_text(failure, ERROR_UNSUPPORTED, text);
}

static bool too_large(struct failure *failure, const char *text)
{
	return failure_text(failure, ERROR_LIMIT, text);
}

/* The name becomes a file name and appears on terminals. */
static bool read_name(struct metainfo *metainfo, const struct ben *info, struct failure *failure)
{
	char *name = metainfo->name;

	if (!ben_get_text(info, "name", name, sizeof(metainfo->name)) || name[0] == '\0')
		return malformed(failure, "metainfo: the name is missing, too long or has a NUL");
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return malformed(failure, "metainfo: the name is not a file name");
	for (const char *c = name; *c != '\0'; c++)
		if (*c == '/' || (uint8_t)*c < ' ' || *c == 0x7f)
			return malformed(failure, "metainfo: the name is not a plain file name");
	return true;
}

/* The one file of a BEP 52 file tree: d <name> d 0: d length .. pieces root .. e e e. */
static bool read_file_tree(
	struct metainfo *metainfo, const struct ben *info, bool *has_root, struct failure *failure)
{
	struct ben tree;
	struct ben key;
	struct ben entry;
	struct ben file;
	const uint8_t *position = NULL;
	const uint8_t *name;
	size_t name_bytes;

	if (!ben_get(info, "file tree", &tree) || !ben_dict_next(&tree, &position, &key, &entry))
		return malformed(failure, "metainfo: version 2 without a file tree");
	const uint8_t *position_inside = NULL;

	if (!ben_dict_next(&entry, &position_inside, &key, &file))
		return malformed(failure, "metainfo: the file tree is malformed");
	if (!ben_string(&key, &name, &name_bytes) || name_bytes != 0 ||
		ben_dict_next(&tree, &position, &key, &entry))
		return unsupported(failure,
			"metainfo: several files or a folder; only a single file can be an image");
	if (!ben_get_unsigned(&file, "length", &metainfo->length_bytes))
		return malformed(failure, "metainfo: the file tree has no length");
	*has_root = ben_get_bytes(&file, "pieces root", metainfo->sha256_root, SHA256_BYTES);
	if (!*has_root && metainfo->length_bytes > 0)
		return malformed(failure, "metainfo: the file tree has no pieces root");
	return true;
}

/* Length, piece length and how many pieces that makes. */
static bool read_sizes(struct metainfo *metainfo, const struct ben *info, struct failure *failure)
{
	uint64_t piece_bytes;
	uint64_t length_bytes;
	bool has_length = ben_get_unsigned(info, "length", &length_bytes);

	if (!metainfo->has_v2 && !has_length)
		return malformed(failure, "metainfo: the length is missing");
	if (has_length && metainfo->has_v2 && length_bytes != metainfo->length_bytes)
		return malformed(failure, "metainfo: version 1 and 2 disagree on the length");
	if (has_length)
		metainfo->length_bytes = length_bytes;
	if (metainfo->length_bytes == 0)
		return unsupported(failure, "metainfo: the file is empty");
	if (!ben_get_unsigned(info, "piece length", &piece_bytes) || piece_bytes == 0)
		return malformed(failure, "metainfo: the piece length is missing or zero");
	if (piece_bytes % MERKLE_LEAF_BYTES != 0)
		return unsupported(
			failure, "metainfo: the piece length is not a multiple of 16 KiB");
	if (piece_bytes > METAINFO_PIECE_BYTES_MAX)
		return too_large(failure, "metainfo: pieces are larger than 64 MiB");
	uint64_t pieces_count = u64_div_up(metainfo->length_bytes, piece_bytes);

	if (pieces_count > METAINFO_PIECES_MAX)
		return too_large(failure, "metainfo: more than 4,194,304 pieces");
	metainfo->piece_bytes = (uint32_t)piece_bytes;
	metainfo->pieces_count = (uint32_t)pieces_count;
	return true;
}

/* Our own dictionary; absent in foreign files. */
static bool read_swarmboot(
	struct metainfo *metainfo, const struct ben *info, bool *has_root, struct failure *failure)
{
	struct ben ours;
	uint8_t root[SHA256_BYTES];
	uint64_t sector_bytes = 0;

	if (!ben_get(info, "swarmboot", &ours))
		return true;
	if (ours.type != BEN_DICT)
		return malformed(failure, "metainfo: `swarmboot` is not a dictionary");
	bool created = ben_get_unsigned(&ours, "created", &metainfo->created_unix_s);
	bool generation = ben_get_unsigned(&ours, "generation", &metainfo->generation);

	if (!created || !generation)
		return malformed(failure, "metainfo: `swarmboot` lacks created or generation");
	struct ben value;

	if (ben_get(&ours, "sector size", &value) &&
		(!ben_unsigned(&value, &sector_bytes) || sector_bytes < 512 ||
			sector_bytes > 64 * KIB || (sector_bytes & (sector_bytes - 1)) != 0))
		return malformed(failure, "metainfo: the sector size is not a sector size");
	metainfo->sector_bytes = (uint32_t)sector_bytes;
	if (!ben_get_bytes(&ours, "sha256 root", root, SHA256_BYTES))
		return malformed(failure, "metainfo: `swarmboot` lacks the SHA-256 root");
	if (*has_root && memcmp(root, metainfo->sha256_root, SHA256_BYTES) != 0)
		return malformed(
			failure, "metainfo: `swarmboot` and version 2 disagree on the root");
	memcpy(metainfo->sha256_root, root, SHA256_BYTES);
	*has_root = true;
	return true;
}

/* SHA-1 strings of version 1. */
static bool read_pieces_sha1(
	struct metainfo *metainfo, const struct ben *info, struct failure *failure)
{
	struct ben value;
	size_t bytes_count;

	metainfo->has_v1 = ben_get(info, "pieces", &value);
	if (!metainfo->has_v1 && !metainfo->has_v2)
		return malformed(failure, "metainfo: the piece hashes are missing");
	if (!metainfo->has_v1)
		return true;
	if (!ben_string(&value, &metainfo->pieces_sha1, &bytes_count) ||
		bytes_count != (size_t)metainfo->pieces_count * SHA1_BYTES)
		return malformed(failure, "metainfo: the piece hashes do not fit the length");
	return true;
}

/* A file of one piece needs no layer: its root is the piece's hash. It is borrowed from the file,
 * as a pointer into *metainfo would not survive a copy. */
static bool borrow_root(struct metainfo *metainfo, const struct ben *info)
{
	struct ben dict;
	struct ben tree;
	struct ben key;
	const uint8_t *position = NULL;
	size_t bytes_count;

	if (ben_get(info, "swarmboot", &dict))
		return ben_get_string(&dict, "sha256 root", &metainfo->pieces_sha256, &bytes_count);
	return ben_get(info, "file tree", &tree) && ben_dict_next(&tree, &position, &key, &dict) &&
	       ben_get(&dict, "", &tree) &&
	       ben_get_string(&tree, "pieces root", &metainfo->pieces_sha256, &bytes_count);
}

/* The SHA-256 hash of each piece, proven by the root. A layer that is missing is refused wherever
 * the pieces have no other hash, and in our own files, where leaving it out would weaken the check.
 */
static bool read_pieces_sha256(struct metainfo *metainfo, const struct ben *file,
	const struct ben *info, const struct digest_ops *digest, struct failure *failure)
{
	uint8_t root[SHA256_BYTES];
	struct ben layers;
	struct ben ours;
	struct ben key;
	struct ben layer;
	const uint8_t *position = NULL;
	const uint8_t *hashes;
	size_t bytes_count;

	if ((metainfo->piece_bytes & (metainfo->piece_bytes - 1)) != 0)
		return malformed(failure, "metainfo: the piece length is not a power of two");
	if (metainfo->pieces_count == 1)
		return borrow_root(metainfo, info) ||
		       malformed(failure, "metainfo: the SHA-256 root is missing");
	if (ben_get(file, "piece layers", &layers))
		while (ben_dict_next(&layers, &position, &key, &layer)) {
			if (!ben_string(&key, &hashes, &bytes_count) ||
				bytes_count != SHA256_BYTES ||
				memcmp(hashes, metainfo->sha256_root, SHA256_BYTES) != 0)
				continue;
			if (!ben_string(&layer, &hashes, &bytes_count) ||
				bytes_count != (size_t)metainfo->pieces_count * SHA256_BYTES)
				return malformed(failure,
					"metainfo: the piece layer does not fit the length");
			merkle_root_from_pieces(digest, root,
				(const uint8_t(*)[SHA256_BYTES])hashes, metainfo->pieces_count,
				metainfo->piece_bytes);
			if (memcmp(root, metainfo->sha256_root, SHA256_BYTES) != 0)
				return failure_text(failure, ERROR_DIGEST_MISMATCH,
					"metainfo: the piece layer does not match its root");
			metainfo->pieces_sha256 = hashes;
			return true;
		}
	if (!metainfo->has_v1)
		return unsupported(failure, "metainfo: a version 2 file without its piece layer");
	if (ben_get(info, "swarmboot", &ours))
		return malformed(failure, "metainfo: the piece layer is missing");
	return true;
}

static bool read_info(struct metainfo *metainfo, const struct ben *file, const struct ben *info,
	const struct digest_ops *digest, struct failure *failure)
{
	uint64_t version = 1;
	uint64_t is_private = 0;
	struct ben value;
	bool has_root = false;

	if (ben_get(info, "meta version", &value) &&
		(!ben_unsigned(&value, &version) || version != 2))
		return unsupported(failure, "metainfo: an unknown meta version");
	metainfo->has_v2 = version == 2;
	metainfo->is_private = ben_get_unsigned(info, "private", &is_private) && is_private == 1;
	if (ben_get(info, "files", &value))
		return unsupported(
			failure, "metainfo: several files; only a single file can be an image");
	if (!read_name(metainfo, info, failure))
		return false;
	if (metainfo->has_v2 && !read_file_tree(metainfo, info, &has_root, failure))
		return false;
	if (!read_sizes(metainfo, info, failure) || !read_pieces_sha1(metainfo, info, failure) ||
		!read_swarmboot(metainfo, info, &has_root, failure))
		return false;
	return !has_root || read_pieces_sha256(metainfo, file, info, digest, failure);
}

/* True when the URL was taken. */
static bool take_tracker(struct metainfo *metainfo, const struct ben *value, uint32_t tier)
{
	static const char *const schemes[] = {"http://", "https://", "udp://"};
	const uint8_t *url;
	size_t url_bytes;

	if (metainfo->trackers_count == METAINFO_TRACKERS_MAX ||
		!ben_string(value, &url, &url_bytes) || url_bytes >= METAINFO_URL_MAX)
		return false;
	for (size_t i = 0; i < url_bytes; i++)
		if (url[i] <= ' ' || url[i] >= 0x7f)
			return false;
	for (size_t i = 0; i < ARRAY_COUNT(schemes); i++) {
		size_t scheme_bytes = strlen(schemes[i]);

		if (url_bytes <= scheme_bytes || memcmp(url, schemes[i], scheme_bytes) != 0)
			continue;
		struct tracker_url *tracker = &metainfo->trackers[metainfo->trackers_count++];

		memcpy(tracker->url, url, url_bytes);
		tracker->url[url_bytes] = '\0';
		tracker->tier = tier;
		return true;
	}
	return false;
}

/* BEP 12: announce-list, when there is one, stands instead of announce. */
static void read_trackers(struct metainfo *metainfo, const struct ben *file)
{
	struct ben list;
	struct ben tier_list;
	struct ben value;
	const uint8_t *position = NULL;
	uint32_t tier = 0;

	if (ben_get(file, "announce-list", &list))
		while (ben_list_next(&list, &position, &tier_list)) {
			const uint8_t *position_inside = NULL;
			bool taken = false;

			while (ben_list_next(&tier_list, &position_inside, &value))
				taken |= take_tracker(metainfo, &value, tier);
			tier += taken;
		}
	if (metainfo->trackers_count == 0 && ben_get(file, "announce", &value))
		(void)take_tracker(metainfo, &value, 0);
}

uint32_t signatures_parse(struct signature *signatures, const struct ben *list)
{
	struct ben value;
	const uint8_t *position = NULL;
	uint32_t count = 0;

	while (count < SIGNATURES_MAX && ben_list_next(list, &position, &value)) {
		struct signature *signature = &signatures[count];

		if (ben_get_bytes(&value, "key", signature->key, sizeof(signature->key)) &&
			ben_get_bytes(&value, "signature", signature->signature,
				sizeof(signature->signature)))
			count++;
	}
	return count;
}

bool metainfo_parse(struct metainfo *metainfo, const uint8_t *bytes, size_t bytes_count,
	const struct digest_ops *digest, struct failure *failure)
{
	struct ben file;
	struct ben info;
	struct ben signatures;

	*metainfo = (struct metainfo){0};
	if (bytes_count > METAINFO_BYTES_MAX)
		return too_large(failure, "metainfo: larger than 256 MiB");
	if (!ben_parse(&file, bytes, bytes_count, NULL) || file.type != BEN_DICT)
		return malformed(failure, "metainfo: not a bencoded dictionary");
	if (!ben_get(&file, "info", &info) || info.type != BEN_DICT)
		return malformed(failure, "metainfo: no info dictionary");
	if (!read_info(metainfo, &file, &info, digest, failure))
		return false;
	metainfo->info = info.start;
	metainfo->info_bytes = (size_t)(info.end - info.start);
	digest->sha1(metainfo->infohash, metainfo->info, metainfo->info_bytes);
	digest->sha256(metainfo->infohash_v2, metainfo->info, metainfo->info_bytes);
	read_trackers(metainfo, &file);
	if (ben_get(&file, "signatures", &signatures))
		metainfo->signatures_count = signatures_parse(metainfo->signatures, &signatures);
	return true;
}

size_t metainfo_keep_hashes(struct metainfo *metainfo, uint8_t *bytes)
{
	bool sha256 = metainfo->pieces_sha256 != NULL;
	size_t hash_bytes = sha256 ? SHA256_BYTES : SHA1_BYTES;
	size_t kept_bytes = metainfo->pieces_count * hash_bytes;

	memmove(bytes, sha256 ? metainfo->pieces_sha256 : metainfo->pieces_sha1, kept_bytes);
	metainfo->pieces_sha256 = sha256 ? bytes : NULL;
	metainfo->pieces_sha1 = sha256 ? NULL : bytes;
	metainfo->info = NULL;
	metainfo->info_bytes = 0;
	return kept_bytes;
}
