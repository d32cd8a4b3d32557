/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine remembers of each piece, buffer, block, peer and address. */
#ifndef SWARM_STATE_H
#define SWARM_STATE_H

#include "lib/rng.h"
#include "swarm/picker.h"
#include "swarm/swarm.h"

#define BLOCK_NONE	   UINT32_MAX
#define ADDRESS_NONE	   UINT32_MAX
#define NEVER		   UINT64_MAX
#define HOLDERS_MAX	   2   /* peers that one block is asked from at a time */
#define SENDERS_MAX	   32  /* peers that may contribute to one piece */
#define SUGGESTED_MAX	   32  /* open suggestions of an origin, and grants of one to a peer */
#define SENDS_MAX	   32  /* SEND_BLOCKs to one peer that are not answered */
#define OFFENDERS_MAX	   256 /* who is free again soonest is forgotten first */
#define ALLOCATIONS_MAX	   64
#define BUFFER_STUCK_NS	   (20 * NS_PER_S) /* without a block, then it is begun anew */
#define HAVES_LOG	   128		   /* a power of two, and more than PEER_HAVES_MAX */
#define CACHE_LINE_BYTES   64
#define EXTENDED_BYTES_MAX 2048 /* the longest is a roster */

/* ---- pieces ---- */

/* A piece is in at most one of these; the heads lie behind the pieces in swarm.pieces. */
enum piece_list {
	LIST_QUEUED,   /* VERIFIED, to be written */
	LIST_WRITING,  /* VERIFIED, WRITE not answered */
	LIST_DIRTY,    /* WRITTEN after the latest FLUSH was issued */
	LIST_FLUSHING, /* WRITTEN before it */
	LIST_SETTLED,  /* flushed; PIECE_DURABLE is still to be said */
	LISTS_COUNT
};

struct piece {
	uint32_t leader;    /* the first piece with the same content; often itself */
	uint32_t next_same; /* ring through the pieces with the same content */
	uint32_t list_next; /* itself: in no list */
	uint32_t list_previous;
	uint32_t have_next; /* queue of pieces to announce */
	uint32_t buffer;    /* leader only: collects or holds the content */
	uint8_t state;	    /* enum swarm_piece_state */
	bool zero;
	bool writing; /* WRITE not answered */
	bool doomed;  /* lost while writing: missing whatever the answer */
	bool counted; /* in undurable_bytes */
	bool have_queued;
	bool stale; /* the device holds something there that may be much the same */
	uint8_t layer_failures;
	bool suspect; /* leader only: failed its hash; to be fetched from one peer */
};

/* ---- buffers ---- */

enum buffer_state {
	BUFFER_FREE,
	BUFFER_ARRIVING,
	BUFFER_READING, /* a copy of another piece is being read from the device */
	BUFFER_LAYER,	/* its leaf layer is awaited or being compared: no block goes in */
	BUFFER_HASHING,
	BUFFER_HOLDING,	 /* verified content: being written, or kept for serving */
	BUFFER_DRAINING, /* given up, but a peer's block is still on its way into it */
};

enum block_state { BLOCK_WANTED, BLOCK_RECEIVING, BLOCK_RECEIVED };

struct block {
	uint16_t holders[HOLDERS_MAX]; /* peers with an open request for it */
	uint8_t holders_count;
	uint8_t state;
	uint8_t sender; /* RECEIVED: among the buffer's senders */
	bool local;	/* RECEIVED from the device, by its leaf layer */
};

struct sender {
	uint32_t peer;
	uint32_t generation;
	struct peer_address address;
};

struct buffer {
	enum buffer_state state;
	uint32_t piece;
	uint32_t blocks_count;
	uint32_t blocks_free; /* WANTED without holders */
	uint32_t free_from;   /* no such block before this one */
	uint32_t blocks_received;
	uint32_t receiving_count; /* blocks on their way in: BLOCK_RECEIVING */
	uint32_t sends_count;	  /* SEND_BLOCKs not answered */
	uint32_t writes_count;	  /* pieces of this content QUEUED or WRITING */
	uint32_t exclusive_peer;  /* only this one may fill it, or PEER_NONE */
	uint64_t progress_ns;	  /* when it was begun or last got a block */
	uint64_t used_ns;	  /* the smallest is evicted first */
	bool busy;		  /* COMPARE or READ not answered: the driver is at it */
	bool in_hand;		  /* BUFFER_LAYER: it was collected and failed its hash */
	uint32_t twin;		  /* READING, and then: the piece it is a copy of, or PIECE_NONE */
	uint32_t layer_peer;	  /* asked for its leaf layer */
	uint32_t layer_generation;
	uint32_t senders_count;
	struct sender
		*senders; /* SENDERS_MAX of them; apart, so that buffers are looked through fast */
};

