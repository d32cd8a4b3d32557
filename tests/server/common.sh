# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the tests beside it: a network namespace of their own with one segment (veth srv-node),
# a state directory of their own, an end that leaves nothing behind. Tests print TAP lines.
set -u
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
HERE=$ROOT/tests/server
. "$ROOT/tests/processes.bash"
if [ "${SANITIZE:-}" = 1 ]; then
	BIN=${BIN:-$ROOT/build/sanitize/swarmboot}
else
	BIN=${BIN:-$ROOT/build/swarmboot}
fi
BIN=$(realpath "$BIN")
NAME=$(basename "$0" .sh)

if [ "$(id -u)" != 0 ]; then
	echo "skip $NAME - needs root"
	exit 77
fi
if [ -z "${SWARMBOOT_TEST_NAMESPACE:-}" ]; then
	SWARMBOOT_TEST_NAMESPACE=1 exec unshare --net -- bash "$0" "$@"
fi
ip link set lo up || exit 99
ip link add srv type veth peer name node || exit 99
ip addr add 10.77.0.1/24 dev srv && ip link set srv up && ip link set node up || exit 99

WORK=$(mktemp -d "${TMPDIR:-/tmp}/swarmboot-$NAME-XXXXXX")
STATE=$WORK/state
URL=http://10.77.0.1:8080
MAC=52:54:00:00:00:01
PIDS=()
failures=0
export STATE WORK URL BIN

cleanup() {
	trap - EXIT INT TERM
	end_all 15 "${PIDS[@]}"
	if [ "$failures" = 0 ]; then rm -rf "$WORK"; else echo "# logs are kept in $WORK"; fi
}
trap cleanup EXIT
trap 'failures=1; exit 130' INT TERM

# until_true SECONDS COMMAND...: polls a condition.
until_true() {
	local limit=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $limit ] || return 1
		sleep 0.05
	done
}
gone() { ! ours "$1"; }
# ended PID SECONDS: waits for its end; the status is in $status.
ended() {
	until_true "$2" gone "$1" || return 1
	wait "$1" 2>/dev/null
	status=$?
}

check() { # NAME COMMAND...
	local name=$1
	shift
	if "$@"; then
		echo "ok $name"
	else
		echo "not ok $name"
		failures=$((failures + 1))
	fi
}
done_testing() { exit $((failures > 0)); }

# What machines would run is not tested here: any static program, any file for a kernel, no drivers.
mkdir -p "$WORK/kernel/boot" "$WORK/kernel/lib/modules/6.1.0-test"
head -c 5000000 /dev/urandom >"$WORK/kernel/boot/vmlinuz-6.1.0-test"
quick="--agent /bin/busybox --drivers none --kernel $WORK/kernel"

# up [OPTION...]: starts a server and waits until it serves; its pid is in $server.
up() {
	rm -f "$WORK/up.out"
	# shellcheck disable=SC2086
	"$BIN" up --interface srv --state "$STATE" $quick "$@" \
		>"$WORK/up.out" 2>>"$WORK/up.err" </dev/null &
	server=$!
	PIDS+=("$server")
	until_true 30 serving_or_gone || return 1
	! gone "$server"
}
serving_or_gone() { gone "$server" || grep -qs ^serving "$WORK/up.out"; }
kill_server() { gone "$server" || kill -9 "$server"; ended "$server" 10; }
stop_server() { gone "$server" || kill -TERM "$server"; ended "$server" 15; }

sb() { "$BIN" "$@" --state "$STATE"; }
quietly() { "$@" >/dev/null; }
node() { "$HERE/node.py" $URL "$@"; }
# field JSON NAME
field() { jq -r ".[\"$2\"]" <<<"$1"; }
state_of() { sb node show "$1" --json | jq -r .state; }
is() { # WANTED GOT
	[ "$1" = "$2" ] && return 0
	echo "#   wanted: $1"
	echo "#   got:    $2"
	return 1
}
has() { grep -qF -- "$1" <<<"$2" || { echo "#   '$1' is not in: $2"; return 1; }; }
lacks() { ! grep -qF -- "$1" <<<"$2" || { echo "#   '$1' is in: $2"; return 1; }; }

# An image in the store: NAME [BYTES]
store_image() {
	head -c "${2:-3145728}" /dev/urandom >"$WORK/$1.raw"
	sb image import "$WORK/$1.raw" --name "$1" >"$WORK/import.out" 2>&1
}
# The usual disk: larger than the image, 512-byte sectors.
DISK=disk=SERIAL1,0x5000c500a1b2c3d4,1073741824,512
hello() { node "$1" report hello "${@:2}"; }
# What iPXE is told: MAC [PLATFORM]. Both want a whole script.
boots_agent() {
	local script
	script=$(node "$1" boot "${2:-pcbios}") && has '#!ipxe' "$script" &&
		has "$URL/boot/kernel?mac=$1" "$script" && has "boot ||" "$script"
}
boots_local() {
	local script
	script=$(node "$1" boot "${2:-pcbios}") && has '#!ipxe' "$script" &&
		has "exit 1" "$script" && lacks kernel "$script"
}
