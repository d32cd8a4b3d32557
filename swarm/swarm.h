/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BitTorrent engine of one image on one node, without clock, sockets, files or threads.
 *
 * The driver (runtime/ in production, sim/ in tests) feeds inputs with swarm_handle and then drains
 * effects with swarm_next_effect until it returns false. All memory is allocated by swarm_create
 * from the given allocator; nothing afterwards. Same seed and inputs, same effects.
 *
 * Life of a piece:   MISSING -> ARRIVING -> VERIFYING -> VERIFIED -> WRITTEN -> DURABLE
 *   VERIFIED  digest checked, still only in a buffer; WRITE queued
 *   WRITTEN   the device took it, so it can be read back and served; HAVE is sent now
 *   DURABLE   a flush that was issued after the write was acknowledged
 * A failed write or flush makes every piece that is not DURABLE missing again: what a buffer still
 * holds is written again, the rest is fetched again. SWARM_EFFECT_COMPLETE comes only when all
 * pieces are DURABLE (also for a seed, once, after START).
 *
 * Buffers: the driver owns limits.buffers_count buffers of one piece each, named 0..n-1. The engine
 * decides what each holds. Payload never passes through here. A buffer named in HASH, WRITE or
 * SEND_BLOCK is not touched until that was answered.
 *
 * The effect queue is short and refills itself while swarm_next_effect is called: the driver must
 * drain it after every swarm_handle, before the next one.
 *
 * Peers: the engine names them 0..limits.peers_max-1; a number is free again after
 * SWARM_EFFECT_DISCONNECT was queued or SWARM_IN_DISCONNECTED was handled. `generation` grows each
 * time, so late inputs about an earlier peer are recognised and ignored. With either of the two the
 * driver lets go of every buffer it was receiving into or sending from for that peer, and answers
 * no SEND_BLOCK of it any more.
 */
#ifndef SWARM_SWARM_H
#define SWARM_SWARM_H

#include "lib/bitset.h"
#include "wire/http_tracker.h"
#include "wire/peer_wire.h"

struct swarm;

#define SWARM_BUFFER_NONE	    UINT32_MAX
#define SWARM_PEER_NONE		    UINT32_MAX
#define SWARM_TRACKER_NONE	    UINT32_MAX
#define SWARM_PLACE_BYTES_PER_PIECE 12

struct swarm_limits {
	uint32_t peers_max;		/* connections, <= 1024; default 64 */
	uint32_t peers_wanted;		/* connect actively up to this many; default 32 */
	uint32_t addresses_max;		/* remembered addresses; default 1024 */
	uint32_t upload_slots;		/* unchoked and served at a time; default 8 */
	uint32_t requests_per_peer_max; /* outstanding to one peer; default 256 */
	uint32_t incoming_requests_max; /* queued blocks from one peer; default 512 */
	uint32_t buffers_count;		/* piece buffers; at least 2 */
	uint64_t undurable_bytes_max; /* written but not durable; default 32 MiB. At least 2 pieces
					 are always allowed */
	uint64_t flush_bytes;	      /* flush after this much was written; default 16 MiB */
	uint64_t flush_interval_ns;   /* or after this time; default 1 s */
	uint64_t assess_bytes_min; /* assessed before the rest is taken for absent when nearly all
				      of it was; default 256 MiB */
	uint32_t block_bytes; /* what is asked for and received as a whole; a power of two, default
				 and floor 16 KiB. Foreign peers answer no more; a simulation may
				 count in larger ones */
	uint32_t request_bytes; /* a request to one of our own nodes covers a run of blocks up to
				   this; a power of two, 16 KiB to 1 MiB, the default */
	/* What this node sends and asks for at most, packets' headers included; 0: no limit. They
	 * grow to that during the first ramp_ns after START. */
	uint64_t up_bytes_per_s;
	uint64_t down_bytes_per_s;
	uint64_t ramp_ns;
};

void swarm_limits_default(struct swarm_limits *limits);

/* Who named an address, the more trusted first (docs/discovery.md). Unless somebody was found
 * there, addresses of the last three have but a share of the book. */
enum swarm_source {
	SWARM_SOURCE_TRACKER, /* or the plan, or the operator */
	SWARM_SOURCE_ITSELF,  /* it has connected to us; or a member of our rack vouches for it */
	SWARM_SOURCE_LOCAL,   /* local service discovery (BEP 14) */
	SWARM_SOURCE_DHT,
	SWARM_SOURCE_PEX, /* another peer */
	SWARM_SOURCES_COUNT
};

