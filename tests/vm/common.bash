# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Sourced by the tests beside it: the virtual lab (scripts/lab.sh), TAP, and what most of them ask of
# machines and of the server. Each run is a LAN of its own and leaves nothing behind but logs.
set -uo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$top/scripts/common.sh"
if ((EUID != 0)); then
	echo "skip $(basename "$0" .sh) - needs root"
	exit 77
fi
. "$top/scripts/lab.sh"

failures=0

# check NAME COMMAND...: one case.
check() {
	local name=$1
	shift
	if "$@"; then
		say "ok $name"
		return 0
	fi
	say "not ok $name"
	failures=$((failures + 1))
	return 1
}
skip() { say "skip $1 - $2"; }
note() { say "# $*"; }
# done_testing: the end; the status says whether all went well.
done_testing() { exit $((failures > 0)); }

# need NAME COMMAND...: a case without which nothing after it means anything.
need() {
	check "$@" && return 0
	give_up
}

# Shows what is known and ends the test.
give_up() {
	local name
	for name in "${!lab_kind[@]}"; do
		note "the last words of $name:"
		[[ ! -e $lab/$name/console.log ]] || lab_console "$name" | tail -n 15 | sed 's/^/#   /'
		vm_show "$name" | jq -c 'del(.disks)' 2>/dev/null | cut -c 1-3000 | sed 's/^/#   /'
	done
	note "logs: ${lab#"$top/"}"
	failures=$((failures + 1))
	done_testing
}

# vm_image VARIABLE [OPTION...]: an image by scripts/make-debian-image.
vm_image() {
	local -n file_of=$1
	shift
	file_of=$("$top/scripts/make-debian-image" "$@" 2>/dev/null) || die "no image ($*)"
}

# vm_marker FILE: what the system in that image says once it has booted.
vm_marker() {
	local id=${1##*/}
	id=${id%.raw}
	printf 'swarmboot demo image %s ready on' "${id#*-}"
}

# vm_import FILE NAME
vm_import() { lab_swarmboot image import "$1" --name "$2" --quiet >/dev/null || die "image import failed"; }

# vm_meet NAME: the server has heard of the machine, as by its first network boot.
vm_meet() {
	lab_run curl -fsS -m 10 -o /dev/null "http://$lab_server:8080/v1/boot?mac=${lab_mac[$1]}" ||
		die "the server does not answer"
}

# vm_arm NAME IMAGE [LABEL]: its disk of that label (default: disk), as it is now.
vm_arm() {
	local name=$1 image=$2 label=${3:-disk}
	vm_meet "$name"
	lab_swarmboot arm "${lab_mac[$name]}" --image "$image" --disk "SB-$name-$label" \
		--size "$(stat -c %s "$lab/$name/$label.raw")" >/dev/null
}

# vm_show NAME: all that the server knows of it, as JSON.
vm_show() { lab_swarmboot node show "${lab_mac[$1]}" --json 2>/dev/null; }
# vm_field NAME PATH: of that.
vm_field() { vm_show "$1" | jq -r "$2 // empty"; }
vm_state_is() { [[ $(vm_field "$1" .state) == "$2" ]]; }
vm_stage_is() { [[ $(vm_field "$1" .progress.stage) == "$2" ]]; }

# vm_durable_beyond NAME BYTES: so much of the image is durable on it by its last report.
vm_durable_beyond() {
	local durable
	durable=$(vm_field "$1" .progress.bytes_durable)
	((${durable:-0} >= $2))
}

# vm_await_state NAME STATE SECONDS: ends early when the machine has failed instead.
vm_await_state() {
	local deadline=$((SECONDS + $3)) state
	while state=$(vm_field "$1" .state) && [[ $state != "$2" ]]; do
		if [[ $state == failed ]]; then
			note "$1 failed: $(vm_field "$1" .error): $(vm_field "$1" .error_text)"
			return 1
		fi
		if ((SECONDS >= deadline)); then
			note "$1 is '$state' after $3 s, not '$2'"
			return 1
		fi
		sleep 0.3
	done
	[[ $state == "$2" ]]
}

# vm_slow_link NAME RATE: what it receives from now on. Programs on the host are faster than an emulated
# machine, and so is its disk: with this, "half" lasts long enough to be seen.
vm_slow_link() {
	local device
	device=$(lab_option "$1" tap '')
	lab_run tc qdisc replace dev "$device" root tbf rate "$2" burst 200kb latency 100ms ||
		die "cannot shape the link of $1"
}

# vm_link_bytes NAME: that went to it over its cable so far.
vm_link_bytes() {
	lab_run ip -json -stats link show dev "$(lab_option "$1" tap '')" | jq '.[0].stats64.tx.bytes'
}

# vm_same NAME FILE [LABEL]: the disk begins with the image, seen from outside.
vm_same() { cmp -n "$(stat -c %s "$2")" "$2" "$lab/$1/${3:-disk}.raw"; }

# vm_digest NAME [LABEL]: of all that its disk holds.
vm_digest() { sha256sum <"$lab/$1/${2:-disk}.raw" | cut -d ' ' -f 1; }

is() { # WANTED GOT
	[[ $1 == "$2" ]] && return 0
	note "wanted: $1"
	note "got:    $2"
	return 1
}
# silent_about NAME REGEX: it has not said that since it was switched on.
silent_about() { ! lab_console_has "$1" "$2"; }
mib() { printf '%d.%d MiB' $(($1 >> 20)) $((($1 & 1048575) * 10 >> 20)); }
