# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# What the tests with virtual machines share: TAP lines, the server's view of a machine, and how a
# machine's disk looks from outside. Sourced; each test is its own lab (scripts/lab.sh).
set -uo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top" || exit 1
. scripts/common.sh
. scripts/lab.sh
name=$(basename "$0" .sh)
mib=$((1 << 20))
failures=0
# Drivers of the lab's machines, where a test does not need the shipped initramfs with all of them.
lab_drivers=virtio_pci,virtio_net,virtio_blk,virtio_scsi,nvme,ahci,sd_mod
# Booting under emulation on a busy machine: generous, since waiting ends with the event.
boot_seconds=300

if ((EUID != 0)); then
	echo "skip $name - needs root"
	exit 77
fi

ok() { echo "ok $*"; }
not_ok() {
	echo "not ok $*"
	failures=$((failures + 1))
}

# check NAME COMMAND...
check() {
	local what=$1
	shift
	if "$@"; then ok "$what"; else not_ok "$what"; fi
}

# must NAME COMMAND...: what comes after it makes no sense without it.
must() {
	local what=$1
	shift
	if "$@"; then
		ok "$what"
		return 0
	fi
	not_ok "$what"
	explain
	exit 1
}

not() { ! "$@"; }

# What happened, for the log of a failed test.
explain() {
	local each
	for each in "${!lab_kind[@]}"; do
		sed "s/^/# $each: /" < <(lab_console "$each" | tail -n 30)
	done
	sed 's/^/# server: /' < <(tail -n 15 "$lab/server.log" 2>/dev/null)
	echo "# logs: ${lab#"$top/"}"
}

done_testing() {
	((failures == 0)) || explain
	exit $((failures > 0))
}

# tiny_image NAME [OPTION...]: makes an image of the tiny system, imports it; its path is in $image.
tiny_image() {
	local called=$1
	shift
	image=$(scripts/make-debian-image --tiny "$@" 2>/dev/null) || die "no test image"
	image_bytes=$(stat -c %s "$image")
	lab_swarmboot image import "$image" --name "$called" --quiet >/dev/null || die "no import"
}

# seen NAME PATH: a field of the server's view of a machine; nothing when it is null.
seen() {
	lab_swarmboot status --json 2>/dev/null |
		jq -r --arg id "${lab_mac[$1]}" ".nodes[]? | select(.id == \$id) | ($2) // empty"
}
state_is() { [[ $(seen "$1" .state) == "$2" ]]; }
stage_is() { [[ $(seen "$1" .progress.stage) == "$2" ]]; }
error_is() { [[ $(seen "$1" .error) == "$2" ]]; }
has_inventory() { [[ $(seen "$1" .has_inventory) == true ]]; }
at_least() { local value; value=$(seen "$1" "$2") && [[ -n $value ]] && ((value >= $3)); }
at_most() { local value; value=$(seen "$1" "$2") && [[ -n $value ]] && ((value <= $3)); }

arm() {
	local machine=$1
	shift
	lab_swarmboot arm "${lab_mac[$machine]}" "$@" >>"$lab/arm.log" 2>&1
}

# Imaging takes its course: the machine stands still at its reboot, with `done` on the server.
imaged_and_held() {
	lab_await "$2" state_is "$1" imaging || return 1
	lab_hold "$1"
	lab_await "$2" lab_is_held "$1" && state_is "$1" "done"
}

# What is on a machine's disk, read from outside.
disk_is_image() { cmp -s -n "$image_bytes" "$image" "$lab/$1/disk.raw"; }
disk_is_image_but_ends() {
	cmp -s -i $mib -n $((image_bytes - 2 * mib)) "$image" "$lab/$1/disk.raw"
}
disk_head_is_zero() { cmp -s -n $mib /dev/zero "$lab/$1/disk.raw"; }
disk_is_zero() { cmp -s -n "$(stat -c %s "$lab/$1/disk.raw")" /dev/zero "$lab/$1/disk.raw"; }
fingerprint() { sha256sum <"$lab/$1/${2:-disk}.raw"; }

# boots_from_disk NAME MARKER: to the login prompt.
boots_from_disk() {
	lab_wait_console "$1" "$2" "$boot_seconds" && lab_wait_console "$1" 'login:' 60
}

# With nothing to boot the firmware says so and stays there.
says_nothing_boots() {
	lab_wait_console "$1" 'No bootable (device|option)|Start Boot Option|UiApp' "$boot_seconds" &&
		! lab_console_has "$1" 'GRUB|ready on'
}
