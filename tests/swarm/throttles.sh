#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: no
# --up and --down hold within 5 % over windows of two seconds, counted in the network's own bytes on private
# addresses: the headers of packets are in the limit. --ramp begins with a small part of it.
. "$(dirname "$0")/common.sh"
NET=$WORK/net
ip link add sbt0 type veth peer name sbt1 2>/dev/null || { echo "skip $NAME - no veth is to be had"; exit 77; }
exec 9< <(exec unshare --net sleep 600)
far=$!
PIDS+=("$far")
apart() { [ "$(readlink "/proc/$far/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
until_true 5 apart && ip link set sbt1 netns "$far" || { echo "skip $NAME - no second namespace"; exit 77; }
ip addr add 10.98.0.1/24 dev sbt0
ip link set sbt0 up
nsenter --net="/proc/$far/ns/net" sh -c 'ip link set lo up; ip addr add 10.98.0.2/24 dev sbt1; ip link set sbt1 up'

# watch NAME: a line of microseconds, bytes sent and bytes received of this end, ten times a second.
cat >"$WORK/watch.py" <<'PYTHON'
import sys, time
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    line = next(line for line in open("/proc/net/dev") if line.strip().startswith("sbt0:"))
    values = line.split(":")[1].split()
    print(int(time.monotonic() * 1e6), values[8], values[0], flush=True)
    time.sleep(0.1)
PYTHON
# judge FILE RATE: in the widest stretch in which bytes flowed, every window of two seconds is within 5 %.
cat >"$WORK/judge.py" <<'PYTHON'
import sys
rate, column, skip = float(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
samples = [tuple(map(int, line.split())) for line in open(sys.argv[1])]
begin = next(i for i, s in enumerate(samples) if s[column] - samples[0][column] > 100000)
last = max(i for i, s in enumerate(samples) if i and s[column] - samples[i - 1][column] > rate / 20 * 0.2)
first_s = (samples[begin + 10][column] - samples[begin][column]) / ((samples[begin + 10][0] - samples[begin][0]) / 1e6)
ratios = []
for i in range(begin, last):
    j = next((j for j in range(i, last) if samples[j][0] - samples[i][0] >= 2000000), None)
    if j is None:
        break
    if samples[i][0] - samples[begin][0] < skip * 1e6:
        continue
    seconds = (samples[j][0] - samples[i][0]) / 1e6
    ratios.append((samples[j][column] - samples[i][column]) / seconds / rate)
print("%.3f %.3f %d %.3f" % (min(ratios), max(ratios), len(ratios), first_s / rate))
sys.exit(not (len(ratios) >= 5 and min(ratios) >= 0.95 and max(ratios) <= 1.05))
PYTHON
RATE=8000000
random_image $((64 * 1048576))
metainfo --piece-size 262144

far_fetch() { # NAME PORT OPTION...
	local name=$1 port=$2
	shift 2
	start "$name" nsenter --net="/proc/$far/ns/net" "$BIN" fetch "$WORK/image.torrent" --to "$WORK/$name.img" \
		--listen "10.98.0.2:$port" --unsigned --progress json "$@"
}
measured() { # NAME COLUMN SKIP
	/usr/bin/python3 "$WORK/judge.py" "$WORK/$1.watch" $RATE "$2" "$3" >"$WORK/$1.judged"
	local result=$?
	echo "# $1: least and most of the limit, windows, first second: $(cat "$WORK/$1.judged")"
	return $result
}

start up.watching /usr/bin/python3 "$WORK/watch.py" 12
watching=$pid
start seed_up "$BIN" seed "$WORK/image.torrent" --from "$WORK/image" --listen 10.98.0.1:7950 --progress json \
	--up 8MB --ramp 2
seed_up=$pid
far_fetch a 7951 --peer 10.98.0.1:7950
finish "$pid" 60
check fetched_from_a_throttled_seed [ "$status" = 0 ]
finish "$watching" 30
mv "$WORK/up.watching.out" "$WORK/up.watch"
check up_holds measured up 1 2.5
check ramp_begins_low awk '{ exit !($4 < 0.7) }' "$WORK/up.judged"
kill "$seed_up"
finish "$seed_up" 10

start down.watching /usr/bin/python3 "$WORK/watch.py" 12
watching=$pid
start seed_free "$BIN" seed "$WORK/image.torrent" --from "$WORK/image" --listen 10.98.0.1:7952 --progress json
far_fetch b 7953 --peer 10.98.0.1:7952 --down 64Mbit
finish "$pid" 60
check fetched_slowly [ "$status" = 0 ]
finish "$watching" 30
mv "$WORK/down.watching.out" "$WORK/down.watch"
check down_holds measured down 1 0.3
done_testing
