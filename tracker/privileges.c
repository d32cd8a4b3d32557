/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a user, becoming it, and making sure of that. */
#include "tracker/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NAME_BYTES_MAX 64

/* A number that an id can be; (id_t)-1 means "no change" to the kernel. */
static bool id_parse(const char *text, id_t *id)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	unsigned long number = strtoul(text, &end, 10);
	*id = (id_t)number;
	return errno == 0 && *end == '\0' && number < (id_t)-1;
}

bool privileges_find(const char *text, struct identity *identity, struct failure *failure)
{
	char name[NAME_BYTES_MAX];
	const char *colon = strchr(text, ':');
	size_t bytes = colon != NULL ? (size_t)(colon - text) : strlen(text);

	if (bytes == 0 || bytes >= sizeof(name))
		return failure_set(
			failure, ERROR_USAGE, "user is NAME or NAME:GROUP, not \"%.60s\"", text);
	memcpy(name, text, bytes);
	name[bytes] = '\0';

	const struct passwd *user = getpwnam(name);
	if (user != NULL) {
		identity->uid = user->pw_uid;
		identity->gid = user->pw_gid;
	} else if (!id_parse(name, &identity->uid)) {
		return failure_set(failure, ERROR_NOT_FOUND, "there is no user \"%s\"", name);
	} else {
		user = getpwuid(identity->uid);
		if (user == NULL && colon == NULL)
			return failure_set(failure, ERROR_NOT_FOUND,
				"user %s is not known here, so say its group: %s:GROUP", name,
				name);
		identity->gid = user != NULL ? user->pw_gid : 0;
	}
	if (colon != NULL) {
		const struct group *group = getgrnam(colon + 1);

		if (group != NULL)
			identity->gid = group->gr_gid;
		else if (!id_parse(colon + 1, &identity->gid))
			return failure_set(
				failure, ERROR_NOT_FOUND, "there is no group \"%.60s\"", colon + 1);
	}
	if (identity->uid == 0 || identity->gid == 0)
		return failure_set(failure, ERROR_USAGE,
			"user %.60s: becoming root, or its group, drops nothing", text);
	return true;
}

/* All of the real, the effective and the saved ids: any of them could be gone back to. */
static bool is(const struct identity *identity)
{
	uid_t users[3];
	gid_t groups[3];

	if (getresuid(&users[0], &users[1], &users[2]) != 0 ||
		getresgid(&groups[0], &groups[1], &groups[2]) != 0)
		return false;
	for (int i = 0; i < 3; i++)
		if (users[i] != identity->uid || groups[i] != identity->gid)
			return false;
	return true;
}

static bool is_for_good(const struct identity *identity)
{
	gid_t more[2];

	return is(identity) && getgroups(2, more) == 1 && more[0] == identity->gid &&
	       setuid(0) != 0 && setgid(0) != 0;
}

bool privileges_drop(const struct identity *identity, struct failure *failure)
{
	gid_t group = identity->gid;

	if (geteuid() != 0)
		return is(identity) ||
		       failure_set(failure, ERROR_PERMISSION,
			       "only root can become user %u, group %u, with all of its ids: start "
			       "it as root, or without --user",
			       identity->uid, identity->gid);
	if (setgroups(1, &group) != 0 ||
		setresgid(identity->gid, identity->gid, identity->gid) != 0 ||
		setresuid(identity->uid, identity->uid, identity->uid) != 0)
		return failure_errno(failure, ERROR_PERMISSION, "cannot become user %u, group %u",
			identity->uid, identity->gid);
	if (!is_for_good(identity))
		return failure_set(failure, ERROR_PERMISSION,
			"this is not user %u, group %u after becoming it", identity->uid,
			identity->gid);
	return true;
}

bool privileges_no_new(struct failure *failure)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ||
	       failure_errno(failure, ERROR_SYSTEM, "cannot renounce new privileges");
}
