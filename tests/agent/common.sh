# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the tests beside it: a real server, the real agent as an ordinary process with files for
# disks, and between them tamper.py, which by default changes nothing.
. "$(dirname "${BASH_SOURCE[0]}")/../server/common.sh"
AGENT_TESTS=$ROOT/tests/agent
AGENT=${AGENT:-$(dirname "$BIN")/swarmboot-agent}
PROXY=http://10.77.0.1:8079
RULES=$WORK/rules
REPORTS=$WORK/reports
DISKS=$WORK/disks
IMAGE_BYTES=12582912
DISK_BYTES=16777216
mkdir -p "$DISKS"
: >"$RULES"
: >"$REPORTS"

# Image "one": random bytes with zeros in the middle.
make_image() {
	{
		head -c 5242880 /dev/urandom
		head -c 3145728 /dev/zero
		head -c 4194304 /dev/urandom
	} >"$WORK/one.raw"
	sb image import "$WORK/one.raw" --name one >"$WORK/import.out" 2>&1
}

tamper_listens() { curl -s -o /dev/null -m 2 $PROXY/; [ $? != 7 ]; }
start_tamper() {
	"$AGENT_TESTS/tamper.py" 8079 $URL "$RULES" "$REPORTS" >>"$WORK/tamper.log" 2>&1 &
	PIDS+=("$!")
	until_true 10 tamper_listens
}

begin() {
	make_image
	up --dhcp off --seed-deadline 1 || { cat "$WORK"/up.*; check server_starts false; done_testing; }
	start_tamper || { check tamper_starts false; done_testing; }
}

rules() { printf '%s\n' "$@" >"$RULES"; }

# A disk of its own for every case: old content that no image has. new_disk NAME [BYTES]
new_disk() {
	rm -f "$DISKS/$1"
	head -c 1048576 /dev/urandom >"$DISKS/$1"
	truncate -s "${2:-$DISK_BYTES}" "$DISKS/$1"
}
digest_of() { sha256sum <"$1" | cut -d' ' -f1; }
holds_image() { cmp -s -n $IMAGE_BYTES "$WORK/one.raw" "$1"; }

# Every case is a node of its own, so that none inherits another's state.
node_number=16
new_node() {
	node_number=$((node_number + 1))
	MAC=$(printf '52:54:00:00:01:%02x' $node_number)
	# First contact makes the server know it.
	node $MAC report hello stage=agent >/dev/null
}
arm() { sb arm $MAC --image one --sector-size 512 "$@" >"$WORK/arm.out" 2>&1 || cat "$WORK/arm.out"; }
# The usual one: serial A1, the usual size.
arm_a1() { arm --disk A1 --size $DISK_BYTES "$@"; }

# agent [OPTION...]: starts it for $MAC; its pid is in $agent.
agent() {
	"$AGENT" --server $PROXY --node $MAC --keys "${KEYS:-$STATE/keys}" --settle 1 "$@" \
		>"$WORK/agent.$MAC.log" 2>&1 &
	agent=$!
	PIDS+=("$agent")
}
node_field() { sb node show $MAC --json | jq -r ".$1"; }
state_is() { [ "$(node_field state)" = "$1" ]; }
runs() { # SECONDS OPTION...: to its end; the status is in $status
	local seconds=$1
	shift
	agent "$@"
	ended "$agent" "$seconds" || { kill "$agent"; status=timeout; }
}

# What the options say of disks, and what the server shows of them: SERIAL SIZE SECTOR, sorted.
disks_of_options() {
	local value name serial sector
	for value; do
		case $value in */*) ;; *) continue ;; esac
		name=${value##*/} serial=${name%%,*} sector=512
		case $name in *,serial=*) serial=${name##*,serial=} serial=${serial%%,*} ;; esac
		case $name in *,sector=*) sector=${name##*,sector=} sector=${sector%%,*} ;; esac
		[ -b "${value%%,*}" ] && sector=$(blockdev --getss "${value%%,*}")
		[ -d "$value" ] || echo "$serial $(size_of "${value%%,*}") $sector"
	done | sort
}
size_of() { if [ -b "$1" ]; then blockdev --getsize64 "$1"; else stat -c %s "$1"; fi; }
disks_of_server() { node_field 'disks[] | "\(.serial) \(.size_bytes) \(.sector_bytes)"' | sort; }
decided() { grep -q "\] error: " "$WORK/agent.$MAC.log" || gone "$agent"; }
failed_with() { [ "$(node_field 'state + " " + .error')" = "failed $1" ]; }

# refused ERROR SECONDS OPTION...: the agent fails with that cause; within the time after it decided so
# the server knows the cause and exactly the disks of the options; no file among the disks has changed.
refused() {
	local error=$1 seconds=$2 before after
	shift 2
	before=$(cat "$DISKS"/* 2>/dev/null | sha256sum)
	agent "$@"
	until_true 90 decided
	until_true "$seconds" failed_with "$error" && is "$(disks_of_options "$@")" "$(disks_of_server)" ||
		{ echo "#   state: $(node_field state)"; tail -n 5 "$WORK/agent.$MAC.log" | sed 's/^/#   /'; return 1; }
	ended "$agent" 10 || { echo "#   the agent does not end"; return 1; }
	after=$(cat "$DISKS"/* 2>/dev/null | sha256sum)
	is 1 "$status" && is "$error" "$(node_field error)" && is "$before" "$after"
}
target_of_agent() { sed -n 's/.*\] target: \([^,]*\),.*/\1/p' "$WORK/agent.$MAC.log"; }
images() { # OPTION...: the agent ends well, the server says done, the disk holds the image
	runs 60 "$@"
	is 0 "$status" && is "done" "$(node_field state)" && holds_image "$(target_of_agent)" || { tail -n 5 "$WORK/agent.$MAC.log" | sed 's/^/#   /'; return 1; }
}
disks_known() { is "$1" "$(node_field 'disks | map(.serial) | sort | join(" ")')"; }
