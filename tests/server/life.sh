#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One node's whole life on the server: first contact, inventory, arm, plan, progress, finishing,
# finished; what it boots at every point; two arms image twice and no more.
. "$(dirname "$0")/common.sh"

store_image first
up --dhcp off --discover || { cat "$WORK"/up.*; check server_starts false; done_testing; }

script=$(curl -s $URL/boot.ipxe)
check entry_script_asks_who_it_is has "$URL/v1/boot?mac=\${netX/mac}" "$script"
check entry_script_ends_in_local_boot has "sanboot --no-describe --drive 0x80 || exit 1" "$script"

check first_contact_boots_for_inventory boots_agent $MAC
check inventory_is_offered_once boots_local $MAC
plan=$(node $MAC plan "$STATE/keys/site.pub")
check inventory_plan is inventory "$(field "$plan" action)"
check plan_is_fresh is true "$(field "$plan" fresh)"
check plan_is_signed is true "$(field "$plan" signed)"
hello $MAC stage=agent >/dev/null
check early_hello_is_no_inventory is false "$(sb node show $MAC --json | jq .has_inventory)"
reply=$(hello $MAC stage=target "$DISK")
check hello_is_acknowledged is 1 "$(field "$reply" acknowledged)"
check inventory_is_kept is SERIAL1 "$(sb node show $MAC --json | jq -r '.disks[0].serial')"
plan=$(node $MAC plan)
check with_inventory_it_boots_locally is local "$(field "$plan" action)"
check unarmed_boots_local boots_local $MAC

out=$(sb arm $MAC --image first)
check arm_says_which_disk has "onto disk SERIAL1 (1.0 GiB)" "$out"
check armed is armed "$(state_of $MAC)"
check armed_boots_agent boots_agent $MAC
check armed_boots_agent_with_uefi boots_agent $MAC efi
plan=$(node $MAC plan "$STATE/keys/site.pub")
arm=$(field "$plan" arm)
check image_plan is image "$(field "$plan" action)"
check image_plan_is_signed_and_fresh is truetrue "$(field "$plan" signed)$(field "$plan" fresh)"
check plan_pins_serial is SERIAL1 "$(jq -r .target.serial <<<"$plan")"
check plan_pins_wwn is 0x5000c500a1b2c3d4 "$(jq -r .target.wwn <<<"$plan")"
check plan_pins_size is 1073741824 "$(jq -r .target.size <<<"$plan")"
check plan_pins_sector_size is 512 "$(jq -r '.target["sector size"]' <<<"$plan")"
check imaging is imaging "$(state_of $MAC)"
path=$(field "$plan" 'metainfo path')
curl -s "$URL$path" -o "$WORK/served.torrent"
check metainfo_has_that_infohash is "$(field "$plan" infohash)" "$(/usr/bin/python3 -c '
import sys, hashlib
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import node
data = open(sys.argv[2], "rb").read()
at = data.index(b"4:info") + 6
print(hashlib.sha1(data[at:node.decode(data, at)[1]]).hexdigest())' "$HERE" "$WORK/served.torrent")"
check metainfo_names_our_tracker grep -qa "$URL/announce" "$WORK/served.torrent"
check same_plan_after_power_cut is image "$(field "$(node $MAC plan)" action)"

reply=$(node $MAC report progress arm="$arm" stage=fetch "bytes total=3145728" "bytes durable=1048576" sequence=2)
check progress_does_not_release is 0 "$(field "$reply" release)"
status_json=$(sb status --json)
check status_shows_progress is 1048576 "$(jq '.nodes[0].progress.bytes_durable' <<<"$status_json")"
check status_has_stage_times is number,number,number \
	"$(jq -r '.nodes[0].stages | [.script,.plan,.fetch] | map(type) | join(",")' <<<"$status_json")"
reply=$(node $MAC report progress arm="$arm" stage=seed "bytes total=3145728" "bytes durable=3145728" sequence=3)
check alone_it_is_released is 1 "$(field "$reply" release)"

