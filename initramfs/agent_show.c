/* SPDX-License-Identifier: Apache-2.0 */
/* Lines for the person in front of the machine: where it is, and a bar every few seconds. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

#include "initramfs/agent.h"
#include "lib/log.h"
#include "lib/units.h"

#define BAR_CHARS 30

static void show_disks(const struct agent *agent)
{
	for (uint32_t i = 0; i < agent->inventory.disks_count; i++) {
		const struct report_disk *disk = &agent->inventory.disks[i];
		char size[UNITS_TEXT_MAX];

		log_info("disk %s: %s, %s, serial \"%s\", WWN \"%s\", %s, sectors of %u%s%s",
			disk->name, disk->bus, disk->model, disk->serial, disk->wwn,
			size_format(size, disk->size_bytes), disk->sector_bytes,
			disk->eligible ? "" : ", not used: ", disk->why_not);
	}
	if (agent->inventory.disks_count == 0)
		log_info("no disks");
}

static void show_failure(const struct agent *agent)
{
	const struct failure *failure = agent_core_failure(&agent->core);

	log_error("%s: %s", error_name(failure->error), failure->text);
	show_disks(agent);
}

/* What a machine needs for this image, for whoever plans with small ones. */
static void show_memory(void)
{
	struct rusage usage;
	char most[UNITS_TEXT_MAX];

	if (getrusage(RUSAGE_SELF, &usage) == 0)
		log_info("memory: at most %s of the agent were resident",
			size_format(most, (uint64_t)usage.ru_maxrss * KIB));
}

void agent_show_state(struct agent *agent, enum agent_state before)
{
	switch (agent_core_state(&agent->core)) {
	case AGENT_HELLO:
		log_info("node %s, server %s", agent->node, agent->options->server);
		break;
	case AGENT_INVENTORY:
		log_info("taking stock of this machine; nothing is written");
		break;
	case AGENT_TARGET:
		log_info("image %s: waiting until the disks are settled", agent->plan.image);
		break;
	case AGENT_ASSESS:
		log_info("reading what the disk already holds");
		break;
	case AGENT_FETCH:
		log_info("fetching image %s", agent->plan.image);
		break;
	case AGENT_SEED:
		log_info("complete; reading the disk back and serving others");
		break;
	case AGENT_FINISHING:
		log_info("asking the server for leave to finish");
		break;
	case AGENT_COMMIT:
		log_info("writing the first and last MiB");
		break;
	case AGENT_FINISHED:
		log_info("image %s is on %s, read back and right", agent->plan.image,
			agent->target.disk.name);
		show_memory();
		break;
	case AGENT_FAILED:
		show_failure(agent);
		break;
	case AGENT_LINGER:
		if (before == AGENT_HARDWARE)
			show_failure(agent);
		else
			log_info("rebooting soon; the local disk boots unless armed again");
		break;
	default:
		break;
	}
}

static void show_bar(const char *what, uint64_t done, uint64_t total, const char *more)
{
	char bar[BAR_CHARS + 1];
	char done_text[UNITS_TEXT_MAX];
	char total_text[UNITS_TEXT_MAX];
	uint64_t filled = total > 0 ? (done / (total / BAR_CHARS + 1)) : 0;

	for (uint64_t i = 0; i < BAR_CHARS; i++)
		bar[i] = i < filled || done >= total ? '#' : '.';
	bar[BAR_CHARS] = '\0';
	log_info("%s [%s] %3" PRIu64 " %%  %s of %s%s", what, bar,
		total > 0 ? done / (total / 100 + 1) + (done >= total) : 0,
		size_format(done_text, done), size_format(total_text, total), more);
}

void agent_show_progress(struct agent *agent)
{
	enum agent_state state = agent_core_state(&agent->core);
	struct transfer_status status;
	char more[256];
	char rate[UNITS_TEXT_MAX];
	char eta[UNITS_TEXT_MAX];

	if (agent->transfer == NULL)
		return;
	transfer_status(agent->transfer, &status);
	uint64_t total = agent->metainfo.length_bytes;

	if (state == AGENT_ASSESS) {
		show_bar("read", status.assessed_bytes, total, "");
	} else if (state == AGENT_FETCH) {
		snprintf(more, sizeof(more), "  %s/s  %u peers%s%s%s%s",
			size_format(rate, status.rate_received_bytes_per_s),
			status.swarm.peers_count, status.eta_s != UINT64_MAX ? "  ETA " : "",
			status.eta_s != UINT64_MAX ? duration_format(eta, status.eta_s) : "",
			status.tracker_text[0] != '\0' ? "  tracker: " : "", status.tracker_text);
		show_bar("fetch", status.swarm.durable_bytes, total, more);
	} else if (state == AGENT_SEED) {
		snprintf(more, sizeof(more), "  sent %s to others",
			size_format(rate, status.swarm.sent_bytes));
		show_bar("check", status.readback_bytes, total, more);
	}
}
