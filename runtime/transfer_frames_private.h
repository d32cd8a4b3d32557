/* SPDX-License-Identifier: Apache-2.0 */
/* What transfer_frames.c and transfer_frames_in.c share. */
#ifndef RUNTIME_TRANSFER_FRAMES_PRIVATE_H
#define RUNTIME_TRANSFER_FRAMES_PRIVATE_H

#include <pthread.h>

#include "lib/cleanup.h"
#include "runtime/frame_codec.h"
#include "runtime/transfer.h"

struct frame_send;

/* A worker's part in a frame. */
enum frame_job { FRAME_JOB_QUEUED, FRAME_JOB_RUNNING, FRAME_JOB_ENDED };

struct transfer_frames {
	struct frame_store *store;
	struct frame_codec *codec;
	struct frame_choice choice;
	pthread_mutex_t mutex; /* guards the states of jobs */
	pthread_cond_t ended;
	struct frame_send *sends_first; /* the oldest first; those in work too */
	struct frame_send **sends_last;
	uint32_t in_work_count;
	uint32_t waiting_count;	 /* connections with a block among them */
	uint32_t roomless_count; /* connections that wait for memory to receive into */
	uint64_t taken_bytes;	 /* of the transfer's memory */
	uint32_t encoders_max;	 /* at work at a time */
	uint32_t encoding_count; /* under the mutex */
	pthread_mutex_t parts;	 /* whoever decodes parts of a block */
	struct event *wake_event;
};

/* On the worker: false when nobody wants it any more. */
MUST_USE bool frame_job_begin(struct transfer_frames *frames, enum frame_job *job);
void frame_job_end(struct transfer_frames *frames, enum frame_job *job);
/* Ends one that has not begun, waits for one that has: a few milliseconds. */
void frame_job_abandon(struct transfer_frames *frames, enum frame_job *job);

/* When the loop comes round: what waits for memory, for workers or to be told. */
void transfer_frames_wake(struct transfer *transfer);

/* transfer_frames_in.c */
void transfer_frames_resume(struct transfer *transfer);
void transfer_frames_forget_incoming(struct transfer *transfer, struct connection *connection);

#endif
