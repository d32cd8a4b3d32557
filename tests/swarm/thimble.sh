#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: no
# A fetch in a memory control group of 64 MiB: an image many times as large to a loop device with direct
# I/O, as on a machine's disk; then an image of 2 TiB, mostly holes, whose metainfo has 262,144 pieces.
# THIMBLE_MIB=4096 for 64 times its memory; the times of the first part are only printed.
. "$(dirname "$0")/common.sh"
MIB=1048576
export HERE
image_mib=${THIMBLE_MIB:-512}

CGROUP=
LOOP=
limit_memory() {
	local root=/sys/fs/cgroup/memory file=memory.limit_in_bytes
	if [ ! -d $root ]; then
		root=/sys/fs/cgroup
		file=memory.max
	fi
	CGROUP=$root/swarmboot-thimble-$$
	mkdir "$CGROUP" 2>/dev/null && echo $((64 * MIB)) 2>/dev/null >"$CGROUP/$file" && return
	rmdir "$CGROUP" 2>/dev/null
	CGROUP=
	return 1
}
cleanup_more() {
	[ -z "$LOOP" ] || losetup -d "$LOOP"
	[ -z "$CGROUP" ] || until_true 5 rmdir "$CGROUP" 2>/dev/null
}
limit_memory || { echo "skip $NAME - no memory control group can be made here"; exit 77; }

# inside COMMAND...: in the control group.
inside() { exec bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$CGROUP" "$@"; }
now_ms() { date +%s%3N; }
new_target() {
	rm -f "$WORK/target"
	truncate -s $((image_mib * MIB)) "$WORK/target"
	[ -z "$LOOP" ] || losetup -d "$LOOP"
	LOOP=
	LOOP=$(losetup --find --show --direct-io=on "$WORK/target" 2>/dev/null)
}
# timed NAME PORT [COMMAND...]: a fetch to the loop device; its milliseconds are in $took.
timed() {
	local name=$1 port=$2 began
	shift 2
	began=$(now_ms)
	start "$name" "$@" "$BIN" fetch "$WORK/image.torrent" --to "$LOOP" --listen "127.0.0.1:$port" \
		--peer 127.0.0.1:7900 --unsigned --progress json --memory 40MiB
	finish "$pid" 600
	took=$(($(now_ms) - began))
}

if new_target; then
	random_image $((image_mib * MIB))
	metainfo --piece-size 4194304
	seed origin 7900 --origin
	until_true 30 ready origin
	timed free 7901
	check without_a_limit [ "$status" = 0 ]
	free_ms=$took
	new_target
	timed held 7902 inside
	check within_64_mib [ "$status" = 0 ]
	check it_holds_the_image cmp -s -n $((image_mib * MIB)) "$WORK/image" "$LOOP"
	check little_is_fetched_twice at_most held bytes_wasted $((16 * MIB))
	echo "# $image_mib MiB: $took ms in 64 MiB, $free_ms ms without a limit"
	rm -f "$WORK/image" "$WORK/target"
else
	echo "skip large_image - no loop device with direct I/O"
fi

/usr/bin/python3 -B - "$WORK" <<'PYTHON'
import hashlib, os, sys
work = sys.argv[1]
sys.path.insert(0, os.environ["HERE"])
import metainfo as m
SIZE, COUNT, FULL = 8 << 20, 262144, (0, 1000, 131072, 262143)
with open(work + "/vast", "wb") as image:
    image.truncate(SIZE * COUNT)
    hashes = {}
    for piece in (None,) + FULL:
        data = bytes(SIZE) if piece is None else os.urandom(SIZE)
        if piece is not None:
            os.pwrite(image.fileno(), data, piece * SIZE)
        leaves = [m.sha256(data[i:i + m.LEAF]) for i in range(0, SIZE, m.LEAF)]
        hashes[piece] = hashlib.sha1(data).digest(), m.tree(leaves, len(leaves), bytes(32))
every = [hashes[i if i in FULL else None] for i in range(COUNT)]
layer = b"".join(sha256 for _, sha256 in every)
root = m.tree([sha256 for _, sha256 in every], COUNT, None)
info = {"length": SIZE * COUNT, "name": "vast", "piece length": SIZE,
        "pieces": b"".join(sha1 for sha1, _ in every),
        "swarmboot": {"created": 0, "generation": 1, "sector size": 512, "sha256 root": root}}
with open(work + "/vast.torrent", "wb") as file:
    file.write(m.bencode({"info": info, "piece layers": {root: layer}}))
PYTHON
start vast_origin "$BIN" seed "$WORK/vast.torrent" --from "$WORK/vast" --listen 127.0.0.1:7910 --progress json \
	--origin
start vast inside "$BIN" fetch "$WORK/vast.torrent" --to "$WORK/vast.img" --listen 127.0.0.1:7911 \
	--peer 127.0.0.1:7910 --unsigned --progress json --memory 56MiB
finish "$pid" 300
check two_tebibytes_in_64_mib [ "$status" = 0 ]
check all_of_it [ "$(last vast bytes_durable)" = $((2 << 40)) ]
check only_what_is_there [ "$(last vast bytes_received)" -le $((48 * MIB)) ]
same_piece() { cmp -s -n $((8 * MIB)) -i $(($1 * 8 * MIB)) "$WORK/vast" "$WORK/vast.img"; }
check first_and_last_piece both same_piece 0 -- same_piece 262143
echo "# 2 TiB: at most $(last vast resident_bytes) bytes resident at the end"
done_testing
