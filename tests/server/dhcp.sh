#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# DHCP of `up`: full where nobody else answers, proxy beside another server, full refused there; what
# BIOS, UEFI and iPXE are offered; dnsmasq is started again when it dies and dies with the server.
. "$(dirname "$0")/common.sh"

ask() { "$HERE/dhcp_client.py" node "$@"; }
dnsmasq_pid() { pgrep -P "$(pgrep -P "$server" | head -n 1)" | head -n 1; }

up || { cat "$WORK"/up.*; check server_starts false; done_testing; }
check alone_it_hands_out_addresses grep -q "nobody answers: handing out addresses" "$WORK/up.out"
offer=$(ask $MAC 0)
check bios_gets_an_address has '"address": "10.77.0.' "$offer"
check bios_gets_undionly is undionly.kpxe "$(field "$offer" file)"
check no_gateway_is_told is "" "$(field "$offer" router)"
check uefi_gets_snponly is snponly.efi "$(field "$(ask 52:54:00:00:00:02 7)" file)"
check uefi_arch_9_gets_snponly is snponly.efi "$(field "$(ask 52:54:00:00:00:03 9)" file)"
check ipxe_gets_the_script is $URL/boot.ipxe "$(field "$(ask $MAC 0 ipxe)" file)"
ask 52:54:00:00:00:04 0 plain >/dev/null
check dhcp_has_a_time is number "$(sb status --json | jq -r '.nodes[0].stages.dhcp | type')"
check only_pxe_clients_are_nodes is 3 "$(sb status --json | jq '.nodes | length')"
check script_is_missed has "address asked for" "$(sb status)"
for file in undionly.kpxe snponly.efi; do
	curl -s -m 10 "tftp://10.77.0.1/$file" -o "$WORK/$file"
	check "tftp_serves_$file" cmp -s "$WORK/$file" /usr/lib/ipxe/$file
done

first=$(dnsmasq_pid)
kill -9 "$first"
died_shown() { sb status --json | jq -e '.notices[] | select(.text | contains("dnsmasq ended"))' >/dev/null; }
check death_is_shown until_true 10 died_shown
again() { ask $MAC 0 >/dev/null; }
check it_is_started_again until_true 20 again
check another_process [ "$first" != "$(dnsmasq_pid)" ]
child=$(dnsmasq_pid)
kill_server
is_no_more() { [ ! -e "/proc/$1" ]; }
check dies_with_the_server until_true 10 is_no_more "$child"

# The other end of the segment moves to a namespace with a DHCP server of its own.
unshare --net sleep 1000 &
other=$!
PIDS+=("$other")
moved() { [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ]; }
until_true 5 moved
ip link set node netns "$other"
there() { nsenter --net="/proc/$other/ns/net" "$@"; }
there ip addr add 10.77.0.2/24 dev node
there ip link set node up
there dnsmasq -k --conf-file=/dev/null --port=0 --interface=node --bind-interfaces --no-ping \
	--dhcp-range=10.77.0.50,10.77.0.60,1h --dhcp-leasefile="$WORK/other.leases" \
	--pid-file= --log-facility="$WORK/other.log" &
PIDS+=($!)
other_answers() { "$HERE/dhcp_client.py" srv 52:54:00:00:00:09 0 | grep -q 10.77.0.2; }
check other_server_answers until_true 15 other_answers

out=$("$BIN" up --interface srv --state "$STATE" --dhcp full $quick 2>&1 </dev/null)
check full_beside_another_is_refused is 1 $?
check refusal_names_the_other_server has "10.77.0.2 hands out addresses on srv already" "$out"
check nothing_is_left_running is "" "$(pgrep -f "$STATE/dnsmasq.conf")"
up
check proxy_is_chosen grep -q "10.77.0.2 answers: adding boot answers beside it" "$WORK/up.out"
ask() { there "$HERE/dhcp_client.py" node "$@" | jq -c 'select(.server == "10.77.0.1")'; }
offer=$(ask $MAC 0)
check proxy_gives_no_address is 0.0.0.0 "$(field "$offer" address)"
check proxy_offers_a_boot_service has 80000 "$(field "$offer" pxe)"
check proxy_gives_ipxe_the_script is $URL/boot.ipxe "$(field "$(ask $MAC 0 ipxe)" file)"
check proxy_gives_uefi_ipxe_the_script is $URL/boot.ipxe "$(field "$(ask $MAC 7 ipxe)" file)"
stop_server
check clean_stop is 0 "$status"
done_testing
