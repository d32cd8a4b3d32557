#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 300
# `swarmboot simulate`: the same seed gives the same answer, other seeds others; mistakes are named; what it
# writes is well-formed and says the same thing in every form. Prints TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
BIN=$(realpath "${BIN:-build/swarmboot}")
WORK=$(mktemp -d /tmp/swarmboot-simulate-XXXXXX)
CHILD=
failed=0
cleanup() {
	trap - EXIT INT TERM
	[[ -z $CHILD ]] || kill "$CHILD" 2>/dev/null
	rm -rf "$WORK"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
cd "$WORK" || exit 1

check() { # NAME COMMAND...
	local name=$1
	shift
	if "$@" >check.log 2>&1; then
		echo "ok $name"
	else
		echo "not ok $name"
		sed 's/^/# /' check.log
		failed=1
	fi
}
refuses() { # TEXT ARGUMENT...: exit status 2, TEXT on standard error, nothing on standard output
	local text=$1 status
	shift
	"$BIN" simulate "$@" >out 2>err
	status=$?
	cat err
	((status == 2)) && grep -qF -- "$text" err && [[ ! -s out ]]
}
python() { /usr/bin/python3 -c "import csv, json, sys
import xml.etree.ElementTree as tree
$1" "${@:2}"; }

small=(--nodes 5 --image 24MiB --link 100Mbit --disk 200MB/s)

"$BIN" simulate "${small[@]}" --seed 7 >seed7 2>err || cat seed7 err
"$BIN" simulate "${small[@]}" --seed 7 >again 2>err
check a_seed_replays cmp seed7 again
check nothing_on_stderr_when_it_is_short test ! -s err
check says_how_long grep -q '^  last node      [23]\.[0-9]* s, 1\.[0-5][0-9] times the lower bound of 2\.[0-9]* s' seed7
check says_what_limits grep -q "^  limited by     the origin's link (2\.[0-9]* s)" seed7
check plots_as_text test "$(grep -c '^ .*|.*#' seed7)" = 8

# One wave in every form.
"$BIN" simulate "${small[@]}" --seeds 3 --what-if link=1Gbit --what-if 'nodes=2, read-back=no' --json \
	--out wave.svg --out wave.csv --out wave.json --trace trace >stdout.json 2>err
check exit_status test $? = 0
check json_is_the_same_in_a_file cmp stdout.json wave.json
check json_parses python '
waves = json.load(open("wave.json"))
assert [w["variant"] for w in waves] == ["as given", "link=1Gbit", "nodes=2, read-back=no"]
assert [w["nodes"] for w in waves] == [5, 5, 2] and waves[2]["read_back_s"] == 0
for w in waves:
    assert w["wire_bytes"] == 24 << 20 and w["pieces"] == w["pieces_simulated"] == 24
    assert [r["seed"] for r in w["runs"]] == [1, 2, 3]
    assert abs(max(w["limits_s"].values()) + w["read_back_s"] - w["bound_s"]) < 1e-3
    for r in w["runs"]:
        assert r["finished"] == w["nodes"] == len(r["finished_s"]) and r["fault"] is None
        assert w["bound_s"] < r["first_s"] <= r["median_s"] <= r["last_s"] == max(r["finished_s"])
        assert 1 <= r["origin_copies"] < w["nodes"] and r["wasted_bytes"] < r["received_bytes"] * 0.05
last = [max(w["runs"][0]["finished_s"]) for w in waves]
assert last[1] < last[0] / 3, last
assert len(set(r["last_s"] for r in waves[1]["runs"])) > 1, "seeds make no difference"'
check csv_says_the_same python '
rows = list(csv.DictReader(open("wave.csv")))
waves = json.load(open("wave.json"))
assert len(rows) == 3 * (5 + 5 + 2)
for w in waves:
    for r in w["runs"]:
        mine = [x for x in rows if (x["variant"], x["seed"]) == (w["variant"], str(r["seed"]))]
        assert [abs(float(x["finished_s"]) - y) < 2e-3 for x, y in zip(mine, r["finished_s"])] == [True] * w["nodes"]
        assert sum(int(x["received_bytes"]) for x in mine) >= w["nodes"] * w["wire_bytes"]
        assert sum(int(x["from_origin_bytes"]) for x in mine) <= r["origin_sent_bytes"]'
check svg_is_well_formed python '
svg = tree.parse("wave.svg").getroot()
space = "{http://www.w3.org/2000/svg}"
assert svg.tag == space + "svg"
texts = [t.text for t in svg.iter(space + "text")]
assert "as given" in texts and "link=1Gbit" in texts, texts
paths = [p for p in svg.iter(space + "path") if p.get("stroke-width")]
assert [p.get("d").count("V") for p in paths] == [5, 5, 2]'
check trace_is_of_one_run test "$(grep -c ' has finished$' trace)" = 5

"$BIN" simulate "${small[@]}" --what-if link=1Gbit --what-if disk=2MB/s >table 2>err
check table_has_a_line_each test "$(grep -cE '^(as given|link=1Gbit|disk=2MB/s) .* s  ' table)" = 3
check table_names_the_limit grep -q "^disk=2MB/s .* the nodes' disks" table

# Racks: one copy must come into each, through its uplink.
"$BIN" simulate --nodes 8 --image 16MiB --link 1Gbit --racks 2 --rack-uplink 100Mbit --read-back no \
	--what-if rack-aware=no --json >racks.json
check racks_limit python '
wave = json.load(open("racks.json"))[0]
assert wave["limited_by"].startswith("the racks"), wave["limited_by"]
assert wave["runs"][0]["into_racks_bytes"] >= 2 * wave["wire_bytes"]
blind = json.load(open("racks.json"))[1]
assert blind["runs"][0]["into_racks_bytes"] > wave["runs"][0]["into_racks_bytes"]'

# A large image is sampled, and comes to what all of it comes to.
wave=(--nodes 4 --image 1GiB --link 1Gbit --detail coarse --json)
"$BIN" simulate "${wave[@]}" --sample all >all.json
"$BIN" simulate "${wave[@]}" --sample 200 >some.json
check a_sample_is_like_the_whole python '
all, some = json.load(open("all.json"))[0], json.load(open("some.json"))[0]
assert (all["pieces_simulated"], some["pieces_simulated"]) == (1024, 200)
ratio = some["runs"][0]["last_s"] / all["runs"][0]["last_s"]
assert 0.85 < ratio < 1.15, ratio
assert abs(some["bound_s"] - all["bound_s"]) < 1e-6'

# A metainfo file as the image: its zeros and its equal pieces are not sent.
dd if=/dev/urandom of=disk.raw bs=1M count=6 status=none
dd if=disk.raw of=disk.raw bs=1M count=1 seek=6 conv=notrunc status=none
truncate -s 20M disk.raw
"$BIN" image import disk.raw --out disk.torrent --state "$WORK/state" --tracker http://127.0.0.1:1/announce --quiet >import.log 2>&1 ||
	cat import.log
"$BIN" simulate --nodes 3 --image disk.torrent --link 100Mbit --json >metainfo.json 2>err || cat err
check a_metainfo_is_an_image python '
wave = json.load(open("metainfo.json"))[0]
assert wave["image_bytes"] == 20 << 20 and wave["wire_bytes"] == 6 << 20, wave
assert wave["runs"][0]["finished"] == 3'

# A scenario file says what options say; options win.
cat >hall.txt <<'END'
# a hall
nodes = 5
image = 24MiB   # small
link=100Mbit
  disk = 200MB/s
seek = 9ms
END
"$BIN" simulate --scenario hall.txt --seed 7 --seek 100us >from_file 2>err
check a_scenario_file_is_like_options cmp seed7 from_file

check unknown_option refuses 'unknown option: --rate' --rate 3
check wrong_rate refuses '--link wants RATE, not "1000"' --link 1000
check wrong_count refuses '--nodes wants N, not "many"' --nodes many
check too_many_nodes refuses '--nodes wants at most' --nodes 1000000
check no_image refuses '--image wants a size (50GB) or a metainfo file: cannot open nothing' --image nothing
check not_a_metainfo refuses '--image wants a size (50GB) or a metainfo file' --image hall.txt
check wrong_percent refuses '--zeros wants PERCENT%, not "100%"' --zeros 100%
check wrong_piece refuses '--piece wants a multiple of 16 KiB' --piece 1000
check uplink_without_racks refuses '--rack-uplink wants racks' --rack-uplink 1Gbit
check wrong_what_if refuses '--what-if: there is no key "lnk"' --what-if lnk=1Gbit
check wrong_what_if_value refuses '--what-if: link wants RATE, not ""' --what-if link=
check no_pair refuses '--what-if: "link" is not KEY=VALUE' --what-if link
check wrong_out refuses '--out wants a name that ends in .svg, .csv or .json' --out wave.png
check no_seeds refuses '--seeds wants 1 to 1000' --seeds 0
printf 'nodes = 3\n\nimage 4GB\n' >bad.txt
check wrong_line refuses 'bad.txt:3: "image 4GB" is not KEY=VALUE' --scenario bad.txt
head -c 2000 /dev/zero | tr '\0' x >long.txt
"$BIN" simulate --scenario long.txt >out 2>err
check long_line test $? = 1 -a "$(grep -c 'long.txt:1: the line is too long' err)" = 1
"$BIN" simulate "${small[@]}" --out /nowhere/x.svg >out 2>err
check unwritable test $? = 1 -a "$(grep -c -- '--out: cannot write /nowhere/x.svg' err)" = 1
check help_names_every_key sh -c "'$BIN' simulate --help | grep -q -- '--rack-uplink RATE'"

# Ctrl-C: what is known so far. It reports progress once a second has passed, and so runs.
"$BIN" simulate --nodes 60 --image 40GB --sample all >stopped 2>progress &
CHILD=$!
for ((i = 0; i < 600; i++)); do
	[[ -s progress ]] && break
	sleep 0.1
done
kill -TERM "$CHILD"
wait "$CHILD"
status=$?
CHILD=
check a_stopped_run_fails test "$status" = 1
check a_stopped_run_says_how_far_it_was grep -q '^  stopped .* % of the bytes received and 0 of 60' stopped
check progress_has_an_eta grep -q '^simulate .* ETA ' progress
exit "$failed"
