/* SPDX-License-Identifier: Apache-2.0 */
/* Reading nodes, disks and events back. What is not as this program writes it is refused, not
 * guessed at. */
#include "server/database_private.h"

#include <stdio.h>

/* Columns are read in order. */
struct reader {
	sqlite3_stmt *statement;
	int column;
};

static uint64_t read_number(struct reader *reader)
{
	return (uint64_t)sqlite3_column_int64(reader->statement, reader->column++);
}

static void read_text(struct reader *reader, char *text, size_t capacity)
{
	const unsigned char *value = sqlite3_column_text(reader->statement, reader->column++);

	snprintf(text, capacity, "%s", value != NULL ? (const char *)value : "");
}

/* False when the blob has another length. */
static bool read_blob(struct reader *reader, void *bytes, size_t bytes_count)
{
	int column = reader->column++;
	const void *value = sqlite3_column_blob(reader->statement, column);

	if (value == NULL || (size_t)sqlite3_column_bytes(reader->statement, column) != bytes_count)
		return false;
	memcpy(bytes, value, bytes_count);
	return true;
}

static bool read_marks(struct reader *reader, uint64_t marks_ms[static MARKS_COUNT])
{
	uint8_t bytes[8 * MARKS_COUNT];

	if (!read_blob(reader, bytes, sizeof(bytes)))
		return false;
	for (size_t i = 0; i < MARKS_COUNT; i++)
		marks_ms[i] = be64_read(bytes + 8 * i);
	return true;
}

static bool read_arm(struct reader *reader, struct arm *arm)
{
	char end[16];

	read_text(reader, arm->image, sizeof(arm->image));
	if (!read_blob(reader, arm->infohash, sizeof(arm->infohash)))
		return false;
	arm->image_bytes = read_number(reader);
	read_text(reader, arm->target.serial, sizeof(arm->target.serial));
	read_text(reader, arm->target.wwn, sizeof(arm->target.wwn));
	arm->target.size_bytes = read_number(reader);
	arm->target.sector_bytes = (uint32_t)read_number(reader);
	read_text(reader, end, sizeof(end));
	arm->armed_ms = read_number(reader);
	arm->expires_ms = read_number(reader);
	arm->open = read_number(reader) != 0;
	arm->digest_known = read_blob(reader, arm->head_tail_sha256, sizeof(arm->head_tail_sha256));
	if (!read_marks(reader, arm->marks_ms) || !plan_end_from_name(&arm->end, end))
		return false;
	arm->ended_ms = read_number(reader);
	read_text(reader, arm->outcome, sizeof(arm->outcome));
	arm->traffic.received_bytes = read_number(reader);
	arm->traffic.from_origin_bytes = read_number(reader);
	arm->traffic.sent_bytes = read_number(reader);
	arm->traffic.wasted_bytes = read_number(reader);
	return true;
}

static bool read_node(struct reader *reader, struct node *node)
{
	char state[16];
	char local_boot[16];
	char error[32];

	memset(node, 0, sizeof(*node));
	read_text(reader, node->id, sizeof(node->id));
	read_text(reader, node->name, sizeof(node->name));
	read_text(reader, node->uuid, sizeof(node->uuid));
	read_text(reader, node->serial, sizeof(node->serial));
	read_text(reader, state, sizeof(state));
	read_text(reader, local_boot, sizeof(local_boot));
	node->firmware_uefi = read_number(reader) != 0;
	node->has_inventory = read_number(reader) != 0;
	node->inventory_offered = read_number(reader) != 0;
	node->rescue = read_number(reader) != 0;
	node->first_seen_ms = read_number(reader);
	node->last_contact_ms = read_number(reader);
	node->boot_id = read_number(reader);
	node->boot_id_before_arm = read_number(reader);
	read_text(reader, error, sizeof(error));
	read_text(reader, node->error_text, sizeof(node->error_text));
	node->arm.number = read_number(reader);
	if (!read_marks(reader, node->marks_ms))
		return false;
	read_text(reader, node->rack, sizeof(node->rack));
	node->error = error_from_name(error, strlen(error));
	return node_state_from_name(&node->state, state) &&
	       local_boot_from_name(&node->local_boot, local_boot) && node->error != ERRORS_COUNT &&
	       (node->arm.number == 0 || read_arm(reader, &node->arm));
}

bool database_load_nodes(struct database *database,
	bool (*on_node)(void *context, const struct node *node), void *context,
	struct failure *failure)
{
	SCOPED(statement) sqlite3_stmt *statement = NULL;
	int code;

