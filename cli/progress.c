/* SPDX-License-Identifier: Apache-2.0 */
/* The progress line that people see, with rate and time to go. */
#include "cli/command.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "lib/units.h"

#define SHOW_TERMINAL_NS (NS_PER_S / 4)
#define SHOW_PLAIN_NS	 (10 * NS_PER_S)

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void progress_start(struct progress *progress, const char *what, uint64_t total_bytes)
{
	bool quiet = progress->quiet;

	*progress = (struct progress){.what = what, .total_bytes = total_bytes, .quiet = quiet};
	progress->start_ns = now_ns();
	progress->shown_ns = progress->start_ns;
}

static void print_line(struct progress *progress, uint64_t done_bytes, uint64_t now)
{
	char done_text[UNITS_TEXT_MAX], total_text[UNITS_TEXT_MAX], rate_text[UNITS_TEXT_MAX];
	char eta_text[UNITS_TEXT_MAX];
	uint64_t elapsed_ms = (now - progress->start_ns) / NS_PER_MS;
	uint64_t gained_bytes =
		done_bytes > progress->start_bytes ? done_bytes - progress->start_bytes : 0;
	uint64_t rate = elapsed_ms > 0 ? gained_bytes * 1000 / elapsed_ms : 0;
	uint64_t percent =
		progress->total_bytes > 0 ? done_bytes * 100 / progress->total_bytes : 100;
	bool terminal = isatty(STDERR_FILENO) == 1;

	fprintf(stderr, "%s%s %3u %%  %s of %s  %s/s", terminal ? "\r" : "", progress->what,
		(unsigned)percent, size_format(done_text, done_bytes),
		size_format(total_text, progress->total_bytes), size_format(rate_text, rate));
	if (rate > 0 && done_bytes < progress->total_bytes)
		fprintf(stderr, "  ETA %s",
			duration_format(
				eta_text, u64_div_up(progress->total_bytes - done_bytes, rate)));
	if (progress->note != NULL)
		fprintf(stderr, "  %s", progress->note);
	fputs(terminal ? "\033[K" : "\n", stderr);
	fflush(stderr);
	progress->shown_ns = now;
}

void progress_show(struct progress *progress, uint64_t done_bytes)
{
	uint64_t now = now_ns();
	uint64_t interval_ns = isatty(STDERR_FILENO) == 1 ? SHOW_TERMINAL_NS : SHOW_PLAIN_NS;

	if (progress->quiet || now - progress->shown_ns < interval_ns)
		return;
	print_line(progress, done_bytes, now);
}

void progress_end(struct progress *progress, uint64_t done_bytes)
{
	if (progress->quiet)
		return;
	print_line(progress, done_bytes, now_ns());
	if (isatty(STDERR_FILENO) == 1)
		fputc('\n', stderr);
}
