/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent does next: the life of one boot of a node, as a state machine without clock,
 * network or disks. The driver (initramfs/agent_run.c) feeds inputs and applies effects; every
 * transition is a row of one table in agent_core.c. Pure.
 *
 *   HARDWARE > HELLO > PLAN > METAINFO > TARGET > OPEN > ASSESS > FETCH > SEED > FINISHING > LEAVE
 *   > COMMIT > FINISHED > END, and from anywhere before COMMIT succeeded: FAILED > LINGER > END
 *
 * What it promises: the target is opened only after plan and metainfo were checked and exactly one
 * disk matched for settle_ns; head and tail are committed only after the server acknowledged
 * `finishing`; `finished` is reported only after the commit was read back.
 */
#ifndef INITRAMFS_AGENT_CORE_H
#define INITRAMFS_AGENT_CORE_H

#include "initramfs/target_core.h"
#include "lib/rng.h"

enum agent_state {
	AGENT_NOWHERE, /* in the table: this event means nothing in that state */
	AGENT_OFF,
	AGENT_HARDWARE, /* drivers, link, address */
	AGENT_HELLO,	/* first report, until it is answered */
	AGENT_PLAN,
	AGENT_METAINFO,
	AGENT_INVENTORY, /* waiting until the disks are stable */
	AGENT_INVENTORY_REPORT,
	AGENT_TARGET, /* waiting until the disks are stable, then choosing one */
	AGENT_OPEN,   /* opening it; for a plan `finishing`, looking at its head and tail */
	AGENT_ASSESS,
	AGENT_FETCH,
	AGENT_SEED,	 /* complete; reading back, serving */
	AGENT_FINISHING, /* asking leave to commit */
	AGENT_LEAVE,	 /* got it; leaving the swarm */
	AGENT_COMMIT,
	AGENT_FINISHED, /* reporting that */
	AGENT_FAILED,	/* reporting that */
	AGENT_LINGER,	/* failed; a person may want to read the screen */
	AGENT_END,
	AGENT_STATES_COUNT
};

enum agent_input_kind {
	AGENT_IN_START,
	AGENT_IN_TICK,	   /* the deadline passed */
	AGENT_IN_READY,	   /* answer to BRING_UP */
	AGENT_IN_REPLY,	   /* report, reply: answer to REPORT */
	AGENT_IN_NO_REPLY, /* report: nothing usable came */
	AGENT_IN_PLAN,	   /* plan: fresh, signed, for this node; borrowed from now on */
	AGENT_IN_METAINFO, /* image_bytes, image_sector_bytes: signed and the plan's */
	AGENT_IN_LATER,	 /* plan or metainfo cannot be had now. answered: the server said so itself;
			    retry_ms: and when to come back */
	AGENT_IN_DISKS,	 /* disks, disks_count, probing: answer to SCAN */
	AGENT_IN_OPENED, /* answer to OPEN */
	AGENT_IN_INSTALLED, /* answer to OPEN for a plan `finishing`: that head and tail lie there
			     */
	AGENT_IN_ASSESSED,
	AGENT_IN_COMPLETE,
	AGENT_IN_READ_BACK, /* answer to READ_BACK: the medium returns what was written */
	AGENT_IN_STOPPED,   /* answer to STOP */
	AGENT_IN_COMMITTED, /* answer to COMMIT: written, read back, closed */
	AGENT_IN_FAILED,    /* failure: what was under way cannot be done */
	AGENT_INPUTS_COUNT
};

struct agent_input {
	enum agent_input_kind kind;
	enum report_event report;
	const struct report_reply *reply;
	const struct plan *plan;
	uint64_t image_bytes;
	uint32_t image_sector_bytes;
	bool answered;
	uint64_t retry_ms;
	const struct report_disk *disks;
	uint32_t disks_count;
	bool probing;
	const struct failure *failure;
};

enum agent_effect_kind {
	AGENT_DO_BRING_UP,
	AGENT_DO_REPORT,       /* report: answer REPLY or NO_REPLY */
	AGENT_DO_ASK_PLAN,     /* answer PLAN, LATER or FAILED */
	AGENT_DO_ASK_METAINFO, /* answer METAINFO, LATER or FAILED */
	AGENT_DO_SCAN,	       /* answer DISKS */
	AGENT_DO_OPEN,	       /* disk: index into the disks of the last DISKS input */
	AGENT_DO_TRANSFER,     /* from here on ASSESSED, COMPLETE, FAILED may come */
	AGENT_DO_READ_BACK,
	AGENT_DO_STOP, /* leave the swarm, write nothing more */
	AGENT_DO_COMMIT,
	AGENT_DO_END, /* end: nothing comes after it */
};

enum agent_end {
	AGENT_END_LOCAL,   /* reboot: the server lets the local disk boot */
	AGENT_END_PLANNED, /* finished: do what plan->end says */
	AGENT_END_RESCUE,
	AGENT_END_FAILED, /* reboot, after a failure */
};

struct agent_effect {
	enum agent_effect_kind kind;
	enum report_event report;
	uint32_t disk;
	enum agent_end end;
};

struct agent_settings {
	uint64_t seed;	    /* of jitter */
	uint64_t settle_ns; /* the disks must stay the same this long: 10 s */
	uint64_t linger_ns; /* after a failure was reported */
};

/* Bounds, for tests and for people who wonder. */
#define AGENT_UNANSWERED_NS_MAX (600 * NS_PER_S) /* no answer before a plan: boot locally */
#define AGENT_FINISHED_NS_MAX	(30 * NS_PER_S)	 /* repeat `finished` this long */
#define AGENT_FAILED_NS_MAX	(600 * NS_PER_S) /* repeat `failed` this long */
#define AGENT_LEAVE_NS_MAX	(60 * NS_PER_S)	 /* for the swarm to let go */

#define AGENT_EFFECTS_MAX 16

/* One node's boot. Private to agent_core.c; here so that it needs no allocation. */
struct agent_core {
	struct agent_settings settings;
	struct rng rng;
	enum agent_state state;
	enum report_stage stage;
	const struct plan *plan;
	uint64_t image_bytes;
	uint32_t image_sector_bytes;
	struct target_watch watch;
	struct failure failure;
	enum agent_end end;
	uint32_t chosen;
	uint32_t tries;	      /* of the thing that is being retried */
	uint64_t retry_ns;    /* next try; UINT64_MAX: none pending */
	uint64_t progress_ns; /* next progress report */
	uint64_t limit_ns;    /* the state's own end */
	uint64_t answered_ns; /* the server last said something */
	uint64_t completed_ns;
	bool progress_pending;
	bool transfer_runs;
	bool read_back;
	bool released;
	struct agent_effect effects[AGENT_EFFECTS_MAX];
	uint32_t effects_first;
	uint32_t effects_count;
};

void agent_core_init(struct agent_core *core, const struct agent_settings *settings);
void agent_core_handle(struct agent_core *core, uint64_t now_ns, const struct agent_input *input);

/* False when drained. The driver drains after every input. */
MUST_USE bool agent_core_next_effect(struct agent_core *core, struct agent_effect *effect);

/* When TICK is due; UINT64_MAX: nothing pending. */
uint64_t agent_core_deadline_ns(const struct agent_core *core);

enum agent_state agent_core_state(const struct agent_core *core);
enum report_stage agent_core_stage(const struct agent_core *core);

/* What went wrong; error is ERROR_NONE before anything did. Valid as long as the core. */
const struct failure *agent_core_failure(const struct agent_core *core);

#endif
