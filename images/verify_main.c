/* SPDX-License-Identifier: Apache-2.0 */
/* `swarmboot image verify`, `image remove`, `image key`. */
#include "images/commands.h"

#include "lib/cleanup.h"

#include <stdio.h>
#include <stdlib.h>

/* How many bad pieces are named. */
#define BAD_SHOWN_MAX 10

static int report_json(const struct image *image, const uint8_t *bad_pieces, uint32_t bad_count,
	const struct failure *signature)
{
	json_t *bad = json_array();

	for (uint32_t i = 0; i < image->metainfo.pieces_count; i++)
		if (bad_pieces[i])
			json_array_append_new(bad, json_integer(i));
	int printed = image_print_json("image verify",
		json_pack("{s:s, s:b, s:s, s:I, s:o}", "name", image->name, "ok",
			bad_count == 0 && signature->error == ERROR_NONE, "signature",
			signature->error == ERROR_NONE ? "ok" : error_name(signature->error),
			"pieces_count", (json_int_t)image->metainfo.pieces_count, "bad_pieces",
			bad));
	if (printed != EXIT_OK || bad_count > 0 || signature->error != ERROR_NONE)
		return EXIT_FAILED;
	return EXIT_OK;
}

static int report_text(const struct image *image, const uint8_t *bad_pieces, uint32_t bad_count,
	const struct failure *signature)
{
	uint32_t shown = 0;

	for (uint32_t i = 0; i < image->metainfo.pieces_count && shown < BAD_SHOWN_MAX; i++) {
		if (!bad_pieces[i])
			continue;
		shown++;
		fprintf(stderr, "%s: piece %u (at byte %llu) is wrong\n", image->name, i,
			(unsigned long long)i * image->metainfo.piece_bytes);
	}
	if (bad_count > shown)
		fprintf(stderr, "%s: and %u more\n", image->name, bad_count - shown);
	if (signature->error != ERROR_NONE)
		fprintf(stderr, "%s: %s\n", image->name, signature->text);
	if (bad_count > 0 || signature->error != ERROR_NONE)
		return EXIT_FAILED;
	printf("%s: all %u pieces are right (SHA-256 and SHA-1), and so is the signature\n",
		image->name, image->metainfo.pieces_count);
	return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

static int verify(const struct image_store *store, const struct image *image, const char *key,
	bool json, bool quiet)
{
	uint32_t bad_count = 0;
	struct progress progress = {.what = "verify", .quiet = quiet || json};
	struct failure failure = {0};
	struct failure signature = {0};
	SCOPED(free) uint8_t *bad_pieces = calloc(image->metainfo.pieces_count, 1);

	if (bad_pieces == NULL) {
		failure_set(&failure, ERROR_MEMORY, "no memory");
		return command_fail("image verify", &failure);
	}
	if (image_check_signature(store, image, key, &signature))
		signature.error = ERROR_NONE;
	if (!image_verify_content(image, bad_pieces, &bad_count, image_progress, &progress,
		    image_stop_on_signals(), &failure))
		return command_fail("image verify", &failure);
	progress_end(&progress, progress.total_bytes);
	return json ? report_json(image, bad_pieces, bad_count, &signature)
		    : report_text(image, bad_pieces, bad_count, &signature);
}

int image_verify_main(int argc, char **argv)
{
	const char *state = store_default_state();
	const char *key = NULL;
	bool json = false;
	bool quiet = false;
	struct image_store store;
	struct failure failure = {0};
	const char *operands[1];
	size_t operands_count = 0;
	const struct option_description descriptions[] = {
		{"key", OPTION_TEXT, &key, "FILE|DIR",
			"public key, or directory of them (default: the site's)"},
		{"state", OPTION_TEXT, &state, "DIR", "state directory of the site"},
		{"json", OPTION_FLAG, &json, NULL, "print JSON"},
		{"quiet", OPTION_FLAG, &quiet, NULL, "no progress"}, {0}};
	const struct command_description description = {
		.usage = "swarmboot image verify NAME [option...]",
		.about = "Reads an image and checks SHA-256 and SHA-1 of every piece, and its "
			 "signature. Exit status 1\nwhen anything is wrong.",
		.options = descriptions,
		.operands_min = 1,
		.operands_max = 1};

	switch (command_parse(&description, argc, argv, operands, &operands_count)) {
	case PARSE_HELP:
		return EXIT_OK;
	case PARSE_WRONG:
		return EXIT_USAGE;
	case PARSE_OK:
		break;
	}
	struct image *image = store_open(&store, state, false, &failure)
				      ? image_open(&store, operands[0], &failure)
				      : NULL;
	if (image == NULL)
		return command_fail("image verify", &failure);
	int status = verify(&store, image, key, json, quiet);
	image_close(image);
	return status;
}

int image_remove_main(int argc, char **argv)
{
	const char *state = store_default_state();
	struct image_store store;
	struct failure failure = {0};
	const char *operands[1];
	size_t operands_count = 0;
	const struct option_description descriptions[] = {
		{"state", OPTION_TEXT, &state, "DIR", "state directory of the site"}, {0}};
	const struct command_description description = {
		.usage = "swarmboot image remove NAME [option...]",
		.about = "Removes an image from the store, without asking.",
		.options = descriptions,
		.operands_min = 1,
		.operands_max = 1};

	switch (command_parse(&description, argc, argv, operands, &operands_count)) {
	case PARSE_HELP:
		return EXIT_OK;
	case PARSE_WRONG:
		return EXIT_USAGE;
	case PARSE_OK:
		break;
	}
	if (!store_open(&store, state, false, &failure) ||
		!image_remove(&store, operands[0], &failure))
		return command_fail("image remove", &failure);
	return EXIT_OK;
}

static bool print_key(const char *state, struct failure *failure)
{
	struct image_store store;
	char path[STORE_PATH_MAX];
	char public_path[STORE_PATH_MAX];
	char line[256];

	if (!store_open(&store, state, true, failure) ||
		!store_path(&store, "keys/site.key", path, failure))
		return false;
	struct site_key *key = site_key_open(path, true, failure);
	if (key == NULL)
		return false;
	site_key_close(key);
	if (!site_key_public_path(path, public_path, sizeof(public_path)))
		return failure_set(failure, ERROR_LIMIT, "the path of the key is too long");
	SCOPED(file) FILE *file = fopen(public_path, "re");
	if (file == NULL)
		return failure_errno(failure, ERROR_SYSTEM, "cannot read %s", public_path);
	printf("# %s\n", public_path);
	while (fgets(line, sizeof(line), file) != NULL)
		fputs(line, stdout);
	if (ferror(file) || fflush(stdout) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot print %s", public_path);
	return true;
}

int image_key_main(int argc, char **argv)
{
	const char *state = store_default_state();
	struct failure failure = {0};
	size_t operands_count = 0;
	const struct option_description descriptions[] = {
		{"state", OPTION_TEXT, &state, "DIR", "state directory of the site"}, {0}};
	const struct command_description description = {.usage = "swarmboot image key [option...]",
		.about =
			"Prints the site's public key (PEM), and where it lies; makes the key when "
			"there is none.",
		.options = descriptions};

	switch (command_parse(&description, argc, argv, NULL, &operands_count)) {
	case PARSE_HELP:
		return EXIT_OK;
	case PARSE_WRONG:
		return EXIT_USAGE;
	case PARSE_OK:
		break;
	}
	return print_key(state, &failure) ? EXIT_OK : command_fail("image key", &failure);
}
