#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Armed twice, a machine is imaged twice and no more; and with the drivers of that machine only,
# 256 MiB of RAM are enough.
# seconds: 900
. "$(dirname "$0")/vm.bash"

lab_begin "vm-$name"
tiny_image tiny --data 32
must server_is_up lab_up --drivers virtio_pci,virtio_net,virtio_scsi,sd_mod
check initramfs_of_one_machine_is_small [ "$(stat -c %s "$lab/state/boot/initramfs")" -le $((6 * mib)) ]
lab_machine one bios disk=256M bus=scsi wwn=0x5000c50000000001 memory=256
for time in first second; do
	must "armed the $time time" arm_unseen one tiny
	lab_power_on one
	must "imaged the $time time" imaged_and_held one "$boot_seconds"
	check "the disk is the image the $time time" disk_is_image one
	lab_power_cut one
	# What the second time must mend.
	dd if=/dev/urandom of="$lab/one/disk.raw" bs=$mib seek=20 count=8 conv=notrunc status=none
done
dd if="$image" of="$lab/one/disk.raw" bs=$mib conv=notrunc,sparse status=none
lab_power_on one
check not_a_third_time boots_from_disk one 'ready on tiny'
check still_done state_is one "done"
done_testing
