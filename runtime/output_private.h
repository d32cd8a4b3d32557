/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a connection's output share: output.c sends, output_queue.c keeps what is to be
 * sent, output_reads.c has it read. */
#ifndef RUNTIME_OUTPUT_PRIVATE_H
#define RUNTIME_OUTPUT_PRIVATE_H

#include "runtime/connection.h"

#define CONTROL_BYTES_USUAL 2048

static inline struct output_block *block_at(struct connection_output *output, uint32_t index)
{
	return &output->blocks[(output->blocks_first + index) % output->blocks_capacity];
}

static inline bool block_begun(const struct output_block *block)
{
	return block->head_sent_bytes > 0;
}

/* output_reads.c. Starts one read that covers what lies side by side. False when there is nothing
 * (more) to read or no room for it. */
bool output_read_ahead(struct connection *connection);
/* The blocks' next bytes in the runs have been used. */
void output_runs_use(struct connection_output *output, uint32_t bytes_count);
/* Passes over what was read for a dropped block. False while it is still being read. */
bool output_skip_dropped(struct connection_output *output, struct output_block *block);

#endif
