/* SPDX-License-Identifier: Apache-2.0 */
/* Trackers as operators write them: each option is a tier, with a comma between those of one tier.
 */
#include "cli/command.h"

#include "wire/metainfo.h"

static bool is_url(const char *text, size_t text_bytes)
{
	static const char *const schemes[] = {"http://", "https://", "udp://"};

	for (size_t i = 0; i < ARRAY_COUNT(schemes); i++)
		if (text_bytes > strlen(schemes[i]) && text_bytes < METAINFO_URL_MAX &&
			strncmp(text, schemes[i], strlen(schemes[i])) == 0)
			return true;
	return false;
}

bool tracker_tiers_parse(const struct option_texts *tiers, struct tracker_url *trackers,
	uint32_t *trackers_count, struct failure *failure)
{
	*trackers_count = 0;
	for (size_t tier = 0; tier < tiers->count; tier++) {
		const char *text = tiers->texts[tier];

		while (text != NULL) {
			size_t bytes = strcspn(text, ",");

			if (!is_url(text, bytes))
				return failure_set(failure, ERROR_USAGE,
					"\"%.*s\" is not a tracker's URL "
					"(http://HOST:PORT/announce "
					"or udp://HOST:PORT; a comma between those of one tier)",
					(int)u64_min(bytes, 100), text);
			if (*trackers_count == METAINFO_TRACKERS_MAX)
				return failure_set(failure, ERROR_USAGE, "at most %d trackers",
					METAINFO_TRACKERS_MAX);
			trackers[*trackers_count] = (struct tracker_url){.tier = (uint32_t)tier};
			memcpy(trackers[(*trackers_count)++].url, text, bytes);
			text = text[bytes] == ',' ? text + bytes + 1 : NULL;
		}
	}
	return true;
}
