/* SPDX-License-Identifier: Apache-2.0 */
/* A transfer's news as one JSON object a line on standard output. */
#ifndef CLI_TRANSFER_REPORT_H
#define CLI_TRANSFER_REPORT_H

#include "runtime/session.h"

void transfer_report_status(const char *event, const struct metainfo *metainfo,
	const struct transfer_status *status, uint16_t port);
void transfer_report_error(const struct failure *failure);

#endif
