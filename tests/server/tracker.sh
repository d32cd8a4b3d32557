#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tracker inside the server: it serves the images of the store, as they come and go while it runs,
# and no other infohash; what it counts is on the control socket, and nowhere on the network.
. "$(dirname "$0")/common.sh"

store_image first
up --dhcp off || { cat "$WORK"/up.*; check server_starts false; done_testing; }
infohash() { sb image show "$1" --json | jq -r .infohash; }
announce() { # HEX: from the segment, over HTTP
	curl -sg --max-time 5 "$URL/announce?info_hash=$(sed 's/../%&/g' <<<"$1")&peer_id=-XX0001-012345678901&port=4001&left=1"
}
served() { announce "$1" | grep -q 8:interval; }
refused() { announce "$1" | grep -q 'not served here'; }
control() { curl -s --max-time 10 --unix-socket "$STATE/control.sock" "http://localhost$1"; }

first=$(infohash first)
check an_image_is_served served "$first"
check another_infohash_is_not refused 0123456789012345678901234567890123456789
store_image second
second=$(infohash second)
check an_image_that_comes_is_served until_true 10 served "$second"
sb image remove second >/dev/null 2>&1
check one_that_went_is_not until_true 10 refused "$second"
check the_other_is_as_before served "$first"
metrics() {
	control /metrics | "$ROOT/tests/swarm/metrics_check.py" "$@" >"$WORK/metrics" 2>&1 || {
		cat "$WORK/metrics"
		return 1
	}
}
check the_control_socket_has_metrics metrics 'swarmboot_tracker_refusals_total{cause="not-served"}>=2' \
	swarmboot_tracker_peers=1 "swarmboot_tracker_swarm_peers{infohash=\"$first\",role=\"leecher\"}=1"
check and_the_view is "$first 1" "$(control /swarms | jq -r '.swarms[] | "\(.infohash) \(.leechers)"')"
check machines_see_none_of_it is "404 404" "$(curl -s -o /dev/null -w '%{http_code} ' $URL/metrics)$(curl -s \
	-o /dev/null -w '%{http_code}' $URL/swarms)"
stop_server
check it_ends_with_0 is 0 "$status"
done_testing
