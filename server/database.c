/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the database, its schema, and everything that writes to it. Reading is in
 * database_read.c. */
#include "server/database_private.h"

#include <stdio.h>
#include <stdlib.h>

/* One statement of SQL a version: version n is what the first n make. */
static const char *const schema[] = {
	"CREATE TABLE nodes("
	" id TEXT PRIMARY KEY, name TEXT NOT NULL, uuid TEXT NOT NULL, serial TEXT NOT NULL,"
	" state TEXT NOT NULL, local_boot TEXT NOT NULL, firmware_uefi INTEGER NOT NULL,"
	" has_inventory INTEGER NOT NULL, inventory_offered INTEGER NOT NULL,"
	" rescue INTEGER NOT NULL, first_seen_ms INTEGER NOT NULL,"
	" last_contact_ms INTEGER NOT NULL, boot_id INTEGER NOT NULL,"
	" boot_id_before_arm INTEGER NOT NULL, error TEXT NOT NULL, error_text TEXT NOT NULL,"
	" arm INTEGER NOT NULL, marks_ms BLOB NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE arms("
	" number INTEGER PRIMARY KEY, node TEXT NOT NULL, image TEXT NOT NULL,"
	" infohash BLOB NOT NULL, image_bytes INTEGER NOT NULL,"
	" target_serial TEXT NOT NULL, target_wwn TEXT NOT NULL,"
	" target_bytes INTEGER NOT NULL, target_sector_bytes INTEGER NOT NULL,"
	" end TEXT NOT NULL, armed_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,"
	" open INTEGER NOT NULL, head_tail_sha256 BLOB, marks_ms BLOB NOT NULL,"
	" ended_ms INTEGER NOT NULL, outcome TEXT NOT NULL,"
	" received_bytes INTEGER NOT NULL, from_origin_bytes INTEGER NOT NULL,"
	" sent_bytes INTEGER NOT NULL, wasted_bytes INTEGER NOT NULL);"
	"CREATE INDEX arms_node ON arms(node);"
	"CREATE TABLE disks("
	" node TEXT NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL, model TEXT NOT NULL,"
	" serial TEXT NOT NULL, wwn TEXT NOT NULL, bus TEXT NOT NULL,"
	" size_bytes INTEGER NOT NULL, sector_bytes INTEGER NOT NULL,"
	" physical_sector_bytes INTEGER NOT NULL, eligible INTEGER NOT NULL,"
	" why_not TEXT NOT NULL, PRIMARY KEY(node, position)) WITHOUT ROWID;"
	"CREATE TABLE events("
	" number INTEGER PRIMARY KEY AUTOINCREMENT, node TEXT NOT NULL, at_ms INTEGER NOT NULL,"
	" kind TEXT NOT NULL, text TEXT NOT NULL, log TEXT NOT NULL);"
	"CREATE INDEX events_node ON events(node, number);",
	"ALTER TABLE nodes ADD COLUMN rack TEXT NOT NULL DEFAULT '';",
};

bool database_failure(struct database *database, const char *what, struct failure *failure)
{
	int code = sqlite3_errcode(database->sqlite) & 0xff;

	return failure_set(failure, code == SQLITE_FULL ? ERROR_NO_SPACE : ERROR_SYSTEM,
		"database: %s: %s", what, sqlite3_errmsg(database->sqlite));
}

static bool run(struct database *database, const char *sql, struct failure *failure)
{
	if (sqlite3_exec(database->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK)
		return true;
	return database_failure(database, "statement", failure);
}

bool database_begin(struct database *database, struct failure *failure)
{
	return run(database, "BEGIN IMMEDIATE", failure);
}

bool database_commit(struct database *database, struct failure *failure)
{
	if (run(database, "COMMIT", failure))
		return true;
	database_rollback(database);
	return false;
}

void database_rollback(struct database *database)
{
	/* Nothing to roll back is fine; everything else shows at the next statement. */
	if (!sqlite3_get_autocommit(database->sqlite))
		(void)sqlite3_exec(database->sqlite, "ROLLBACK", NULL, NULL, NULL);
}

static bool schema_version(struct database *database, int *version, struct failure *failure)
{
	SCOPED(statement) sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(database->sqlite, "PRAGMA user_version", -1, &statement, NULL) !=
			SQLITE_OK ||
		sqlite3_step(statement) != SQLITE_ROW)
		return database_failure(database, "reading its version", failure);
	*version = sqlite3_column_int(statement, 0);
	return true;
}

