#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What `up`, `arm` and the HTTP port refuse, and how they say it: one clear line, the right exit
# status, nothing left half-made.
. "$(dirname "$0")/common.sh"

# refuses NAME STATUS TEXT COMMAND...
refuses() {
	local name=$1 wanted=$2 text=$3 out got
	shift 3
	out=$("$@" 2>&1 </dev/null)
	got=$?
	check "$name" both_are "$wanted" "$got" "$text" "$out"
}
both_are() { is "$1" "$2" && has "$3" "$4"; }
# shellcheck disable=SC2086
run_up() { timeout 60 "$BIN" up --state "$STATE" $quick "$@"; }

refuses up_without_interface 2 "--interface IF is missing" run_up
refuses up_unknown_interface 1 "there is no network interface 'nope'" run_up --interface nope
refuses up_interface_without_address 1 "interface node has no IPv4 address" run_up --interface node
ip link add idle type veth peer name idle-end
ip addr add 10.78.0.1/24 dev idle
refuses up_interface_down 1 "interface idle is down" run_up --interface idle
refuses up_unknown_option 2 "unknown option" run_up --interface srv --nonsense
refuses up_unknown_dhcp 2 "--dhcp is full, proxy, off or auto" run_up --interface srv --dhcp some
refuses up_odd_port 2 "--http-port is a number from 1 to 65535" run_up --interface srv --http-port 65536
refuses up_range_outside 2 "is not inside the subnet" \
	run_up --interface srv --dhcp-range 10.99.0.1,10.99.0.9
refuses up_router_odd 2 "--router x is no address" run_up --interface srv --router x
refuses up_missing_image 1 "--image /nonexistent" \
	run_up --interface srv --dhcp off --image /nonexistent
refuses up_missing_kernel 1 "--kernel /nonexistent" \
	run_up --interface srv --dhcp off --kernel /nonexistent
refuses up_missing_agent 1 "/nonexistent cannot be read" \
	timeout 60 "$BIN" up --interface srv --dhcp off --state "$STATE" --kernel "$WORK/kernel" --agent /nonexistent
mkdir "$WORK/alone"
cp "$BIN" "$WORK/alone/swarmboot"
if ! compgen -G '/usr/share/swarmboot/linux-image-*.deb' >/dev/null; then
	refuses up_without_kernel_package 1 "run scripts/setup or give --kernel" \
		timeout 60 "$WORK/alone/swarmboot" up --interface srv --dhcp off --state "$STATE" --agent /bin/busybox
fi
chmod 755 "$WORK"
refuses up_without_root 1 "takes root" setpriv --reuid 65534 --regid 65534 --clear-groups \
	timeout 60 "$WORK/alone/swarmboot" up --interface srv --state "$WORK/nobody"
refuses up_state_not_writable 1 "/proc/swarmboot" run_up --interface srv --dhcp off --state /proc/swarmboot
check nothing_of_it_is_left is "" "$(ls "$STATE"/*.sock "$STATE/boot/inputs" 2>/dev/null)"

/usr/bin/python3 -c '
import socket, sys, time
held = []
for kind, port in ((socket.SOCK_STREAM, 8081), (socket.SOCK_DGRAM, 6970), (socket.SOCK_STREAM, 6882),
                   (socket.SOCK_DGRAM, 67)):
    s = socket.socket(socket.AF_INET, kind)
    s.bind(("0.0.0.0", port))
    if kind == socket.SOCK_STREAM:
        s.listen()
    held.append(s)
open(sys.argv[1], "w").close()
time.sleep(600)' "$WORK/held" &
holder=$!
PIDS+=("$holder")
until_true 10 test -e "$WORK/held"
refuses up_http_port_in_use 1 "cannot listen on 10.77.0.1:8081" \
	run_up --interface srv --dhcp off --http-port 8081
refuses up_tracker_port_in_use 1 "6970" run_up --interface srv --dhcp off --tracker-port 6970
refuses up_peer_port_in_use 1 "6882" run_up --interface srv --dhcp off --peer-port 6882
refuses up_dhcp_port_in_use 1 "dnsmasq does not start" run_up --interface srv
check no_dnsmasq_is_left is "" "$(pgrep -f "$STATE/dnsmasq.conf")"
kill "$holder"

refuses status_without_server 1 "no server runs with the state directory $STATE" sb status
refuses arm_without_server 1 "no server runs" sb arm --all --image first