struct swarm_settings {
	uint8_t infohash[SHA1_BYTES];
	uint8_t peer_id[PEER_ID_BYTES];
	uint64_t length_bytes;
	uint32_t piece_bytes;
	uint32_t pieces_count;
	/* 32 bytes a piece (preferred) or NULL; else 20 bytes a piece. Used only to find equal
	 * pieces; borrowed for the life of the swarm. */
	const uint8_t *piece_hashes;
	uint32_t piece_hash_bytes;
	const struct bitset
		*zero_pieces; /* known all-zero; borrowed during swarm_create; may be NULL */
	bool origin;	      /* the site's origin: grants each piece once before any twice */
	bool leaves;	      /* the driver makes and compares leaf layers: hashes are SHA-256 */
	/* Being in a rack, and in a site, costs SWARM_PLACE_BYTES_PER_PIECE each. */
	char rack[PEER_PLACE_MAX + 1]; /* "": in none; see peer_place_valid */
	char site[PEER_PLACE_MAX + 1];
	bool relay; /* the importer of its site: it is with the first tier of trackers and with
		       one of the later ones, and imports every piece that its site lacks */
	bool all_durable; /* everything is on the device already (seed) */
	bool frames;	  /* the driver decodes compressed blocks: peers may send them */
	bool pex;	  /* tell peers of each other, and listen (BEP 11) */
	bool is_private;  /* BEP 27: nor do members of a rack tell each other of others */
	uint16_t listen_port;
	uint32_t trackers_count; /* the driver keeps the URLs; the engine says index */
	const uint32_t
		*tracker_tiers; /* trackers_count of them, ascending; borrowed during create */
	uint64_t seed;		/* of all random choices */
	struct swarm_limits limits;
};

/* Memory comes from here, once. free may be NULL (arena). */
struct swarm_allocator {
	void *(*allocate)(void *context, size_t bytes); /* zeroed; NULL when there is none */
	void (*release)(void *context, void *memory);
	void *context;
};

/* NULL when memory is short or settings contradict themselves. */
MUST_USE struct swarm *swarm_create(
	const struct swarm_settings *settings, const struct swarm_allocator *allocator);
struct swarm *swarm_destroy(struct swarm *swarm); /* accepts NULL, returns NULL */

/* ---- inputs ---- */

enum swarm_input_kind {
	SWARM_IN_START, /* connect and announce from now on */
	SWARM_IN_TICK,	/* the deadline passed */
	SWARM_IN_STOP,	/* announce stopped, disconnect all; effects drain, then nothing */
	/* Assessment of the target, before or after START, in any order of pieces. A piece that is
	 * no longer UNKNOWN needs none. */
	SWARM_IN_PIECE_CHECKING, /* piece: it is being read; not asked for until the answer */
	SWARM_IN_PIECE_PRESENT,	 /* piece: the device returns it. It is served at once, and DURABLE
				    after a flush: what was read may be in a cache only */
	SWARM_IN_PIECE_ABSENT,	 /* piece: assessed, not there (zero pieces: needs zeroing). stale:
				    the device holds something else than zeros there */
	SWARM_IN_ASSESS_DONE,	 /* all pieces not said to be present are absent */
	SWARM_IN_PIECE_BAD,	 /* piece: the medium does not return it; fetch again */
	/* Peers. */
	SWARM_IN_ADDRESS,   /* address, source: somebody may be there. Whom trackers answer with
			       comes as TRACKER_PEER */
	SWARM_IN_CONNECTED, /* peer (of a CONNECT effect): TCP is up */
	SWARM_IN_CONNECT_FAILED, /* peer */
	SWARM_IN_ACCEPTED, /* address: incoming; *accepted_peer is set, or PEER_NONE: refuse it */
	SWARM_IN_DISCONNECTED, /* peer */
	SWARM_IN_HANDSHAKE,    /* peer, handshake (of our infohash) */
	SWARM_IN_MESSAGE,      /* peer, message (anything but PIECE) */
	SWARM_IN_BLOCK,	       /* peer, message (PIECE or FRAME head): its bytes are now, decoded,
				  in the place that swarm_place_block gave */
	SWARM_IN_BLOCK_COMING, /* peer, bytes_count: so much of a block that was placed is
				  here. At most once a second for each */
	SWARM_IN_BLOCK_DISCARDED,  /* peer, message: its bytes were read and thrown away */
	SWARM_IN_BLOCK_BAD,	   /* peer, message: a frame that was placed does not decode, or one
				      is too large to be placed */
	SWARM_IN_BLOCK_SENT,	   /* peer, message (as PIECE or FRAME): an earlier SEND_BLOCK is in
				      the socket; ok;
				      not ok: dropped because of CANCEL_SEND */
	SWARM_IN_BLOCK_UNREADABLE, /* peer, message: an earlier SEND_BLOCK could not be read */
	SWARM_IN_LEAVES, /* peer, piece, ok, message: answer to LEAVES. Its bytes are the payload of
			    the layer (wire/peer_leaves.h), valid until the effects are drained */
	/* Disk and digests. */
	SWARM_IN_HASHED,   /* piece, buffer, ok */
	SWARM_IN_READ,	   /* piece, buffer, ok: answer to READ */
	SWARM_IN_COMPARED, /* piece, buffer, ok: the layer is the piece's; equal: its leaves that
			      the buffer holds now */
	SWARM_IN_WRITTEN,  /* piece, ok: answer to WRITE or WRITE_ZEROES */
	SWARM_IN_FLUSHED,  /* flush_id, ok */
	/* Trackers. */
	SWARM_IN_TRACKER_PEER,	/* tracker, address: of the reply that follows */
	SWARM_IN_TRACKER_REPLY, /* tracker, ok, interval_s */
};

