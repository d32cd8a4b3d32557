#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Three trackers that answer for each other: how soon an announce is known everywhere, over IPv4, IPv6 and
multicast; what becomes of a member that is killed, stopped or cut off; what strangers' connections, forged
and replayed datagrams do. TAP; namespaces need root."""
import os
import signal
import socket
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster_lab import BIN, MEMBERS, Client, Cluster, Inside, Room, check, run, until  # noqa: E402
import cluster_lab  # noqa: E402
from bench.machine import Scratch  # noqa: E402

ROUNDS = 60
PORT = 6970


def convergence(name, cluster):
    """Announces to one; how long until the others count it, in ms."""
    clients = [Client(cluster.room, cluster.ip(member)) for member in range(MEMBERS)]
    infohash = os.urandom(20)
    took = []
    for number in range(ROUNDS):
        clients[number % MEMBERS].announce(infohash, 2000 + number)
        began = time.monotonic()
        waiting = [client for client in clients if client is not clients[number % MEMBERS]]
        while waiting and time.monotonic() < began + 5:
            waiting = [client for client in waiting if sum(client.counts(infohash)) <= number]
            time.sleep(0.003)  # a tracker answers an address so many times a second
        took.append((time.monotonic() - began) * 1000)
    took.sort()
    print("# %s: an announce is known to all after %.0f ms (median), %.0f ms (worst of %d)" %
          (name, statistics.median(took), took[-1], ROUNDS))
    # The worst belongs to the machine when others use it, too: nine of ten are held to the limit.
    check("%s_known_everywhere_within_100_ms" % name, took[ROUNDS * 9 // 10] <= 100)
    for number in range(ROUNDS):
        clients[0].announce(infohash, 2000 + number, event=3)
    check("%s_who_left_is_gone_everywhere" % name, until(
        2, lambda: all(client.counts(infohash) == (0, 0) for client in clients)))


def one_kind(scratch, name, **options):
    with Room(MEMBERS, None, label="c") as room:
        cluster = Cluster(room, scratch.path, **options)
        if options.get("ipv6"):
            run("ip", "-n", room.name("hub"), "addr", "add", "fd00:99::ff/64", "dev", "br0", "nodad")
        if cluster.anywhere:
            check("%s_addresses_are_there" % name, until(10, lambda: not any(
                run("ip", "-n", room.name(cluster.first + member), "-6", "-o", "addr", "show",
                    "dev", "eth0", "tentative").strip() for member in range(MEMBERS))))
        check("%s_members_meet" % name, cluster.start_all())
        if cluster.anywhere:
            check("%s_each_is_of_the_link" % name, all(
                other.startswith("[fe80:") for member in range(MEMBERS)
                for other in cluster.names(member)))
        else:
            check("%s_each_is_named" % name, all(
                cluster.names(member) == {cluster.at(other, PORT) for other in range(MEMBERS)
                                          if other != member} for member in range(MEMBERS)))
        convergence(name, cluster)
        cluster.kill(1)
        cluster.start(1)
        check("%s_who_was_killed_catches_up" % name, cluster.caught_up(1))
        counts = cluster.end()
        check("%s_nothing_was_refused" % name, all(
            count and count["forged"] + count["replayed"] + count["malformed"] == 0
            for count in counts))


def missing_members(cluster):
    """Each of the three goes another way, and is whole again soon."""
    clients = [Client(cluster.room, cluster.ip(member)) for member in range(MEMBERS)]
    infohash = os.urandom(20)
    total = 0

    def tell(to, count):
        nonlocal total
        for _ in range(count):
            clients[to].announce(infohash, 3000 + total, left=0)
            total += 1

    def all_know(seconds=3):
        return until(seconds, lambda: all(client.counts(infohash) == (total, 0)
                                          for client in clients))

    tell(0, 200)
    check("all_know_200", all_know())
    cluster.kill(1)
    tell(0, 100)
    cluster.start(1)
    check("who_was_killed_catches_up", cluster.caught_up(1))
    clients[1] = Client(cluster.room, cluster.ip(1))
    check("and_knows_all", all_know())
    cluster.processes[2].signal(signal.SIGSTOP)
    tell(0, 100)
    tell(1, 100)
    until(4, lambda: "member-silent" in cluster.text(0))
    tell(1, 100)
    cluster.processes[2].signal(signal.SIGCONT)
    began = time.monotonic()
    check("who_was_stopped_knows_all", all_know())
    print("# after %.0f ms" % ((time.monotonic() - began) * 1000))
    hub, link = cluster.room.name("hub"), "p%d" % cluster.first
    run("ip", "-n", hub, "link", "set", link, "down")
    tell(1, 100)
    time.sleep(3)  # longer than a member may be silent
    check("who_is_cut_off_is_noticed", until(4, lambda: "member-silent" in cluster.text(2)))
    tell(2, 100)
    run("ip", "-n", hub, "link", "set", link, "up")
    began = time.monotonic()
    check("who_was_cut_off_knows_all", all_know(8))
    print("# after %.0f ms" % ((time.monotonic() - began) * 1000))


class Strangers:
    """Who can connect to a member and has no key: as many connections as it has places for catch-ups and some
    more, each of them saying a little now and then, and made anew whenever it ends."""

    COUNT = 12
    SAYS_EVERY_S = 0.4

    def __init__(self, cluster, member):
        self.namespace, self.address = cluster.room.name("hub"), (cluster.ip(member), PORT)
        self.ended = threading.Event()
        self.made = 0
        self.thread = threading.Thread(target=self.stay)

    def stay(self):
        sockets = []
        with Inside(self.namespace):
            while not self.ended.wait(0.05):
                while len(sockets) < self.COUNT:
                    sockets.append([socket.create_connection(self.address, 2), 0])
                    sockets[-1][0].setblocking(False)
                    self.made += 1
                sockets = [entry for entry in sockets if self.says(entry)]
        for entry in sockets:
            entry[0].close()

    def says(self, entry):
        stranger, said_s = entry
        try:
            if time.monotonic() - said_s >= self.SAYS_EVERY_S:
                stranger.send(b"x")
                entry[1] = time.monotonic()
            if stranger.recv(64):
                return True
        except BlockingIOError:
            return True
        except OSError:
            pass
        stranger.close()
        return False

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def is_refused(address):
    with socket.create_connection(address, 2) as stranger:
        stranger.recv(64)
        stranger.send(bytes(48))
        return stranger.recv(64) == b""


def outlasts_strangers(cluster):
    """Whether a connection from a member's address, before it says anything, is there after more of others than
    there are places."""
    address = (cluster.ip(0), PORT)
    with Inside(cluster.room.name(cluster.first + 1)):
        member = socket.create_connection(address, 2)
    others = []
    with member:
        member.recv(64)
        for _ in range(2 * Strangers.COUNT):
            with Inside(cluster.room.name("hub")):
                others.append(socket.create_connection(address, 2))
            try:
                others[-1].recv(64)  # its greeting, or the end
            except OSError:
                pass
        for stranger in others:
            stranger.close()
        member.setblocking(False)
        try:
            return member.recv(64) != b""
        except BlockingIOError:
            return True


def strangers(cluster):
    """Connections of others keep no member from its catch-up."""
    check("who_is_at_a_members_address_waits_before_strangers",
          until(5, lambda: outlasts_strangers(cluster)))
    with Strangers(cluster, 0) as some, Strangers(cluster, 2) as others:
        check("strangers_are_there", until(
            5, lambda: min(some.made, others.made) >= 2 * Strangers.COUNT))
        cluster.kill(1)
        cluster.start(1)
        check("strangers_keep_nobody_from_a_catch_up", cluster.caught_up(1, 5))
    words = "asked for without the key"
    before = cluster.text(0).count(words)
    with Inside(cluster.room.name("hub")):
        refused = [is_refused((cluster.ip(0), PORT)) for _ in range(40)]
    check("who_has_no_key_gets_nothing", all(refused))
    check("little_is_said_of_strangers", 1 <= cluster.text(0).count(words) <= before + 2)


def hostile(cluster):
    """Who can hear and send on the link to a member, and has no key."""
    link = "p%d" % (cluster.first + 1)
    with Inside(cluster.room.name("hub")):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        tap.bind((link, 0))
    tap.settimeout(0.5)
    clients = [Client(cluster.room, cluster.ip(member)) for member in range(MEMBERS)]
    infohash = os.urandom(20)
    for number in range(50):
        clients[0].announce(infohash, 4000 + number)
    until(2, lambda: sum(clients[1].counts(infohash)) == 50)
    frames = []
    try:
        while len(frames) < 400:
            frame = tap.recv(2048)
            at = 14 + 20 + 8
            if (len(frame) > at + 56 and frame[12:14] == b"\x08\x00" and frame[23] == 17 and
                    frame[36:38] == PORT.to_bytes(2, "big") and frame[at:at + 4] == b"sbTC" and
                    frame[30:34] == socket.inet_aton(cluster.ip(1))):
                frames.append(frame)
            if len(frames) >= 40 and any(frame[at + 5] == 6 for frame in frames):
                break
    except socket.timeout:
        pass
    check("datagrams_were_heard", len(frames) >= 40)
    for number in range(50):
        clients[0].announce(infohash, 4000 + number, event=3)
    check("they_left", until(2, lambda: clients[1].counts(infohash) == (0, 0)))
    replays = forgeries = 0
    for frame in frames:
        again = bytearray(frame)
        again[40:42] = b"\0\0"  # no checksum: the first sender's card was to fill it in
        tap.send(bytes(again))
        replays += frame[14 + 20 + 8 + 5] > 3
        again[14 + 20 + 8 + 60 % (len(frame) - 42)] ^= 1
        tap.send(bytes(again))
        forgeries += 1
    time.sleep(0.5)  # for them to be taken; nothing is to happen
    check("nobody_came_back", clients[1].counts(infohash) == (0, 0))
    tap.close()
    return replays, forgeries


def refuses(name, words, *options):
    done = os.popen("timeout 10 %s tracker --listen 127.0.0.1:0 %s 2>&1" % (BIN, " ".join(options)))
    text = done.read()
    status = done.close()
    check(name, status is not None and words in text)


def commands(scratch):
    key = scratch.file("key")
    member = "--cluster 10.255.255.1:6970"
    with open(key, "w") as file:
        file.write("x" * 64)
    os.chmod(key, 0o644)
    refuses("a_key_that_others_can_read_is_refused", "chmod 600", member, "--cluster-key", key)
    os.chmod(key, 0o600)
    refuses("none_of_the_members_is_here", "cluster-listen", member, "--cluster-key", key)
    refuses("no_key_is_an_error", "--cluster-key", member)
    refuses("a_key_alone_is_an_error", "--cluster for each member", "--cluster-key", key)
    refuses("a_missing_key_is_an_error", "there is no", member, "--cluster-key", key + "x")
    refuses("a_group_must_be_multicast", "multicast", "--cluster-group 10.0.0.1:6970",
            "--cluster-listen 127.0.0.1:6970 --cluster-key", key)
    refuses("ttl_0_is_an_error", "cluster-ttl", member, "--cluster-ttl 0 --cluster-key", key)
    with open(key, "w") as file:
        file.write("x" * 31 + "\n")
    refuses("a_short_key_is_refused", "openssl rand", member, "--cluster-key", key)


def main():
    if os.getuid() != 0:
        print("skip cluster - namespaces need root")
        return 77
    with Scratch() as scratch:
        commands(scratch)
        one_kind(scratch, "ipv4")
        one_kind(scratch, "ipv6", ipv6=True)
        one_kind(scratch, "multicast_ipv4", group="239.192.7.7:6971")
        one_kind(scratch, "multicast_ipv6", group="[ff02::6970]:6971", ipv6=True)
        one_kind(scratch, "multicast_of_a_link", group="[ff02::6970]:6971", ipv6=True, anywhere=True)
        with Room(MEMBERS, None, label="c") as room:
            cluster = Cluster(room, scratch.path, options=["--interval", "30s"])
            check("members_meet", cluster.start_all())
            missing_members(cluster)
            strangers(cluster)
            replays, forgeries = hostile(cluster)
            counts = cluster.end()
            print("# of %d replayed datagrams %d were counted, of %d forged %d" % (
                replays, counts[1].get("replayed", 0), forgeries, counts[1].get("forged", 0)))
            check("replays_are_counted", counts[1].get("replayed", 0) >= replays)
            check("forgeries_are_counted", counts[1].get("forged", 0) >= forgeries)
    return not cluster_lab.good


if __name__ == "__main__":
    sys.exit(main())
