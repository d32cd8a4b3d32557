/* SPDX-License-Identifier: Apache-2.0 */
/* A transfer among its neighbours: local discovery finds peers on the segment. */
#include "lib/log.h"
#include "runtime/transfer.h"

static void on_need(void *context, struct lsd_need *need)
{
	const struct transfer *transfer = context;
	struct swarm_status status;

	swarm_status(transfer->swarm, &status);
	need->complete = status.complete;
	need->peers_count = status.peers_count;
}

static void on_found(void *context, const struct peer_address *address)
{
	transfer_input(context, &(struct swarm_input){.kind = SWARM_IN_ADDRESS,
					.source = SWARM_SOURCE_LOCAL,
					.address = *address});
}

static const struct lsd_member_ops ops = {.need = on_need, .found = on_found};

/* Without it peers are found otherwise: that it cannot be had is no failure. */
static struct lsd *session_lsd(struct session *session)
{
	struct failure failure = {0};
	const struct lsd_settings settings = {.base = session->base,
		.source = session->connections.source,
		.port = session->port,
		.hops = session->lsd_hops};

	if (session->lsd == NULL)
		session->lsd = lsd_open(&settings, &failure);
	if (session->lsd == NULL)
		log_warning("no local discovery: %s", failure.text);
	return session->lsd;
}

void transfer_near_open(struct transfer *transfer, const struct transfer_settings *settings)
{
	if (!settings->lsd || settings->metainfo->is_private)
		return;

	struct lsd *lsd = session_lsd(transfer->session);

	if (lsd != NULL)
		transfer->lsd = lsd_join(lsd, transfer->metainfo->infohash, &ops, transfer);
}

void transfer_near_close(struct transfer *transfer)
{
	transfer->lsd = lsd_leave(transfer->lsd);
}
