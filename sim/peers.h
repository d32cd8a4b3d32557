/* SPDX-License-Identifier: Apache-2.0 */
/* Bad peers: machines that speak the protocol by a script. They accept whoever connects and
 * connect to all nodes that the tracker knows, again and again while the run lasts. */
#ifndef SIM_PEERS_H
#define SIM_PEERS_H

#include "sim/node.h"

enum sim_bad_peer {
	SIM_PEER_LIAR,	       /* answers every request, some with wrong bytes */
	SIM_PEER_STALLER,      /* unchokes, takes requests, never answers */
	SIM_PEER_HALF_BLOCK,   /* sends half of its first block, then nothing */
	SIM_PEER_EMPTY_HANDED, /* announces every piece, rejects every request */
	SIM_PEER_VANISHER,     /* announces every piece, hangs up at the first request */
	SIM_PEER_GARBAGE,      /* well-framed messages that make no sense */
	SIM_PEER_GREEDY,       /* requests everything, all the time, and never says a kind word */
	SIM_PEER_SILENT,       /* takes the connection and says nothing at all */
	SIM_PEER_FRAME_LIAR,   /* answers with frames: some do not decode, some decode to lies */
	SIM_PEER_LEAVES_LIAR,  /* its blocks are right, its leaf layers are not */
	SIM_PEER_NAMESAKE,     /* has nothing, and the peer id of the origin */
	SIM_PEER_GOSSIP,       /* tells all the time of peers that are nowhere (BEP 11) */
	/* These are in the rack and site of their traits, as they say. */
	SIM_PEER_IDLER,	  /* has nothing, is interested, asks for nothing */
	SIM_PEER_MISER,	  /* has everything, chokes everybody, and says that it is there */
	SIM_PEER_HOARDER, /* likewise, but for one piece: nobody takes it for a seed */
	SIM_PEER_CLAIMER, /* imports every piece, all the time, and never has any */
	SIM_BAD_PEERS_COUNT,
};

const char *sim_bad_peer_name(enum sim_bad_peer kind);

/* lie_one_in: of a liar, how many of its blocks are wrong (1: all). It starts with the run. */
struct sim_node *sim_bad_peer_add(struct sim_world *world, enum sim_bad_peer kind,
	const struct sim_node_traits *traits, uint32_t lie_one_in);

#endif
