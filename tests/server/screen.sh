#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The page of `up` and `status --watch` on a terminal; --image; Ctrl-C in the middle of an import and of
# the page.
. "$(dirname "$0")/common.sh"

# on_terminal ROWS COLUMNS FILE COMMAND...: with a terminal as its output; its pid is in $pid.
on_terminal() {
	/usr/bin/python3 -c '
import fcntl, os, pty, struct, sys, termios
rows, columns, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
child, master = pty.fork()
if child == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    os.execvp(sys.argv[4], sys.argv[4:])
print(child, file=open(path + ".pid", "w"), flush=True)
with open(path, "wb", buffering=0) as out:
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        out.write(data)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(status, file=open(path + ".status", "w"))' "$@" &
	PIDS+=($!)
	until_true 10 test -s "$3.pid" || return 1
	pid=$(cat "$3.pid")
	PIDS+=("$pid")
}
# The newest page, as the last rewrite left it.
page() { /usr/bin/python3 -c '
import re, sys
text = open(sys.argv[1], errors="replace").read().split("\x1b[H")[-1]
print(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", ""))' "$1"; }
shows() { page "$1" | grep -F -- "$2" >/dev/null; }

head -c 3145728 /dev/urandom >"$WORK/first.raw"
gzip -k "$WORK/first.raw"
# shellcheck disable=SC2086
on_terminal 20 100 "$WORK/screen" "$BIN" up --interface srv --state "$STATE" $quick \
	--image "$WORK/first.raw.gz" --dhcp off
check page_says_what_it_serves until_true 30 shows "$WORK/screen" "swarmboot on $URL (srv), DHCP off"
check page_without_machines until_true 10 shows "$WORK/screen" "no machine has been seen yet"
check image_is_imported is first "$(sb image list --json | jq -r '.. | .name? // empty' | head -n 1)"
hello $MAC "$DISK" >/dev/null
check page_shows_a_machine until_true 10 shows "$WORK/screen" "$MAC"
sb arm $MAC --image first >/dev/null
check page_shows_the_arm until_true 10 shows "$WORK/screen" "armed with first"
for i in {10..50}; do hello "52:54:00:00:00:$i" "$DISK" >/dev/null; done
check page_says_that_there_are_more until_true 10 shows "$WORK/screen" "more (\`swarmboot status\` lists them)"
check page_fits_the_terminal [ "$(page "$WORK/screen" | wc -l)" -le 20 ]
check lines_fit_the_terminal [ "$(page "$WORK/screen" | awk '{ if (length > most) most = length } END { print most }')" -le 100 ]
check log_is_in_a_file grep -q "armed with first" "$STATE/server.log"
on_terminal 24 80 "$WORK/watch" "$BIN" status --watch --state "$STATE"
check watch_shows_the_machines until_true 10 shows "$WORK/watch" "armed"
kill -INT "$pid"
kill -INT "$(cat "$WORK/screen.pid")"
check ctrl_c_ends_it until_true 15 test -s "$WORK/screen.status"
check with_status_0 is 0 "$(cat "$WORK/screen.status")"

# Ctrl-C while an image is imported: nothing of it stays.
openssl enc -aes-128-ctr -nosalt -pass pass:x -in /dev/zero 2>/dev/null | head -c 805306368 >"$WORK/huge.raw"
STATE=$WORK/other
# shellcheck disable=SC2086
"$BIN" up --interface srv --state "$STATE" $quick --dhcp off --image "$WORK/huge.raw" \
	>"$WORK/huge.out" 2>&1 </dev/null &
huge=$!
PIDS+=("$huge")
importing() { compgen -G "$STATE/images/.*/disk.raw" >/dev/null; }
check import_begins until_true 20 importing
kill -INT "$huge"
check ctrl_c_ends_the_import ended "$huge" 15
check it_is_not_a_success is 1 "$status"
check nothing_stays is "" "$(find "$STATE/images" -mindepth 1)"
done_testing
