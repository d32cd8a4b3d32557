/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The insides of struct swarm, shared by the files of this room and by nobody else.
 *
 * swarm_handle changes state and marks work to do; swarm_next_effect does the work in small units,
 * each of which queues a bounded number of effects, until the queue has something to hand out. So
 * the queue is short, whatever an input sets off.
 */
#ifndef SWARM_ENGINE_H
#define SWARM_ENGINE_H

#include "swarm/announcer.h"
#include "swarm/pex.h"
#include "swarm/racks.h"
#include "swarm/state.h"
#include "wire/peer_roster.h"

/* ---- the whole ---- */

enum work {
	WORK_CLOSE = 1 << 0,
	WORK_SETTLE = 1 << 1,
	WORK_HAVE = 1 << 2,
	WORK_WRITE = 1 << 3,
	WORK_UPLOAD = 1 << 4,
	WORK_REQUEST = 1 << 5,
	WORK_CONNECT = 1 << 6,
	WORK_ANNOUNCE = 1 << 7,
	WORK_COMPLETE = 1 << 8,
	WORK_RACKS = 1 << 9,
	WORK_COPY = 1 << 10,
	WORK_PEX = 1 << 11,
};

/* Pieces that peers are still to hear of, the latest HAVES_LOG that we got. */
struct haves {
	uint32_t log[HAVES_LOG];
	uint32_t end;	      /* number of the next one; wraps */
	uint64_t last_ns;     /* when the last came */
	uint64_t interval_ns; /* from one to the next, smoothed */
	uint64_t due_ns;      /* when everybody is told; 0: nothing waits */
};

/* How many peers are served at a time, found by trying. */
struct climb {
	uint32_t slots;
	uint32_t epochs;
	bool probing; /* one more is being tried */
	bool wanted;  /* somebody waited in this epoch */
	uint64_t peak_rate;
	uint64_t epoch_ns; /* start; 0: none */
	uint64_t sent_bytes;
};

/* What intake.c saw when it last looked, of our own peers. */
struct intake {
	uint64_t progress_pieces; /* that they have, on average */
	uint64_t answer_ns;	  /* from an offer to the first request, on average */
	uint64_t bytes_per_s;	  /* of payload, in or out, whichever is more */
	bool round_slow;	  /* of our rack: a piece from each takes too long */
	uint64_t looked_ns;
	uint64_t looked_bytes;
};

struct swarm {
	/* What every input touches comes first, in few lines of the cache. */
	uint64_t now_ns;
	uint64_t deadline_ns;
	struct peer *peers;
	struct piece *pieces;	      /* pieces_count, then LISTS_COUNT list heads */
	struct swarm_effect *effects; /* ring */
	uint32_t effects_max, effects_first, effects_count;
	uint32_t work; /* enum work */
	uint32_t pieces_count;
	uint32_t lacking_count; /* pieces that must come from peers and have not */
	/* Peers by what they are, so that nobody looks through all of them. */
	struct bitset open;	  /* PEER_OPEN */
	struct bitset refill;	  /* their pipelines may have room */
	struct bitset askable;	  /* of those open, interesting to us, and we are not choked */
	struct bitset asked;	  /* there are requests to them, not answered */
	struct bitset serve;	  /* there may be something to send to them */
	struct bitset interested; /* of those open, interested in us */
	struct bitset unchoked;	  /* of these, with an upload slot */
	struct bitset origins;	  /* PEER_OPEN, and the site's origin */
	uint32_t refill_cursor;
	uint32_t upload_cursor;
	uint32_t slots_count; /* peers unchoked */
	uint32_t near_count;  /* of those that are open, at distance 0 */
	uint32_t declined_count;
	uint32_t have_first, have_last;
	uint64_t *peer_due_ns; /* when each is to be looked after; NEVER */
	uint32_t peers_top;    /* no peer in use at or above */
	uint32_t peers_used_count;
	struct picker picker;
	struct bitset have; /* pieces WRITTEN or DURABLE */
	bool started, stopped, assessed;
	bool complete, disk_failed;
	bool frames_seen;     /* of anybody */
	bool content_in_hand; /* a piece was fetched and verified: the device may be changed */
	bool flushing;
	bool flush_stale; /* a failure came after it was issued */

