#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 120
# The tracker's numbers: /metrics in Prometheus's format, /swarms as JSON by site and rack, and
# `swarmboot tracker status`, after announces that are known; and that a slow or rude reader of them
# holds nobody up. Prints TAP.
. "$(dirname "$0")/common.sh"
one=oneoneoneoneoneoneon two=twotwotwotwotwotwotw
hex() { printf '%s' "$1" | od -An -tx1 | tr -d ' \n'; }
announce() { # INFOHASH PEER-PORT LEFT [MORE]
	curl -sg --max-time 5 "http://127.0.0.1:7001/announce?info_hash=$1&peer_id=-XX0001-01234567$2&port=$2&left=$3${4:-}" >/dev/null
}
listens() { grep -q "listening on http://127.0.0.1:6968/" "$WORK/$1.out" 2>/dev/null; }
metrics() { # WANTED...
	curl -s --max-time 10 http://127.0.0.1:6968/metrics | "$HERE/metrics_check.py" "$@" >"$WORK/metrics" 2>"$WORK/metrics.err" && return
	cat "$WORK/metrics.err"
	return 1
}
# view EXPRESSION: over the JSON view `v`
view() {
	curl -s --max-time 10 "http://127.0.0.1:6968/swarms${QUERY:-}" | /usr/bin/python3 -c '
import json, sys
v = json.load(sys.stdin)
if not eval(sys.argv[1].strip()):
    print(json.dumps(v, indent=1))
    sys.exit(1)' "$1"
}

start tracker "$BIN" tracker --listen 127.0.0.1:7001 --interval 30 --peers-max 1000
tracker=$pid
until_true 10 listens tracker || { cat "$WORK/tracker.err"; exit 99; }
check an_empty_tracker_has_valid_metrics metrics swarmboot_tracker_peers=0 swarmboot_tracker_peers_max=1000 \
	'swarmboot_tracker_announces_total{transport="udp"}=0' swarmboot_tracker_interval_seconds=30
check and_no_swarms view 'v["swarms"] == [] and v["tracker"]["peers"] == 0'

announce $one 1001 0 '&event=started&sb_site=hall1&sb_rack=r1'
announce $one 1002 9 '&event=started&sb_site=hall1&sb_rack=r1'
announce $one 1003 9 '&event=started&sb_site=hall1&sb_rack=r2'
announce $one 1004 9 '&event=started&sb_site=hall2&sb_rack=%22quoted%5C'
announce $one 1004 0 '&event=completed&sb_site=hall2&sb_rack=%22quoted%5C'
announce $two 1005 9 ''
announce $two 1006 9 '&event=started'
announce $two 1006 9 '&event=stopped'
announce short 1007 9 ''
curl -sg --max-time 5 "http://127.0.0.1:7001/scrape?info_hash=$one" >/dev/null
"$HERE/udp_tracker.py" 127.0.0.1 7001 connect || exit 99

check what_was_announced_is_counted metrics \
	'swarmboot_tracker_announces_total{transport="http"}=8' \
	'swarmboot_tracker_announce_events_total{event="started"}=5' \
	'swarmboot_tracker_announce_events_total{event="completed"}=1' \
	'swarmboot_tracker_announce_events_total{event="stopped"}=1' \
	'swarmboot_tracker_announce_events_total{event="none"}=1' \
	'swarmboot_tracker_scrapes_total{transport="http"}=1' \
	'swarmboot_tracker_refusals_total{cause="malformed"}=1' \
	'swarmboot_tracker_udp_connects_total=1' \
	swarmboot_tracker_peers=5 swarmboot_tracker_swarms=2 \
	"swarmboot_tracker_swarm_peers{infohash=\"$(hex $one)\",role=\"seeder\"}=2" \
	"swarmboot_tracker_swarm_peers{infohash=\"$(hex $one)\",role=\"leecher\"}=2" \
	"swarmboot_tracker_swarm_peers{infohash=\"$(hex $two)\",role=\"leecher\"}=1" \
	'process_resident_memory_bytes>=1000000'
