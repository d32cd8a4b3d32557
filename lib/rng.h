/* SPDX-License-Identifier: Apache-2.0 */
/* A small seeded generator (xoshiro256** seeded by splitmix64, both by Blackman and Vigna, public
 * domain algorithms). Same seed, same sequence, on every machine. Not for keys. Pure. */
#ifndef LIB_RNG_H
#define LIB_RNG_H

#include "lib/bytes.h"

struct rng {
	uint64_t state[4];
};

void rng_seed(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);

/* Uniform in [0, bound); 0 when bound is 0. */
uint64_t rng_below(struct rng *rng, uint64_t bound);

#endif
