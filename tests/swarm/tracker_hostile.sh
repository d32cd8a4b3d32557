#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 180
# A tracker among people who mean harm: floods with forged sources, malformed announces, HTTP requests that
# never end, more connections than there is room for. Prints TAP, and what was measured.
. "$(dirname "$0")/common.sh"
((EUID == 0)) || { echo "skip $NAME - a network device of its own needs root"; exit 77; }
[ -c /dev/net/tun ] || { echo "skip $NAME - there is no /dev/net/tun"; exit 77; }

start tracker "$BIN" tracker --listen 0.0.0.0:6969 --interval 60s
tracker=$pid
until_true 20 grep -q 'udp://' "$WORK/tracker.out" || { cat "$WORK/tracker.err"; exit 1; }
SANITIZE=${SANITIZE:-} /usr/bin/python3 "$HERE/tracker_hostile.py" "$tracker" || failures=$((failures + 1))
kill "$tracker"
check it_ends_cleanly_after_all finish "$tracker" 20
check and_said_nothing_of_errors test "$status" = 0
exit $((failures > 0))
