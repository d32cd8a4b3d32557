/* SPDX-License-Identifier: Apache-2.0 */
/* What the command line (command.c) and files of options (command_config.c) share. */
#ifndef CLI_COMMAND_PRIVATE_H
#define CLI_COMMAND_PRIVATE_H

#include "cli/command.h"

/* NULL when the description has none of that name. */
const struct option_description *option_find(
	const struct command_description *description, const char *name, size_t name_bytes);

/* True when the option took its value; a flag takes any, and becomes true. */
MUST_USE bool option_take(const struct option_description *option, const char *text);

#endif
