/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peer exchange (BEP 11, docs/discovery.md): each peer is told whom else we are connected to, and
 * what it says of others goes into the book of addresses as hearsay.
 */
#ifndef SWARM_PEX_H
#define SWARM_PEX_H

#include "swarm/swarm.h"

MUST_USE bool pex_create(struct swarm *s);
/* It has said who it is; id: under which it takes messages, 0: it takes none. */
void pex_introduced(struct swarm *s, uint32_t peer, uint8_t id);
void pex_told(struct swarm *s, uint32_t peer, const struct peer_message *message);
/* A peer came or went: the others are told in a moment. */
void pex_changed(struct swarm *s);
/* Somebody still takes us to be connected to this address: its place in the book is not free. */
bool pex_speaks_of(const struct swarm *s, uint32_t address);
void pex_fill(struct swarm *s, struct peer_message *message);
void pex_tick(struct swarm *s);
bool pex_work(struct swarm *s);

#endif
