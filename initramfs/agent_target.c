/* SPDX-License-Identifier: Apache-2.0 */
/* The target disk: opened exclusively, checked once more, imaged by a transfer through the holdback
 * layer, committed. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include "initramfs/agent.h"
#include "initramfs/disks.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/units.h"
#include "runtime/budget.h"

#define SYS		 "/sys"
#define MEMORY_BYTES_MAX BUDGET_BYTES_DEFAULT
#define MEMORY_BYTES_MIN (16 * MIB)

/* A name may have moved to another disk since the scan. Now that it is held open it cannot: look
 * again who it is. */
static bool still_the_same(struct agent *agent, struct failure *failure)
{
	static struct report_disk disks[REPORT_DISKS_MAX];
	struct target *target = &agent->target;
	uint32_t disks_count;

	if (!agent->options->appliance)
		return true;
	if (!disks_scan(SYS, disks, REPORT_DISKS_MAX, &disks_count, failure))
		return false;
	for (uint32_t i = 0; i < disks_count; i++)
		if (strcmp(disks[i].name, target->disk.name) == 0 &&
			memcmp(&disks[i], &target->disk, sizeof(disks[i])) == 0)
			return true;
	return failure_set(failure, ERROR_DISK_NONE, "%s is not the disk that was chosen any more",
		target->disk.name);
}

/* What the open device says of itself must agree with what was chosen. */
static bool shape_agrees(
	const struct agent *agent, const struct block_device *device, struct failure *failure)
{
	const struct report_disk *disk = &agent->target.disk;

	if (device->size_bytes != disk->size_bytes)
		return failure_set(failure, ERROR_DISK_NONE,
			"%s has changed its size from %llu to %llu bytes", disk->name,
			(unsigned long long)disk->size_bytes,
			(unsigned long long)device->size_bytes);
	/* A file that stands for a disk has the sector size it was given. */
	if (agent->options->appliance && device->sector_bytes != disk->sector_bytes)
		return failure_set(failure, ERROR_DISK_SECTOR_SIZE,
			"%s has changed its sector size from %u to %u bytes", disk->name,
			disk->sector_bytes, device->sector_bytes);
	return true;
}

/* Puts the layers on the device; closes it when that fails. NULL then, or when `finishing` had been
 * carried out already. */
static struct block_device *stack_up(
	struct agent *agent, struct block_device *device, struct failure *failure)
{
	uint64_t image_bytes = agent->metainfo.length_bytes;
	uint8_t digest[SHA256_BYTES];

	if (agent->options->faults != NULL) {
		struct block_device *faults =
			block_device_faults_open(device, agent->options->faults, failure);

		if (faults == NULL)
			return block_device_close(device);
		device = faults;
	}
	if (agent->plan.action == PLAN_FINISHING) {
		if (!block_device_head_tail_digest(
			    device, image_bytes, &crypto_digest_ops, digest, failure))
			return block_device_close(device);
		agent->target.installed =
			memcmp(digest, agent->plan.head_tail_sha256, SHA256_BYTES) == 0;
		if (agent->target.installed)
			return block_device_close(device);
	}
	struct block_device *holdback = block_device_holdback_open(device, image_bytes, failure);

	return holdback != NULL ? holdback : block_device_close(device);
}

/* On a thread of its own: a tired disk answers slowly. */
static void open_work(void *context)
{
	struct agent *agent = context;
	struct target *target = &agent->target;

	target->good = false;
	target->installed = false;
	struct block_device *device = block_device_open(target->path, true, 0, &target->failure);

	if (device == NULL)
		return;
	if (!still_the_same(agent, &target->failure) ||
		!shape_agrees(agent, device, &target->failure)) {
		block_device_close(device);
		return;
	}
	target->holdback = stack_up(agent, device, &target->failure);
	target->good = target->holdback != NULL || target->installed;
}

static void open_done(void *context)
{
	struct agent *agent = context;
	struct target *target = &agent->target;

	agent_job_ended(agent);
	if (!target->good)
		agent_give_failure(agent, &target->failure);
	else
		agent_give_kind(agent, target->installed ? AGENT_IN_INSTALLED : AGENT_IN_OPENED);
}

void agent_open_target(struct agent *agent, uint32_t disk)
{
	struct target *target = &agent->target;
	char size[UNITS_TEXT_MAX];

	target->disk = agent->inventory.disks[disk];
	memcpy(target->path, agent->inventory.paths[disk], sizeof(target->path));
	log_info("target: %s, %s, serial \"%s\", %s", target->path, target->disk.model,
		target->disk.serial, size_format(size, target->disk.size_bytes));
	agent_start_job(agent, open_work, open_done);
}

static void on_stopped(evutil_socket_t descriptor, short what, void *context)
{
	struct agent *agent = context;

	(void)descriptor;
	(void)what;
	transfer_status(agent->transfer, &agent->status);
	agent->transfer = transfer_destroy(agent->transfer);
	agent_give_kind(agent, AGENT_IN_STOPPED);
}

static void on_transfer(void *context, const struct transfer_event *event)
{
	struct agent *agent = context;

	switch (event->kind) {
	case TRANSFER_ASSESSED:
		agent_give_kind(agent, AGENT_IN_ASSESSED);
		break;
	case TRANSFER_COMPLETE:
		agent_give_kind(agent, AGENT_IN_COMPLETE);
		break;
	case TRANSFER_READBACK_DONE:
		agent_give_kind(agent, AGENT_IN_READ_BACK);
		break;
	case TRANSFER_FAILED:
		agent_give_failure(agent, event->failure);
		break;
	case TRANSFER_PEER_BANNED:
		log_warning("banned %s", event->text);
		break;
	case TRANSFER_STOPPED:
		/* The transfer is still below us on the stack. */
		event_active(agent->stopped_event, EV_TIMEOUT, 0);
		break;
	}
}

