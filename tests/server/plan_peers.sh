#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A plan names the origin and a few who are in the image's swarm, as the server's tracker knows them: whoever boots
# just before the server ends knows somebody else.
. "$(dirname "$0")/common.sh"

# As 16 bytes of address and 2 of port each.
entry() { printf '00000000000000000000ffff0a4d0001%04x' "$1"; } # PORT, on this machine
peers() { node $MAC plan | jq -r .peers | fold -w 36; }
announce() { # PORT [MORE]
	curl -sf "$URL/announce?info_hash=$escaped&peer_id=abcdefghij01234567$(($1 % 100))&port=$1${2:-}" -o /dev/null
}
among() { # LIST ENTRY...: each of these is in the list
	local list=$1 one
	shift
	for one; do grep -qx "$one" <<<"$list" || { echo "# $one is not in $list"; return 1; }; done
}

store_image first
up --dhcp off || { cat "$WORK"/up.*; check server_starts false; done_testing; }
hello $MAC stage=target "$DISK" >/dev/null
sb arm $MAC --image first >/dev/null
check at_first_the_origin_alone is "$(entry 6881)" "$(peers)"

infohash=$(node $MAC plan | jq -r .infohash)
escaped=$(sed 's/../%&/g' <<<"$infohash")
announce 5011 "&left=0" && announce 5012 "&left=9999"
got=$(peers)
check the_origin_comes_first is "$(entry 6881)" "$(head -1 <<<"$got")"
check then_those_of_the_swarm among "$got" "$(entry 5011)" "$(entry 5012)"
check nobody_twice is 3 "$(wc -l <<<"$got")"
for port in 5013 5014 5015 5016; do announce $port "&left=0"; done
got=$(peers)
check no_more_than_a_few is 5 "$(wc -l <<<"$got")"
check each_another_one is 5 "$(sort -u <<<"$got" | wc -l)"
for port in 5011 5012 5013 5014 5015 5016; do announce $port "&left=0&event=stopped"; done
check who_has_left_is_not_named is "$(entry 6881)" "$(peers)"
stop_server
done_testing
