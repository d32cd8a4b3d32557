#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every case in which the agent must refuse, each beside its twin: the same case with that one fact
# mended, which images.
# seconds: 240
. "$(dirname "$0")/common.sh"
begin

new_node; arm_a1; new_disk A1; new_disk B1
check two_disks_that_match_are_refused refused disk-ambiguous 10 --disk "$DISKS/A1" --disk "$DISKS/B1,serial=A1"
check two_disks_are_on_the_server disks_known "A1 A1"
new_node; arm_a1
check one_of_two_images images --disk "$DISKS/A1" --disk "$DISKS/B1"
check the_right_one_of_two holds_image "$DISKS/A1"
check the_other_one_is_untouched is 1 "$(head -c 1048576 "$DISKS/B1" | cmp -s - <(head -c 1048576 "$WORK/one.raw"); echo $?)"

new_node; arm_a1; new_disk A1
check no_disk_is_refused refused disk-none 10 --disk "$DISKS/B1"
check the_disks_that_are_there_are_on_the_server disks_known B1
new_node; arm_a1
check with_the_disk_it_images images --disk "$DISKS/A1" --disk "$DISKS/B1"

new_node; arm_a1; new_disk A1 $((DISK_BYTES - 512))
check one_sector_too_small_is_refused refused disk-too-small 10 --disk "$DISKS/A1"
truncate -s $DISK_BYTES "$DISKS/A1"
new_node; arm_a1
check with_that_sector_it_images images --disk "$DISKS/A1"

new_node; arm_a1; new_disk A1
check another_sector_size_is_refused refused disk-sector-size 10 --disk "$DISKS/A1,sector=4096"
new_node; arm_a1
check with_its_sector_size_it_images images --disk "$DISKS/A1,sector=512"

for trait in removable ro bus=usb; do
	new_node; arm_a1; new_disk A1
	check "${trait}_never_matches" refused disk-none 10 --disk "$DISKS/A1,$trait"
	new_node; arm_a1
	check "not_${trait}_images" images --disk "$DISKS/A1"
done

# Two paths to one medium: here two names of one file.
new_node; arm_a1 ; new_disk A1; ln -f "$DISKS/A1" "$DISKS/path2"
check two_paths_with_one_wwn_image images --disk "$DISKS/A1,wwn=naa.5" --disk "$DISKS/path2,serial=A1,wwn=naa.5"
check two_paths_hold_the_image holds_image "$DISKS/path2"
rm "$DISKS/path2"

# A disk that comes after the others had been stable for long enough is late.
late=$WORK/late
mkdir "$late"
new_node; arm_a1; new_disk B1; cp "$DISKS/B1" "$late/B1"; rm "$DISKS"/*
agent --disk-dir "$late"
check a_late_disk_is_refused until_true 10 state_is failed
truncate -s $DISK_BYTES "$late/A1"
check late_means_disk_none is disk-none "$(node_field error)"
ended "$agent" 10
check a_late_disk_is_untouched is "$(digest_of "$late/A1")" "$(head -c $DISK_BYTES /dev/zero | sha256sum | cut -d' ' -f1)"
new_node; arm_a1
check in_time_it_images images --disk-dir "$late"
# One that comes while the others are being watched starts the time anew, and counts.
rm "$late/A1"
new_node; arm_a1
agent --disk-dir "$late" --settle 3
until_true 10 grep -q "waiting until the disks" "$WORK/agent.$MAC.log"
truncate -s $DISK_BYTES "$late/A1"
ended "$agent" 60
check a_disk_within_the_time_images is 0done "$status$(node_field state)"

openssl genpkey -algorithm ed25519 2>/dev/null | openssl pkey -pubout -out "$WORK/other.pub"
new_disk A1
new_node; arm_a1
KEYS=$WORK/other.pub
check a_plan_by_another_site_is_refused refused signature-missing 10 --disk "$DISKS/A1"
unset KEYS
for rule in plan-unsigned:signature-missing plan-signature:signature-wrong plan-bit:signature-wrong \
	metainfo-unsigned:signature-missing metainfo-signature:signature-wrong; do
	new_node; arm_a1
	rules "${rule%:*}"
	check "${rule%:*}_is_refused" refused "${rule#*:}" 10 --disk "$DISKS/A1"
	rules
	new_node; arm_a1; new_disk A1
	check "without_${rule%:*}_it_images" images --disk "$DISKS/A1"
	new_disk A1
done
new_node; arm_a1
rules plan-old
check an_old_plan_is_refused refused plan-stale 10 --disk "$DISKS/A1"

# One bit of what is signed, at places over the whole of it. The cause depends on the place.
before=$(digest_of "$DISKS/A1")
for bit in 3 211 1024 2048 3333 4700 6001; do
	new_node; arm_a1
	rules metainfo-bit:$bit
	runs 20 --disk "$DISKS/A1"
	check "bit_${bit}_of_the_metainfo_is_refused" is "1 failed $before" \
		"$status $(node_field state) $(digest_of "$DISKS/A1")"
done
rules
new_node; arm_a1
check all_bits_right_it_images images --disk "$DISKS/A1"

# What is no refusal: a server that cannot give the metainfo yet.
new_node; arm_a1; new_disk A1
rules metainfo-503:2
check a_busy_server_is_asked_again images --disk "$DISKS/A1"
done_testing