	if (sqlite3_prepare_v2(database->sqlite,
		    "SELECT id, name, uuid, serial, state, local_boot, firmware_uefi,"
		    " has_inventory, inventory_offered, rescue, first_seen_ms, last_contact_ms,"
		    " boot_id, boot_id_before_arm, error, error_text, arm, nodes.marks_ms, rack, "
		    "image,"
		    " infohash, image_bytes, target_serial, target_wwn, target_bytes,"
		    " target_sector_bytes, end, armed_ms, expires_ms, open, head_tail_sha256,"
		    " arms.marks_ms, ended_ms, outcome, received_bytes, from_origin_bytes,"
		    " sent_bytes, wasted_bytes"
		    " FROM nodes LEFT JOIN arms ON arms.number = nodes.arm ORDER BY id",
		    -1, &statement, NULL) != SQLITE_OK)
		return database_failure(database, "reading the nodes", failure);
	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		struct reader reader = {statement, 0};
		struct node node;

		if (!read_node(&reader, &node))
			return failure_set(failure, ERROR_FORMAT,
				"database: the row of node %s is damaged", node.id);
		if (!on_node(context, &node))
			return failure_set(failure, ERROR_LIMIT, "too many nodes in the database");
	}
	return code == SQLITE_DONE || database_failure(database, "reading the nodes", failure);
}

bool database_load_disks(struct database *database, const char *node, struct report_disk *disks,
	uint32_t disks_max, uint32_t *disks_count, struct failure *failure)
{
	SCOPED(statement) sqlite3_stmt *statement = NULL;
	int code;

	*disks_count = 0;
	if (sqlite3_prepare_v2(database->sqlite,
		    "SELECT name, model, serial, wwn, bus, size_bytes, sector_bytes,"
		    " physical_sector_bytes, eligible, why_not FROM disks"
		    " WHERE node = ? ORDER BY position",
		    -1, &statement, NULL) != SQLITE_OK ||
		sqlite3_bind_text(statement, 1, node, -1, SQLITE_TRANSIENT) != SQLITE_OK)
		return database_failure(database, "reading disks", failure);
	while ((code = sqlite3_step(statement)) == SQLITE_ROW && *disks_count < disks_max) {
		struct reader reader = {statement, 0};
		struct report_disk *disk = &disks[(*disks_count)++];

		memset(disk, 0, sizeof(*disk));
		read_text(&reader, disk->name, sizeof(disk->name));
		read_text(&reader, disk->model, sizeof(disk->model));
		read_text(&reader, disk->serial, sizeof(disk->serial));
		read_text(&reader, disk->wwn, sizeof(disk->wwn));
		read_text(&reader, disk->bus, sizeof(disk->bus));
		disk->size_bytes = read_number(&reader);
		disk->sector_bytes = (uint32_t)read_number(&reader);
		disk->physical_sector_bytes = (uint32_t)read_number(&reader);
		disk->eligible = read_number(&reader) != 0;
		read_text(&reader, disk->why_not, sizeof(disk->why_not));
	}
	return code == SQLITE_DONE || code == SQLITE_ROW ||
	       database_failure(database, "reading disks", failure);
}

static const char *column_text(sqlite3_stmt *statement, int column)
{
	const unsigned char *text = sqlite3_column_text(statement, column);

	return text != NULL ? (const char *)text : "";
}

bool database_list_events(struct database *database, const char *node, uint32_t limit,
	void (*on_event)(void *context, const struct database_event *event), void *context,
	struct failure *failure)
{
	SCOPED(statement) sqlite3_stmt *statement = NULL;
	int code;

	if (sqlite3_prepare_v2(database->sqlite,
		    "SELECT node, at_ms, kind, text, log FROM events"
		    " WHERE ?1 IS NULL OR node = ?1 ORDER BY number DESC LIMIT ?2",
		    -1, &statement, NULL) != SQLITE_OK ||
		sqlite3_bind_text(statement, 1, node, -1, SQLITE_TRANSIENT) != SQLITE_OK ||
		sqlite3_bind_int64(statement, 2, limit) != SQLITE_OK)
		return database_failure(database, "reading events", failure);
	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		struct database_event event = {.node = column_text(statement, 0),
			.at_ms = (uint64_t)sqlite3_column_int64(statement, 1),
			.kind = column_text(statement, 2),
			.text = column_text(statement, 3),
			.log = column_text(statement, 4)};

		on_event(context, &event);
	}
	return code == SQLITE_DONE || database_failure(database, "reading events", failure);
}

bool database_last_arm(struct database *database, uint64_t *number, struct failure *failure)
{
	SCOPED(statement) sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(database->sqlite, "SELECT max(number) FROM arms", -1, &statement,
		    NULL) != SQLITE_OK ||
		sqlite3_step(statement) != SQLITE_ROW)
		return database_failure(database, "reading the last arm", failure);
	*number = (uint64_t)sqlite3_column_int64(statement, 0);
	return true;
}
