/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a node tells its server (bencoded, POST /v1/node/report) and what the server answers
 * (docs/node-protocol.md).
 */
#ifndef WIRE_REPORT_H
#define WIRE_REPORT_H

#include "wire/plan.h"

#define REPORT_VERSION	     1
#define REPORT_DISKS_MAX     64
#define REPORT_LOG_MAX	     (16 * KIB)
#define REPORT_BYTES_MAX     (256 * KIB)
#define REPORT_TEXT_MAX	     512
#define REPORT_FUNCTIONS_MAX 32

enum report_event {
	REPORT_HELLO,	  /* the agent runs; carries disks and hardware: the inventory */
	REPORT_PROGRESS,  /* once a second while it works */
	REPORT_FINISHING, /* all durable and read back; asks leave to commit head and tail */
	REPORT_FINISHED,  /* committed and read back; the node is about to boot locally */
	REPORT_FAILED,	  /* stopped with a cause; carries disks and the log's tail */
};

enum report_stage {
	STAGE_AGENT,  /* drivers, link, address */
	STAGE_PLAN,   /* fetching and checking plan and metainfo */
	STAGE_TARGET, /* waiting for the disk */
	STAGE_ASSESS,
	STAGE_FETCH,
	STAGE_SEED, /* complete; serving and reading the medium back */
	STAGE_FINISH,
	STAGE_DONE,
	STAGES_COUNT
};

/* "agent", "plan", ...: names on the wire, in JSON and on the screen. */
const char *stage_name(enum report_stage stage);

struct report_disk {
	char name[32]; /* sda: for people only, never for matching */
	char model[DISK_TEXT_MAX];
	char serial[DISK_TEXT_MAX];
	char wwn[DISK_TEXT_MAX];
	char bus[32]; /* "virtio", "nvme", "ata", "scsi", "usb", "mmc", ... */
	uint64_t size_bytes;
	uint32_t sector_bytes; /* logical */
	uint32_t physical_sector_bytes;
	bool eligible;
	char why_not[DISK_TEXT_MAX]; /* "" when eligible: "usb", "removable", "read-only", ... */
};

struct report {
	enum report_event event;
	char node[NODE_ID_MAX]; /* MAC of the interface that booted */
	char uuid[64];		/* SMBIOS, lower case; may be "" */
	char serial[DISK_TEXT_MAX];
	uint64_t boot_id;  /* random per boot of the agent */
	uint64_t sequence; /* grows with every report of one boot */
	uint64_t arm;
	enum report_stage stage;
	uint64_t uptime_ms;
	/* progress */
	uint64_t bytes_total; /* image length */
	uint64_t bytes_durable;
	uint64_t bytes_zero;	 /* of total: known zero, never fetched */
	uint64_t bytes_present;	 /* of total: found on the disk by assessment */
	uint64_t bytes_received; /* payload from peers, all of it */
	uint64_t bytes_from_origin;
	uint64_t bytes_sent;
	uint64_t bytes_wasted; /* received but thrown away */
	uint32_t peers_count;
	uint64_t readback_bytes; /* of the medium, so far */
	uint64_t memory_resident_bytes;
	/* finishing */
	uint8_t head_tail_sha256[SHA256_BYTES];
	/* failure */
	enum error error;
	char text[REPORT_TEXT_MAX];
	const char *log; /* borrowed; not NUL-terminated */
	size_t log_bytes;
	/* inventory */
	struct report_disk disks[REPORT_DISKS_MAX];
	uint32_t disks_count;
	char functions_without_driver[REPORT_FUNCTIONS_MAX]
				     [64]; /* "0000:00:03.0 8086:1572 network" */
	uint32_t functions_count;
	bool firmware_uefi;
};

/* Returns 0 and write nothing of use when capacity is too small or a count is above its limit.
 * Of a log longer than REPORT_LOG_MAX the newest part is written. Parsed texts (not the log) hold
 * printable ASCII only: other bytes have become '?'. An error name that is not known is SYSTEM. */
size_t report_write(const struct report *report, uint8_t *bytes, size_t capacity);
MUST_USE bool report_parse(
	struct report *report, const uint8_t *bytes, size_t bytes_count, struct failure *failure);

/* Answer to a report. For REPORT_FINISHING, acknowledged means: durably recorded. */
struct report_reply {
	bool acknowledged;
	bool release;	   /* stop seeding, go on to finish */
	bool abort;	   /* disarmed by the operator: stop, write nothing more */
	uint64_t retry_ms; /* when not acknowledged: try again after this */
	char text[REPORT_TEXT_MAX];
};

size_t report_reply_write(const struct report_reply *reply, uint8_t *bytes, size_t capacity);
MUST_USE bool report_reply_parse(
	struct report_reply *reply, const uint8_t *bytes, size_t bytes_count);

#endif
