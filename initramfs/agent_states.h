/* SPDX-License-Identifier: Apache-2.0 */
/* The states of the agent and the way between them: private to agent_core.c and its table. */
#ifndef INITRAMFS_AGENT_STATES_H
#define INITRAMFS_AGENT_STATES_H

#include "initramfs/agent_core.h"

/* What an input means for the way ahead, after conditions were looked at. */
enum agent_event {
	EVENT_NONE,
	EVENT_START,
	EVENT_READY,
	EVENT_ANSWERED, /* this state's own report was answered (and acknowledged where it must be)
			 */
	EVENT_LIMIT,	/* the state's time is over */
	EVENT_PLAN_IMAGE,
	EVENT_PLAN_INVENTORY,
	EVENT_PLAN_LOCAL,
	EVENT_METAINFO,
	EVENT_SETTLED, /* disks are stable (and, in TARGET, one was chosen) */
	EVENT_OPENED,
	EVENT_INSTALLED,
	EVENT_ASSESSED,
	EVENT_COMPLETE,
	EVENT_LEAVE, /* read back, and released or past the deadline */
	EVENT_STOPPED,
	EVENT_COMMITTED,
	EVENT_FAILED,
	EVENTS_COUNT
};

extern const uint8_t agent_next_state[AGENT_STATES_COUNT][EVENTS_COUNT];

/* The stage that reports name (enum report_stage). */
extern const uint8_t agent_state_stage[AGENT_STATES_COUNT];

/* The report that a state is about, if it is about one. */
bool agent_state_report(enum agent_state state, enum report_event *report);
bool agent_state_shows_progress(enum agent_state state);
/* Nothing can be done in it but hear from the server. */
bool agent_state_needs_server(enum agent_state state);

#endif
