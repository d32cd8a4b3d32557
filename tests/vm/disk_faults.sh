#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 420
# The agent as PID 1 on disks that go wrong, beside the real server: one that fails a write in the
# middle, one that fails a flush, one at a tenth of the usual speed. The first two end as failed, with
# the cause on the server and nothing that boots; the slow one ends finished, and right.
. "$(dirname "$0")/common.bash"

lab_begin disk_faults
vm_image image --tiny --data 32
vm_import "$image" tiny
lab_up || die "the server does not start: see $lab/server.log"
image_bytes=$(stat -c %s "$image")
slow_bytes_per_s=$((5 << 20)) # an emulated machine reads and writes some 50 MiB/s

# A sector that will be written: the image has bytes there, far from head and tail.
bad_sector=$((image_bytes / 2 / 512))
! cmp -s -n 512 -i $((bad_sector * 512)):0 "$image" /dev/zero ||
	die "the image has nothing in its middle"

# Block devices of QEMU, around the file of a machine's disk.
file_of() { printf '{"driver":"file","filename":"%s"}' "$lab/$1/disk.raw"; }
debugged() { # NAME RULES
	printf '{"driver":"raw","node-name":"disk","file":{"driver":"blkdebug","image":%s,%s}}' \
		"$(file_of "$1")" "$2"
}
failing_write() {
	debugged "$1" '"inject-error":[{"event":"none","iotype":"write","errno":5,"sector":'$bad_sector'}]'
}
# The first two go well: the wipe is durable, and so is some of the content.
failing_flush() {
	debugged "$1" '"set-state":[{"event":"flush_to_disk","state":1,"new_state":2},
		{"event":"flush_to_disk","state":2,"new_state":3}],
		"inject-error":[{"event":"flush_to_disk","state":3,"iotype":"flush","errno":5}]'
}
slow() {
	printf '{"driver":"throttle","node-name":"disk","throttle-group":"slow","file":%s}' \
		"$(file_of "$1")"
}

# machine NAME DEVICE BLOCKDEV: one with that disk, which boots the agent without firmware's network boot.
machine() {
	local name=$1 device=$2
	lab_machine "$name" bios disk=0
	truncate -s 512M "$lab/$name/disk.raw"
	lab_more "$name" -device virtio-scsi-pci \
		-object '{"qom-type":"throttle-group","id":"slow","limits":{"bps-total":'$slow_bytes_per_s'}}' \
		-blockdev "$(tr -d '\n\t' <<<"$3")" \
		-device "$device,drive=disk,serial=SB-$name-disk"
	lab_kernel "$name" "$lab/state/boot/kernel" "$lab/state/boot/initramfs" \
		"swarmboot.server=http://$lab_server:8080" "BOOTIF=01-${lab_mac[$name]//:/-}" console=ttyS0
	need "${name}_is_armed" vm_arm "$name" tiny
	lab_power_on "$name"
}

# fails_for NAME ERROR: it ends as failed with that error, known to the server soon after it decided.
fails_for() {
	local name=$1 error=$2 start
	lab_wait_console "$name" "error: $error:" 150 || return 1
	start=$SECONDS
	lab_await 10 vm_state_is "$name" failed || return 1
	note "$name: $(vm_field "$name" .error): $(vm_field "$name" .error_text)" \
		"(known after $((SECONDS - start)) s)"
	is "$error" "$(vm_field "$name" .error)"
}
tells_its_log() {
	vm_show "$1" | jq -e '[.events[] | select(.kind == "failed") | .log // ""] |
		any(contains("target: /dev/") and contains("Input/output error"))' >/dev/null
}
lists_its_disk() { is "SB-$1-disk" "$(vm_field "$1" '.disks[0].serial')"; }
never_done() {
	! vm_show "$1" | jq -e '[.events[].kind] | any(. == "finishing" or . == "finished")' >/dev/null &&
		silent_about "$1" 'writing the first and last MiB|read back and right'
}

machine bad_write scsi-hd "$(failing_write bad_write)"
machine bad_flush virtio-blk-pci "$(failing_flush bad_flush)"
check bad_write_ends_as_failed fails_for bad_write disk-write
check bad_flush_ends_as_failed fails_for bad_flush disk-flush
for name in bad_write bad_flush; do
	check "${name}_tells_its_log" tells_its_log "$name"
	check "${name}_lists_its_disk" lists_its_disk "$name"
	check "${name}_boots_its_disk_then" lab_wait_console "$name" 'rebooting' 60
	check "${name}_was_never_done" never_done "$name"
	check "${name}_does_not_boot" cmp -n 1048576 "$lab/$name/disk.raw" /dev/zero
	lab_power_cut "$name"
done

machine slow_disk virtio-blk-pci "$(slow slow_disk)"
need slow_disk_ends_finished vm_await_state slow_disk "done" 240
took_ms=$(vm_field slow_disk '.arm.stages.finish - .arm.stages.plan')
note "slow_disk: $((took_ms / 1000)) s from plan to finish at $(mib $slow_bytes_per_s)/s"
# Everything is read twice.
check slow_disk_was_slow test "$took_ms" -ge $((2000 * image_bytes / slow_bytes_per_s))
check slow_disk_is_the_image vm_same slow_disk "$image"
done_testing