	struct buffer *buffers;
	struct bitset arriving; /* those in BUFFER_ARRIVING */
	struct block *blocks;	/* buffers_count * blocks_per_piece */
	uint32_t blocks_per_piece;
	uint32_t copies_due_count;
	struct bitset copies_due; /* pieces to be copied from others on the device */
	uint32_t copies_reading_count;
	uint32_t layers_count; /* buffers in BUFFER_LAYER */
	uint32_t useless_layers_row;

	uint64_t undurable_bytes; /* WRITE issued, not yet durable */
	uint32_t undurable_count;
	uint32_t durable_count;
	uint64_t dirty_bytes; /* WRITTEN since the last flush was issued */
	uint64_t dirty_since_ns;
	uint32_t writes_count; /* WRITE and WRITE_ZEROES not answered */
	uint32_t write_cursor; /* behind the last WRITE */
	uint64_t flush_id;
	uint32_t failures_row;
	uint64_t writes_from_ns;  /* none before: the pause after a failure */
	struct bitset zeroes_due; /* zero pieces that must be zeroed */
	uint32_t zeroes_due_count;
	uint32_t zeroes_cursor;
	struct bitset unassessed; /* nobody has looked at them; without zero pieces */
	uint64_t assessed_bytes;  /* by the driver, without zero pieces */
	uint64_t absent_bytes;	  /* of these */

	uint64_t started_ns;
	uint64_t received_ns;	  /* the last block */
	uint64_t requested_bytes; /* of all peers, not answered */
	struct throttle up, down;
	struct climb climb;
	struct intake intake;
	uint32_t seeds_count; /* peers that said HAVE_ALL */
	struct picker grants; /* origin only */
	struct racks racks;
	struct rng rng;
	struct swarm_limits limits;
	struct swarm_status status; /* the running sums in it */
	struct swarm_settings settings;
	struct haves haves;

	struct known_address *addresses;
	uint32_t *address_chains;
	uint32_t address_chains_count;
	uint32_t addresses_count;
	uint32_t source_counts[SWARM_SOURCES_COUNT]; /* of these, by source */
	uint64_t pex_look_ns;			     /* somebody may have to be told of somebody */
	uint64_t connect_wake_ns;		     /* when the next of them may be tried */
	uint64_t connect_look_ns; /* none of them is for us before, unless something changes */
	uint64_t barren_ns;	  /* somebody was last looked for who gives nothing */
	struct offender offenders[OFFENDERS_MAX];
	uint32_t offenders_count;
	struct announcer announcer;

	uint8_t *bitfield_bytes;
	uint8_t extended_bytes[EXTENDED_BYTES_MAX];
	struct swarm_allocator allocator;
	void *allocations[ALLOCATIONS_MAX];
	uint32_t allocations_count;
};

/* effects.c */
struct swarm_effect *effect_push(struct swarm *s, enum swarm_effect_kind kind);
struct swarm_effect *effect_peer(struct swarm *s, enum swarm_effect_kind kind, uint32_t peer);
void send_plain(struct swarm *s, uint32_t peer, enum peer_message_id id);
void send_index(struct swarm *s, uint32_t peer, enum peer_message_id id, uint32_t index);
void send_triple(struct swarm *s, uint32_t peer, enum peer_message_id id, uint32_t index,
	uint32_t begin, uint32_t length);
void send_donthave(struct swarm *s, uint32_t peer, uint32_t piece);
bool effect_pop(struct swarm *s, struct swarm_effect *effect);
void wake_at(struct swarm *s, uint64_t at_ns);
void wake_peer_at(struct swarm *s, uint32_t peer, uint64_t at_ns); /* and look at this peer */

