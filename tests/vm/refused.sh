#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 1200
# What is refused by real machines. Over PXE, one machine three times: two disks that match; an initramfs
# that trusts another site's key; and both mended, which images. Beside it, booted directly: a disk with
# other sectors, no disk at all, and one that is plugged in half a minute late, which images.
. "$(dirname "$0")/vm.bash"

lab_begin "vm-$name"
tiny_image new --id new
must server_is_up lab_up --drivers "$lab_drivers"

untouched() { # NAME LABEL...: nothing was written to its disks
	local machine=$1 label
	shift
	for label; do
		cmp -s -n "$(stat -c %s "$lab/$machine/$label.raw")" /dev/zero "$lab/$machine/$label.raw" || return 1
	done
}
never_began() { not lab_console_has "$1" 'reading what the disk already holds|fetching image'; }

forget() { lab_swarmboot node forget "${lab_mac[$1]}" >/dev/null; }

# ---- two disks that match; beside them, sectors of another size

lab_machine pxe bios disk=512M
lab_disk pxe twin size=512M serial=SB-pxe-disk
lab_machine sectors bios disk=512M sector=4096
boots_directly sectors
must two_disks_are_armed arm_unseen pxe new
must other_sectors_are_armed arm_unseen sectors new
lab_power_on pxe
lab_power_on sectors

check other_sectors_are_refused refuses sectors disk-sector-size
check other_sectors_are_on_the_server is 4096 "$(shown sectors '.disks[0].sector_bytes')"
check other_sectors_never_begin never_began sectors
lab_power_cut sectors
check other_sectors_are_untouched untouched sectors disk

check two_disks_are_refused refuses pxe disk-ambiguous
check two_disks_are_on_the_server serials_are pxe SB-pxe-disk SB-pxe-disk
check two_disks_never_begin never_began pxe
check two_disks_boot_locally_then lab_wait_console pxe 'booting the local disk: failed' "$boot_seconds"
lab_power_cut pxe
check two_disks_are_untouched untouched pxe disk twin
check they_cannot_even_be_armed_now not arm_unseen pxe new
lab_take_disk pxe twin
must the_machine_is_forgotten forget pxe

# ---- another site's key; beside it, a disk that comes late

openssl genpkey -algorithm ed25519 2>/dev/null | openssl pkey -pubout -out "$lab/other.pub" ||
	die "cannot make a key"
cp "$lab/state/boot/initramfs" "$lab/initramfs"
build/swarmboot initramfs --out "$lab/state/boot/initramfs" --keys "$lab/other.pub" \
	--drivers "$lab_drivers" >/dev/null || die "cannot build an initramfs"
must other_key_is_armed arm_unseen pxe new
lab_power_on pxe
check other_key_is_refused refuses pxe signature-missing
check other_key_lists_the_disk serials_are pxe SB-pxe-disk
check other_key_never_begins never_began pxe
lab_power_cut pxe
check other_key_is_untouched untouched pxe disk
mv "$lab/initramfs" "$lab/state/boot/initramfs"

lab_machine late bios disk=0
lab_more late -device virtio-scsi-pci,id=hba
boots_directly late
truncate -s 512M "$lab/late/disk.raw"
must late_disk_is_armed arm_unseen late new
must mended_is_armed arm_unseen pxe new
lab_power_on late
lab_power_on pxe
past() { ((SECONDS >= $1)); }
plug() {
	lab_qmp late blockdev-add driver=raw node-name=late \
		"file={\"driver\":\"file\",\"filename\":\"$lab/late/disk.raw\"}" >/dev/null &&
		lab_qmp late device_add driver=scsi-hd bus=hba.0 drive=late serial=SB-late-disk >/dev/null
}
must late_disk_is_missed lab_wait_console late 'waiting until the disks are settled' "$boot_seconds"
lab_await 40 past $((SECONDS + 30))
check it_waits_for_a_late_disk state_is late imaging
must late_disk_is_plugged_in plug
must late_disk_images ends_as late "done" 300
check late_disk_is_the_image disk_is_image late
lab_power_cut late

must mended_images ends_as pxe "done" "$boot_seconds"
check mended_boots lab_wait_console pxe 'image new ready on' "$boot_seconds"
check mended_is_the_image disk_is_image pxe
lab_power_cut pxe

# ---- never a disk

lab_machine none bios disk=0
boots_directly none
truncate -s 512M "$lab/none/disk.raw"
must no_disk_is_armed arm_unseen none new
lab_power_on none
check no_disk_is_refused refuses none disk-none
check no_disk_is_on_the_server is 0 "$(shown none '.disks | length')"
done_testing
