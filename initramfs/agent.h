/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's parts and how they hang together: private to the files agent_*.c. */
#ifndef INITRAMFS_AGENT_H
#define INITRAMFS_AGENT_H

#include <event2/event.h>

#include "initramfs/agent_core.h"
#include "initramfs/agent_http.h"
#include "initramfs/agent_options.h"
#include "initramfs/agent_plan.h"
#include "initramfs/machine.h"
#include "initramfs/modules.h"
#include "runtime/session.h"

/* How the agent's process ends, and what PID 1 makes of it. */
enum agent_exit {
	AGENT_EXIT_DONE = 0,   /* reboot */
	AGENT_EXIT_FAILED = 1, /* reboot */
	AGENT_EXIT_USAGE = 2,
	AGENT_EXIT_POWEROFF = 3,
	AGENT_EXIT_RESCUE = 4,
};

struct inventory {
	struct report_disk disks[REPORT_DISKS_MAX];
	char paths[REPORT_DISKS_MAX][PATH_MAX];
	uint32_t disks_count;
};

/* The disk, opened, checked and stacked on a thread of its own (agent_target.c). */
struct target {
	struct report_disk disk; /* as chosen */
	char path[PATH_MAX];
	struct block_device *holdback; /* top of the stack; NULL: not open */
	bool installed;		       /* the recorded head and tail lie on it */
	bool good;		       /* what the job did last went well */
	struct failure failure;
};

struct agent {
	const struct agent_options *options;
	struct event_base *base;
	struct event *tick_event;
	struct event *show_event;
	struct event *terminate_event;
	struct event *interrupt_event;
	struct event *stopped_event; /* the transfer may be destroyed */
	struct agent_core core;
	bool draining; /* effects are being applied: inputs wait in the core */
	int exit_status;
	uint32_t jobs_count; /* that run */

	struct machine machine;
	char node[NODE_ID_MAX];
	struct modules *modules;
	char functions[REPORT_FUNCTIONS_MAX][64];
	uint32_t functions_count;
	struct failure bring_up_failure;
	bool bring_up_good;
	uint64_t uevents; /* the kernel's count of device events at the last scan */
	struct inventory inventory;

	struct agent_http *http;
	struct trusted_keys trusted;
	uint64_t boot_id;
	uint64_t sequence;
	uint8_t nonce[PLAN_NONCE_BYTES];
	struct plan plan;
	uint64_t claimed_arm; /* of an answer that was not believed; for reports only */
	uint8_t *metainfo_bytes;
	struct metainfo metainfo;
	bool metainfo_good;
	bool server_silent; /* said so already */

	struct target target;
	struct session *session;
	struct transfer *transfer;
	struct transfer_status status; /* the last one, also after the transfer has gone */
	uint8_t head_tail_sha256[SHA256_BYTES];
};

/* Gives an input to the core and applies what follows (agent_run.c). */
void agent_give(struct agent *agent, const struct agent_input *input);
void agent_give_kind(struct agent *agent, enum agent_input_kind kind);
void agent_give_failure(struct agent *agent, const struct failure *failure);

/* job_start, counted: the loop does not end before they have. False: the core was told. */
bool agent_start_job(struct agent *agent, void (*work)(void *context), void (*done)(void *context));
/* To be called first by every `done`. */
void agent_job_ended(struct agent *agent);

/* Runs to the end; the result is the exit status. */
int agent_run(const struct agent_options *options);

/* agent_bring_up.c: drivers, link, address; and the disks. */
void agent_bring_up(struct agent *agent);
void agent_scan(struct agent *agent);

/* agent_requests.c: what goes to the server. */
void agent_ask_plan(struct agent *agent);
void agent_ask_metainfo(struct agent *agent);
void agent_report(struct agent *agent, enum report_event event);

/* agent_target.c: the disk and the transfer to it. */
void agent_open_target(struct agent *agent, uint32_t disk);
void agent_start_transfer(struct agent *agent);
void agent_stop_transfer(struct agent *agent);
void agent_commit(struct agent *agent);
/* Releases what is still held, however far it came. */
void agent_close_target(struct agent *agent);

/* agent_show.c: for the person in front of the machine. */
void agent_show_state(struct agent *agent, enum agent_state before);
void agent_show_progress(struct agent *agent);

#endif