check and_by_site_and_rack metrics \
	'swarmboot_tracker_place_peers{site="hall1",rack="r1",role="seeder"}=1' \
	'swarmboot_tracker_place_peers{site="hall1",rack="r1",role="leecher"}=1' \
	'swarmboot_tracker_place_peers{site="hall1",rack="r2",role="leecher"}=1' \
	'swarmboot_tracker_place_peers{site="hall2",rack="\"quoted\\",role="seeder"}=1' \
	'swarmboot_tracker_place_peers{site="",rack="",role="leecher"}=1' \
	'swarmboot_tracker_place_swarms{site="hall1",rack="r1"}=1'
check a_refusal_is_logged_with_its_cause grep -q 'refused cause=malformed from=127.0.0.1 reason=' "$WORK/tracker.err"
for _ in {1..50}; do announce short 1007 9 ''; done
check refusals_do_not_fill_the_log [ "$(grep -c refused "$WORK/tracker.err")" -le 3 ]
check but_are_counted metrics 'swarmboot_tracker_refusals_total{cause="malformed"}=51'

check the_view_is_by_site_and_rack view "
[s for s in v['swarms'] if s['infohash'] == '$(hex $one)'] == [{'infohash': '$(hex $one)', 'seeders': 2, 'leechers': 2,
	'paused': 0, 'completed': 1, 'sites': [
	{'site': 'hall1', 'seeders': 1, 'leechers': 2, 'paused': 0, 'racks': [
		{'rack': 'r1', 'seeders': 1, 'leechers': 1, 'paused': 0},
		{'rack': 'r2', 'seeders': 0, 'leechers': 1, 'paused': 0}]},
	{'site': 'hall2', 'seeders': 1, 'leechers': 0, 'paused': 0, 'racks': [
		{'rack': '\"quoted\\\\', 'seeders': 1, 'leechers': 0, 'paused': 0}]}]}]"
QUERY="?infohash=$(hex $two)" check the_view_can_be_of_one view \
	"[s['infohash'] for s in v['swarms']] == ['$(hex $two)'] and v['swarms'][0]['leechers'] == 1"
code() { curl -s --max-time 10 -o /dev/null -w '%{http_code}' "$@"; }
check half_an_infohash_is_refused [ "$(code 'http://127.0.0.1:6968/swarms?infohash=abc')" = 400 ]
check other_paths_are_not_found [ "$(code http://127.0.0.1:6968/announce)" = 404 ]
check nothing_can_be_posted [ "$(code -d x http://127.0.0.1:6968/metrics)" -ge 400 ]
check it_is_healthy [ "$(code http://127.0.0.1:6968/health)" = 200 ]
check peers_do_not_see_it [ "$(code http://127.0.0.1:7001/metrics)" = 404 ]

# Readers that go away, or take their time, while others ask.
/usr/bin/python3 - <<'END'
import socket, struct
slow = []
for number in range(200):
    asker = socket.create_connection(("127.0.0.1", 6968))
    asker.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    if number % 2:
        asker.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        asker.close()  # by a reset
    else:
        slow.append(asker)
END
check readers_that_left_do_no_harm metrics swarmboot_tracker_peers=5

# Two that answer for each other.
(umask 077; head -c 40 /dev/urandom >"$WORK/key")
member() { # NUMBER KEY
	start "member$1" "$BIN" tracker --listen "127.0.1.$1:7011" --status-listen "127.0.1.$1:6968" --cluster-key "$2" \
		--cluster 127.0.1.1:7012 --cluster 127.0.1.2:7012 --cluster-listen "127.0.1.$1:7012" \
		--log-format json
}
said() { grep -q "\"event\":$2" "$WORK/member$1.err"; }
member 1 "$WORK/key"
member 2 "$WORK/key"
members() {
	curl -s --max-time 10 http://127.0.1.1:6968/metrics | "$HERE/metrics_check.py" "$@" >/dev/null 2>&1
}
check a_member_sees_the_other until_true 10 members 'swarmboot_tracker_cluster_member_live{member="127.0.1.2:7012"}=1'
curl -sg --max-time 5 "http://127.0.1.2:7011/announce?info_hash=$one&peer_id=-XX0001-012345671001&port=1001&left=1" >/dev/null
check and_what_was_announced_to_it until_true 10 members swarmboot_tracker_peers=1 \
	'swarmboot_tracker_cluster_records_total{direction="received"}>=1' \
	'swarmboot_tracker_cluster_dropped_total{cause="forged"}=0'