/* peer.c */
void peer_accept(struct swarm *s, const struct swarm_input *input);
uint32_t peer_new(struct swarm *s, const struct peer_address *address, bool outgoing);
void peer_connected(struct swarm *s, uint32_t peer);
void peer_handshake(struct swarm *s, uint32_t peer, const struct peer_handshake *handshake);
void peer_close(struct swarm *s, uint32_t peer, const char *reason);
void peer_gone(struct swarm *s, uint32_t peer);
bool peers_close_work(struct swarm *s);
void peers_tick(struct swarm *s);
void peer_update_askable(struct swarm *s, uint32_t peer);
void peer_update_interest(struct swarm *s, uint32_t peer);
void peer_close_if_useless(struct swarm *s, uint32_t peer);

/* messages.c */
void peer_message(struct swarm *s, uint32_t peer, const struct peer_message *message);

/* groups.c */
MUST_USE bool pieces_create(struct swarm *s);

/* pieces.c */
uint32_t piece_length(const struct swarm *s, uint32_t piece);
void list_insert(struct swarm *s, enum piece_list list, uint32_t piece);
void list_remove(struct swarm *s, uint32_t piece);
uint32_t list_first(const struct swarm *s, enum piece_list list);
void list_splice(struct swarm *s, enum piece_list to, enum piece_list from);
bool piece_have(const struct swarm *s, uint32_t piece); /* WRITTEN or DURABLE */
bool piece_lacking(const struct swarm *s, uint32_t piece);
void piece_set_state(struct swarm *s, uint32_t piece, enum swarm_piece_state state);
void piece_missing(struct swarm *s, uint32_t piece);
void piece_bad(struct swarm *s, uint32_t piece);
void group_want(struct swarm *s, uint32_t piece);   /* into the picker */
void group_unwant(struct swarm *s, uint32_t piece); /* out of it */
void piece_unwant(struct swarm *s, uint32_t piece);
void piece_announce(struct swarm *s, uint32_t piece);
bool pieces_have_work(struct swarm *s);
bool pieces_complete_work(struct swarm *s);

/* assess.c */
void piece_checking(struct swarm *s, uint32_t piece);
void piece_absent(struct swarm *s, uint32_t piece, bool stale);
void piece_present(struct swarm *s, uint32_t piece);
void pieces_assess_done(struct swarm *s);
bool assess_skip(struct swarm *s, uint32_t piece);
bool assess_guess(struct swarm *s, uint32_t peer);

/* holdings.c */
void peer_has(struct swarm *s, uint32_t peer, uint32_t piece);
bool peer_has_bitfield(struct swarm *s, uint32_t peer, const uint8_t *bytes, size_t bytes_count);
void peer_has_not(struct swarm *s, uint32_t peer, uint32_t piece);
void peer_has_all(struct swarm *s, uint32_t peer);
void peer_has_nothing(struct swarm *s, uint32_t peer); /* when it leaves */

/* haves.c */
void haves_add(struct swarm *s, uint32_t piece);
void haves_flush(struct swarm *s, uint32_t peer);
void haves_idle(struct swarm *s, uint32_t peer); /* it may have nothing to take from us */
uint32_t haves_gather(const struct swarm *s, uint32_t from, uint32_t *pieces);
bool haves_work(struct swarm *s);

/* buffers.c */
void buffer_set_state(struct swarm *s, uint32_t buffer, enum buffer_state state);
struct block *buffer_block(struct swarm *s, uint32_t buffer, uint32_t block);
uint32_t run_length(const struct swarm *s, uint32_t piece, uint32_t block, uint32_t blocks_count);
uint32_t buffer_of(const struct swarm *s, uint32_t piece); /* with verified content, or NONE */
bool buffer_available(const struct swarm *s);
/* Once this one is given up there is one to begin anew with. */
bool buffer_replaceable(const struct swarm *s, uint32_t buffer);
uint32_t buffer_begin(struct swarm *s, uint32_t piece);
uint32_t buffer_free_block(struct swarm *s, uint32_t buffer);
void block_freed(struct swarm *s, uint32_t buffer, uint32_t block);
void buffer_give_up(struct swarm *s, uint32_t buffer);
void buffer_settle(struct swarm *s, uint32_t buffer);
void buffer_blocks_received(struct swarm *s, uint32_t buffer, uint32_t blocks_count);
void buffer_collected(struct swarm *s, uint32_t buffer);
void buffer_failed(struct swarm *s, uint32_t buffer);
void buffers_tick(struct swarm *s);
void buffer_hashed(struct swarm *s, uint32_t buffer, uint32_t piece, bool ok);

