#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 300
# Peers that lie, stall, babble or promise what they lack: beside one good seed every node completes
# with the right bytes, and soon; and a node with bad peers only never claims anything.
. "$(dirname "$0")/common.sh"

random_image $((16 * 1048576))
metainfo
port=7400

peer_ready() { grep -q READY "$WORK/$1.out" 2>/dev/null; }
bad_peer() { # KIND
	port=$((port + 1))
	start "peer_$1" /usr/bin/python3 "$HERE/peers/bad_peer.py" "$1" $port "$INFOHASH" 16
	until_true 10 peer_ready "peer_$1"
	bad_port=$port
}

seed origin 7400
everybody=()
for kind in liar garbage staller lacks silent halfway closer greedy; do
	bad_peer $kind
	everybody+=(--peer "127.0.0.1:$bad_port")
	port=$((port + 1))
	# The bad one is met first.
	fetch "beside_$kind" $port --peer "127.0.0.1:$bad_port" --peer 127.0.0.1:7400
	finish "$pid" 90
	check "beside_${kind}_completes" both [ "$status" = 0 ] -- same "beside_$kind.img"
done

fetch crowd 7490 "${everybody[@]}" --peer 127.0.0.1:7400
finish "$pid" 90
check beside_all_of_them_completes both [ "$status" = 0 ] -- same crowd.img

# Only liars: everything they sent is wasted, nothing is durable, and they are banned.
fetch victim 7491 --peer 127.0.0.1:7401
until_true 30 at_least victim peers_banned 1
check liar_is_banned [ $? = 0 ]
check nothing_of_it_was_kept both no_event victim complete -- [ "$(last victim bytes_durable)" = 0 ]
kill -TERM "$pid"
finish "$pid" 10

# The seed still serves after all that.
fetch last_one 7492 --peer 127.0.0.1:7400
finish "$pid" 30
check seed_is_unharmed both [ "$status" = 0 ] -- same last_one.img
done_testing
