#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 180
# sanitizers: no
# The unit that `make install` puts in place, under a live systemd: PID 1 of namespaces of its own, with a
# copy of this machine's files in which nothing else is started. Started, reloaded, killed, hung, given a wrong
# file of options, stopped; and as a member of a cluster that starts again. Prints TAP.
. "$(dirname "$0")/../swarm/common.sh"
UNIT=swarmboot-tracker
manager=/lib/systemd/systemd
groups=$(findmnt -nt cgroup2 -o TARGET | head -n 1)
group=$groups/swarmboot-$NAME-$$
if [ "$(id -u)" != 0 ] || ! grep -q '^ *0 *0 *4294967295$' /proc/self/uid_map; then
	echo "skip $NAME - this takes root"
	exit 77
fi
if ! [ -x $manager ] || ! command -v journalctl >/dev/null; then
	echo "skip $NAME - systemd is not installed"
	exit 77
fi
if [ -z "$groups" ] || ! mkdir "$group" 2>/dev/null; then
	echo "skip $NAME - no control groups (v2) are to be had"
	exit 77
fi

# In the end, all that is in the namespaces goes with their PID 1.
cleanup_more() {
	[ -z "${init:-}" ] || kill -9 "$init" 2>/dev/null
	until_true 10 grep -q 'populated 0' "$group/cgroup.events"
	find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
}