/* leaves.c */
bool leaves_help(const struct swarm *s);
bool leaves_room(const struct swarm *s, uint32_t peer);
bool leaves_wanted(const struct swarm *s, uint32_t peer, uint32_t piece);
void leaves_ask(struct swarm *s, uint32_t buffer, uint32_t peer);
void leaves_leave(struct swarm *s, uint32_t peer);
void leaves_tick(struct swarm *s);
void leaves_told(struct swarm *s, uint32_t peer, const struct peer_message *message);
void leaves_ready(struct swarm *s, uint32_t peer, const struct swarm_input *input);
bool leaves_blame(struct swarm *s, uint32_t buffer);
void leaves_compared(struct swarm *s, const struct swarm_input *input);

/* copies.c */
void copies_undue(struct swarm *s, uint32_t piece);
bool copies_take(struct swarm *s, uint32_t piece);
void copies_found(struct swarm *s, uint32_t piece);
bool copies_work(struct swarm *s);
void copies_read(struct swarm *s, uint32_t buffer, uint32_t piece, bool ok);

/* requests.c */
struct request *request_at(const struct swarm *s, const struct peer *p, uint32_t at);
uint32_t request_find(const struct swarm *s, const struct peer *p, uint32_t index, uint32_t begin);
uint32_t request_covering(
	const struct swarm *s, const struct peer *p, uint32_t buffer, uint32_t block);
uint32_t request_length(const struct swarm *s, const struct request *r);
struct request request_remove(struct swarm *s, uint32_t peer, uint32_t at);
void request_forget(struct swarm *s, uint32_t peer, uint32_t buffer, uint32_t block);
void request_rejected(struct swarm *s, uint32_t peer, const struct peer_message *message);
void requests_drop(struct swarm *s, uint32_t peer, bool cancel);
void block_cancel_others(struct swarm *s, uint32_t buffer, uint32_t block);
void refill(struct swarm *s, uint32_t peer); /* its pipeline may have room */
void refill_origins(struct swarm *s);
void refill_all(struct swarm *s);
bool requests_work(struct swarm *s);
void requests_tick(struct swarm *s, uint32_t peer);

/* intake.c */
bool crowded(const struct swarm *s);
uint32_t intake_suppliers(const struct swarm *s); /* in a crowd */
void intake_tick(struct swarm *s);
bool intake_room(struct swarm *s, uint32_t peer);    /* for one more piece from it */
void intake_nothing(struct swarm *s, uint32_t peer); /* it offers what is not wanted now */
void intake_resume(struct swarm *s);
void intake_forget(struct swarm *s, uint32_t peer);

/* receive.c */
void block_arrived(struct swarm *s, uint32_t peer, const struct peer_message *message);
void block_coming(struct swarm *s, uint32_t peer, uint32_t bytes_count);
void block_discarded(struct swarm *s, uint32_t peer, const struct peer_message *message);
void block_bad(struct swarm *s, uint32_t peer);
void receiving_abandon(struct swarm *s, uint32_t peer);
bool hungry(const struct swarm *s);
void receiving_tick(struct swarm *s, uint32_t peer);

/* frames.c */
void frame_learn(struct swarm *s, struct peer *p, const struct peer_message *message);
bool frames_expected(const struct swarm *s, const struct peer *p);
/* This peer sends blocks as they are, and what we lack is to be had compressed. */
bool frames_elsewhere(const struct swarm *s, const struct peer *p);
/* From this block to the end of the run that everybody asks for, or of the piece. */
uint32_t frame_run_blocks(const struct swarm *s, uint32_t block);

/* shares.c: a piece of ours that only complete peers have, p among them; or PIECE_NONE */
uint32_t share_choose(struct swarm *s, const struct peer *p);

/* choice.c */
bool may_take_from(const struct swarm *s, uint32_t buffer, uint32_t peer);
uint32_t choose_block(struct swarm *s, uint32_t peer, uint32_t *buffer);
void peer_suggested(struct swarm *s, uint32_t peer, uint32_t piece);