struct swarm_input {
	enum swarm_input_kind kind;
	uint32_t peer;
	uint32_t generation;
	uint32_t piece;
	uint32_t buffer;
	uint32_t tracker;
	uint32_t interval_s;
	uint32_t bytes_count;
	uint64_t flush_id;
	bool ok;
	bool stale;
	const struct bitset *equal; /* a bit a leaf */
	struct peer_address address;
	enum swarm_source source;
	const struct peer_handshake *handshake;
	const struct peer_message *message;
	uint32_t *accepted_peer;
	uint32_t *accepted_generation;
};

void swarm_handle(struct swarm *swarm, uint64_t now_ns, const struct swarm_input *input);

/* ---- effects ---- */

enum swarm_effect_kind {
	SWARM_EFFECT_CONNECT,	 /* peer, generation, address: answer CONNECTED or CONNECT_FAILED */
	SWARM_EFFECT_DISCONNECT, /* peer, generation, reason: close at once, answer nothing */
	SWARM_EFFECT_SEND_HANDSHAKE, /* peer */
	SWARM_EFFECT_SEND,	  /* peer, message (its bytes valid until the next swarm_handle) */
	SWARM_EFFECT_SEND_BLOCK,  /* peer, message (PIECE), buffer or BUFFER_NONE: then read it from
				     the device. With an extended_id it may leave as a FRAME of that
				     sub-id. Answer BLOCK_SENT or BLOCK_UNREADABLE */
	SWARM_EFFECT_CANCEL_SEND, /* peer, message: drop a queued SEND_BLOCK if no byte of it has
				     left; answer BLOCK_SENT (not ok) for it */
	SWARM_EFFECT_HASH,	  /* piece, buffer: answer HASHED */
	SWARM_EFFECT_READ,    /* piece, buffer, twin: read the twin's place on the device into the
					buffer: its content is the piece's, too; answer READ */
	SWARM_EFFECT_LEAVES,  /* peer, piece: make the leaf layer of a piece that is on the
				 device; answer LEAVES, unless the peer has gone */
	SWARM_EFFECT_COMPARE, /* piece, buffer, message: its bytes are a leaf layer, valid until
				 the next swarm_handle. Is it this piece's? Unless in_hand, read
				 the piece's place on the device into the buffer. Say which
				 leaves of the buffer are right; answer COMPARED. What cannot be
				 read is not right */
	SWARM_EFFECT_WRITE,   /* piece, buffer: write at the piece's place; answer WRITTEN */
	SWARM_EFFECT_WRITE_ZEROES, /* piece: make its place read as zeros; answer WRITTEN */
	SWARM_EFFECT_FLUSH,	   /* flush_id: answer FLUSHED */
	SWARM_EFFECT_ANNOUNCE,	   /* tracker, event, left_bytes, numwant: answer TRACKER_REPLY.
				      Several may be asked at a time; a second announce to one of
				      them takes the place of the first, which needs no answer */
	/* News for the program around the swarm. */
	SWARM_EFFECT_PIECE_DURABLE, /* piece */
	SWARM_EFFECT_COMPLETE,	  /* every piece is durable (again, after a PIECE_BAD was mended) */
	SWARM_EFFECT_DISK_FAILED, /* writes or flushes keep failing: nothing more will be requested
				   */
	SWARM_EFFECT_PEER_BANNED, /* address, reason */
};