static bool schema_update(struct database *database, const char *path, struct failure *failure)
{
	int version = 0;

	if (!schema_version(database, &version, failure))
		return false;
	if (version < 0 || (size_t)version > ARRAY_COUNT(schema))
		return failure_set(failure, ERROR_UNSUPPORTED,
			"%s was written by a newer swarmboot (schema %d, this one knows %zu)", path,
			version, ARRAY_COUNT(schema));
	for (size_t i = (size_t)version; i < ARRAY_COUNT(schema); i++) {
		char pragma[64];

		snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %zu", i + 1);
		if (!database_begin(database, failure))
			return false;
		if (!run(database, schema[i], failure) || !run(database, pragma, failure)) {
			database_rollback(database);
			return false;
		}
		if (!database_commit(database, failure))
			return false;
	}
	return true;
}

struct database *database_open(const char *path, struct failure *failure)
{
	struct database *database = calloc(1, sizeof(*database));

	if (database == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for the database");
		return NULL;
	}
	if (sqlite3_open_v2(path, &database->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
		    NULL) != SQLITE_OK) {
		failure_set(failure, ERROR_SYSTEM, "cannot open %s: %s", path,
			database->sqlite != NULL ? sqlite3_errmsg(database->sqlite) : "no memory");
		return database_close(database);
	}
	/* Another program that reads the file must not make a commit fail. */
	sqlite3_busy_timeout(database->sqlite, 1000);
	if (!run(database, "PRAGMA journal_mode = WAL", failure) ||
		!run(database, "PRAGMA synchronous = FULL", failure) ||
		!schema_update(database, path, failure))
		return database_close(database);
	return database;
}

struct database *database_close(struct database *database)
{
	if (database == NULL)
		return NULL;
	for (size_t i = 0; i < STATEMENTS_COUNT; i++)
		sqlite3_finalize(database->statements[i]);
	sqlite3_close(database->sqlite);
	free(database);
	return NULL;
}

/* The prepared statement, ready for values. NULL and a failure when it cannot be made. */
static sqlite3_stmt *statement_ready(
	struct database *database, enum statement which, const char *sql, struct failure *failure)
{
	sqlite3_stmt **statement = &database->statements[which];

	if (*statement == NULL &&
		sqlite3_prepare_v3(database->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, statement,
			NULL) != SQLITE_OK) {
		database_failure(database, "preparing a statement", failure);
		return NULL;
	}
	sqlite3_reset(*statement);
	sqlite3_clear_bindings(*statement);
	return *statement;
}

static bool statement_run(struct database *database, sqlite3_stmt *statement, const char *what,
	struct failure *failure)
{
	int code = sqlite3_step(statement);

	if (code != SQLITE_DONE)
		database_failure(database, what, failure);
	sqlite3_reset(statement);
	return code == SQLITE_DONE;
}

/* Values are bound in the order of the columns; a failed bind leaves NULL, which NOT NULL refuses.
 */
struct binder {
	sqlite3_stmt *statement;
	int position;
};

static void bind_text(struct binder *binder, const char *text)
{
	sqlite3_bind_text(binder->statement, ++binder->position, text, -1, SQLITE_TRANSIENT);
}

static void bind_blob(struct binder *binder, const void *bytes, size_t bytes_count)
{
	sqlite3_bind_blob(
		binder->statement, ++binder->position, bytes, (int)bytes_count, SQLITE_TRANSIENT);
}

static void bind_number(struct binder *binder, uint64_t number)
{
	sqlite3_bind_int64(binder->statement, ++binder->position, (sqlite3_int64)number);
}

static void bind_marks(struct binder *binder, const uint64_t marks_ms[static MARKS_COUNT])
{
	uint8_t bytes[8 * MARKS_COUNT];

	for (size_t i = 0; i < MARKS_COUNT; i++)
		be64_write(bytes + 8 * i, marks_ms[i]);
	bind_blob(binder, bytes, sizeof(bytes));
}

