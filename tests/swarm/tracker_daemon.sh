#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 180
# `swarmboot tracker` as a service: its file of options and what is wrong with one, reloading without
# forgetting, dropping privileges, talking to a service manager, ending with answers given, and a log
# that programs read. Prints TAP.
. "$(dirname "$0")/common.sh"

# ends STATUS TEXT COMMAND...: it ends by itself, with this status, and says so.
ends() {
	local expected=$1 text=$2
	shift 2
	timeout 10 "$@" >"$WORK/ended" 2>&1
	local got=$?
	[ $got = "$expected" ] && grep -qF -- "$text" "$WORK/ended" && return
	echo "# status $got: $(cat "$WORK/ended")"
	return 1
}
listens() { grep -q "$2" "$WORK/$1.out" 2>/dev/null; }
# tracker NAME OPTION...: and waits until it serves
tracker() {
	local name=$1
	shift
	start "$name" "$BIN" tracker --status-listen none "$@"
	until_true 10 listens "$name" udp:// || { cat "$WORK/$name.err"; exit 99; }
}
announce() { # PORT INFOHASH PEER-PORT [MORE]: the infohash as 20 characters
	curl -sg --max-time 5 "http://127.0.0.1:$1/announce?info_hash=$2&peer_id=-XX0001-01234567$3&port=$3&left=1${4:-}"
}
knows() { # PORT INFOHASH PEERS
	curl -sg --max-time 5 "http://127.0.0.1:$1/scrape?info_hash=$2" | grep -q "10:incompletei$3e"
}
hex() { printf '%s' "$1" | od -An -tx1 | tr -d ' \n'; }
says() { grep -q -- "$2" "$WORK/$1.err"; }
one=oneoneoneoneoneoneon two=twotwotwotwotwotwotw

# The file of options.
config() { printf '%s\n' "$@" >"$WORK/conf"; }
wrong() { # NAME LINE TEXT: of the file as it is
	check "$1" ends 2 "conf:$2: $3" "$BIN" tracker --check-config --config "$WORK/conf"
}
config '# fine' 'interval = 5s' 'intervall = 5s'
wrong an_unknown_name_is_an_error_with_its_line 3 'unknown option "intervall"'
config 'interval = soon'
wrong a_wrong_value_is_an_error_with_its_line 1 'interval wants TIME'
config '' 'interval = 2h'
wrong a_value_out_of_range_is_an_error_with_its_line 2 'interval: must be 1s to 30m'
config 'listen = :6969' 'listen = localhost:80'
wrong a_bad_address_is_an_error_with_its_line 2 'listen: "localhost:80"'
config 'peers-max = 10' 'peers-max = 20'
wrong an_option_given_twice_is_an_error 2 'peers-max was given on line 1 already'
config 'listen'
wrong a_line_without_a_value_is_an_error 1 'not `name = value`'
config 'config = other'
wrong a_file_cannot_name_another 1 'unknown option'
config 'check-config = perhaps'
check a_flag_is_yes_or_no ends 2 'conf:1: check-config wants yes or no' "$BIN" tracker --config "$WORK/conf"
config 'log-level = loud'
wrong a_level_must_exist 1 'log-level: error, warning, info or debug, not'
check a_missing_file_is_an_error ends 1 'cannot read' "$BIN" tracker --config "$WORK/none"
check a_directory_is_no_file ends 1 'cannot read' "$BIN" tracker --config "$WORK"
printf 'interval = 5s\0' >"$WORK/conf"
check bytes_are_no_file_of_options ends 2 'no file of options' "$BIN" tracker --config "$WORK/conf"
head -c 70000 /dev/zero | tr '\0' '#' >"$WORK/conf"
check a_huge_file_is_refused ends 2 'no file of options' "$BIN" tracker --config "$WORK/conf"
config "allow = $WORK/allow"
echo "nothing" >"$WORK/allow"
check the_list_is_checked_too ends 1 'allow, line 1' "$BIN" tracker --check-config --config "$WORK/conf"
config 'user = nobody-of-that-name'
check the_user_is_checked_too ends 1 'nobody-of-that-name' "$BIN" tracker --check-config --config "$WORK/conf"
mkdir "$WORK/credentials"
head -c 40 /dev/urandom >"$WORK/credentials/key"
config 'cluster = 10.0.0.1:6970' 'cluster = 10.0.0.2:6970' "cluster-key = $WORK/credentials/key"
chmod 640 "$WORK/credentials/key"
check a_key_for_a_group_is_refused ends 1 'chmod 600' "$BIN" tracker --check-config --config "$WORK/conf"
check but_that_is_how_a_manager_lets_one_user_in ends 0 ': fine' env CREDENTIALS_DIRECTORY="$WORK/credentials" \
	"$BIN" tracker --check-config --config "$WORK/conf"