table() { "$BIN" tracker status --address 127.0.1.1:6968 | grep -q "$1"; }
check the_table_shows_members until_true 10 table '^member 127.0.1.2:7012: live, 1 peers$'
check the_view_has_the_cluster [ "$("$BIN" tracker status --address 127.0.1.1:6968 --json |
	jq -c '[.cluster.members[] | [.address, .live, .met]], .cluster.dropped_forged' | tr '\n' ' ')" = \
	'[["127.0.1.2:7012",true,true]] 0 ' ]
end_all 0 "$pid"
check who_is_gone_is_named_with_since_when until_true 10 table '^member 127.0.1.2:7012: not heard for [0-9]* s, 1 peers then$'
check and_in_the_log said 1 '"member-silent","member":"127.0.1.2:7012"'
check and_in_metrics members 'swarmboot_tracker_cluster_member_live{member="127.0.1.2:7012"}=0' \
	'swarmboot_tracker_cluster_member_silent_seconds{member="127.0.1.2:7012"}>=1' \
	swarmboot_tracker_cluster_catching_up=0
(umask 077; head -c 40 /dev/urandom >"$WORK/another")
member 2 "$WORK/another"
check another_key_is_named_in_the_log until_true 10 said 1 '"forged","datagrams":"[0-9]*","last-from":"127.0.1.2:7012"'
check and_in_the_table until_true 10 table '^dropped: [0-9]* datagrams that were made with another key'
never() { "$BIN" tracker status --address 127.0.1.2:6968 | grep -q '^member 127.0.1.1:7012: not heard since this tracker started$'; }
check who_was_never_heard_is_named until_true 10 never
check and_logged until_true 10 said 2 '"member-unheard","member":"127.0.1.1:7012"'
check without_one_it_has_none view 'v["cluster"] is None'

# The command.
"$BIN" tracker status >"$WORK/table" 2>&1
check the_table_has_totals grep -q '^5 of 1000 peers, 2 of 1024 swarms$' "$WORK/table"
check the_table_has_a_row_for_a_rack grep -Eq '^ +hall1 +r2 +0 +1 +0$' "$WORK/table"
check json_is_json /usr/bin/python3 -c 'import json,sys; assert json.load(sys.stdin)["tracker"]["peers"] == 5' \
	< <("$BIN" tracker status --json)
"$BIN" tracker status --infohash "$(hex $two)" >"$WORK/table" 2>&1
check one_swarm_can_be_asked_for [ $? = 0 ]
"$BIN" tracker status --infohash "$(hex unknownunknownunknow)" >"$WORK/unknown" 2>&1
check an_unknown_swarm_is_an_error [ $? = 1 ]
"$BIN" tracker status --infohash abc >/dev/null 2>&1
check a_wrong_infohash_is_a_usage_error [ $? = 2 ]
"$BIN" tracker status --address 127.0.0.1:9 >"$WORK/none" 2>&1
check nobody_there_is_an_error [ $? = 1 ]
check and_it_says_what_to_look_for grep -q 'status-listen' "$WORK/none"
start mute socat -u TCP-LISTEN:7009,bind=127.0.0.1,reuseaddr EXEC:'sleep 60'
mute=$pid
until_true 10 bash -c 'ss -Hltn "sport = 7009" | grep -q .'
timeout 30 "$BIN" tracker status --address 127.0.0.1:7009 >"$WORK/mute" 2>&1
check somebody_mute_is_an_error_in_time [ $? = 1 ]
end_all 5 "$mute"

# Its address.
start second "$BIN" tracker --listen 127.0.0.1:7002
second=$pid
until_true 10 grep -q udp:// "$WORK/second.out"
check the_default_in_use_is_said_and_no_more grep -q 'status.*in use' "$WORK/second.err"
end_all 5 "$second"
timeout 10 "$BIN" tracker --listen 127.0.0.1:7002 --status-listen 127.0.0.1:6968 >"$WORK/taken" 2>&1
check an_address_that_was_asked_for_must_be_free [ $? = 1 ]
start off "$BIN" tracker --listen 127.0.0.1:7003 --status-listen none
off=$pid
until_true 10 grep -q udp:// "$WORK/off.out"
check it_can_be_off [ "$(grep -c listening "$WORK/off.out")" = 2 ]
end_all 5 "$off"
kill "$tracker"
finish "$tracker" 10
check the_tracker_ends_with_0 [ "$status" = 0 ]
done_testing