static bool save_arm(struct database *database, const struct node *node, struct failure *failure)
{
	const struct arm *arm = &node->arm;
	struct binder binder = {
		statement_ready(database, STATEMENT_SAVE_ARM,
			"INSERT OR REPLACE INTO arms(number, node, image, infohash, image_bytes,"
			" target_serial, target_wwn, target_bytes, target_sector_bytes, end, "
			"armed_ms,"
			" expires_ms, open, head_tail_sha256, marks_ms, ended_ms, outcome, "
			"received_bytes,"
			" from_origin_bytes, sent_bytes, wasted_bytes)"
			" VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
			failure),
		0};

	if (binder.statement == NULL)
		return false;
	bind_number(&binder, arm->number);
	bind_text(&binder, node->id);
	bind_text(&binder, arm->image);
	bind_blob(&binder, arm->infohash, sizeof(arm->infohash));
	bind_number(&binder, arm->image_bytes);
	bind_text(&binder, arm->target.serial);
	bind_text(&binder, arm->target.wwn);
	bind_number(&binder, arm->target.size_bytes);
	bind_number(&binder, arm->target.sector_bytes);
	bind_text(&binder, plan_end_name(arm->end));
	bind_number(&binder, arm->armed_ms);
	bind_number(&binder, arm->expires_ms);
	bind_number(&binder, arm->open);
	if (arm->digest_known)
		bind_blob(&binder, arm->head_tail_sha256, sizeof(arm->head_tail_sha256));
	else
		binder.position++; /* NULL */
	bind_marks(&binder, arm->marks_ms);
	bind_number(&binder, arm->ended_ms);
	bind_text(&binder, arm->outcome);
	bind_number(&binder, arm->traffic.received_bytes);
	bind_number(&binder, arm->traffic.from_origin_bytes);
	bind_number(&binder, arm->traffic.sent_bytes);
	bind_number(&binder, arm->traffic.wasted_bytes);
	return statement_run(database, binder.statement, "saving an arm", failure);
}

static bool save_node(struct database *database, const struct node *node, struct failure *failure)
{
	struct binder binder = {
		statement_ready(database, STATEMENT_SAVE_NODE,
			"INSERT OR REPLACE INTO nodes(id, name, uuid, serial, state, local_boot,"
			" firmware_uefi, has_inventory, inventory_offered, rescue, first_seen_ms,"
			" last_contact_ms, boot_id, boot_id_before_arm, error, error_text, arm, "
			"marks_ms, rack)"
			" VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
			failure),
		0};

	if (binder.statement == NULL)
		return false;
	bind_text(&binder, node->id);
	bind_text(&binder, node->name);
	bind_text(&binder, node->uuid);
	bind_text(&binder, node->serial);
	bind_text(&binder, node_state_name(node->state));
	bind_text(&binder, local_boot_name(node->local_boot));
	bind_number(&binder, node->firmware_uefi);
	bind_number(&binder, node->has_inventory);
	bind_number(&binder, node->inventory_offered);
	bind_number(&binder, node->rescue);
	bind_number(&binder, node->first_seen_ms);
	bind_number(&binder, node->last_contact_ms);
	bind_number(&binder, node->boot_id);
	bind_number(&binder, node->boot_id_before_arm);
	bind_text(&binder, error_name(node->error));
	bind_text(&binder, node->error_text);
	bind_number(&binder, node->arm.number);
	bind_marks(&binder, node->marks_ms);
	bind_text(&binder, node->rack);
	return statement_run(database, binder.statement, "saving a node", failure);
}

/* An arm that was not begun gives way to a newer one. */
static bool close_replaced(
	struct database *database, const struct node *node, struct failure *failure)
{
	struct binder binder = {statement_ready(database, STATEMENT_CLOSE_REPLACED,
					"UPDATE arms SET outcome = 'replaced', open = 0,"
					" ended_ms = ?1 WHERE node = ?2 AND number < ?3"
					" AND outcome = ''",
					failure),
		0};

	if (binder.statement == NULL)
		return false;
	bind_number(&binder, node->arm.armed_ms);
	bind_text(&binder, node->id);
	bind_number(&binder, node->arm.number);
	return statement_run(database, binder.statement, "closing an old arm", failure);
}

bool database_save_node(struct database *database, const struct node *node, struct failure *failure)
{
	/* A node and its arm are one fact: never one without the other on the medium. */
	if (!run(database, "SAVEPOINT node", failure))
		return false;
	if (save_node(database, node, failure) &&
		(node->arm.number == 0 || save_arm(database, node, failure)) &&
		(node->state != NODE_ARMED || close_replaced(database, node, failure)) &&
		run(database, "RELEASE node", failure))
		return true;
	(void)sqlite3_exec(database->sqlite, "ROLLBACK TO node; RELEASE node", NULL, NULL, NULL);
	return false;
}