/* ---- peers ---- */

enum peer_state {
	PEER_FREE,
	PEER_CONNECTING,
	PEER_GREETING, /* TCP is up, the other's handshake is awaited */
	PEER_OPEN,
	PEER_CLOSING, /* DISCONNECT is still to be said */
	PEER_STATES
};

/* For a run of blocks: all of them have the peer among their holders. */
struct request {
	uint32_t buffer;
	uint32_t block; /* the first */
	uint32_t blocks_count;
	uint64_t sent_ns;
	uint64_t due_ns; /* late from then on */
};

struct incoming {
	uint32_t index;
	uint32_t begin;
	uint32_t length;
};

struct outgoing_block {
	struct incoming what;
	uint32_t buffer;
	bool cancelled;
};

struct grant {
	uint32_t piece;
	uint32_t requested_bytes;
	uint64_t given_ns;
	bool doubled; /* another has it granted, too */
};

/* What is looked at most comes first, and large arrays last: with thousands of peers in memory (in
 * one simulated hall, say) time goes into fetching these lines. */
struct peer {
	/* The first line of the cache: what all peers are looked through for. */
	enum peer_state state;
	uint32_t generation;
	struct bitset has;
	uint32_t has_count;
	uint32_t useful_count;	   /* pieces it has that we lack */
	uint32_t startable_count;  /* of these, not begun */
	uint32_t importable_count; /* pieces that we would take from it though it is far */
	uint32_t requests_count;
	uint32_t incoming_count;
	uint8_t distance;
	bool origin;
	bool own; /* speaks our keys */
	bool am_interested;
	bool declined; /* its offer, for now: intake.c */
	bool peer_choking;
	bool peer_interested;
	bool unchoked;	       /* holds an upload slot */
	bool near_alone;       /* an origin elsewhere that serves everybody */
	bool left_out;	       /* it cannot be relied on to pass on what it has */
	bool snubbed;	       /* was late: one request at a time */
	bool rejecting;	       /* choked: say REJECT for all that is queued */
	bool have_seen;	       /* has said what it has, at least in part */
	bool all_seen;	       /* said HAVE_ALL: counted in seeds_count, not piece by piece */
	bool fast;	       /* BEP 6 */
	uint8_t id_haves;      /* 0: it wants plain HAVEs */
	bool nothing_to_guess; /* it has none of swarm.unassessed, which only get fewer */

	/* The second: what each of its messages touches. */
	uint64_t received_ns; /* last sign of life */
	uint64_t sent_ns;
	uint64_t news_ns;	/* it last had a piece or began an import */
	uint64_t importable_ns; /* importable_count last changed */
	uint64_t member;	/* its key among the members; 0: it has not introduced itself */
	uint64_t places[2];	/* keys of its rack and its site (racks.h); 0: in none */
	uint32_t haves_from;	/* in the log: what it was not told yet */
	uint32_t suggested_count;

	/* Among racks (racks.h): whom to rely on. */
	uint64_t interested_ns;	  /* since when we are */
	uint64_t given_up_ns;	  /* it held us up, and has given nothing since; 0: it has not */
	uint64_t suggested_ns;	  /* the origin last suggested something */
	uint64_t taking_until_ns; /* it takes what we send, and others elsewhere wait for it */
	uint64_t taken_bytes;	  /* by it since it last had one more piece than ever */
	uint32_t has_most_count;
	uint32_t claims_open;	/* pieces that we leave to it because it said it imports them */
	uint32_t claims_lapsed; /* of such pieces, how many did not come in time */
	uint32_t claims_said;
	uint32_t taken_back_count; /* pieces that it had, as it said, and has no more */
	uint32_t introductions_count;
	bool roster_told;

