#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: no
# A node with --memory 32MiB stays within 48 MiB (shared libraries count), whatever the image's size: sparse and random bytes of 1 GiB.
. "$(dirname "$0")/common.sh"

truncate -s 1G "$WORK/image"
for place in 0 100 300 301 302 500 700 960; do
	head -c $((32 * 1048576)) /dev/urandom |
		dd of="$WORK/image" bs=1M seek=$place conv=notrunc iflag=fullblock status=none
done
metainfo --piece-size 1048576

peak_kib() { awk '/^VmHWM/ { print $2 }' "/proc/$1/status"; }

seed origin 7600 --origin
origin=$pid
fetch a 7601 --peer 127.0.0.1:7600 --memory 32MiB --stay
a=$pid
fetch b 7602 --peer 127.0.0.1:7600 --peer 127.0.0.1:7601 --memory 32MiB --stay --readback
b=$pid
until_true 180 both has_event a complete -- has_event b complete
check both_complete both same a.img -- same b.img
for node in origin a b; do
	kib=$(peak_kib "${!node}")
	echo "# $node: peak $kib KiB resident"
	check "${node}_stays_within_48_MiB" [ "$kib" -le 49152 ]
done
check zeros_take_no_room [ "$(du -m "$WORK/a.img" | cut -f1)" -lt 400 ]

done_testing