store_image first
store_image sectors
# Another site's origin, as far as this one can tell.
/usr/bin/python3 -c 'import socket
node = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
node.bind(("10.77.0.1", 7999))
node.settimeout(60)
print(b"4:ping" in node.recv(2048), flush=True)' >"$WORK/elsewhere" &
PIDS+=("$!")
refuses dht_without_port 2 "10.77.0.1" run_up --interface srv --dhcp off --dht 10.77.0.1
up --dhcp off --dht 10.77.0.1:7999 || { cat "$WORK"/up.*; check server_starts false; done_testing; }
refuses second_server 1 "another \`swarmboot up\` runs with the state directory" \
	run_up --interface srv --dhcp off --http-port 8090 --tracker-port 8091 --peer-port 8092

refuses arm_nothing 2 "which node?" sb arm --image first
refuses arm_both 2 "not both" sb arm $MAC --all --image first
refuses arm_without_image 2 "--image NAME is missing" sb arm $MAC
refuses arm_unknown_image 1 "nonsense" sb arm $MAC --image nonsense
refuses arm_unknown_node 1 "no node is called '$MAC'" sb arm $MAC --image first
refuses arm_nobody 1 "no machine is known yet" sb arm --all --image first
node $MAC plan >/dev/null
refuses arm_without_inventory 1 "its disks are not known" sb arm $MAC --image first
refuses arm_half_pinned 1 "its disks are not known" sb arm $MAC --image first --disk S
refuses arm_odd_end 2 "is no end" sb arm $MAC --image first --end explode
check arm_pinned_whole quietly sb arm $MAC --image first --disk S --size 1GiB --end poweroff
check the_origin_asks_the_others until_true 10 grep -q True "$WORK/elsewhere"
check plan_has_the_pins is "S 1073741824 512 poweroff" \
	"$(node $MAC plan | jq -r '"\(.target.serial) \(.target.size) \(.target["sector size"]) \(.end)"')"
refuses arm_while_imaging 1 "it is being imaged" sb arm $MAC --image first
refuses forget_while_imaging 1 "disarm it first" sb node forget $MAC
sb disarm $MAC >/dev/null
refuses disarm_twice 1 "it is not armed" sb disarm $MAC

two=52:54:00:00:00:02
hello $two "disk=A,0x5000000000000001,1073741824,512" "disk=B,,2147483648,512" \
	"disk=U,,1073741824,512,usb" >/dev/null
refuses two_disks 1 "it has more than one disk: say which with --disk" sb arm $two --image first
out=$(sb arm $two --image first 2>&1)
check and_lists_them has "serial A" "$out"
check with_what_speaks_against has "usb" "$out"
refuses usb_disk 1 "may not be overwritten" sb arm $two --image first --disk U
refuses unknown_disk 1 "no disk of it has that serial" sb arm $two --image first --disk C
check one_of_two quietly sb arm $two --image first --disk B
check pins_that_one is B "$(node $two plan | jq -r .target.serial)"
sb disarm $two >/dev/null
small=52:54:00:00:00:03
hello $small "disk=A,,3145216,512" >/dev/null
refuses a_sector_too_small 1 "the disk is smaller than the image" sb arm $small --image first
large=52:54:00:00:00:04
hello $large "disk=A,,3145728,4096" >/dev/null
refuses other_sector_size 1 "logical sector size is not the image's" sb arm $large --image first
hello $large "disk=A,,3145728,512" >/dev/null
check the_mended_disk_arms quietly sb arm $large --image first
refuses ambiguous_node 1 "could be any of 4 nodes" sb arm 52:54 --image first
check unique_beginning quietly sb arm 52:54:00:00:00:04 --image first
check name_a_node quietly sb node set $large --name rack1-4
check arm_by_name quietly sb arm rack1-4 --image first
refuses name_taken 1 "is called rack1-4 already" sb node set $small --name rack1-4
refuses odd_name 2 "is no name for a node" sb node set $small --name 'a b'
refuses odd_rack 2 "is no name for a rack" sb node set $small --rack 'a b'
refuses odd_method 2 "is no way to boot" sb node set $small --local-boot sometimes

check method_is_kept quietly sb node set $small --local-boot exit
check exit_method has "
exit 1" "$(node $small boot)"
sb node set $small --local-boot esp >/dev/null
check esp_method has "chain --timeout 8000 $URL/boot/local.efi" "$(node $small boot efi)"
sb node set $small --local-boot auto >/dev/null
check bios_default has 'sanboot --no-describe --drive 0x80 || exit 1' "$(node $small boot)"
check uefi_default lacks sanboot "$(node $small boot efi)"

