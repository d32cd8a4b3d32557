/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of a described wave: its world is built, driven, and measured. When only a sample of the
 * image was simulated, the rest is taken to pass as the middle of the sample did, which has neither
 * the start nor the end of a wave in it.
 */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "cli/simulate.h"
#include "lib/cleanup.h"
#include "runtime/memory.h"
#include "sim/scenario.h"

#define SLICES_PER_BOUND 2000 /* looks at the world, and for a wish to stop, as often */
#define LIMIT_BOUNDS	 20   /* a wave that needs so many lower bounds is given up */
#define LIMIT_MORE_NS	 (600 * NS_PER_S)
#define TRACKER_S	 2
#define STEADY_FROM	 0.25 /* of the sample: from here on the wave may be in full swing, */
#define STEADY_MIDDLE	 0.5  /* from here on it is, */
#define STEADY_TO	 0.85 /* up to here */
#define STEADY_PERCENT	 5    /* that the speed may differ before and after the middle */

/* How far the wave was at one moment. */
struct mark {
	double seconds;
	double received_bytes; /* of the mean node */
	double origin_sent_bytes;
	double racks_in_bytes;
};

struct drive {
	struct mark before;
	struct mark from;
	struct mark to;
	simulate_watch *watch;
	void *watch_context;
};

static double seconds(uint64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / (double)NS_PER_S;
}

/* ---- the world ---- */

/* Bytes on the wire for a byte of the simulation. */
static double wire_share(const struct simulate_model *model)
{
	return (double)model->wire_bytes / (double)model->written_bytes;
}

static uint64_t link_rate(const struct simulate_model *model, uint64_t bytes_per_s)
{
	return (uint64_t)((double)simulate_payload_rate(bytes_per_s) * model->wire_gain);
}

static void describe_node(struct sim_node_traits *traits, const struct simulate_description *d,
	const struct simulate_model *model)
{
	sim_node_traits_default(traits);
	traits->up_bytes_per_s = link_rate(model, d->up_bytes_per_s);
	traits->down_bytes_per_s = link_rate(model, d->down_bytes_per_s);
	traits->latency_ns = d->latency_ns / 2;
	traits->up_queue_bytes = (uint64_t)((double)traits->up_bytes_per_s * seconds(d->queue_ns));
	traits->hash_bytes_per_s = d->hash_bytes_per_s;
	traits->disk.write_bytes_per_s = d->disk_write_bytes_per_s;
	traits->disk.read_bytes_per_s = d->disk_read_bytes_per_s;
	traits->disk.seek_ns = d->seek_ns;
	traits->disk.flush_ns = d->flush_ns;
	traits->read_back = d->read_back;
	traits->hides_place = !d->rack_aware;
	traits->expect = SIM_EXPECT_NOTHING;
	traits->limits = model->limits;
	if (d->compress_times > 1) {
		traits->decode_bytes_per_s = SIMULATE_DECODE_BYTES_PER_S;
		traits->encode_bytes_per_s = SIMULATE_ENCODE_BYTES_PER_S;
	}
}

static struct sim_world *build_world(
	const struct simulate_variant *variant, uint64_t seed, FILE *trace)
{
	const struct simulate_description *d = &variant->description;
	const struct simulate_model *model = &variant->model;
	struct sim_world *world = sim_world_create(seed, (uint32_t)d->nodes_count + 1);
	uint64_t rack_rate = d->rack_bytes_per_s > 0 ? link_rate(model, d->rack_bytes_per_s) : 0;
	struct sim_node_traits traits;

	world->trace = trace;
	world->granule_bytes = model->limits.block_bytes;
	world->chunk_bytes = model->limits.block_bytes;
	world->window_bytes = model->window_bytes;
	sim_image_make(world, model->sample_bytes, model->piece_bytes, 0, 0);
	world->image.frame_ratio = d->compress_times > 1 ? (uint32_t)d->compress_times : 0;
	sim_tracker_add(world, TRACKER_S);
	for (uint64_t i = 0; i < d->racks_count; i++)
		(void)sim_rack_add(world, rack_rate, rack_rate, SIM_SITE_NONE);
	describe_node(&traits, d, model);
	traits.up_bytes_per_s = traits.down_bytes_per_s = link_rate(model, d->origin_bytes_per_s);
	traits.origin = true;
	traits.holds_image = true;
	sim_disk_traits_default(&traits.disk);
	traits.disk.holdback = false;
	sim_node_boot_at(sim_node_add(world, "origin", &traits), 0);
	describe_node(&traits, d, model);
	for (uint64_t i = 0; i < d->nodes_count; i++) {
		traits.rack = d->racks_count > 0 ? simulate_rack(d, i) + 1 : SIM_RACK_NONE;
		sim_node_boot_at(sim_node_add(world, "node", &traits), simulate_start_ns(d, i));
	}
	return world;
}

