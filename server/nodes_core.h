/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one node may do, and what each thing that happens to it changes (docs/node-protocol.md).
 * Pure: no database, no network, no clock; times are milliseconds since 1970 and come as arguments.
 * The caller saves the node: `durable` in an answer means that the change must be on the medium
 * before the answer leaves.
 */
#ifndef SERVER_NODES_CORE_H
#define SERVER_NODES_CORE_H

#include "wire/peer_wire.h"
#include "wire/report.h"

#define NODE_SILENT_MS	   (60 * (uint64_t)1000) /* after this a node no longer holds its wave back */
#define NODE_MAC_CHARS	   17
#define NODE_NAME_MAX	   64
#define NODE_MARK_FRESH_MS (120 * (uint64_t)1000)

enum node_state {
	NODE_KNOWN,
	NODE_ARMED,
	NODE_IMAGING,
	NODE_FINISHING,
	NODE_DONE,
	NODE_FAILED,
	NODE_STATES_COUNT
};

/* The stages that have a time on the server, in the order they are passed. */
enum node_mark {
	MARK_DHCP,   /* firmware or iPXE asked for an address */
	MARK_SCRIPT, /* iPXE asked for its script */
	MARK_KERNEL, /* iPXE asked for the kernel */
	MARK_AGENT,  /* the agent said hello */
	MARK_PLAN,   /* a plan was handed out */
	MARK_FETCH,  /* it fetches */
	MARK_FINISH, /* `finishing` is recorded */
	MARK_DONE,   /* `finished` is recorded */
	MARKS_COUNT
};

enum local_boot {
	LOCAL_BOOT_AUTO,    /* by firmware: BIOS sanboot, UEFI exit */
	LOCAL_BOOT_EXIT,    /* leave iPXE; the firmware boots the next device */
	LOCAL_BOOT_SANBOOT, /* boot BIOS drive 0x80 */
	LOCAL_BOOT_ESP,	    /* load \EFI\BOOT\BOOTX64.EFI from the local disk's ESP */
	LOCAL_BOOTS_COUNT
};

/* Names in JSON, in the database and on the screen. */
const char *node_state_name(enum node_state state);
const char *node_mark_name(enum node_mark mark);
const char *local_boot_name(enum local_boot method);
const char *plan_end_name(enum plan_end end);
/* False when there is no such name. */
MUST_USE bool node_state_from_name(enum node_state *state, const char *name);
MUST_USE bool local_boot_from_name(enum local_boot *method, const char *name);
MUST_USE bool plan_end_from_name(enum plan_end *end, const char *name);

/* Takes aa:bb:cc:dd:ee:ff, with '-' or nothing between, any case; writes the form with ':' and
 * lower case. Refuses all zeros and group addresses. */
MUST_USE bool mac_normalise(char mac[static NODE_MAC_CHARS + 1], const char *text);

/* Payload counters of one arm, summed over the boots it took. */
struct arm_traffic {
	uint64_t received_bytes;
	uint64_t from_origin_bytes;
	uint64_t sent_bytes;
	uint64_t wasted_bytes;
};

struct arm {
	uint64_t number; /* 0: never armed */
	char image[METAINFO_NAME_MAX];
	uint8_t infohash[SHA1_BYTES];
	uint64_t image_bytes;
	struct target_rule target;
	enum plan_end end;
	uint64_t armed_ms;
	uint64_t expires_ms; /* of the permission to start; 0: never */
	bool open;	     /* reports for it are heard: armed, imaging, finishing, done */
	bool digest_known;
	uint8_t head_tail_sha256[SHA256_BYTES];
	uint64_t marks_ms[MARKS_COUNT]; /* first time each stage was reached under this arm */
	uint64_t ended_ms;		/* done, failed, disarmed or expired */
	char outcome[16];	    /* "", "done", "failed", "disarmed", "expired", "replaced" */
	struct arm_traffic traffic; /* of boots before the current one */
};