chmod 604 "$WORK/credentials/key"
check a_credential_for_all_is_refused ends 1 'chmod 600' env CREDENTIALS_DIRECTORY="$WORK/credentials" \
	"$BIN" tracker --check-config --config "$WORK/conf"
check the_example_is_fine ends 0 ': fine' "$BIN" tracker --check-config --config "$ROOT/docs/examples/tracker.conf"

config '  # two addresses, and spaces anywhere' 'listen = 127.0.0.1:7001' ' listen=127.0.0.1:7002 ' \
	"	interval	=	7s" 'peers-max = 100' '' 'udp = 127.0.0.1:7001'
check a_good_file_is_fine ends 0 ': fine' "$BIN" tracker --check-config --config "$WORK/conf"
tracker file --config "$WORK/conf" --peers-max 1
check an_option_may_be_repeated grep -q '8:intervali7e' <(announce 7002 $one 1001)
check the_command_line_wins grep -q 'tracker is full' <(announce 7001 $one 1002)
kill "$pid"
finish "$pid" 10
check sigterm_ends_it_with_0 [ "$status" = 0 ]
tracker flags --config "$WORK/conf" --listen 127.0.0.1:7003
check a_list_of_the_command_line_replaces_the_files [ "$(grep -c http: "$WORK/flags.out")" = 1 ]
kill "$pid"
finish "$pid" 10

