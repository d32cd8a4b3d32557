#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 300
# `swarmboot tracker` over HTTP and UDP, IPv4 and IPv6, with hand-made requests and with real clients
# (aria2, transmission, libtorrent), in a network namespace with nothing but a loopback. Prints TAP.
. "$(dirname "$0")/common.sh"

stop() { # PID: by SIGTERM; its exit status
	kill "$1"
	wait "$1"
}

tracker() { # NAME OPTION...: and waits until it listens
	local name=$1
	shift
	start "$name" "$BIN" tracker "$@"
	until_true 10 listens "$name" && return
	cat "$WORK/$name.err"
	exit 1
}
listens() { grep -q 'udp://' "$WORK/$1.out" 2>/dev/null; }

tracker main --listen :6969 --interval 2
main=$pid
check prints_where_it_listens grep -qx 'listening on http://\[::\]:6969/announce' "$WORK/main.out"

# HTTP by hand. The infohash has zeros, an ampersand, a percent sign and a plus in it.
hash='%00%01%26%25%2B%00%3D567890123%FF%00%01%02'
announce() { # HOST PEER-LETTER PORT LEFT [MORE]
	curl -sg --max-time 5 "http://$1/announce?info_hash=$hash&peer_id=-XX0001-$2$2$2$2$2$2$2$2$2$2$2$2&port=$3&uploaded=0&downloaded=0&left=$4${5:-}"
}
bdecode='import sys, libtorrent
reply = libtorrent.bdecode(sys.stdin.buffer.read())
'
peers4='p = reply[b"peers"]; print(*sorted("%d.%d.%d.%d:%d" % (*p[i:i+4], p[i+4] * 256 + p[i+5]) for i in range(0, len(p), 6)))'
announce 127.0.0.1:6969 a 1001 0 '&event=started&compact=1' >"$WORK/first"
check the_first_gets_no_peers test "$(/usr/bin/python3 -c "$bdecode$peers4" <"$WORK/first")" = ""
check is_told_the_interval test "$(/usr/bin/python3 -c "$bdecode"'print(reply[b"interval"], reply[b"complete"])' <"$WORK/first")" = "2 1"
check the_second_gets_the_first test "$(announce 127.0.0.1:6969 b 1002 9 '&compact=1' |
	/usr/bin/python3 -c "$bdecode$peers4")" = "127.0.0.1:1001"
check addresses_are_handed_out_as_seen test "$(announce 127.0.0.1:6969 c 1003 9 '&compact=1&ip=1.2.3.4' |
	/usr/bin/python3 -c "$bdecode$peers4")" = "127.0.0.1:1001 127.0.0.1:1002"
check numwant_is_obeyed test "$(announce 127.0.0.1:6969 c 1003 9 '&compact=1&numwant=1' |
	/usr/bin/python3 -c "$bdecode$peers4" | wc -w)" = 1
check dictionary_form_leaves_ids_out test "$(announce 127.0.0.1:6969 b 1002 9 '&compact=0&numwant=1' |
	/usr/bin/python3 -c "$bdecode"'print(*sorted(reply[b"peers"][0]))')" = "b'ip' b'port'"
check ipv6_peers_are_apart test "$(announce '[::1]:6969' d 1004 9 '&compact=1' |
	/usr/bin/python3 -c "$bdecode"'print(len(reply.get(b"peers", b"")), len(reply.get(b"peers6", b"")), reply[b"incomplete"])')" = "0 0 3"
check ipv6_peers_meet test "$(announce '[::1]:6969' e 1005 9 '&compact=1' |
	/usr/bin/python3 -c "$bdecode"'p = reply[b"peers6"]; print(len(p), p[15], p[16] * 256 + p[17])')" = "18 1 1004"
counts() { # of the hand-made swarm, or of an infohash in hex
	curl -sg --max-time 5 "http://127.0.0.1:6969/scrape?info_hash=${1:-$hash}" |
		/usr/bin/python3 -c "$bdecode"'f = list(reply[b"files"].values()); print(*(f[0][k] for k in (b"complete", b"incomplete", b"downloaded")) if f else "")'
}
check scrape_counts test "$(counts)" = "1 4 0"
announce 127.0.0.1:6969 b 1002 0 '&event=completed' >/dev/null
announce 127.0.0.1:6969 c 1003 9 '&event=stopped' >/dev/null
check events_are_counted test "$(counts)" = "2 2 1"
check an_announce_without_port_is_refused grep -q "14:failure reason" <(curl -sg \
	"http://127.0.0.1:6969/announce?info_hash=$hash&peer_id=01234567890123456789&left=1")
check a_short_infohash_is_refused grep -q "14:failure reason" <(curl -sg \
	"http://127.0.0.1:6969/announce?info_hash=abc&peer_id=01234567890123456789&left=1&port=1")
