#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The server's tracker and one of its own answer for each other: `up --cluster`.
. "$(dirname "$0")/common.sh"

(umask 077 && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$WORK/cluster.key")
cluster=(--cluster 10.77.0.1:6970 --cluster 127.0.0.1:6971 --cluster-key "$WORK/cluster.key")
store_image disk
infohash=$(sb image list --json | jq -r '.[0].infohash')
check the_server_starts up --dhcp off "${cluster[@]}" --cluster-listen 10.77.0.1:6970
"$BIN" tracker --listen 127.0.0.1:6999 --status-listen none "${cluster[@]}" --cluster-listen 127.0.0.1:6971 \
	>"$WORK/tracker.out" 2>"$WORK/tracker.err" </dev/null &
tracker=$!
PIDS+=("$tracker")

# ask PORT announce|scrape [PEER-PORT]: by UDP; a scrape prints seeders and leechers.
ask() {
	/usr/bin/python3 - "$infohash" "$@" <<'PYTHON'
import socket, struct, sys
infohash, port, what = bytes.fromhex(sys.argv[1])[:20], int(sys.argv[2]), sys.argv[3]
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect(("10.77.0.1" if port == 6969 else "127.0.0.1", port))
sock.settimeout(2)
sock.send(struct.pack(">QII", 0x41727101980, 0, 7))
connection = struct.unpack(">IIQ", sock.recv(100))[2]
if what == "announce":
    sock.send(struct.pack(">QII20s20sQQQIIIiH", connection, 1, 8, infohash, b"p" * 20, 0, 1, 0, 2, 0,
                          0, 0, int(sys.argv[4])))
    sys.exit(sock.recv(4096)[3] != 1)
sock.send(struct.pack(">QII", connection, 2, 9) + infohash)
seeders, _, leechers = struct.unpack(">III", sock.recv(4096)[8:20])
print(seeders, leechers)
PYTHON
}
knows() { [ "$(ask "$1" scrape 2>/dev/null)" = "$2" ]; }
listens() { grep -q udp:// "$WORK/tracker.out"; }
until_true 10 listens
check a_peer_is_announced_to_the_server ask 6969 announce 7001
check and_known_to_the_other until_true 5 knows 6999 "0 1"
check a_peer_is_announced_to_the_other ask 6999 announce 7002
check and_known_to_the_server until_true 5 knows 6969 "0 2"
done_testing
