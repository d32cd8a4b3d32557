/* SPDX-License-Identifier: Apache-2.0 */
/* The windows of streams. */
#include "sim/tcp.h"

#include "sim/link.h"
#include "sim/node.h"

#define WINDOW_FIRST_BYTES (10 * SIM_FRAME_BYTES)
#define WINDOW_LEAST_BYTES (2 * SIM_FRAME_BYTES)
#define HYSTART_BYTES	   (16 * SIM_FRAME_BYTES) /* no earlier */
#define HYSTART_MIN_NS	   (4 * NS_PER_MS)
#define HYSTART_MAX_NS	   (16 * NS_PER_MS)
#define TIMER_MIN_NS	   (200 * NS_PER_MS)
#define CUBIC_C		   0.4 /* frames a second cubed */
#define CUBIC_BETA_PERCENT 70
#define RENO_PERCENT	   53 /* 3 * (1 - 0.7) / (1 + 0.7) frames a round trip */
#define REPAIR_FRAMES	   3  /* behind a lost one, for it to be missed without a timer */

void sim_tcp_traits_default(struct sim_tcp_traits *traits)
{
	*traits = (struct sim_tcp_traits){.on = true,
		.queue_ns = 100 * NS_PER_MS,
		.ack_per_mille = 20,
		.unsent_bytes = 128 * KIB};
}

struct sim_tcp *sim_tcp_create(void)
{
	struct sim_tcp *tcp = sim_allocate(1, sizeof(*tcp));

	tcp->window_bytes = WINDOW_FIRST_BYTES;
	tcp->threshold_bytes = UINT64_MAX;
	return tcp;
}

static uint64_t timer_ns(const struct sim_tcp *tcp)
{
	return u64_max(TIMER_MIN_NS, 2 * tcp->rtt_ns);
}

uint64_t sim_tcp_window_left(const struct sim_stream *stream, uint64_t now_ns)
{
	const struct sim_tcp *tcp = stream->tcp;
	uint64_t in_flight = stream->sent_offset - tcp->acked_offset;
	uint64_t window = tcp->window_bytes;

	/* Idle for a while: it begins anew (tcp_slow_start_after_idle). */
	if (in_flight == 0 && tcp->sent_ns != 0)
		for (uint64_t idle_ns = now_ns - tcp->sent_ns;
			idle_ns > timer_ns(tcp) && window > WINDOW_FIRST_BYTES;
			idle_ns -= timer_ns(tcp))
			window = u64_max(window / 2, WINDOW_FIRST_BYTES);
	return window - u64_min(window, in_flight);
}

void sim_tcp_sends(struct sim_stream *stream, uint64_t now_ns)
{
	struct sim_tcp *tcp = stream->tcp;

	if (stream->sent_offset == tcp->acked_offset) {
		uint64_t window = sim_tcp_window_left(stream, now_ns);

		if (window < tcp->window_bytes) {
			tcp->threshold_bytes = u64_max(
				tcp->threshold_bytes == UINT64_MAX ? 0 : tcp->threshold_bytes,
				tcp->window_bytes / 4 * 3);
			tcp->window_bytes = window;
			tcp->epoch_ns = 0;
		}
	}
	tcp->sent_ns = now_ns;
}

/* ---- losses ---- */

void sim_tcp_waits(struct sim_world *world, struct sim_chunk *chunk, uint64_t wait_ns)
{
	chunk->lost |= wait_ns > world->tcp.queue_ns;
}

void sim_tcp_random_loss(
	struct sim_world *world, struct sim_chunk *chunk, uint32_t loss_per_million)
{
	uint64_t frames = u64_div_up(chunk->bytes, SIM_FRAME_BYTES);

	for (uint64_t i = 0; loss_per_million > 0 && i < frames && !chunk->lost; i++)
		chunk->lost = rng_below(&world->rng, 1000000) < loss_per_million;
}

uint64_t sim_tcp_delivery_ns(struct sim_stream *stream, const struct sim_chunk *chunk)
{
	struct sim_tcp *tcp = stream->tcp;
	uint64_t at_ns = chunk->passage.last_ns;

	if (chunk->lost) {
		uint64_t behind = stream->sent_offset - chunk->end_offset;
		bool missed = behind + chunk->bytes > (REPAIR_FRAMES + 1) * SIM_FRAME_BYTES;

		at_ns += missed ? at_ns - chunk->sent_ns : timer_ns(tcp);
	}
	tcp->delivered_ns = u64_max(tcp->delivered_ns, at_ns);
	return tcp->delivered_ns;
}

