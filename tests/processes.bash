# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by tests: which processes are theirs. Numbers of processes come round within minutes on a busy
# machine, so one that was remembered may be another test's by now.

# ours PID: it is a child of this shell, and has not ended.
ours() {
	local about state parent
	{ about=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
	# After the name, which may hold anything: state, parent.
	read -r state parent about <<<"${about##*) }"
	[ "$state" != Z ] && [ "$parent" = $$ ]
}

# end_all SECONDS PID...: SIGTERM to those that are ours, SIGKILL to those that have not ended by then.
end_all() {
	local limit=$((SECONDS + $1)) pid
	shift
	for pid; do ours "$pid" && kill "$pid" 2>/dev/null; done
	for pid; do
		while ours "$pid" && [ $SECONDS -lt $limit ]; do sleep 0.05; done
		ours "$pid" && kill -9 "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	return 0
}