	/* What we asked it for. A ring, oldest first. */
	struct request *requests;
	uint32_t requests_first;
	uint32_t buffer;	 /* the one it works on, or BUFFER_NONE */
	uint64_t requests_bytes; /* of all of them */
	uint64_t rate_bytes_per_s;
	uint64_t latency_ns;	 /* smoothed, request to block */
	uint64_t latency_min_ns; /* 0: none seen */
	uint64_t quiet_until_ns; /* ask nothing before */
	uint32_t request_bytes_max;
	uint32_t requests_max;	 /* what it says it queues */
	uint64_t choked_ns;	 /* when it last choked us */
	uint32_t buffer_piece;	 /* what its buffer collected then */
	uint32_t stale_blocks;	 /* requests given up, may still be answered */
	uint32_t surplus_blocks; /* came unasked */
	uint32_t rejects_row;
	uint32_t late_row;
	bool probation; /* was among the senders of a bad piece: whole pieces alone only */
	bool receiving;
	uint64_t window_ns; /* start of the rate's window */
	uint64_t window_bytes;
	uint32_t receiving_buffer;
	uint32_t receiving_block;  /* the first of the run */
	uint64_t receiving_wanted; /* bit i: the i-th block of the run is taken */
	uint32_t receiving_bytes;  /* of the run */
	uint32_t receiving_wire_bytes;
	uint64_t receiving_ns;
	uint64_t coming_ns; /* when the last part of it came */
	uint32_t come_bytes;
	uint64_t receiving_asked_ns; /* 0: it comes late, its request was given up */

	/* What it asks us for. A ring, oldest first. */
	struct incoming *incoming;
	uint32_t incoming_first;
	uint32_t sends_count;
	uint64_t slot_ns;	/* when it was last choked or unchoked */
	uint64_t turn_bytes;	/* sent since it was unchoked */
	uint64_t block_sent_ns; /* when the last of them had left */
	uint64_t unchoked_ns;
	uint64_t answer_ns; /* smoothed, from an unchoke to its first request; 0: not known */
	bool answered;
	bool idled;		 /* its last turn passed unused */
	uint32_t turn_piece;	 /* of the last block */
	uint32_t idle_bitfields; /* late ones that said nothing new */
	uint32_t idle_requests;	 /* requests that could not be served, since the last that could */
	uint32_t grants_count;
	uint64_t grants_from_ns; /* none before: it let one lapse and took nothing since */
	struct bitset covered;	 /* origin only: pieces it has or that are granted to it */

	/* Who it is. */
	bool outgoing;
	bool extended; /* BEP 10 */
	bool useful;   /* something of worth has passed, either way */
	bool needless; /* not called again soon: both are complete, enough are there, or it gives
			  nothing */
	uint8_t id_donthave;
	uint8_t id_frame;     /* 0: it takes blocks only as they are */
	uint8_t frame_misses; /* its last answers that were no frames */
	uint8_t id_leaves;    /* 0: it knows no leaf layers */
	uint8_t id_roster;
	uint8_t id_pex; /* 0: it is told of nobody */
	uint32_t pex_heard_count;
	uint64_t pex_due_ns;	/* it is told of nobody before */
	struct bitset pex_told; /* of addresses: it takes us to be connected to them */
	uint32_t layers_serving_count;
	uint32_t layers_asked_count;
	uint32_t layers_unasked_count;
	const char *close_reason;
	uint64_t state_ns; /* when it came into its state */
	struct peer_address address;
	uint32_t address_index; /* in the book, or ADDRESS_NONE */
	uint8_t id[PEER_ID_BYTES];

	uint32_t suggested[SUGGESTED_MAX];
	struct outgoing_block sends[SENDS_MAX];
	struct grant grants[SUGGESTED_MAX];
} __attribute__((aligned(CACHE_LINE_BYTES)));

/* ---- addresses ---- */

struct known_address {
	struct peer_address address;
	uint32_t next; /* in its hash chain */
	uint32_t peer; /* connected or connecting, or PEER_NONE */
	uint32_t failures;
	uint64_t next_try_ns;
	uint64_t places[2]; /* where it is, once it was told */
	bool told;
	bool hearsay; /* only others said where it is */
	bool self;
	uint8_t source;	     /* enum swarm_source; ITSELF once somebody was found there */
	uint32_t heard_from; /* of PEX: key of the machine that named it */
};

struct throttle {
	uint64_t bytes_per_s; /* 0: no limit */
	uint64_t free_ns;     /* until then is paid for what was let through */
	uint64_t due_ns;      /* when what was held back may be tried again */
	bool waiting;	      /* something was held back */
};

struct offender {
	struct peer_address address;
	uint32_t strikes;
	uint64_t until_ns; /* no connection before; NEVER: it sent wrong data */
};

#endif
