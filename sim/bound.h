/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What no schedule can beat: a lower bound for the time until the last node has the image, and
 * which part of the installation sets it. Pure arithmetic over a description; it knows neither the
 * simulator nor the engine.
 *
 * Links are taken to be fluid: F/u for the source, F/d for each node, and all that must be received
 * over all that can be sent. To that the start of the pipeline is added: the last piece leaves the
 * source when everything else has, and the number of its holders can at most double in the time
 * that a piece takes. With equal links that is (1 + floor(log2 N) / M) * F/u, which can be reached
 * (Mundinger, Weber, Weiss: Optimal Scheduling of Peer-to-Peer File Dissemination, 2008).
 */
#ifndef SIM_BOUND_H
#define SIM_BOUND_H

#include "lib/bytes.h"

enum bound_part {
	BOUND_SOURCE,	/* its link, and then the doubling of the last piece */
	BOUND_DOWNLINK, /* a node's own */
	BOUND_UPLINKS,	/* of all together */
	BOUND_RACK,	/* in or out */
	BOUND_SITE,	/* in or out */
	BOUND_DISK,	/* a node's writes */
	BOUND_READ,	/* the source's disk */
	BOUND_DIGEST,	/* a node's hashing and unpacking */
	BOUND_PARTS
};

/* Rates in bytes/s; 0: never the bottleneck. */
struct bound_node {
	uint64_t up_bytes_per_s;
	uint64_t down_bytes_per_s;
	uint64_t disk_bytes_per_s;   /* source: reads; others: writes */
	uint64_t zeroes_bytes_per_s; /* known zeros on the disk */
	uint64_t digest_bytes_per_s;
	uint64_t start_ns;
	uint32_t rack;	/* index, or BOUND_NOWHERE */
	uint32_t site;	/* index, or BOUND_NOWHERE */
	uint64_t bytes; /* it must receive */
	bool source;
};

#define BOUND_NOWHERE UINT32_MAX

/* What joins a rack or a site to the rest. */
struct bound_cut {
	uint64_t in_bytes_per_s;
	uint64_t out_bytes_per_s;
};

struct bound_case {
	uint64_t fetch_bytes; /* of the image that must cross the network: distinct, not zero */
	uint64_t write_bytes; /* that must be written: duplicates too */
	uint64_t zero_bytes;  /* to be made to read as zeros */
	uint32_t piece_bytes;
	const struct bound_node *nodes;
	uint32_t nodes_count;
	const struct bound_cut *racks;
	uint32_t racks_count;
	const struct bound_cut *sites;
	uint32_t sites_count;
};

struct bound {
	uint64_t part_ns[BOUND_PARTS];
	uint64_t total_ns; /* the largest */
	enum bound_part by;
};

void bound_compute(const struct bound_case *given, struct bound *bound);
const char *bound_part_name(enum bound_part part);

#endif