/* ---- while it runs ---- */

static bool all_settled(struct sim_world *world)
{
	if (!world->settled_changed)
		return false;
	world->settled_changed = false;
	for (uint32_t i = 1; i < world->nodes_count; i++)
		if (world->nodes[i]->state != SIM_FINISHED && world->nodes[i]->state != SIM_FAILED)
			return false;
	return true;
}

static struct mark mark_now(const struct sim_world *world)
{
	struct mark mark = {.seconds = seconds(world->now_ns)};

	for (uint32_t i = 1; i < world->nodes_count; i++)
		mark.received_bytes += (double)u64_min(
			world->nodes[i]->payload_received_bytes, world->image.length_bytes);
	mark.received_bytes /= (double)(world->nodes_count - 1);
	mark.origin_sent_bytes = (double)world->nodes[0]->payload_sent_bytes;
	for (uint32_t i = 0; i < world->racks_count; i++)
		mark.racks_in_bytes += (double)world->racks[i].down.block_bytes;
	return mark;
}

/* bound_s: of what is simulated. False: stopped on request. */
static bool drive(struct drive *drive, struct sim_world *world, double bound_s)
{
	uint64_t bound_ns = (uint64_t)(bound_s * (double)NS_PER_S);
	uint64_t limit_ns = bound_ns * LIMIT_BOUNDS + LIMIT_MORE_NS;
	uint64_t slice_ns = bound_ns / SLICES_PER_BOUND + 1;
	double whole = (double)world->image.length_bytes;

	for (uint64_t until_ns = slice_ns; until_ns < limit_ns; until_ns += slice_ns) {
		world->settled_changed = true;
		sim_run(world, until_ns, all_settled);
		struct mark mark = mark_now(world);

		if (mark.received_bytes <= whole * STEADY_FROM)
			drive->before = mark;
		if (mark.received_bytes <= whole * STEADY_MIDDLE)
			drive->from = mark;
		if (mark.received_bytes <= whole * STEADY_TO)
			drive->to = mark;
		world->settled_changed = true;
		if (all_settled(world) || world->violations_count > 0)
			return true;
		if (!drive->watch(drive->watch_context, mark.received_bytes / whole))
			return false;
	}
	return true;
}

/* ---- what came out ---- */

static int compare_times(const void *left, const void *right)
{
	double a = *(const double *)left;
	double b = *(const double *)right;

	return (a > b) - (a < b);
}

static void measure_times(struct simulate_run *run, uint64_t nodes_count)
{
	SCOPED(free) double *finished = memory_allocate(nodes_count, sizeof(*finished));

	for (uint64_t i = 0; i < nodes_count; i++)
		if (run->nodes[i].finished_s >= 0)
			finished[run->finished_count++] = run->nodes[i].finished_s;
	if (run->finished_count == 0)
		return;
	qsort(finished, run->finished_count, sizeof(*finished), compare_times);
	run->first_s = finished[0];
	run->median_s = finished[(run->finished_count - 1) / 2];
	run->last_s = finished[run->finished_count - 1];
}

static void measure_node(struct simulate_run *run, const struct simulate_variant *variant,
	struct simulate_node *to, const struct sim_node *node)
{
	double share = wire_share(&variant->model);
	struct swarm_status status = {0};

	if (node->swarm != NULL)
		swarm_status(node->swarm, &status);
	to->start_s = seconds(node->started_ns);
	to->complete_s = node->completed_ns > 0 ? seconds(node->completed_ns) : -1;
	to->finished_s = node->state == SIM_FINISHED ? seconds(node->finished_ns) : -1;
	to->received_bytes = (uint64_t)((double)node->payload_received_bytes * share);
	to->received_from_origin_bytes =
		(uint64_t)((double)node->payload_from_origin_bytes * share);
	to->sent_bytes = (uint64_t)((double)node->payload_sent_bytes * share);
	run->received_bytes += to->received_bytes;
	run->wasted_bytes += (uint64_t)((double)(node->wasted_bytes + status.wasted_bytes) * share);
}

/* How busy links were until the last node was complete. */
static void measure_links(struct simulate_run *run, const struct sim_world *world)
{
	double nodes_count = (double)(world->nodes_count - 1);
	const struct sim_link *origin = &world->nodes[0]->link;
	double busy_s = 0;

	for (uint32_t i = 1; i < world->nodes_count; i++) {
		const struct sim_node *node = world->nodes[i];
		double until_s =
			seconds(node->completed_ns > 0 ? node->completed_ns : world->now_ns);

		busy_s = until_s > busy_s ? until_s : busy_s;
		run->node_up_busy += (double)node->link.sent_bytes /
				     (double)node->link.up_bytes_per_s / nodes_count;
		run->node_down_busy += (double)node->link.down.bytes /
				       (double)node->link.down.bytes_per_s / nodes_count;
	}
	if (busy_s <= 0)
		return;
	run->node_up_busy /= busy_s;
	run->node_down_busy /= busy_s;
	run->origin_up_busy = (double)origin->sent_bytes / (double)origin->up_bytes_per_s / busy_s;
}

