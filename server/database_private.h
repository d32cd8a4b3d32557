/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of the database share. */
#ifndef SERVER_DATABASE_PRIVATE_H
#define SERVER_DATABASE_PRIVATE_H

#include <sqlite3.h>

#include "lib/cleanup.h"
#include "server/database.h"

enum statement {
	STATEMENT_SAVE_NODE,
	STATEMENT_SAVE_ARM,
	STATEMENT_CLOSE_REPLACED,
	STATEMENT_SAVE_DISK,
	STATEMENT_REMOVE_DISKS,
	STATEMENT_REMOVE_ARMS,
	STATEMENT_REMOVE_NODE,
	STATEMENT_ADD_EVENT,
	STATEMENTS_COUNT
};

struct database {
	sqlite3 *sqlite;
	sqlite3_stmt *statements[STATEMENTS_COUNT]; /* made on first use */
};

/* Fills the failure with what SQLite says; returns false. */
bool database_failure(struct database *database, const char *what, struct failure *failure);

static inline void cleanup_statement(sqlite3_stmt **statement)
{
	sqlite3_finalize(*statement);
}

#endif
