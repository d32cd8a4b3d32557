/* SPDX-License-Identifier: Apache-2.0 */
/* From a bare kernel to a machine with drivers and an address; and the disks it shows. */
#include <inttypes.h>
#include <stdio.h>

#include "initramfs/agent.h"
#include "initramfs/disks.h"
#include "initramfs/net.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define SYS		 "/sys"
#define PROBE_ROUNDS_MAX 32

static void probe_once(void *context)
{
	struct agent *agent = context;

	modules_probe(agent->modules, SYS);
}

/* On a thread of its own. */
static void bring_up(void *context)
{
	struct agent *agent = context;
	struct net net;

	log_info("loading drivers");
	for (int round = 0; round < PROBE_ROUNDS_MAX; round++)
		if (modules_probe(agent->modules, SYS) == 0)
			break;
	if (agent->options->modules[0] != '\0')
		modules_load_named(agent->options->modules);
	agent->bring_up_good = net_bring_up(
		&net, agent->options->node, probe_once, agent, &agent->bring_up_failure);
	agent->functions_count = modules_missing(SYS, agent->functions, REPORT_FUNCTIONS_MAX);
	for (uint32_t i = 0; i < agent->functions_count; i++)
		log_warning("no driver for %s", agent->functions[i]);
	machine_read(&agent->machine, SYS);
	if (agent->bring_up_good)
		memcpy(agent->node, net.mac, sizeof(agent->node));
}

static void device_path(char path[static PATH_MAX], const char *name)
{
	size_t used = strlen("/dev/");

	memcpy(path, "/dev/", used);
	/* The kernel writes '!' for '/' in a name ("cciss!c0d0"). */
	for (; *name != '\0'; name++)
		path[used++] = *name == '!' ? '/' : *name;
	path[used] = '\0';
}

/* What cannot be listed whole must not be chosen from; it is shown all the same. */
static bool list_disks(struct agent *agent, struct failure *failure)
{
	struct inventory *inventory = &agent->inventory;
	bool good;

	if (agent->options->appliance)
		good = disks_scan(
			SYS, inventory->disks, REPORT_DISKS_MAX, &inventory->disks_count, failure);
	else
		good = option_disks_scan(&agent->options->disks, inventory->disks, inventory->paths,
			REPORT_DISKS_MAX, &inventory->disks_count, failure);
	for (uint32_t i = 0; agent->options->appliance && i < inventory->disks_count; i++)
		device_path(inventory->paths[i], inventory->disks[i].name);
	return good;
}

static void bring_up_done(void *context)
{
	struct agent *agent = context;

	struct failure failure;

	agent_job_ended(agent);
	/* A list that is not whole stops the agent when it is time to choose, and can report. */
	if (!list_disks(agent, &failure))
		log_warning("%s", failure.text);
	if (agent->bring_up_good)
		agent_give_kind(agent, AGENT_IN_READY);
	else
		agent_give_failure(agent, &agent->bring_up_failure);
}

void agent_bring_up(struct agent *agent)
{
	struct failure failure;

	if (!agent->options->appliance) {
		memcpy(agent->node, agent->options->node, sizeof(agent->node));
		memcpy(agent->machine.macs[0], agent->node, sizeof(agent->node));
		agent->machine.macs_count = 1;
		if (!list_disks(agent, &failure))
			log_warning("%s", failure.text);
		agent_give_kind(agent, AGENT_IN_READY);
		return;
	}
	agent->modules = modules_create();
	agent_start_job(agent, bring_up, bring_up_done);
}

/* The kernel counts its announcements of devices: while the count grows, it is still finding some.
 */
static bool kernel_probes(struct agent *agent)
{
	SCOPED(file) FILE *file = fopen(SYS "/kernel/uevent_seqnum", "re");
	uint64_t uevents = 0;

	if (file == NULL || fscanf(file, "%" SCNu64, &uevents) != 1)
		return false;
	bool changed = uevents != agent->uevents;

	agent->uevents = uevents;
	return changed;
}

void agent_scan(struct agent *agent)
{
	bool probing = false;
	struct failure failure;

	if (agent->options->appliance) {
		/* A disk controller may have appeared after the network was up. */
		probing = modules_probe(agent->modules, SYS) > 0;
		probing |= kernel_probes(agent);
	}
	if (!list_disks(agent, &failure)) {
		agent_give_failure(agent, &failure);
		return;
	}
	struct agent_input input = {.kind = AGENT_IN_DISKS,
		.disks = agent->inventory.disks,
		.disks_count = agent->inventory.disks_count,
		.probing = probing};

	agent_give(agent, &input);
}