struct swarm_effect {
	enum swarm_effect_kind kind;
	uint32_t peer;
	uint32_t generation;
	uint32_t piece;
	uint32_t buffer;
	uint32_t tracker;
	uint32_t numwant;
	uint64_t flush_id;
	uint64_t left_bytes;
	bool in_hand;
	uint32_t twin;
	enum announce_event event;
	struct peer_address address;
	struct peer_message message;
	const char *reason; /* a static text */
};

/* False when drained. */
MUST_USE bool swarm_next_effect(struct swarm *swarm, struct swarm_effect *effect);

/* When SWARM_IN_TICK is due at the latest; UINT64_MAX: nothing pending. */
uint64_t swarm_deadline_ns(const struct swarm *swarm);

/* ---- questions ---- */

enum swarm_place {
	SWARM_PLACE_BUFFER,   /* all or some of it goes where the placement says */
	SWARM_PLACE_DISCARD,  /* not (or no longer) wanted: read and throw away */
	SWARM_PLACE_VIOLATION /* never asked for and malformed: the driver disconnects the peer and
				 says SWARM_IN_DISCONNECTED */
};

/* A PIECE or FRAME may answer for a run of blocks, and some of them may have come from elsewhere
 * meanwhile: bit i of `wanted` says whether its i-th block_bytes go into the buffer, at
 * offset_bytes
 * + i * block_bytes. The others are thrown away. */
#define SWARM_RUN_BLOCKS_MAX 64

struct swarm_placement {
	uint32_t buffer;
	uint32_t offset_bytes; /* = begin */
	uint32_t block_bytes;
	uint64_t wanted; /* not 0 */
};

/* Where the block of a PIECE or FRAME head goes. While a BUFFER answer is being received (until
 * BLOCK or DISCONNECTED), the engine keeps that buffer in place. */
MUST_USE enum swarm_place swarm_place_block(struct swarm *swarm, uint32_t peer, uint32_t generation,
	const struct peer_message *piece, struct swarm_placement *placement);

enum swarm_piece_state {
	SWARM_PIECE_UNKNOWN, /* not assessed yet */
	SWARM_PIECE_MISSING,
	SWARM_PIECE_ARRIVING,
	SWARM_PIECE_VERIFYING,
	SWARM_PIECE_VERIFIED,
	SWARM_PIECE_WRITTEN,
	SWARM_PIECE_DURABLE,
};

enum swarm_piece_state swarm_piece_state(const struct swarm *swarm, uint32_t piece);

struct swarm_status {
	uint32_t pieces_durable_count;
	uint64_t durable_bytes;
	uint64_t zero_bytes;	      /* of the image: known-zero pieces */
	uint64_t duplicate_bytes;     /* of the image: written from another piece's buffer */
	uint64_t present_bytes;	      /* found by assessment */
	uint64_t received_bytes;      /* payload, all, as it is in the image */
	uint64_t received_wire_bytes; /* the same as it came, compressed or not */
	uint64_t received_from_origin_bytes;
	uint64_t received_from_elsewhere_bytes; /* from outside of our rack or site */
	uint64_t reused_bytes; /* of changed pieces: found on the device by their leaf layers */
	uint64_t copied_bytes; /* read from an equal piece on the device */
	uint64_t layer_bytes;  /* received as leaf layers; not in received_bytes */
	uint64_t wasted_bytes; /* discarded, duplicate or failed its digest */
	uint64_t sent_bytes;   /* payload, likewise */
	uint64_t sent_wire_bytes;
	uint64_t left_bytes;  /* not durable */
	uint32_t peers_count; /* past the handshake */
	uint32_t seeds_count;
	uint32_t known_addresses_count;
	uint64_t learnt_count[SWARM_SOURCES_COUNT]; /* addresses that were new, by who named them */
	uint32_t banned_count;
	uint32_t tracker; /* that answered last, or SWARM_TRACKER_NONE; a relay's of its own tier */
	bool complete;
	bool disk_failed;
};

void swarm_status(const struct swarm *swarm, struct swarm_status *status);

#endif