# An arm that expires.
sb arm $large --image first --expires 1s >/dev/null
check armed_boots_agent boots_agent $large
expired() { [ "$(state_of $large)" = known ]; }
check expires until_true 5 expired
check expired_boots_local boots_local $large
check expired_plan is local "$(field "$(node $large plan)" action)"
check expiry_is_shown has "its arm expired" "$(sb status)"

# The HTTP port believes nobody.
check unknown_node_boots_local boots_local 52:54:00:00:00:aa
check no_mac_boots_local has "sanboot" "$(curl -s "$URL/v1/boot")"
for mac in xx '%0a' '52:54:00:00:00:01%0achain%20http://evil' '$%7Bnet0/ip%7D' '01:00:5e:00:00:01' \
	"$(printf 'a%.0s' {1..200})"; do
	answer=$(curl -s "$URL/v1/boot?mac=$mac&uuid=x")
	check "odd_mac_boots_local" has "no MAC address in the request" "$answer"
	check "and_is_not_echoed" lacks evil "$answer"
done
curl -s "$URL/v1/boot?mac=52:54:00:00:00:ab&serial=%1b%5b2J%22%7b&uuid=%ff%fe" >/dev/null
check odd_texts_are_cleaned is "?[2J\"{" "$(sb node show 52:54:00:00:00:ab --json | jq -r .serial)"
code() { curl -s -o /dev/null -w '%{http_code}' -m 10 "$@"; }
check unknown_path is 404 "$(code $URL/etc/passwd)"
check path_upwards is 404 "$(code --path-as-is $URL/boot/../../etc/passwd)"
check no_control_on_the_port is 404 "$(code $URL/v1/status)"
check posting_a_script is 405 "$(code -d x $URL/boot.ipxe)"
check getting_a_report is 405 "$(code $URL/v1/node/report)"
check garbage_report is 400 "$(code -d garbage $URL/v1/node/report)"
check empty_report is 400 "$(code -d '' $URL/v1/node/report)"
head -c 300000 /dev/zero >"$WORK/large"
check large_report is 413 "$(code --data-binary @"$WORK/large" $URL/v1/node/report)"
check long_address is 400 "$(code "$URL/v1/boot?mac=$(printf 'a%.0s' {1..3000})")"
check plan_without_nonce is 400 "$(code "$URL/v1/node/plan?node=$MAC")"
check plan_with_odd_nonce is 400 "$(code "$URL/v1/node/plan?node=$MAC&nonce=zz")"
check plan_with_odd_node is 400 "$(code "$URL/v1/node/plan?node=x&nonce=$(printf '0%.0s' {1..32})")"
check odd_infohash is 404 "$(code "$URL/v1/images/../keys/site.key")"
check unknown_infohash is 404 "$(code "$URL/v1/images/$(printf '0%.0s' {1..40}).torrent")"
check head_of_kernel is "$(stat -c %s "$STATE/boot/kernel")" \
	"$(curl -sI $URL/boot/kernel | tr -d '\r' | awk -F': ' '/^Content-Length/ {print $2}')"
curl -s $URL/boot/kernel -o "$WORK/served"
check kernel_comes_whole cmp -s "$WORK/served" "$STATE/boot/kernel"
check it_still_serves boots_local $small

# Nodes that are gone before they are answered.
hasty=52:54:00:00:00:05
hello $hasty "disk=H,,1073741824,512" >/dev/null
sb arm $hasty --image first >/dev/null
check hasty_nodes "$HERE/hasty.py" 10.77.0.1 8080 $hasty "$(field "$(node $hasty plan)" arm)" 400
check it_serves_after_them boots_agent $hasty
sb disarm $hasty >/dev/null

# The image is gone: the node waits, and is told when to ask again.
sb arm $small --image sectors --disk A --json >/dev/null 2>&1
hello $small "disk=A,,1073741824,512" >/dev/null
sb arm $small --image sectors >/dev/null
stop_server
check clean_stop_after_all_that is 0 "$status"
sb image remove sectors >/dev/null 2>&1 || rm -rf "$STATE/images/sectors"
up --dhcp off
answer=$(node $small plan)
check no_image_no_plan is "503 5" "$(jq -r '"\(.http) \(.retry_after)"' <<<"$answer")"
check it_stays_armed is armed "$(state_of $small)"
stop_server
check clean_stop is 0 "$status"
done_testing
