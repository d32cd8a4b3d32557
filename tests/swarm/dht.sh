#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 120
# The DHT node of a real process: PORT messages both ways, errors, floods; none for a private image, none with
# --no-dht; a port that is taken is no reason to stop. How nodes find each other: no_tracker_dht.sh.
. "$(dirname "$0")/common.sh"

random_image $((4 * 1048576))
metainfo
dht_peer() { /usr/bin/python3 "$HERE/peers/dht_peer.py" "$@"; }

seed origin 7800
origin=$pid
check ports_are_told_both_ways dht_peer greet 7800 "$INFOHASH"
check mistakes_are_answered dht_peer wrong 7800
check floods_bring_little dht_peer flood 7800 "$origin"

# A node that knows a peer alone has its DHT node too.
fetch by_peer 7801 --peer 127.0.0.1:7800 --stay
until_true 30 has_event by_peer complete
check a_peer_is_a_node until_true 10 at_least by_peer dht_nodes 1
check and_knows_who_asked until_true 10 at_least origin dht_nodes 1

seed without 7802 --no-dht
check no_dht_is_none dht_peer private 7802 "$INFOHASH"

# Somebody else has that UDP port.
start taken /usr/bin/python3 -c 'import socket, signal
held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
held.bind(("127.0.0.1", 7803))
print("held", flush=True)
signal.pause()'
until_true 10 grep -q held "$WORK/taken.out"
fetch beside 7803 --peer 127.0.0.1:7800
finish "$pid" 30
check a_taken_port_is_no_reason_to_stop both [ "$status" = 0 ] -- grep -q 'no DHT' "$WORK/beside.err"

# BEP 27.
/usr/bin/python3 - "$WORK" <<'PYTHON'
import hashlib, sys
work = sys.argv[1]
data = open(work + "/image", "rb").read()
pieces = b"".join(hashlib.sha1(data[i:i + 1048576]).digest() for i in range(0, len(data), 1048576))
info = (b"d6:lengthi%de4:name5:image12:piece lengthi1048576e6:pieces%d:%s7:privatei1ee"
        % (len(data), len(pieces), pieces))
open(work + "/private.torrent", "wb").write(b"d4:info%se" % info)
open(work + "/private.hash", "w").write(hashlib.sha1(info).hexdigest())
PYTHON
start private "$BIN" seed "$WORK/private.torrent" --from "$WORK/image" --listen 127.0.0.1:7804 \
	--progress json --dht 127.0.0.1:7800
until_true 10 ready private
check a_private_image_has_none dht_peer private 7804 "$(cat "$WORK/private.hash")"
done_testing