status() { curl -sg --max-time 5 -o /dev/null -w '%{http_code}' "$@"; }
check other_paths_are_not_found test "$(status http://127.0.0.1:6969/)" = 404
check keeps_connections test "$(curl -sg --max-time 5 -o /dev/null -o /dev/null -w '%{num_connects} ' \
	"http://127.0.0.1:6969/scrape?info_hash=$hash" "http://127.0.0.1:6969/scrape?info_hash=$hash")" = "1 0 "
check posts_are_refused sh -c "[ $(status -d x http://127.0.0.1:6969/announce) -ge 400 ]"
head -c 100000 /dev/zero | tr '\0' a >"$WORK/long"
code=$(printf 'url = "http://127.0.0.1:6969/announce?%s"\n' "$(cat "$WORK/long")" |
	curl -sg --max-time 5 -o /dev/null -w '%{http_code}' -K -)
check a_huge_request_is_refused test "$code" = 414
check and_it_still_answers test "$(counts)" = "2 2 1"

# UDP by hand: connect, announce, scrape; stale ids, garbage, several addresses.
check udp_protocol /usr/bin/python3 "$HERE/udp_tracker.py" 127.0.0.1 6969
check udp_protocol_ipv6 /usr/bin/python3 "$HERE/udp_tracker.py" ::1 6969
check udp_replies_come_from_the_address_asked /usr/bin/python3 \
	"$HERE/udp_tracker.py" 127.0.0.9 6969

# Real clients, seeding: the tracker counts each of them.
head -c 3000000 /dev/urandom >"$WORK/random"
truncate -s 3000320 "$WORK/random"
serial=0
client() { # NAME URL COMMAND...: the command gets METAINFO and a DIRECTORY that has the content
	local name=$1 url=$2 directory hex
	shift 2
	serial=$((serial + 1))
	directory=$WORK/$name
	mkdir "$directory" && cp "$WORK/random" "$directory/image$serial"
	"$BIN" image import "$directory/image$serial" --out "$directory.torrent" --tracker "$url" \
		--json >"$directory.json" || return 1
	hex=$(/usr/bin/python3 -c 'import json,sys; print(json.load(sys.stdin)["infohash"])' <"$directory.json")
	hex=$(sed 's/../%&/g' <<<"$hex")
	start "$name" "$@" "$directory.torrent" "$directory"
	until_true 30 seeds "$hex" || { tail -n 20 "$WORK/$name.out" "$WORK/$name.err"; return 1; }
	clients+=("$hex")
	stop "$pid" || true # what a client's exit status is, is its own affair
}
clients=()
seeds() { [[ $(counts "$1") = "1 0 "* ]]; }
gone() {
	local hex
	for hex in "${clients[@]}"; do [[ $(counts "$hex") = "0 0 "* ]] || return 1; done
}
# aria2 announces over UDP only when it has a DHT socket.
aria2() { exec aria2c -V --seed-time=10 --enable-dht=true --dht-listen-port=7100-7199 --enable-dht6=false \
	--dht-file-path="$2.dht" --bt-enable-lpd=false --listen-port=7100-7199 --bt-hash-check-seed=true \
	--file-allocation=none -d "$2" "$1"; }
transmission() { exec transmission-cli -f /bin/true -g "$2.config" -p 7200 -w "$2" "$1"; }
libtorrent() { exec /usr/bin/python3 "$HERE/libtorrent_seed.py" "$1" "$2"; }
export HERE
export -f aria2 transmission libtorrent
real() { # NAME CLIENT URL
	command -v "$4" >/dev/null || { echo "skip $1 - $4 is not installed"; return; }
	check "$1" client "$1" "$3" bash -c "$2"' "$1" "$2"' bash
}
real aria2_http aria2 http://127.0.0.1:6969/announce aria2c
real aria2_http_ipv6 aria2 'http://[::1]:6969/announce' aria2c
real aria2_udp aria2 udp://127.0.0.1:6969/announce aria2c
real transmission_http transmission http://127.0.0.1:6969/announce transmission-cli
real transmission_udp transmission udp://127.0.0.1:6969/announce transmission-cli
real libtorrent_http libtorrent http://127.0.0.1:6969/announce /usr/bin/python3
real libtorrent_http_ipv6 libtorrent 'http://[::1]:6969/announce' /usr/bin/python3
real libtorrent_udp libtorrent udp://127.0.0.1:6969/announce /usr/bin/python3
real libtorrent_udp_ipv6 libtorrent 'udp://[::1]:6969/announce' /usr/bin/python3
# Twice the interval and 15 seconds is the longest that a client is remembered that did not say goodbye.
check clients_that_left_are_forgotten until_true 25 gone

