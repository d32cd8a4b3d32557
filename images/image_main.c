/* SPDX-License-Identifier: Apache-2.0 */
/* `swarmboot image`: the table of its sub-commands, and what they share. */
#include "cli/commands.h"
#include "images/commands.h"

#include "runtime/crypto.h"
#include "wire/merkle.h"

#include <stdio.h>
#include <stdlib.h>

static const struct command commands[] = {
	{"import", image_import_main, "take a disk image into the store, or make a metainfo"},
	{"list", image_list_main, "list the images of the store"},
	{"show", image_show_main, "print what is known of an image"},
	{"verify", image_verify_main, "check an image's content and signature"},
	{"remove", image_remove_main, "remove an image from the store"},
	{"key", image_key_main, "print the site's public key"},
};

int image_main(int argc, char **argv)
{
	return command_dispatch("swarmboot image",
		"Disk images of a site: raw, sparse, hashed and signed.", commands,
		ARRAY_COUNT(commands), argc, argv);
}

static volatile sig_atomic_t stop_requested;

static void request_stop(int signal_number)
{
	(void)signal_number;
	stop_requested = 1;
}

const volatile sig_atomic_t *image_stop_on_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = request_stop, .sa_flags = (int)SA_RESETHAND};

	for (size_t i = 0; i < ARRAY_COUNT(signals); i++)
		if (sigaction(signals[i], &action, NULL) != 0)
			perror("swarmboot image: sigaction");
	return &stop_requested;
}

void image_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
	struct progress *progress = context;

	if (progress->total_bytes != total_bytes)
		progress_start(progress, progress->what, total_bytes);
	progress_show(progress, done_bytes);
}

int image_print_json(const char *command, json_t *json)
{
	struct failure failure = {0};
	bool printed = json != NULL && json_dumpf(json, stdout, JSON_COMPACT) == 0 &&
		       putchar('\n') == '\n' && fflush(stdout) == 0;

	json_decref(json);
	if (printed)
		return EXIT_OK;
	failure_errno(&failure, ERROR_SYSTEM, "cannot print");
	return command_fail(command, &failure);
}

static int compare_hashes(const void *a, const void *b)
{
	return memcmp(a, b, SHA256_BYTES);
}

/* The last piece may be short: it is compared by itself. */
bool image_share_count(
	const struct metainfo *metainfo, struct image_share *share, struct failure *failure)
{
	static const uint8_t empty[SHA256_BYTES];
	uint8_t zero[SHA256_BYTES];
	uint8_t zero_leaf[SHA256_BYTES];
	uint32_t whole = (uint32_t)(metainfo->length_bytes / metainfo->piece_bytes);

	*share = (struct image_share){0};
	if (metainfo->pieces_sha256 == NULL || whole == 0)
		return true;
	/* A piece of zeros is a tree whose leaves are all the hash of 16 KiB of zeros. */
	static const uint8_t zeros[MERKLE_LEAF_BYTES];
	crypto_digest_ops.sha256(zero_leaf, zeros, sizeof(zeros));
	merkle_root(&crypto_digest_ops, zero, (const uint8_t(*)[SHA256_BYTES])empty, 0,
		metainfo->piece_bytes / MERKLE_LEAF_BYTES, zero_leaf);
	uint8_t *sorted = malloc((size_t)whole * SHA256_BYTES);
	if (sorted == NULL)
		return failure_set(failure, ERROR_MEMORY, "no memory for hashes");
	memcpy(sorted, metainfo->pieces_sha256, (size_t)whole * SHA256_BYTES);
	qsort(sorted, whole, SHA256_BYTES, compare_hashes);
	for (size_t i = 0; i < whole; i++) {
		const uint8_t *hash = sorted + i * SHA256_BYTES;

		if (memcmp(hash, zero, SHA256_BYTES) == 0)
			share->zero_pieces++;
		else if (i > 0 && memcmp(hash, hash - SHA256_BYTES, SHA256_BYTES) == 0)
			share->duplicate_pieces++;
	}
	free(sorted);
	share->zero_bytes = (uint64_t)share->zero_pieces * metainfo->piece_bytes;
	share->duplicate_bytes = (uint64_t)share->duplicate_pieces * metainfo->piece_bytes;
	return true;
}

bool image_check_signature(const struct image_store *store, const struct image *image,
	const char *key_path, struct failure *failure)
{
	char keys[STORE_PATH_MAX];
	struct trusted_keys trusted = {0};

	if (key_path == NULL && !store_path(store, "keys", keys, failure))
		return false;
	return trusted_keys_load(&trusted, key_path == NULL ? keys : key_path, failure) &&
	       crypto_verify_any(&trusted, image->metainfo.signatures,
		       image->metainfo.signatures_count, image->metainfo.info,
		       image->metainfo.info_bytes, failure);
}
