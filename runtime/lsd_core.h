/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a swarm speaks on its segment (BEP 14, docs/discovery.md): pure decisions for one swarm of
 * one node; runtime/lsd.c has the sockets.
 *
 * Who is lonely (not complete, and connected to fewer than LSD_PEERS_FEW) asks: soon after the
 * start, then ever more seldom, at last once a minute. Everybody else says every five minutes that
 * it is there, whoever finds peers otherwise not even at the start. An ask of somebody new is
 * answered by a few of those who hear it, whoever is complete first: each waits for a random while,
 * the longer the more it has heard of, and is silent when enough others have answered.
 */
#ifndef RUNTIME_LSD_CORE_H
#define RUNTIME_LSD_CORE_H

#include "lib/rng.h"
#include "wire/peer_address.h"

#define LSD_PEERS_FEW	   4
#define LSD_ANSWERS_ENOUGH 8   /* wanted by who asks, and seen by who does not answer any more */
#define LSD_HEARD_MAX	   256 /* machines that are remembered */

/* How it stands with the swarm. */
struct lsd_need {
	bool complete;
	uint32_t peers_count; /* connected */
};

struct lsd_heard {
	struct peer_address address;
	uint32_t key; /* of its cookie; 0: it has none */
	uint64_t heard_ns;
};

struct lsd_core {
	struct rng rng;
	bool lonely;
	bool said; /* at least once */
	uint32_t asks_row;
	uint32_t repeats_left;	/* of an announce at the start */
	uint64_t say_ns;	/* the next ask or announce */
	uint64_t said_ns;	/* the last, or an answer */
	uint64_t lonely_ns;	/* last so */
	uint64_t answer_ns;	/* UINT64_MAX: nobody is to be answered */
	uint64_t asked_ns;	/* the last ask */
	uint32_t answers_count; /* heard since the first ask that is to be answered */
	uint32_t answers_enough;
	uint32_t answers_after_last; /* likewise since the last one */
	uint32_t heard_count;
	struct lsd_heard heard[LSD_HEARD_MAX];
};

enum lsd_words {
	LSD_NOTHING,
	LSD_HERE, /* announce, no answer wanted */
	LSD_ASK	  /* announce, LSD_ANSWERS_ENOUGH answers wanted */
};

void lsd_core_start(struct lsd_core *core, uint64_t now_ns, uint64_t seed);

/* What to say now. Call it again until it says nothing, when lsd_core_due_ns comes, and about once
 * a second, so that it notices how it stands. */
MUST_USE enum lsd_words lsd_core_say(
	struct lsd_core *core, uint64_t now_ns, const struct lsd_need *need);
uint64_t lsd_core_due_ns(const struct lsd_core *core);

/* Somebody says that it is at this address. key: of its cookie, by which a machine is known that is
 * heard over both families (the first counts), 0: none. wants: answers that it asks for,
 * LSD_WANTS_UNKNOWN of another client. True: tell the swarm of it. */
struct lsd_caller {
	struct peer_address address;
	uint32_t key;
	uint32_t wants;
};
MUST_USE bool lsd_core_heard(struct lsd_core *core, uint64_t now_ns, const struct lsd_need *need,
	const struct lsd_caller *caller);

#endif
