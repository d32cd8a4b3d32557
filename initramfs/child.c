/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and awaiting children. */
#include "initramfs/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"

pid_t child_start(char *const *arguments, struct failure *failure)
{
	static char *const environment[] = {
		"PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/root", "TERM=linux", NULL};
	pid_t pid;
	int code = posix_spawn(&pid, arguments[0], NULL, NULL, arguments, environment);

	if (code == 0)
		return pid;
	errno = code;
	failure_errno(failure, ERROR_SYSTEM, "cannot run %s", arguments[0]);
	return -1;
}

bool child_run(char *const *arguments, int timeout_ms, int *status, struct failure *failure)
{
	int result;
	pid_t pid = child_start(arguments, failure);

	if (pid < 0)
		return false;
	SCOPED(fd) int descriptor = pidfd_open(pid, 0);
	struct pollfd wait = {.fd = descriptor, .events = POLLIN};
	bool ended = descriptor >= 0 && poll(&wait, 1, timeout_ms) == 1;

	if (!ended)
		kill(pid, SIGKILL);
	while (waitpid(pid, &result, 0) < 0)
		if (errno != EINTR)
			return failure_errno(
				failure, ERROR_SYSTEM, "cannot await %s", arguments[0]);
	if (!ended)
		return failure_set(failure, ERROR_TIMEOUT, "%s took longer than %d ms",
			arguments[1] != NULL ? arguments[1] : arguments[0], timeout_ms);
	if (!WIFEXITED(result))
		return failure_set(failure, ERROR_SYSTEM, "%s was killed by signal %d",
			arguments[0], WTERMSIG(result));
	*status = WEXITSTATUS(result);
	return true;
}