/* uploads.c */
struct incoming *incoming_at(const struct swarm *s, const struct peer *p, uint32_t at);
uint32_t upload_bytes_max(const struct swarm *s);
void upload_answered(struct swarm *s, uint32_t peer);
void upload_requested(struct swarm *s, uint32_t peer, const struct peer_message *message);
void upload_cancelled(struct swarm *s, uint32_t peer, const struct peer_message *message);
void upload_sent(struct swarm *s, uint32_t peer, const struct peer_message *message, bool ok);
void upload_unreadable(struct swarm *s, uint32_t peer, const struct peer_message *message);
void upload_leave(struct swarm *s, uint32_t peer);
uint32_t upload_next_piece(const struct swarm *s, uint32_t peer);
bool uploads_work(struct swarm *s);

/* slots.c */
void slots_create(struct swarm *s);
void upload_interest(struct swarm *s, uint32_t peer, bool interested);
bool slots_work(struct swarm *s);
void slots_tick(struct swarm *s);

/* origin.c */
MUST_USE bool origin_create(struct swarm *s);
void origin_piece_has(struct swarm *s, uint32_t peer, uint32_t piece);
void origin_requested(struct swarm *s, uint32_t peer, uint32_t piece, uint32_t length);
void origin_cancelled(struct swarm *s, uint32_t peer, uint32_t piece, uint32_t length);
void origin_leave(struct swarm *s, uint32_t peer);
void origin_choked(struct swarm *s, uint32_t peer);
bool origin_has_unsent(const struct swarm *s);
bool origin_all_requested(const struct swarm *s, const struct peer *p);
void origin_suggest(struct swarm *s, uint32_t peer);
void origin_tick(struct swarm *s, uint32_t peer);

/* places.c */
MUST_USE bool racks_create(struct swarm *s);
void rack_peer_reset(const struct swarm *s, struct peer *p);
void rack_introduced(
	struct swarm *s, uint32_t peer, const struct peer_extended_handshake *handshake);
bool rack_alone(const struct swarm *s, const struct peer *origin);
void rack_place(struct swarm *s, struct peer *p);
void rack_peer_left(struct swarm *s, uint32_t peer);

/* racks.c */
void racks_recount(struct swarm *s);
void rack_has(struct swarm *s, uint32_t peer, uint32_t piece);
void rack_granted(struct swarm *s, const struct peer *origin, uint32_t piece);
void rack_piece_changed(struct swarm *s, uint32_t piece);
void rack_judge(struct swarm *s, uint32_t level, uint32_t piece);
uint32_t rack_now_ms(const struct swarm *s);
uint64_t rack_waited_ns(const struct swarm *s, uint32_t since_ms);
bool rack_useful(const struct swarm *s, const struct peer *p);
bool racks_work(struct swarm *s);
void racks_tick(struct swarm *s);

/* imports.c */
uint32_t rack_places_count(const struct swarm *s, uint32_t level, uint32_t piece);
bool rack_is_ours(const struct swarm *s, uint32_t level, uint32_t piece);
void rack_set_importer(struct swarm *s, uint32_t level, uint32_t piece, uint16_t importer);
void rack_lapse(struct swarm *s, uint32_t level, uint32_t piece);
void rack_fulfilled(struct swarm *s, uint32_t peer, uint32_t level, uint32_t piece);
uint32_t rack_find_overdue(struct swarm *s, uint32_t level);
bool rack_window_open(const struct swarm *s);
bool rack_may_take(const struct swarm *s, const struct peer *p, uint32_t piece);
uint32_t rack_choose(struct swarm *s, const struct peer *p);
void rack_begins(struct swarm *s, const struct peer *p, uint32_t piece);
void rack_arrived(struct swarm *s, const struct peer *from);
void rack_others_begin(struct swarm *s, uint32_t peer, uint32_t level, uint32_t piece);

/* lending.c */
void lending_comes(struct swarm *s, struct peer *p);
void lending_takes(struct swarm *s, struct peer *p, uint32_t bytes);
void lending_gains(struct swarm *s, struct peer *p);
bool rack_origin_grants(struct swarm *s, const struct peer *p);
bool rack_courts(const struct swarm *s, const struct peer *origin);

