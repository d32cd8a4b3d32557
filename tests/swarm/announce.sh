#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 300
# Nodes that find each other through a tracker alone: HTTP and UDP, IPv4, IPv6 and a name; past
# trackers that are dead, silent or talk nonsense; and a tracker that dies half-way.
. "$(dirname "$0")/common.sh"

random_image $((8 * 1048576))
start tracker "$BIN" tracker --listen '[::]:6969' --udp '[::]:6969' --interval 2s
tracker=$pid
listening() { ss -lnt "sport = :$1" | grep -q LISTEN; }
until_true 10 listening 6969

# ask PORT PATH [MORE]: a tracker, by hand, about the image. Every byte of the infohash is escaped: a
# space is no plus.
ask() {
	curl -sg --max-time 10 "http://127.0.0.1:$1/$2?info_hash=$(sed 's/../%&/g' <<<"$INFOHASH")${3:-}"
}
by_hand() { # PORT PEER-PORT LEFT
	ask "$1" announce "&peer_id=-XX0000-abcdefghijkl&port=$2&left=$3&uploaded=0&downloaded=0&compact=1"
}

# through NAME ADDRESS URL...: a seed and a node at that address that know only these trackers.
port=7700
through() {
	local name=$1 address=$2 urls=()
	shift 2
	for url in "$@"; do urls+=(--tracker "$url"); done
	port=$((port + 2))
	metainfo "${urls[@]}"
	start "seed_$name" "$BIN" seed "$WORK/image.torrent" --from "$WORK/image" --progress json \
		--listen "$address:$port"
	seeder=$pid
	start "$name" "$BIN" fetch "$WORK/image.torrent" --to "$WORK/$name.img" --unsigned \
		--progress json --listen "$address:$((port + 1))"
	finish "$pid" 60
	check "through_$name" both [ "$status" = 0 ] -- same "$name.img"
	kill "$seeder"
	finish "$seeder" 10
	check "stops_after_$name" [ "$status" = 0 ]
}

through http 127.0.0.1 http://127.0.0.1:6969/announce
through udp 127.0.0.1 udp://127.0.0.1:6969/announce
# Though they left as soon as they had everything.
check completions_are_counted grep -aq 10:downloadedi2e <(ask 6969 scrape)
through http6 '[::1]' 'http://[::1]:6969/announce'
through udp6 '[::1]' 'udp://[::1]:6969'
through a_name 127.0.0.1 http://localhost:6969/announce
through a_name_over_udp 127.0.0.1 udp://localhost:6969
through any_address '' http://127.0.0.1:6969/announce

# Dead: nothing listens. Silent: accepts and says nothing. Nonsense: no bencoding, no HTTP.
start silent /usr/bin/python3 -c '
import socket, time
tcp = socket.create_server(("127.0.0.1", 6970))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 6970))
kept = []
while True:
    kept.append(tcp.accept())'
start nonsense /usr/bin/python3 -c '
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"d8:intervali5e5:peers6:abc")
http.server.HTTPServer(("127.0.0.1", 6971), Handler).serve_forever()'
until_true 10 listening 6970
until_true 10 listening 6971
through dead_trackers_first 127.0.0.1 http://127.0.0.1:6972/announce udp://127.0.0.1:6972 \
	udp://127.0.0.1:6969
through nonsense_first 127.0.0.1 http://127.0.0.1:6971/announce https://127.0.0.1/announce \
	not-a-url http://127.0.0.1:6969/announce
through silent_http_first 127.0.0.1 http://127.0.0.1:6970/announce http://127.0.0.1:6969/announce
through silent_udp_first 127.0.0.1 udp://127.0.0.1:6970 http://127.0.0.1:6969/announce
through unknown_name_first 127.0.0.1 http://nowhere.invalid:6969/announce \
	http://127.0.0.1:6969/announce

# Who has left says so: a newcomer is not sent to them.
check nobody_is_left_behind grep -aq 8:completei0e <(by_hand 6969 1 1)

# A node that comes first does not wait out a long interval for the seed that comes after it. The
# seed is announced by hand and calls nobody: only another announce of the node brings them together.
start patient "$BIN" tracker --listen 127.0.0.1:6980 --interval 1800s
patient=$pid
until_true 10 listening 6980
metainfo --tracker http://127.0.0.1:6980/announce
known_to_the_tracker() { ask 6980 scrape | grep -aq 10:incompletei1e; }
fetch early 7780
early=$pid
until_true 10 known_to_the_tracker
seed late 7781 --tracker http://127.0.0.1:6972/announce
check the_latecomer_is_told_of grep -aq 10:incompletei1e <(by_hand 6980 7781 0)
finish "$early" 40
check who_comes_first_asks_again both [ "$status" = 0 ] -- same early.img
kill "$patient"
finish "$patient" 10

# The tracker dies when everybody knows everybody.
metainfo --tracker http://127.0.0.1:6969/announce
seed origin 7790
fetch a 7791 --faults write-rate=2097152 --memory 2MiB
until_true 30 at_least a peers 1
kill -KILL "$tracker"
finish "$tracker" 10
finish "$pid" 60
check completes_without_its_tracker both [ "$status" = 0 ] -- same a.img
check and_says_what_is_wrong_with_it grep -q '"tracker_trouble":"http' "$WORK/a.out"
done_testing
