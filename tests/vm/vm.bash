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

note() { echo "# $*"; }

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
is() { # WANTED GOT
	[[ $1 == "$2" ]] && return 0
	note "wanted: $1"
	note "got:    $2"
	return 1
}
in_mib() { printf '%d.%d MiB' $(($1 / mib)) $(($1 % mib * 10 / mib)); }

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
# shown NAME FILTER: of the same with its disks and events, by jq; fails when that is false or null.
shown() { lab_swarmboot node show "${lab_mac[$1]}" --json 2>/dev/null | jq -er "$2"; }
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

# arm_unseen NAME IMAGE [SERIAL SIZE]: as if it had been met before, without a boot for its inventory. Its
# disk is that of the label "disk", as it is now.
arm_unseen() {
	local machine=$1 serial=${3:-SB-$1-disk} size=${4:-}
	[[ -n $size ]] || size=$(stat -c %s "$lab/$machine/disk.raw")
	lab_run curl -fsS -m 10 -o /dev/null \
		"http://$lab_server:8080/v1/boot?mac=${lab_mac[$machine]}" &&
		arm "$machine" --image "$2" --disk "$serial" --size "$size"
}

# ends_as NAME STATE SECONDS: fails at once when the machine has failed instead.
ends_as() {
	local deadline=$((SECONDS + $3)) state
	while state=$(seen "$1" .state) && [[ $state != "$2" ]]; do
		if [[ $state == failed ]]; then
			note "$1 failed: $(seen "$1" .error): $(seen "$1" .error_text)"
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

# refuses NAME ERROR: it ends as failed for that, and the server knows it within 10 s of the decision.
refuses() {
	local machine=$1 error=$2 start
	lab_wait_console "$machine" "error: $error:" "$boot_seconds" || return 1
	start=$SECONDS
	lab_await 10 state_is "$machine" failed || return 1
	note "$machine: $error: $(seen "$machine" .error_text) (known after $((SECONDS - start)) s)"
	is "$error" "$(seen "$machine" .error)"
}
# serials_are NAME SERIAL...: of the disks that the server knows it has, in any order.
serials_are() {
	local machine=$1
	shift
	is "$(printf '%s\n' "$@" | sort | xargs)" \
		"$(shown "$machine" '.disks[].serial' | sort | xargs)"
}

# boots_directly NAME: it boots kernel and initramfs of the server without firmware's network boot.
boots_directly() {
	lab_kernel "$1" "$lab/state/boot/kernel" "$lab/state/boot/initramfs" \
		"swarmboot.server=http://$lab_server:8080" "BOOTIF=01-${lab_mac[$1]//:/-}" console=ttyS0
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

# With nothing to boot, firmware tries the disk, finds nothing on it, says so and stays there.
says_nothing_boots() {
	local tried='Boot failed: not a bootable disk' end='No bootable device'
	if [[ ${lab_kind[$1]} == uefi ]]; then
		tried='BdsDxe: failed to load Boot[0-9]+ "UEFI (Misc|.*SB-|.*DISK)' end='Shell>'
	fi
	lab_wait_console "$1" "$end" "$boot_seconds" && lab_console_has "$1" "$tried" &&
		! lab_console_has "$1" 'GRUB|Linux version|ready on'
}

# slow_link NAME RATE: what it receives from now on. Programs on the host are faster than an emulated
# machine: with this, "half" lasts long enough to be seen.
slow_link() {
	lab_run tc qdisc replace dev "$(lab_option "$1" tap '')" root \
		tbf rate "$2" burst 200kb latency 100ms || die "cannot shape the link of $1"
}

# link_bytes NAME: that went to it over its cable so far.
link_bytes() {
	lab_run ip -json -stats link show dev "$(lab_option "$1" tap '')" | jq '.[0].stats64.tx.bytes'
}
