#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 5,000 nodes report every second (fewer with NODES=N): all are answered, on less than one core.
. "$(dirname "$0")/common.sh"

nodes=${NODES:-5000}
ulimit -n $((nodes + 1000)) 2>/dev/null || { echo "skip load - too few open files allowed"; exit 77; }
up --dhcp off || { cat "$WORK"/up.*; check server_starts false; done_testing; }
result=$("$HERE/load.py" 10.77.0.1 8080 "$nodes" 5 "$server")
echo "# $result"
check all_are_answered is "$((nodes * 5))" "$(field "$result" answered)"
check in_time [ "$(jq '.seconds < 7 and .slowest_s < 2' <<<"$result")" = true ]
check on_less_than_a_core [ "$(jq '.server_core < 0.9' <<<"$result")" = true ]
check all_are_known is "$nodes" "$(sb status --json | jq '.nodes | length')"
rss_kib=$(awk '/^VmRSS/ {print $2}' "/proc/$server/status")
echo "# resident: $((rss_kib / 1024)) MiB"
stop_server
check clean_stop is 0 "$status"
done_testing