static double bytes_per_s(const struct mark *from, const struct mark *to)
{
	double seconds = to->seconds - from->seconds;

	return seconds > 0 ? (to->received_bytes - from->received_bytes) / seconds : 0;
}

/* What lies beyond the sample passes as its middle did. */
static void extend(
	struct simulate_run *run, const struct simulate_variant *variant, const struct drive *drive)
{
	const struct simulate_model *model = &variant->model;
	const struct simulate_description *d = &variant->description;
	double beyond_bytes = (double)(model->written_bytes - model->sample_bytes);
	double steady_bytes = drive->to.received_bytes - drive->from.received_bytes;
	double steady_s = drive->to.seconds - drive->from.seconds;
	double times = steady_bytes > 0 ? beyond_bytes / steady_bytes : 0;
	double more_s = times * steady_s;
	double read_back_s = d->read_back ? beyond_bytes / (double)d->disk_read_bytes_per_s : 0;
	double share = wire_share(model);

	for (uint64_t i = 0; i < d->nodes_count; i++) {
		struct simulate_node *node = &run->nodes[i];

		node->complete_s += node->complete_s >= 0 ? more_s : 0;
		node->finished_s += node->finished_s >= 0 ? more_s + read_back_s : 0;
	}
	double early = bytes_per_s(&drive->before, &drive->from);
	double late = bytes_per_s(&drive->from, &drive->to);

	run->beyond_s = more_s + read_back_s;
	run->unsteady = 100 * fabs(early - late) > STEADY_PERCENT * late;
	run->origin_sent_bytes +=
		(uint64_t)(times * (drive->to.origin_sent_bytes - drive->from.origin_sent_bytes) *
			   share);
	/* A short middle may flatter it: one copy has to leave. */
	run->origin_sent_bytes = u64_max(run->origin_sent_bytes, model->wire_bytes);
	run->racks_in_bytes +=
		(uint64_t)(times * (drive->to.racks_in_bytes - drive->from.racks_in_bytes) * share);
	run->received_bytes += (uint64_t)(beyond_bytes * (double)d->nodes_count * share);
	run->wasted_bytes +=
		(uint64_t)((double)run->wasted_bytes * beyond_bytes / (double)model->sample_bytes);
}

static void measure(struct simulate_run *run, const struct simulate_variant *variant,
	const struct sim_world *world, const struct drive *drive)
{
	const struct mark now = mark_now(world);
	double share = wire_share(&variant->model);

	run->end_s = now.seconds;
	run->share_done = now.received_bytes / (double)world->image.length_bytes;
	run->events_count = world->events_fired_count;
	run->origin_sent_bytes = (uint64_t)(now.origin_sent_bytes * share);
	run->racks_in_bytes = (uint64_t)(now.racks_in_bytes * share);
	for (uint64_t i = 0; i < variant->description.nodes_count; i++)
		measure_node(run, variant, &run->nodes[i], world->nodes[i + 1]);
	measure_links(run, world);
	if (variant->model.sample_bytes < variant->model.written_bytes && !run->interrupted)
		extend(run, variant, drive);
	measure_times(run, variant->description.nodes_count);
	if (world->violations_count > 0)
		snprintf(run->fault, sizeof(run->fault), "[%s] %s", world->violation.checker,
			world->violation.text);
}

void simulate_run_one(struct simulate_run *run, const struct simulate_variant *variant,
	uint64_t seed, void *trace, simulate_watch *watch, void *watch_context)
{
	struct drive driving = {.watch = watch, .watch_context = watch_context};
	double begun_s = cpu_seconds();
	struct sim_world *world = build_world(variant, seed, trace);

	*run = (struct simulate_run){.seed = seed};
	run->nodes = memory_allocate(variant->description.nodes_count, sizeof(*run->nodes));
	run->interrupted = !drive(&driving, world,
		variant->bound.seconds * (double)variant->model.sample_bytes /
			(double)variant->model.written_bytes);
	measure(run, variant, world, &driving);
	sim_world_destroy(world);
	run->cpu_s = cpu_seconds() - begun_s;
}

void simulate_run_free(struct simulate_run *run)
{
	free(run->nodes);
	*run = (struct simulate_run){0};
}