# Its files: this machine's, with what is written kept in memory, and no units but those that it comes with.
mkdir "$WORK/files"
cat >"$WORK/begin" <<'END'
set -eu
group=$1 files=$2 top=$3 manager=$4
root=$files/root
mount --make-rprivate /
mount -t tmpfs tmpfs "$files"
mkdir "$files/changed" "$files/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$files/changed,workdir=$files/work" overlay "$root"
mountpoint -q "$root" # what is removed now is there for all others
rm -rf "$root"/etc/systemd/system/* "$root"/lib/systemd/system/*.wants "$root"/lib/systemd/system-generators \
	"$root"/usr/local/lib/systemd "$root"/etc/swarmboot "$root"/etc/fstab
# Without one it would be a first boot, which enables what the distribution likes.
tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
make -s -C "$top" -o all install DESTDIR="$root"
printf '[Unit]\nWants=systemd-journald.service systemd-tmpfiles-setup.service\nAfter=basic.target\nRequires=basic.target\n' \
	>"$root/etc/systemd/system/test.target"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
	: >"$root/dev/$device"
	mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
ln -s pts/ptmx "$root/dev/ptmx"
cd "$root"
mkdir old
pivot_root . old
cd /
umount -l /old
mount --make-rshared / # as a container manager leaves it
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin "$manager" --system --unit=test.target
END
start manager sh -c 'echo $$ >"$1/cgroup.procs" && exec unshare --mount --pid --fork --kill-child --ipc --uts --cgroup sh "$2" "$1" "$3" "$4" "$5"' \
	sh "$group" "$WORK/begin" "$WORK/files" "$ROOT" "$manager"
unshare=$pid
init_runs() {
	init=$(pgrep -P "$unshare") && [ "$(cat "/proc/$init/comm")" = systemd ]
} 2>/dev/null
inside() { nsenter --target "$init" --mount --pid --ipc --uts --cgroup -- "$@"; }
manages() { inside systemctl is-active test.target; } >/dev/null 2>&1
if ! until_true 30 init_runs || ! until_true 60 manages; then
	sed 's/^/# /' "$WORK/manager.err" "$WORK/manager.out" | tail -n 20
	echo "skip $NAME - no systemd runs in namespaces here"
	exit 77
fi

fails() { ! "$@" 2>/dev/null; }
shows() { # PROPERTY PATTERN
	[[ $(inside systemctl show --value -p "$1" $UNIT) == $2 ]]
}
active() { shows ActiveState active; }
failed() { shows ActiveState failed; }
main() { inside systemctl show --value -p MainPID $UNIT; }
outside() { head -n 1 "$group/system.slice/$UNIT.service/cgroup.procs"; }
journal() { inside journalctl -q --no-pager -o cat -u $UNIT; }
logged() { journal | grep -q -- "$1"; }
swarm=oneoneoneoneoneoneon
announce() { # ADDRESS PEER-PORT
	curl -sg --max-time 5 "http://$1:6969/announce?info_hash=$swarm&peer_id=-XX0001-01234567$2&port=$2&left=1" |
		grep -q 8:interval
}
knows() { # ADDRESS PEERS
	curl -sg --max-time 5 "http://$1:6969/scrape?info_hash=$swarm" | grep -q "10:incompletei$2e"
}
configure() { # LINE...
	printf '%s\n' "$@" | inside sh -c 'cat >/etc/swarmboot/tracker.conf'
}
drop_in() { # NAME LINE...
	local name=$1
	shift
	printf '%s\n' '[Service]' "$@" |
		inside sh -c "mkdir -p /etc/systemd/system/$UNIT.service.d && cat >/etc/systemd/system/$UNIT.service.d/$name.conf"
	inside systemctl daemon-reload
}

check the_installed_unit_is_understood inside systemd-analyze --man=no verify $UNIT.service
exposed() { # to less than so many tenths
	inside systemd-analyze security --no-pager --offline=true --threshold="$1" \
		/usr/local/lib/systemd/system/$UNIT.service >"$WORK/security"
}
check it_is_exposed_to_little exposed 20
check it_is_enabled_and_started inside systemctl enable --now --quiet $UNIT
check it_serves announce 127.0.0.1 1001
check it_says_what_it_does until_true 15 shows StatusText 'Serving * peers in * swarms on 2 addresses'
check it_is_not_root test "$(stat -c %u "/proc/$(outside)")" -gt 0

# Reload.
before=$(main)
configure 'listen = :6969' 'log-format = json'
check it_reloads inside systemctl reload $UNIT
check which_is_logged until_true 10 logged '"event":"reloaded"'
configure 'listen = :6969' 'lissten = :6970'
inside systemctl reload $UNIT
check a_wrong_file_is_not_taken until_true 10 shows StatusText 'Goes on as before: *tracker.conf:2: unknown option*'
check it_runs_on test "$(main)" = "$before"
check and_forgets_nobody knows 127.0.0.1 1

# What is wrong with the file is no reason to try again and again.
check it_does_not_start_with_a_wrong_file fails inside systemctl restart $UNIT
check and_is_given_up until_true 10 failed
check and_not_tried_again shows NRestarts 0
check the_journal_names_the_line until_true 10 logged 'tracker.conf:2: unknown option "lissten"'

# A member of a cluster: its key is a credential.
(umask 077; head -c 40 /dev/urandom >"$WORK/key")
inside sh -c 'umask 077; cat >/etc/swarmboot/cluster.key' <"$WORK/key"
members=(--cluster 127.0.0.2:6970 --cluster 127.0.0.3:6970 --cluster 127.0.0.4:6970 --cluster-key "$WORK/key")
for other in 3 4; do
	start "member$other" "$BIN" tracker --listen "127.0.0.$other:6969" --status-listen none "${members[@]}" \
		--cluster-listen "127.0.0.$other:6970"
done
configure 'listen = 127.0.0.2:6969' 'cluster = 127.0.0.2:6970' 'cluster = 127.0.0.3:6970' 'cluster = 127.0.0.4:6970' \
	'cluster-listen = 127.0.0.2:6970' 'cluster-key = /run/credentials/swarmboot-tracker.service/cluster.key'
check without_its_key_it_does_not_start fails inside systemctl restart $UNIT
check and_the_journal_names_the_file until_true 10 logged "cannot read the cluster's key /run/credentials/swarmboot-tracker.service/cluster.key"
inside systemctl stop $UNIT
drop_in key 'LoadCredential=cluster.key:/etc/swarmboot/cluster.key'
check it_starts_with_its_key inside systemctl restart $UNIT
check it_joins until_true 10 logged 'member-here member=127.0.0.4:6970'
announce 127.0.0.3 1002
check what_others_are_told_it_knows until_true 5 knows 127.0.0.2 1
check it_restarts inside systemctl restart $UNIT
check and_knows_it_again until_true 5 knows 127.0.0.2 1

# It dies, and it hangs.
again() { active && [ "$(main)" != "$before" ] && knows 127.0.0.2 1; }
before=$(main)
kill -9 "$(outside)"
check killed_it_is_started_again until_true 15 again
drop_in watchdog WatchdogSec=2
inside systemctl restart $UNIT
before=$(main)
kill -STOP "$(outside)"
check hung_it_is_started_again until_true 30 again

# The end.
check it_stops inside systemctl stop $UNIT
check by_itself shows Result success
check with_status_0 shows ExecMainStatus 0
[ "$failures" = 0 ] || journal | tail -n 40 | sed 's/^/# /'
kill -9 "$init"
finish "$unshare" 10
done_testing
