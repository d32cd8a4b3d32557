/* SPDX-License-Identifier: Apache-2.0 */
/* The words of bad peers; for sim/peers.c, which decides when they are said. */
#ifndef SIM_PEERS_WORDS_H
#define SIM_PEERS_WORDS_H

#include "sim/peers.h"

struct bad_peer {
	enum sim_bad_peer kind;
	uint32_t lie_one_in;
	struct rng rng;
};

struct bad_peer *sim_bad_script(const struct sim_node *node);
/* One that stands in a rack and says so. */
bool sim_bad_is_member(const struct sim_node *node);
bool sim_bad_speaks_extensions(const struct sim_node *node);
void sim_bad_say(struct sim_node *node, uint32_t slot, const struct peer_message *words);
void sim_bad_say_id(struct sim_node *node, uint32_t slot, enum peer_message_id id);
void sim_bad_say_nearly_all(struct sim_node *node, uint32_t slot);
void sim_bad_say_extended(struct sim_node *node, uint32_t slot);
void sim_bad_send_data(
	struct sim_node *node, uint32_t slot, const struct peer_message *request, bool wrong);
/* A lie is in what the frame holds or in the frame itself. */
void sim_bad_send_frame(struct sim_node *node, uint32_t slot, const struct peer_message *request);
/* What it says unasked, and how often; 0: nothing. */
void sim_bad_speak(struct sim_node *node, uint32_t slot);
uint64_t sim_bad_speaks_every_ns(const struct sim_node *node);

#endif
