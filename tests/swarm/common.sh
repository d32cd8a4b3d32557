# SPDX-License-Identifier: Apache-2.0
# Sourced by the tests beside it: a network namespace of their own (ports are theirs alone), a
# directory of their own, and an end that leaves nothing behind. Tests print TAP lines.
set -u
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
HERE=$ROOT/tests/swarm
. "$ROOT/tests/processes.bash"
if [ "${SANITIZE:-}" = 1 ]; then
	BIN=${BIN:-$ROOT/build/sanitize/swarmboot}
else
	BIN=${BIN:-$ROOT/build/swarmboot}
fi
BIN=$(realpath "$BIN")
SANITIZE_FACTOR=1 # of memory
[ "${SANITIZE:-}" = 1 ] && SANITIZE_FACTOR=8
export BIN
NAME=$(basename "$0" .sh)

if [ -z "${SWARMBOOT_TEST_NAMESPACE:-}" ]; then
	if unshare --net true 2>/dev/null; then
		SWARMBOOT_TEST_NAMESPACE=1 exec unshare --net -- bash "$0" "$@"
	elif unshare --user --map-root-user --net true 2>/dev/null; then
		SWARMBOOT_TEST_NAMESPACE=1 exec unshare --user --map-root-user --net -- bash "$0" "$@"
	fi
	echo "skip $NAME - no network namespace is to be had"
	exit 77
fi
ip link set lo up || exit 99

WORK=$(mktemp -d "/tmp/swarmboot-$NAME-XXXXXX")
PIDS=()
failures=0

cleanup() {
	trap - EXIT INT TERM
	end_all 10 "${PIDS[@]}"
	declare -F cleanup_more >/dev/null && cleanup_more
	if [ "$failures" = 0 ]; then rm -rf "$WORK"; else echo "# logs are kept in $WORK"; fi
}
trap cleanup EXIT
trap 'failures=1; exit 130' INT TERM

# start NAME COMMAND...: in the background, output in $WORK/NAME.{out,err}; its pid is in $pid.
start() {
	local name=$1
	shift
	"$@" >"$WORK/$name.out" 2>"$WORK/$name.err" </dev/null &
	pid=$!
	PIDS+=("$pid")
}

# finish PID SECONDS: waits for its end; the status is in $status (124: it did not end).
finish() {
	local limit=$((SECONDS + $2))
	while ours "$1"; do
		if [ $SECONDS -ge $limit ]; then
			status=124
			return 1
		fi
		sleep 0.05
	done
	wait "$1"
	status=$?
}

# until_true SECONDS COMMAND...: polls a condition.
until_true() {
	local limit=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $limit ] || return 1
		sleep 0.05
	done
}

# check NAME COMMAND...: one TAP line by the command's status.
check() {
	local name=$1
	shift
	if "$@"; then
		echo "ok $name"
	else
		echo "not ok $name"
		failures=$((failures + 1))
	fi
}

# last NAME FIELD: of the newest JSON line in NAME.out that has it; 0 when none has.
last() {
	/usr/bin/python3 -c '
import json, sys
value = 0
for line in open(sys.argv[1]):
    try:
        value = json.loads(line).get(sys.argv[2], value)
    except ValueError:
        pass
print(value)' "$WORK/$1.out" "$2"
}

has_event() { grep -q "\"event\":\"$2\"" "$WORK/$1.out" 2>/dev/null; }
no_event() { ! has_event "$@"; }
ready() { has_event "$1" progress; }
same() { cmp -s "$WORK/image" "$WORK/$1"; }
at_least() { [ "$(last "$1" "$2")" -ge "$3" ]; }
at_most() { [ "$(last "$1" "$2")" -le "$3" ]; }
both() { # both CONDITION... -- CONDITION...
	local first=()
	while [ "$1" != -- ]; do first+=("$1"); shift; done
	shift
	"${first[@]}" && "$@"
}

random_image() { head -c "$1" /dev/urandom >"$WORK/image"; }
metainfo() { INFOHASH=$("$HERE/metainfo.py" "$WORK/image" "$WORK/image.torrent" "$@"); }

seed() { # NAME PORT [OPTION...]
	local name=$1 port=$2
	shift 2
	start "$name" "$BIN" seed "$WORK/image.torrent" --from "$WORK/image" \
		--listen "127.0.0.1:$port" --progress json "$@"
	until_true 10 ready "$name"
}

fetch() { # NAME PORT [OPTION...]: to $WORK/NAME.img
	local name=$1 port=$2
	shift 2
	start "$name" "$BIN" fetch "$WORK/image.torrent" --to "$WORK/$name.img" \
		--listen "127.0.0.1:$port" --unsigned --progress json "$@"
}

done_testing() { [ "$failures" = 0 ]; exit; }