# Reload.
hex $one >"$WORK/allow"
config 'listen = 127.0.0.1:7004' "allow = $WORK/allow" 'interval = 60s' 'log-format = json'
start reload "$BIN" tracker --status-listen none --config "$WORK/conf"
reload=$pid
until_true 10 says reload '"event":"started"'
check json_says_where_it_listens says reload '"event":"listening","url":"udp://127.0.0.1:7004/announce"'
announce 7004 $one 1001 >/dev/null
check a_listed_swarm_is_served knows 7004 $one 1
check another_is_not grep -q 'not served here' <(announce 7004 $two 1001)
{ hex $one; echo; hex $two; echo; } >"$WORK/allow"
kill -HUP "$reload"
check reload_takes_the_longer_list until_true 10 says reload '"event":"reloaded"'
check what_was_added_is_logged says reload '"event":"allowed".*"added":"1","removed":"0"'
check reload_forgets_no_peer knows 7004 $one 1
check what_was_added_is_served grep -q 8:interval <(announce 7004 $two 1002)
echo wrong >>"$WORK/allow"
kill -HUP "$reload"
check a_wrong_list_is_not_taken until_true 10 says reload '"event":"reload-failed".*allow, line 3'
check and_all_stays_as_it_was knows 7004 $two 1
hex $two >"$WORK/allow"
config 'listen = 127.0.0.1:7005' "allow = $WORK/allow" 'interval = 60s' 'log-format = json'
kill -HUP "$reload"
unserved() { announce 7004 $one 1001 | grep -q 'not served here'; }
check what_was_removed_is_not_served until_true 10 unserved
check what_was_kept_is knows 7004 $two 1
check what_takes_a_restart_is_named says reload '"event":"not-reloaded","option":"listen"'
many() { for _ in {1..9}; do announce 7004 $two 1001; done | grep -q 'too many'; }
check nine_at_once_are_not_too_many eval '! many'
config 'listen = 127.0.0.1:7005' "allow = $WORK/allow" 'interval = 60s' 'log-format = json' 'requests-max = 1'
kill -HUP "$reload"
check the_limit_of_requests_can_change until_true 10 many
config 'listen = 127.0.0.1:7005' "allow = $WORK/allow" 'interval = 60s' 'log-format = json'
kill -HUP "$reload"
check and_change_back until_true 20 eval '! many'
reloads() { [ "$(grep -c "\"event\":\"$1\"" "$WORK/reload.err")" = "$2" ]; }
check each_reload_was_logged reloads reloaded 4
config 'listen = 127.0.0.1:7004' "allow = $WORK/allow" 'interval = 60s' 'log-format = json' 'log-level = error'
hex $one >"$WORK/allow"
kill -HUP "$reload"
served() { announce "$1" $one 1001 | grep -q 8:interval; }
check a_reload_with_another_level until_true 10 served 7004
echo wrong >"$WORK/allow"
kill -HUP "$reload"
check errors_are_logged_at_that_level until_true 10 reloads reload-failed 2
check and_nothing_less reloads reloaded 4
kill "$reload"
finish "$reload" 10
check it_ends_with_0_after_reloads [ "$status" = 0 ]
check every_line_is_an_object /usr/bin/python3 -c '
import json, re, sys
lines = open(sys.argv[1]).read().splitlines()
assert len(lines) > 8
for line in lines:
    about = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", about["time"]), line
    assert about["level"] in ("error", "warning", "info", "debug"), line
    assert ("event" in about) != ("text" in about), line' "$WORK/reload.err"

# A service manager.
export PORT=7006
manager() { # path|abstract
	"$HERE/notify_manager.py" "$1" "$BIN" tracker --status-listen none --listen 127.0.0.1:7006 >"$WORK/notify.log" 2>&1 && return
	sed 's/^/# /' "$WORK/notify.log"
	return 1
}
for kind in path abstract; do check "the_manager_hears_of_everything_by_$kind" manager $kind; done
check a_wrong_notify_socket_is_an_error ends 1 NOTIFY_SOCKET env NOTIFY_SOCKET=tcp:1 \
	"$BIN" tracker --listen 127.0.0.1:7007

# The end.
tracker stop --listen 127.0.0.1:7008
check what_was_asked_before_the_end_is_answered timeout 60 "$HERE/tracker_stop.py" "$pid" 7008
finish "$pid" 10
check and_then_it_ends_with_0 [ "$status" = 0 ]

# Privileges. Ids of the test's own user namespace would prove nothing.
if [ "$(id -u)" != 0 ] || ! grep -q '^ *0 *0 *4294967295$' /proc/self/uid_map; then
	echo "skip privileges - this takes root"
	done_testing
fi
chmod 755 "$WORK"
hex $two >"$WORK/allow"
config 'listen = 127.0.0.1:80' 'user = nobody' "allow = $WORK/allow"
tracker dropped --config "$WORK/conf"
dropped=$pid
ids() { grep -E "^($1):" "/proc/$dropped/status" | tr -s ' \t' ' ' | tr '\n' '|'; }
nobody=$(id -u nobody) group=$(id -g nobody)
check it_is_the_user [ "$(ids Uid)" = "Uid: $nobody $nobody $nobody $nobody|" ]
check it_is_the_group [ "$(ids Gid)" = "Gid: $group $group $group $group|" ]
check it_is_in_no_other_group [ "$(ids Groups | tr -d '| ')" = "Groups:$group" ]
check it_has_no_capability [ "$(ids 'CapPrm|CapEff' | tr -d '| ')" = "CapPrm:0000000000000000CapEff:0000000000000000" ]
check it_gains_none [ "$(ids NoNewPrivs)" = "NoNewPrivs: 1|" ]
check a_low_port_is_served grep -q 8:interval <(announce 80 $two 1001)
hex $one >"$WORK/allow"
kill -HUP "$dropped"
check reload_works_without_root until_true 10 served 80
chmod 600 "$WORK/allow"
kill -HUP "$dropped"
check what_it_may_not_read_is_an_error until_true 10 says dropped 'reload-failed.*ermission'
kill "$dropped"
finish "$dropped" 10
check the_dropped_ends_with_0 [ "$status" = 0 ]
tracker undropped --listen 127.0.0.1:7009
check running_as_root_is_warned_of says undropped 'runs as root'
kill "$pid"
finish "$pid" 10
check a_group_can_be_named ends 1 'no group' "$BIN" tracker --listen 127.0.0.1:7010 --user nobody:nogroup-here
check root_is_nobody_to_become ends 2 'drops nothing' "$BIN" tracker --listen 127.0.0.1:7010 --user 0:0
check only_root_becomes_another ends 1 'only root' setpriv --reuid "$nobody" --regid "$group" --clear-groups \
	"$BIN" tracker --listen 127.0.0.1:7010 --user daemon
# Any of its ids could be gone back to.
check a_real_id_of_root_is_told ends 1 'only root' setpriv --ruid 0 --euid "$nobody" --regid "$group" --clear-groups \
	"$BIN" tracker --listen 127.0.0.1:7010 --user nobody
check a_group_of_root_is_told ends 1 'only root' setpriv --reuid "$nobody" --regid 0 --clear-groups \
	"$BIN" tracker --listen 127.0.0.1:7010 --user nobody
check it_does_not_go_on_as_root ends 1 'cannot become' setpriv --bounding-set -setuid,-setgid --inh-caps -setuid,-setgid \
	"$BIN" tracker --listen 127.0.0.1:7010 --user nobody

# The unit that is installed.
if command -v systemd-analyze >/dev/null; then
	sed "s|/usr/local/bin/swarmboot|$BIN|" "$ROOT/systemd/swarmboot-tracker.service" >"$WORK/swarmboot-tracker.service"
	check the_unit_is_understood systemd-analyze --man=no verify "$WORK/swarmboot-tracker.service"
else
	echo "skip the_unit_is_understood - systemd-analyze is not installed"
fi
done_testing