static void shrink(struct sim_stream *stream)
{
	struct sim_tcp *tcp = stream->tcp;

	if (tcp->acked_offset < tcp->recovery_offset)
		return;
	/* Still below where it was: others want more room. */
	tcp->most_bytes = tcp->window_bytes < tcp->most_bytes ? tcp->window_bytes * 85 / 100
							      : tcp->window_bytes;
	tcp->window_bytes =
		u64_max(tcp->window_bytes * CUBIC_BETA_PERCENT / 100, WINDOW_LEAST_BYTES);
	tcp->threshold_bytes = tcp->window_bytes;
	tcp->recovery_offset = stream->sent_offset;
	tcp->epoch_ns = 0;
}

/* ---- growth ---- */

static double cube_root(double value)
{
	double root = value > 1 ? value : 1;

	for (int i = 0; i < 40; i++)
		root -= (root * root * root - value) / (3 * root * root);
	return root;
}

/* CUBIC's window at this time, in bytes. */
static uint64_t cubic_bytes(const struct sim_tcp *tcp, uint64_t now_ns)
{
	double most = (double)tcp->most_bytes / SIM_FRAME_BYTES;
	double begin = (double)tcp->threshold_bytes / SIM_FRAME_BYTES;
	double lost = most > begin ? most - begin : 0;
	double at_s = (double)(now_ns + tcp->rtt_ns - tcp->epoch_ns) / (double)NS_PER_S -
		      (lost > 0 ? cube_root(lost / CUBIC_C) : 0);
	double window = (most > begin ? most : begin) + CUBIC_C * at_s * at_s * at_s;

	return window > 0 ? (uint64_t)(window * SIM_FRAME_BYTES) : 0;
}

static void grow(struct sim_tcp *tcp, uint64_t acked_bytes, uint64_t now_ns)
{
	if (tcp->window_bytes < tcp->threshold_bytes) {
		tcp->window_bytes += acked_bytes;
		return;
	}
	if (tcp->epoch_ns == 0) {
		tcp->epoch_ns = now_ns;
		tcp->threshold_bytes = tcp->reno_bytes = tcp->window_bytes;
	}
	uint64_t target = cubic_bytes(tcp, now_ns);

	tcp->reno_bytes += acked_bytes * SIM_FRAME_BYTES * RENO_PERCENT / 100 / tcp->window_bytes;
	if (target > tcp->window_bytes)
		tcp->window_bytes +=
			u64_min((target - tcp->window_bytes) * acked_bytes / tcp->window_bytes,
				acked_bytes / 2);
	tcp->window_bytes = u64_max(tcp->window_bytes, tcp->reno_bytes);
}

void sim_tcp_acked(struct sim_stream *stream, const struct sim_chunk *chunk, uint64_t now_ns)
{
	struct sim_tcp *tcp = stream->tcp;
	uint64_t rtt_ns = now_ns - chunk->sent_ns;
	uint64_t acked_bytes = chunk->end_offset - u64_min(chunk->end_offset, tcp->acked_offset);

	tcp->acked_offset = u64_max(tcp->acked_offset, chunk->end_offset);
	if (chunk->lost) {
		shrink(stream);
		return;
	}
	tcp->rtt_ns = tcp->rtt_ns == 0 ? rtt_ns : (7 * tcp->rtt_ns + rtt_ns) / 8;
	if (tcp->rtt_min_ns == 0 || rtt_ns < tcp->rtt_min_ns)
		tcp->rtt_min_ns = rtt_ns;
	uint64_t slack_ns = u64_min(u64_max(tcp->rtt_min_ns / 8, HYSTART_MIN_NS), HYSTART_MAX_NS);

	if (tcp->window_bytes < tcp->threshold_bytes && tcp->window_bytes >= HYSTART_BYTES &&
		rtt_ns > tcp->rtt_min_ns + slack_ns)
		tcp->threshold_bytes = tcp->window_bytes;
	if (tcp->limited && acked_bytes > 0)
		grow(tcp, acked_bytes, now_ns);
	/* What the receiver has room for. */
	tcp->window_bytes = u64_min(tcp->window_bytes,
		stream->connection->ends[stream->from].node->world->window_bytes);
}