/* links.c */
void links_count(const struct swarm *s, struct links *links);
bool link_wanted(const struct swarm *s, const struct links *links, const struct known_address *a);
bool links_open(const struct swarm *s);
void links_told(struct swarm *s, const struct peer *teller, const struct peer_address *addresses,
	uint32_t count);
void link_introduced(struct swarm *s, uint32_t peer);

/* roster.c */
bool roster_say(struct swarm *s);
void roster_welcome(struct swarm *s, uint32_t peer);
void roster_fill(struct swarm *s, struct peer_message *message);
void roster_told(struct swarm *s, uint32_t peer, const struct peer_message *message);

/* blame.c */
bool blame_may_send(const struct swarm *s, uint32_t buffer, uint32_t peer);
void blame_involve(struct swarm *s, uint32_t buffer, uint32_t peer);
uint32_t blame_sender(struct swarm *s, uint32_t buffer, uint32_t peer);
bool blame_is_sender(const struct swarm *s, uint32_t buffer, uint32_t peer);
void blame_named(struct swarm *s, const struct sender *sender);
void blame_good(struct swarm *s, uint32_t buffer);
void blame_bad(struct swarm *s, uint32_t buffer);
bool barred(const struct swarm *s, const struct peer_address *address);
bool is_loopback(const struct peer_address *address);
void note_offence(struct swarm *s, uint32_t peer);
void ban_peer(struct swarm *s, uint32_t peer, const char *reason);
void peer_offends(struct swarm *s, uint32_t peer, const char *reason);

/* durability.c */
void content_verified(struct swarm *s, uint32_t piece);
void piece_write(struct swarm *s, uint32_t piece);
void piece_written(struct swarm *s, uint32_t piece, bool ok);
void piece_is_written(struct swarm *s, uint32_t piece);
void piece_uncount(struct swarm *s, uint32_t piece);
void flush_done(struct swarm *s, uint64_t flush_id, bool ok);
bool durability_work(struct swarm *s);
bool durability_settle_work(struct swarm *s);

/* throttle.c */
void throttles_create(struct swarm *s);
bool throttle_open(struct swarm *s, struct throttle *t); /* false: wakes when it may be */
bool throttle_may_ask(struct swarm *s, const struct peer *p);
void throttle_given_up(struct swarm *s);
void throttle_take(struct swarm *s, struct throttle *t, uint64_t bytes);
void throttle_give_back(struct swarm *s, struct throttle *t, uint64_t bytes);
void throttles_tick(struct swarm *s);

/* What did not travel because the block came compressed. */
static inline uint32_t frame_saved_bytes(const struct peer_message *block)
{
	return block->length - (uint32_t)u64_min(block->length, peer_block_wire_bytes(block));
}

/* announcer.c */
void announcer_create(struct swarm *s);
/* Whether peers that this tracker answers with now are to be looked for. */
bool announcer_heeds(struct swarm *s, uint32_t tracker);
void announcer_reply(struct swarm *s, uint32_t tracker, bool ok, uint32_t interval_s);
void announcer_completed(struct swarm *s);
void announcer_stop(struct swarm *s);
bool announcer_work(struct swarm *s);
uint32_t announcer_working(const struct swarm *s);

/* addresses.c */
MUST_USE bool addresses_create(struct swarm *s);
uint32_t address_add(struct swarm *s, const struct peer_address *address, enum swarm_source source);
/* A peer can be at this address. A machine that is not this one has no business with our loopback.
 */
MUST_USE bool address_plausible(const struct peer_address *address, const struct peer *teller);
void address_verified(struct swarm *s, uint32_t index);
uint32_t addresses_of_machine(
	const struct swarm *s, enum swarm_source source, const struct peer_address *machine);
void address_connected(struct swarm *s, const struct peer_address *address, uint32_t peer);
void address_released(struct swarm *s, uint32_t index, const struct peer *p);
void addresses_retry(struct swarm *s);
bool addresses_work(struct swarm *s);
void addresses_tick(struct swarm *s);

void *swarm_allocate(struct swarm *s, uint64_t count, size_t bytes);

#endif
