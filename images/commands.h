/* SPDX-License-Identifier: Apache-2.0 */
/* The sub-commands of `swarmboot image`, and what they share. */
#ifndef IMAGES_COMMANDS_H
#define IMAGES_COMMANDS_H

#include "cli/command.h"
#include "images/import.h"

#include <jansson.h>

int image_import_main(int argc, char **argv);
int image_list_main(int argc, char **argv);
int image_show_main(int argc, char **argv);
int image_verify_main(int argc, char **argv);
int image_remove_main(int argc, char **argv);
int image_key_main(int argc, char **argv);

/* SIGINT, SIGTERM and SIGHUP set the flag that this returns, once; a second one kills as usual. */
const volatile sig_atomic_t *image_stop_on_signals(void);

/* Adapts a struct progress to the callbacks of import.h. */
void image_progress(void *context, uint64_t done_bytes, uint64_t total_bytes);

/* Prints one line of JSON and frees it; EXIT_FAILED when standard output fails. */
int image_print_json(const char *command, json_t *json);

/* How much of the image needs no download. */
struct image_share {
	uint32_t zero_pieces;
	uint64_t zero_bytes;
	uint32_t duplicate_pieces; /* equal to an earlier one, not zero */
	uint64_t duplicate_bytes;
};
MUST_USE bool image_share_count(
	const struct metainfo *metainfo, struct image_share *share, struct failure *failure);

/* Is the image's metainfo signed by a key in the store's keys/ (or by `key_path`, when not NULL)?
 */
MUST_USE bool image_check_signature(const struct image_store *store, const struct image *image,
	const char *key_path, struct failure *failure);

#endif
