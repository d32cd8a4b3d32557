#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `swarmboot tracker --sites FILE`: whoever announces from a site's subnet is told of that site's peers
# first, though nobody says where it stands. A new table counts after SIGHUP, a wrong one does not.
. "$(dirname "$0")/common.sh"

table() { # SUBNET-OF-A SUBNET-OF-B
	cat >"$WORK/sites.json" <<-JSON
		{"sites": [{"name": "a", "trackers": ["udp://127.0.0.1:6969"], "subnets": ["$1"]},
		           {"name": "b", "trackers": ["udp://127.0.0.1:6969"], "subnets": ["$2"]}]}
	JSON
}
URL="http://127.0.0.1:6969/announce?info_hash=01234567890123456789&uploaded=0&downloaded=0&compact=1"
announce() { # IP PORT NUMWANT
	curl -s --interface "$1" --max-time 5 \
		"$URL&peer_id=-XX0001-$(printf %012d "$2")&left=1&port=$2&numwant=$3"
}
everybody() { # ten of each subnet
	local host
	for host in {1..10}; do
		announce 127.1.0.$host $((1000 + host)) 0 >/dev/null
		announce 127.2.0.$host $((2000 + host)) 0 >/dev/null
	done
}
# How many peers of 127.SUBNET.0.0/16 are among the eight that are named to that address.
named() { # IP SUBNET
	announce "$1" 3000 8 | /usr/bin/python3 -c '
import re, sys
body = sys.stdin.buffer.read()
length = re.search(rb"5:peers(\d+):", body)
peers = body[length.end():length.end() + int(length.group(1))]
print(sum(peers[at + 1] == int(sys.argv[1]) for at in range(0, len(peers), 6)))' "$2"
}
reloaded() { [ "$(grep -c "\"event\":\"$1\"" "$WORK/tracker.err")" -ge "$2" ]; }

table 127.1.0.0/16 127.2.0.0/16
start tracker "$BIN" tracker --listen 127.0.0.1:6969 --interval 60s --sites "$WORK/sites.json" --log-format json
tracker=$pid
until_true 10 reloaded started 1
everybody
near=$(named 127.1.0.100 1)
check its_own_site_comes_first test "$near" -ge 6
near=$(named 127.2.0.100 2)
check so_it_does_for_the_other test "$near" -ge 6

table 127.2.0.0/16 127.9.0.0/16
sed -i 's/"name": "b"/"nome": "b"/' "$WORK/sites.json"
kill -HUP "$tracker"
check a_wrong_table_is_refused until_true 10 reloaded reload-failed 1
check and_its_mistake_named grep -q 'sites\[1\]: unknown key' "$WORK/tracker.err"
everybody
near=$(named 127.1.0.100 1)
check the_old_one_holds test "$near" -ge 6

# All in one site: nothing is nearer any more.
table 127.0.0.0/8 127.9.0.0/16
kill -HUP "$tracker"
check a_new_table_is_read until_true 10 reloaded reloaded 1
everybody
both=0
for _ in {1..10}; do both=$((both + $(named 127.1.0.100 2))); done
check and_counts test $both -ge 15
kill "$tracker"
finish "$tracker" 10
check it_ends_cleanly test "$status" = 0
"$BIN" tracker --check-config --sites "$WORK/none.json" >"$WORK/out" 2>&1
check a_missing_table_is_an_error test $? = 1
done_testing