/* A sixth of the machine, so that 256 MiB of RAM are enough for any image. */
static uint64_t memory_bytes(const struct agent *agent)
{
	struct sysinfo system;

	if (agent->plan.memory_bytes > 0)
		return agent->plan.memory_bytes;
	if (sysinfo(&system) != 0)
		return MEMORY_BYTES_MIN;
	uint64_t sixth = (uint64_t)system.totalram * system.mem_unit / 6;

	return u64_max(MEMORY_BYTES_MIN, u64_min(sixth, MEMORY_BYTES_MAX));
}

/* The agent is linked statically and lies in memory: more of it is resident than a plan leaves for
 * a program. The plan counts the hashes itself. */
static uint64_t taken_bytes(const struct agent *agent)
{
	uint64_t planned_bytes =
		BUDGET_PROCESS_BYTES + (uint64_t)agent->metainfo.pieces_count * SHA256_BYTES;
	uint64_t resident_bytes = budget_resident_bytes();
	char resident[UNITS_TEXT_MAX];
	char most[UNITS_TEXT_MAX];

	log_info("memory: %s of the agent are resident, %s are for it",
		size_format(resident, resident_bytes), size_format(most, memory_bytes(agent)));
	return 2 * HOLDBACK_BYTES +
	       (resident_bytes > planned_bytes ? resident_bytes - planned_bytes : 0);
}

static int remove_entry(const char *path, const struct stat *about, int kind, struct FTW *where)
{
	(void)about;
	(void)kind;
	(void)where;
	/* What stays only costs memory. */
	(void)remove(path);
	return 0;
}

/* The initramfs lies in RAM: on a small machine the drivers that were not needed make room. */
static void drop_drivers(void)
{
	struct sysinfo system;

	if (sysinfo(&system) != 0 || (uint64_t)system.totalram * system.mem_unit >= GIB)
		return;
	if (nftw("/lib/modules", remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
		log_warning("the drivers' files stay in memory: %s", strerror(errno));
}

static bool start(struct agent *agent, struct failure *failure)
{
	struct session_settings session = {
		.base = agent->base, .memory_bytes = memory_bytes(agent)};
	struct sockaddr_in6 *listen = (struct sockaddr_in6 *)&session.listen;
	struct transfer_settings transfer = {.metainfo = &agent->metainfo,
		.device = agent->target.holdback,
		.trackers = agent->plan.trackers,
		.trackers_count = agent->plan.trackers_count,
		.peers = agent->plan.peers,
		.peers_count = agent->plan.peers_count,
		.rates = {.up_bytes_per_s = agent->plan.up_bytes_per_s,
			.down_bytes_per_s = agent->plan.down_bytes_per_s,
			.ramp_s = agent->plan.ramp_s},
		.memory_bytes = memory_bytes(agent),
		.memory_taken_bytes = taken_bytes(agent),
		.pex = !agent->plan.off.pex,
		.lsd = !agent->plan.off.lsd,
		.rack = agent->plan.rack,
		.site = agent->plan.site,
		.dht = !agent->plan.off.dht,
		.on_event = on_transfer,
		.context = agent};

	listen->sin6_family = AF_INET6;
	listen->sin6_addr = in6addr_any;
	session.listen_bytes = sizeof(*listen);
	agent->stopped_event = event_new(agent->base, -1, 0, on_stopped, agent);
	if (agent->stopped_event == NULL)
		return failure_set(failure, ERROR_MEMORY, "no memory for an event");
	agent->session = session_create(&session, failure);
	if (agent->session == NULL)
		return false;
	agent->transfer = transfer_start(agent->session, &transfer, failure);
	return agent->transfer != NULL;
}

void agent_start_transfer(struct agent *agent)
{
	struct failure failure = {0};

	if (agent->options->appliance)
		drop_drivers();
	if (!start(agent, &failure))
		agent_give_failure(agent, &failure);
}

void agent_stop_transfer(struct agent *agent)
{
	if (agent->transfer != NULL)
		transfer_stop(agent->transfer);
	else
		agent_give_kind(agent, AGENT_IN_STOPPED);
}

/* The kernel forgets the old partitions and finds the new ones: a mistake in them shows here at the
 * latest, and a boot by kexec needs them. */
static void reread_partitions(const char *path)
{
	SCOPED(fd) int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	struct stat about;

	if (descriptor < 0 || fstat(descriptor, &about) != 0 || !S_ISBLK(about.st_mode))
		return;
	/* A loop device may be made without partitions: that is no reason to fail. */
	if (ioctl(descriptor, BLKRRPART) != 0)
		log_warning("%s: its partitions were not read again: %s", path, strerror(errno));
}

static void commit_work(void *context)
{
	struct target *target = &((struct agent *)context)->target;

	target->good = holdback_commit(target->holdback, &target->failure);
	target->holdback = block_device_close(target->holdback);
	if (target->good)
		reread_partitions(target->path);
}

static void commit_done(void *context)
{
	struct agent *agent = context;

	agent_job_ended(agent);
	if (agent->target.good)
		agent_give_kind(agent, AGENT_IN_COMMITTED);
	else
		agent_give_failure(agent, &agent->target.failure);
}

void agent_commit(struct agent *agent)
{
	agent_start_job(agent, commit_work, commit_done);
}

void agent_close_target(struct agent *agent)
{
	agent->transfer = transfer_destroy(agent->transfer);
	agent->session = session_destroy(agent->session);
	agent->target.holdback = block_device_close(agent->target.holdback);
}
