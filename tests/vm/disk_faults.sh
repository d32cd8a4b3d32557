#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 900
# The agent as PID 1 on disks that go wrong, beside the real server: one that fails a write in the
# middle, one that fails a flush, one at a tenth of the usual speed. The first two end as failed, with
# the cause on the server and nothing that boots; the slow one ends finished, and right.
. "$(dirname "$0")/vm.bash"

lab_begin "vm-$name"
tiny_image new --id new --data 32
must server_is_up lab_up --drivers "$lab_drivers"
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
	boots_directly "$name"
	must "${name}_is_armed" arm_unseen "$name" new
	lab_power_on "$name"
}

tells_its_log() {
	shown "$1" '[.events[] | select(.kind == "failed") | .log // ""] |
		any(contains("target: /dev/") and contains("Input/output error"))' >/dev/null
}
never_done() {
	shown "$1" '[.events[].kind] | all(. != "finishing" and . != "finished")' >/dev/null &&
		! lab_console_has "$1" 'writing the first and last MiB|read back and right'
}

machine bad_write scsi-hd "$(failing_write bad_write)"
machine bad_flush virtio-blk-pci "$(failing_flush bad_flush)"
check bad_write_ends_as_failed refuses bad_write disk-write
check bad_flush_ends_as_failed refuses bad_flush disk-flush
for node in bad_write bad_flush; do
	check "${node}_tells_its_log" tells_its_log "$node"
	check "${node}_lists_its_disk" serials_are "$node" "SB-$node-disk"
	check "${node}_boots_its_disk_then" lab_wait_console "$node" 'rebooting' 100
	check "${node}_was_never_done" never_done "$node"
	check "${node}_does_not_boot" disk_head_is_zero "$node"
	lab_power_cut "$node"
done

machine slow_disk virtio-blk-pci "$(slow slow_disk)"
must slow_disk_ends_finished ends_as slow_disk "done" 400
took_ms=$(seen slow_disk '.arm.stages.finish - .arm.stages.plan')
note "slow_disk: $((took_ms / 1000)) s from plan to finish at $(in_mib $slow_bytes_per_s)/s"
# Everything is read twice.
check slow_disk_was_slow test "$took_ms" -ge $((2000 * image_bytes / slow_bytes_per_s))
check slow_disk_is_the_image disk_is_image slow_disk
done_testing
