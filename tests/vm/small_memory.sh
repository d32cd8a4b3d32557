#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 1200
# Small machines and an image larger than their memory: over PXE, the shipped initramfs with all drivers
# in 512 MiB, and one with the drivers of the machine only in 256 MiB. Prints how large things are.
. "$(dirname "$0")/vm.bash"

resident_max=$((64 * mib))
own_drivers=virtio_pci,virtio_net,virtio_blk

lab_begin "vm-$name"
tiny_image new --id new --data 480

# ---- how large things are

size_of() { stat -c %s "$1"; }
built() { # NAME OPTION...: an initramfs; prints its size
	local file=$lab/$1.img
	shift
	build/swarmboot initramfs --out "$file" --keys "$lab/state/keys" "$@" >>"$lab/initramfs.log" &&
		size_of "$file"
}
agent_bytes=$(size_of build/swarmboot-agent)
none_bytes=$(built none --drivers none) || die "no initramfs without drivers"
own_bytes=$(built own --drivers "$own_drivers") || die "no initramfs with drivers of one machine"
must server_is_up lab_up
all_bytes=$(size_of "$lab/state/boot/initramfs")
note "agent $(in_mib "$agent_bytes"); initramfs without drivers $(in_mib "$none_bytes")," \
	"with those of one machine $(in_mib "$own_bytes"), with all $(in_mib "$all_bytes")"
check agent_is_stripped sh -c '! readelf -S build/swarmboot-agent | grep -q symtab'
check agent_is_at_most_8_mib test "$agent_bytes" -le $((8 * mib))
check initramfs_without_drivers_is_at_most_5_mib test "$none_bytes" -le $((5 * mib))

# ---- machines

declare -A resident=()
# Notes the most that was resident by its reports; true at the end.
followed() {
	local now
	now=$(seen "$1" .progress.memory_resident_bytes)
	((${now:-0} <= ${resident[$1]:-0})) || resident[$1]=$now
	state_is "$1" "done" || state_is "$1" failed
}
images_in() { # NAME MEMORY-MIB
	lab_machine "$1" bios disk=1G "memory=$2"
	must "$1_is_armed" arm_unseen "$1" new
	lab_power_on "$1"
	must "$1_runs_the_agent" lab_wait_console "$1" 'loading drivers' "$boot_seconds"
	must "$1_ends" lab_await 500 followed "$1"
	must "$1_ends_finished" ends_as "$1" "done" 1
	# The kernel's own count knows what was between two reports.
	local most
	most=$(lab_console "$1" | sed -nE 's/.*memory: at most ([0-9.]+) MiB of the agent.*/\1/p')
	note "$1: agent $(in_mib "${resident[$1]:-0}") resident by its reports, ${most:-?} MiB by the kernel's count," \
		"$(in_mib "$image_bytes") of image in $2 MiB of memory"
	check "$1_reports_at_most_64_mib" test "${resident[$1]:-$resident_max}" -lt $resident_max
	check "$1_had_at_most_64_mib" awk "BEGIN { exit !(0${most:-999} <= 64) }"
	check "$1_killed_nothing" not lab_console_has "$1" 'Out of memory|oom-kill|allocation failure'
	check "$1_boots_the_image" lab_wait_console "$1" 'image new ready on' "$boot_seconds"
	check "$1_is_the_image" disk_is_image "$1"
	lab_power_cut "$1"
	rm "$lab/$1/disk.raw"
}
images_in all512 512
lab_stop server
must server_is_up_with_few_drivers lab_up --drivers "$own_drivers"
check few_drivers_are_served cmp "$lab/own.img" "$lab/state/boot/initramfs"
images_in own256 256
done_testing
