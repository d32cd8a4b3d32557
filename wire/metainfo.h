/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metainfo files (BEP 3, 12, 52) with swarmboot's signed SHA-256 root (docs/metainfo.md):
 *
 *   d
 *     8:announce ... 13:announce-list ...
 *     4:info d 6:length ... 4:name ... 12:piece length ... 6:pieces ... 7:private i1e (or absent)
 *              9:swarmboot d  7:created     i<unix seconds>e
 *                             10:generation i<n>e
 *                             11:sector size i512e       (logical sector size it was made for)
 *                             11:sha256 root 32:...      (BEP 52 merkle root over 16 KiB leaves)
 *                          e e
 *     12:piece layers d 32:<root> <32 * pieces>:... e
 *     10:signatures l d 3:key 32:<Ed25519 public key> 9:signature 64:<over the bytes of info> e e
 *   e
 *
 * The bytes of `info` are kept exactly; both infohashes are digests of them. BEP 52 hybrid and v2
 * single-file metainfo are read too. `piece layers` is empty for a file of one piece.
 */
#ifndef WIRE_METAINFO_H
#define WIRE_METAINFO_H

#include "lib/digest.h"
#include "lib/failure.h"
#include "wire/bencode.h"

#define METAINFO_NAME_MAX	 256
#define METAINFO_TRACKERS_MAX	 32
#define METAINFO_URL_MAX	 256
#define METAINFO_PIECES_MAX	 (4 * 1024 * 1024)
#define METAINFO_BYTES_MAX	 (256 * MIB)
#define METAINFO_PIECE_BYTES_MAX (64 * MIB)
#define ED25519_KEY_BYTES	 32
#define ED25519_SIGNATURE_BYTES	 64
#define SIGNATURES_MAX		 8

struct tracker_url {
	char url[METAINFO_URL_MAX]; /* http://HOST:PORT/announce or udp://HOST:PORT */
	uint32_t tier;		    /* 0 is tried first (BEP 12) */
};

struct signature {
	uint8_t key[ED25519_KEY_BYTES];
	uint8_t signature[ED25519_SIGNATURE_BYTES];
};

/* All pointers are borrowed from the parsed bytes. */
struct metainfo {
	const uint8_t *info;
	size_t info_bytes;
	uint8_t infohash[SHA1_BYTES];	   /* v1: SHA-1 of info */
	uint8_t infohash_v2[SHA256_BYTES]; /* SHA-256 of info */
	bool has_v1;			   /* `pieces` is there: SHA-1 per piece */
	bool has_v2;			   /* `meta version` 2: a BEP 52 hybrid or v2 file */
	bool is_private;		   /* BEP 27: peers come from its trackers alone */
	char name[METAINFO_NAME_MAX];
	uint64_t length_bytes;
	uint32_t piece_bytes; /* power of two when SHA-256 hashes are present */
	uint32_t pieces_count;
	const uint8_t *pieces_sha1;	   /* 20 * pieces_count, or NULL */
	const uint8_t *pieces_sha256;	   /* 32 * pieces_count (merkle piece hashes), or NULL. For
					      a file of one piece: points at the root. */
	uint8_t sha256_root[SHA256_BYTES]; /* valid when pieces_sha256 is not NULL */
	uint32_t sector_bytes; /* logical sector size the image was made for; 0: unknown */
	uint64_t created_unix_s;
	uint64_t generation;
	struct tracker_url trackers[METAINFO_TRACKERS_MAX];
	uint32_t trackers_count;
	struct signature signatures[SIGNATURES_MAX];
	uint32_t signatures_count;
};

/* Parses and checks a metainfo file: sizes consistent, piece layer hashes up to the root. Does not
 * check signatures: that is crypto_verify_any over info. Names what it cannot use (several files,
 * no piece layer in a v2 file, ...). Trackers and signatures above the limits, trackers whose URL
 * is too long or not http, https or udp, and malformed signatures are left out. */
MUST_USE bool metainfo_parse(struct metainfo *metainfo, const uint8_t *bytes, size_t bytes_count,
	const struct digest_ops *digest, struct failure *failure);

/* Once the signature is checked: moves the piece hashes that will be used (SHA-256, else SHA-1) to
 * the beginning of the parsed bytes and lets go of everything else there: info becomes NULL, and
 * pieces_sha1 when there is SHA-256. Returns how many bytes are still needed. */
size_t metainfo_keep_hashes(struct metainfo *metainfo, uint8_t *bytes);

/* What a writer needs: hashes are 20 and 32 bytes a piece. */
struct metainfo_source {
	const char *name;
	uint64_t length_bytes;
	uint32_t piece_bytes;
	const uint8_t *pieces_sha1;
	const uint8_t *pieces_sha256;
	uint8_t sha256_root[SHA256_BYTES];
	uint32_t sector_bytes;
	uint64_t created_unix_s;
	uint64_t generation;
	bool is_private;
};

/* The info dictionary alone (this is what gets signed). Returns bytes written, 0 when capacity is
 * too small. metainfo_bytes_max(pieces) is always enough for either. */
size_t metainfo_write_info(const struct metainfo_source *source, uint8_t *bytes, size_t capacity);
size_t metainfo_write(const struct metainfo_source *source, const uint8_t *info, size_t info_bytes,
	const struct tracker_url *trackers, uint32_t trackers_count,
	const struct signature *signatures, uint32_t signatures_count, uint8_t *bytes,
	size_t capacity);
size_t metainfo_bytes_max(uint32_t pieces_count);

/* The list of signatures that metainfo and envelopes share: value of a `signatures` key. */
uint32_t signatures_parse(struct signature *signatures, const struct ben *list);
void signatures_write(
	struct ben_writer *writer, const struct signature *signatures, uint32_t signatures_count);

/* The same metainfo with other trackers (info, layers and signatures unchanged). */
size_t metainfo_write_with_trackers(const struct metainfo *metainfo,
	const struct tracker_url *trackers, uint32_t trackers_count, uint8_t *bytes,
	size_t capacity);

/* Smallest power of two >= 1 MiB with <= 16,384 pieces, capped at 8 MiB. */
uint32_t metainfo_default_piece_bytes(uint64_t length_bytes);

/* The 20 bytes by which peers and trackers know the swarm (BEP 52: v2 is cut). */
static inline const uint8_t *metainfo_swarm_hash(const struct metainfo *metainfo)
{
	return metainfo->has_v1 ? metainfo->infohash : metainfo->infohash_v2;
}

static inline uint32_t metainfo_piece_length(const struct metainfo *metainfo, uint32_t piece)
{
	return (uint32_t)u64_min(metainfo->piece_bytes,
		metainfo->length_bytes - (uint64_t)piece * metainfo->piece_bytes);
}

#endif
