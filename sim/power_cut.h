/* SPDX-License-Identifier: Apache-2.0 */
/* The power cut at half, with a disk that flushes and with one that only says so. */
#ifndef SIM_POWER_CUT_H
#define SIM_POWER_CUT_H

#include "sim/scenario.h"

/* Two nodes; node 1 is the one that loses power. */
void sim_power_cut_build(struct sim_world *world, uint32_t piece_bytes, bool flush_does_nothing);
void sim_power_cut_watch(struct sim_world *world);
/* "again": what came twice, in bytes. */
void sim_power_cut_judge(struct sim_world *world);

#endif