digest=$(printf 'ab%.0s' {1..32})
reply=$(node $MAC report finishing arm="$arm" stage=finish sequence=4 "head tail sha256=$digest")
check finishing_is_acknowledged is 1 "$(field "$reply" acknowledged)"
check finishing is finishing "$(state_of $MAC)"
check finishing_boots_agent boots_agent $MAC
plan=$(node $MAC plan "$STATE/keys/site.pub")
check finishing_plan is finishing "$(field "$plan" action)"
check finishing_plan_has_the_digest is "$digest" "$(field "$plan" 'head tail sha256')"
reply=$(node $MAC report finishing arm="$arm" stage=finish sequence=5 "head tail sha256=$digest")
check finishing_twice_is_acknowledged is 1 "$(field "$reply" acknowledged)"
reply=$(node $MAC report finished arm="$arm" stage=done sequence=6)
check finished_is_acknowledged is 1 "$(field "$reply" acknowledged)"
check done is "done" "$(state_of $MAC)"
reply=$(node $MAC report finished arm="$arm" stage=done sequence=7)
check finished_twice_is_acknowledged is 1 "$(field "$reply" acknowledged)"
check done_boots_local boots_local $MAC
check done_boots_local_again boots_local $MAC
check done_boots_local_a_third_time boots_local $MAC
check done_plan_is_local is local "$(field "$(node $MAC plan)" action)"

# The second arm: another number, no digest of the first, one more imaging.
sb arm $MAC --image first >/dev/null
check second_arm_boots_agent boots_agent $MAC
plan=$(node $MAC plan)
second=$(field "$plan" arm)
check second_arm_images is image "$(field "$plan" action)"
check second_arm_is_another [ "$second" -gt "$arm" ]
reply=$(node $MAC report finished arm="$arm" stage=done sequence=8)
check late_report_of_the_first_arm_is_answered_abort is 1 "$(field "$reply" abort)"
check and_changes_nothing is imaging "$(state_of $MAC)"
node $MAC report finishing arm="$second" stage=finish "head tail sha256=$digest" >/dev/null
node $MAC report finished arm="$second" stage=done >/dev/null
check second_done is "done" "$(state_of $MAC)"
check no_third_imaging boots_local $MAC
check no_third_plan is local "$(field "$(node $MAC plan)" action)"

# Disarmed while it works; failed; both are told and boot locally.
sb arm $MAC --image first >/dev/null
third=$(field "$(node $MAC plan)" arm)
check disarm_works quietly sb disarm $MAC
reply=$(node $MAC report progress arm="$third" stage=fetch)
check disarmed_node_is_told_to_stop is 1 "$(field "$reply" abort)"
reply=$(node $MAC report finishing arm="$third" stage=finish "head tail sha256=$digest")
check disarmed_node_may_not_commit is 0 "$(field "$reply" acknowledged)"
check disarmed_boots_local boots_local $MAC
sb arm $MAC --image first >/dev/null
fourth=$(field "$(node $MAC plan)" arm)
reply=$(node $MAC report failed arm="$fourth" stage=target error=disk-none \
	"text=no disk matches" "log=tail of the log" "$DISK")
check failure_is_acknowledged is 1 "$(field "$reply" acknowledged)"
check failed is failed "$(state_of $MAC)"
check failed_boots_local boots_local $MAC
check cause_is_shown has "disk-none: no disk matches" "$(sb node show $MAC)"
check log_is_kept is "tail of the log" \
	"$(sb node show $MAC --json | jq -r '[.events[]|select(.kind=="failed")][0].log')"
node $MAC report failed stage=target "text=odd" $'log=one\ntwo \xff\x1b[2J' >/dev/null
check odd_log_is_shown_tamely is $'one\ntwo ??[2J' \
	"$(sb node show $MAC --json | jq -r '[.events[]|select(.kind=="failed")][0].log')"
check no_disks_are_shown_as_none is 0 "$(sb node show $MAC --json | jq '.disks | length')"

check forget quietly sb node forget $MAC
check forgotten is 0 "$(sb status --json | jq '.nodes | length')"
stop_server
check clean_stop is 0 "$status"
check socket_is_gone [ ! -e "$STATE/control.sock" ]
done_testing