static bool run_for_node(struct database *database, enum statement which, const char *sql,
	const char *node, struct failure *failure)
{
	struct binder binder = {statement_ready(database, which, sql, failure), 0};

	if (binder.statement == NULL)
		return false;
	bind_text(&binder, node);
	return statement_run(database, binder.statement, "removing rows", failure);
}

static bool save_disk(struct database *database, const char *node, uint32_t position,
	const struct report_disk *disk, struct failure *failure)
{
	struct binder binder = {
		statement_ready(database, STATEMENT_SAVE_DISK,
			"INSERT INTO disks VALUES(?,?,?,?,?,?,?,?,?,?,?,?)", failure),
		0};

	if (binder.statement == NULL)
		return false;
	bind_text(&binder, node);
	bind_number(&binder, position);
	bind_text(&binder, disk->name);
	bind_text(&binder, disk->model);
	bind_text(&binder, disk->serial);
	bind_text(&binder, disk->wwn);
	bind_text(&binder, disk->bus);
	bind_number(&binder, disk->size_bytes);
	bind_number(&binder, disk->sector_bytes);
	bind_number(&binder, disk->physical_sector_bytes);
	bind_number(&binder, disk->eligible);
	bind_text(&binder, disk->why_not);
	return statement_run(database, binder.statement, "saving a disk", failure);
}

bool database_save_disks(struct database *database, const char *node,
	const struct report_disk *disks, uint32_t disks_count, struct failure *failure)
{
	bool fine;

	if (!run(database, "SAVEPOINT disks", failure))
		return false;
	fine = run_for_node(database, STATEMENT_REMOVE_DISKS, "DELETE FROM disks WHERE node = ?",
		node, failure);
	for (uint32_t i = 0; fine && i < disks_count; i++)
		fine = save_disk(database, node, i, &disks[i], failure);
	if (fine && run(database, "RELEASE disks", failure))
		return true;
	(void)sqlite3_exec(database->sqlite, "ROLLBACK TO disks; RELEASE disks", NULL, NULL, NULL);
	return false;
}

bool database_forget_node(struct database *database, const char *node, struct failure *failure)
{
	if (!database_begin(database, failure))
		return false;
	if (!run_for_node(database, STATEMENT_REMOVE_DISKS, "DELETE FROM disks WHERE node = ?",
		    node, failure) ||
		!run_for_node(database, STATEMENT_REMOVE_ARMS, "DELETE FROM arms WHERE node = ?",
			node, failure) ||
		!run_for_node(database, STATEMENT_REMOVE_NODE, "DELETE FROM nodes WHERE id = ?",
			node, failure)) {
		database_rollback(database);
		return false;
	}
	return database_commit(database, failure);
}

bool database_add_event(struct database *database, const char *node, uint64_t at_ms,
	const char *kind, const char *text, const char *log, size_t log_bytes,
	struct failure *failure)
{
	struct binder binder = {
		statement_ready(database, STATEMENT_ADD_EVENT,
			"INSERT INTO events(node, at_ms, kind, text, log) VALUES(?,?,?,?,?)",
			failure),
		0};

	if (binder.statement == NULL)
		return false;
	bind_text(&binder, node);
	bind_number(&binder, at_ms);
	bind_text(&binder, kind);
	sqlite3_bind_text(binder.statement, ++binder.position, text,
		(int)u64_min(strlen(text), 1024), SQLITE_TRANSIENT);
	sqlite3_bind_text(binder.statement, ++binder.position, log != NULL ? log : "",
		(int)u64_min(log_bytes, REPORT_LOG_MAX), SQLITE_TRANSIENT);
	if (!statement_run(database, binder.statement, "adding an event", failure))
		return false;
	sqlite3_int64 number = sqlite3_last_insert_rowid(database->sqlite);

	if (number % 1024 != 0)
		return true;
	char sql[96];

	snprintf(sql, sizeof(sql), "DELETE FROM events WHERE number <= %lld",
		(long long)number - DATABASE_EVENTS_MAX);
	return run(database, sql, failure);
}