# The command.
refuses() { # TEXT COMMAND...
	local text=$1
	shift
	timeout 10 "$@" >"$WORK/out" 2>&1
	local code=$?
	cat "$WORK/out"
	((code == 1 || code == 2)) && grep -qF -- "$text" "$WORK/out"
}
check a_port_in_use_is_an_error refuses "in use" "$BIN" tracker --listen :6969
check a_udp_port_in_use_is_an_error refuses "in use" "$BIN" tracker --listen :6970 --udp :6969
check an_unknown_option_is_an_error refuses "--frobnicate" "$BIN" tracker --frobnicate
check a_bad_address_is_an_error refuses "nowhere" "$BIN" tracker --listen nowhere
check a_missing_allow_file_is_an_error refuses "No such file" "$BIN" tracker --allow "$WORK/none"
echo "not hex" >"$WORK/bad-allow"
check a_bad_allow_file_is_an_error refuses "line 1" "$BIN" tracker --allow "$WORK/bad-allow"
check sigterm_is_a_clean_end stop "$main"

/usr/bin/python3 -c 'import sys, urllib.parse as u; print("# ours\n\n" + u.unquote_to_bytes(sys.argv[1]).hex())' "$hash" >"$WORK/allow"
tracker strict --listen 127.0.0.1:6971 --udp 127.0.0.1:6972 --allow "$WORK/allow" --peers-max 2
check allowed_infohashes_are_served grep -q 8:interval <(announce 127.0.0.1:6971 a 1001 9)
check others_are_refused grep -q "not served here" <(hash=12345678901234567890 announce 127.0.0.1:6971 a 1001 9)
announce 127.0.0.1:6971 b 1002 9 >/dev/null
check a_full_tracker_says_so grep -q "tracker is full" <(announce 127.0.0.1:6971 c 1003 9)
check udp_has_its_own_port /usr/bin/python3 "$HERE/udp_tracker.py" 127.0.0.1 6972 connect

# What one address may take, others may take as well; of IPv6, a /64 is one address.
tracker narrow --listen '[::]:6974' --swarms-max 40 --share-per-address 1 --connections-per-address 3
for number in {101..116}; do hash=aaaaaaaaaaaaaaaaa$number announce 127.0.0.1:6974 a 1001 9 >/dev/null; done
check one_address_has_its_share_of_the_swarms grep -q "its share" <(hash=aaaaaaaaaaaaaaaaa117 announce 127.0.0.1:6974 a 1001 9)
check it_is_welcome_in_its_own grep -q 8:interval <(hash=aaaaaaaaaaaaaaaaa116 announce 127.0.0.1:6974 b 1002 9)
check others_have_theirs grep -q 8:interval <(hash=aaaaaaaaaaaaaaaaa117 announce '[::1]:6974' a 1001 9)
check the_refusal_has_its_cause grep -q 'cause=address-share from=127.0.0.1 ' "$WORK/narrow.err"
for host in {1..6}; do ip address add "fd00:64::$host:$host/64" dev lo nodad; done
ip address add fd00:65::1/64 dev lo nodad
check a_64_has_the_connections_of_one_address /usr/bin/python3 -c 'import select, socket, time
def hold(source):
    sock = socket.create_connection(("::1", 6974), 5, (source, 0))
    sock.send(b"GET /")
    return sock
held = [hold("fd00:64::%d:%d" % (host, host)) for host in range(1, 7)]
deadline = time.monotonic() + 5
while len(select.select(held, [], [], 0)[0]) < 3 and time.monotonic() < deadline:
    time.sleep(0.01)
other = hold("fd00:65::1")
ended = len(select.select(held, [], [], 0.5)[0])
print(ended, select.select([other], [], [], 0.5)[0])
raise SystemExit(ended != 3 or bool(select.select([other], [], [], 0)[0]))'
check the_narrow_ends_cleanly stop "$pid"

# Short of descriptors: it neither dies nor spins, and who waits longest makes place for who asks.
start starved prlimit --nofile=24:24 "$BIN" tracker --listen 127.0.0.1:6973
until_true 10 listens starved
starved=$pid
ticks() { awk '{ print $14 + $15 }' "/proc/$starved/stat"; }
start holder /usr/bin/python3 -c 'import socket, sys
held = [socket.create_connection(("127.0.0.1", 6973)) for _ in range(64)]
for sock in held: sock.send(b"GET /")
print("held", flush=True)
sys.stdin = open("/dev/zero"); import signal; signal.pause()'
holder=$pid
until_true 10 grep -q held "$WORK/holder.out"
serves() { announce 127.0.0.1:6973 a 1001 9 | grep -q 8:interval; }
check serves_where_descriptors_are_short serves
before=$(ticks)
sleep 2 # what is measured is the processor time of two seconds
check does_not_spin_out_of_descriptors test $(($(ticks) - before)) -lt 50
stop "$holder" 2>/dev/null
check serves_again_when_there_are_some until_true 15 serves
check the_starved_ends_cleanly stop "$starved"
done_testing