struct node {
	char id[NODE_ID_MAX]; /* normalised MAC */
	char name[NODE_NAME_MAX];
	char uuid[64];
	char serial[DISK_TEXT_MAX];
	char rack[PEER_PLACE_MAX + 1]; /* by the operator's word; "": none */
	enum node_state state;
	enum local_boot local_boot;
	bool firmware_uefi;
	bool has_inventory;
	bool inventory_offered; /* the one boot for it was given */
	bool rescue;		/* the next boot is a rescue shell */
	uint64_t first_seen_ms;
	uint64_t last_contact_ms;
	uint64_t marks_ms[MARKS_COUNT]; /* of the current boot; 0: not reached */
	struct arm arm;			/* the current one, or the last */
	uint64_t boot_id;		/* of the last agent heard */
	uint64_t boot_id_before_arm;	/* what an agent of this boot says without an arm number is
					   not about the current arm */
	enum error error;		/* why it failed */
	char error_text[REPORT_TEXT_MAX];
	/* Kept in memory only; comes again within a second of a restart. */
	struct node_progress {
		uint64_t boot_id;
		uint64_t sequence;
		uint64_t heard_ms;
		enum report_stage stage;
		uint64_t bytes_total, bytes_durable, bytes_zero, bytes_present;
		struct arm_traffic traffic;
		uint32_t peers_count;
		uint64_t readback_bytes;
		uint64_t memory_resident_bytes;
		uint64_t rate_bytes_per_s; /* durable bytes gained, smoothed */
	} progress;
};

struct node_rules {
	bool discover;
};

/* A node at its first contact. mac must be normalised. */
void node_init(struct node *node, const char *mac, uint64_t now_ms);

/* A stage was reached. A DHCP request after a script begins a new boot. True when the node's saved
 * part changed. */
bool node_mark(struct node *node, enum node_mark mark, uint64_t now_ms);

/* Ends an arm that was never begun and is past its time. True when that happened. */
bool node_expire(struct node *node, uint64_t now_ms);

/* iPXE asks: true when it boots the agent, false when it boots the local disk. */
MUST_USE bool node_boots_agent(struct node *node, const struct node_rules *rules, uint64_t now_ms);

/* The agent asks: what its plan is. Handing out a plan for an arm makes the node `imaging`. */
MUST_USE enum plan_action node_plan(
	struct node *node, const struct node_rules *rules, uint64_t now_ms);

/* Gives the node a new arm; the caller has filled it. An arm that was not begun is replaced; one
 * that was is refused (false): it must be disarmed first. */
MUST_USE bool node_arm(
	struct node *node, const struct arm *arm, uint64_t now_ms, struct failure *failure);

/* Takes the permission back. False when there is none. */
MUST_USE bool node_disarm(struct node *node, uint64_t now_ms);

struct node_answer {
	struct report_reply reply; /* release is the caller's business (node_holds_wave) */
	bool durable;		   /* save the node before the reply leaves */
	bool changed;		   /* the saved part changed: save it soon */
	bool inventory;		   /* take over the report's disks */
	bool inventory_adds;	   /* but keep those known before too (node_disks_add) */
	bool state_changed;
};

/* Applies a report to the node. */
void node_report(struct node *node, const struct report *report, uint64_t now_ms,
	struct node_answer *answer);

/* Appends to the disks that were seen those known before that are not among them; disks has room
 * for REPORT_DISKS_MAX. Returns their number. */
uint32_t node_disks_add(struct report_disk *disks, uint32_t disks_count,
	const struct report_disk *known, uint32_t known_count);

/* True while others with this image should go on serving for this node's sake: it is armed or
 * imaging, has not got everything, and was heard of in the last minute. */
bool node_holds_wave(
	const struct node *node, const uint8_t infohash[static SHA1_BYTES], uint64_t now_ms);

#endif
