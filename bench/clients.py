# SPDX-License-Identifier: Apache-2.0
"""The clients that are measured: their command lines, and how their output says that they are complete.
Every client gets the same metainfo, the same directory in memory and the same links."""
import json
import os
import re
import shlex
import shutil

from bench.machine import TOP, BenchError

PORT = 6881


class Swarmboot:
    name = "swarmboot"
    profile = ""
    startup_s = 0.3  # how long its origin is given at least

    def __init__(self, binary, fetch_options=(), seed_options=()):
        self.binary = binary
        self.fetch_options = list(fetch_options)
        self.seed_options = list(seed_options)

    def seed(self, room, image, metainfo, work):
        return [self.binary, "seed", metainfo, "--from", image, "--listen",
                "%s:%d" % (room.address(0), PORT), "--origin", "--progress", "json"] + self.seed_options

    def fetch(self, room, number, directory, metainfo, target=None):
        return [self.binary, "fetch", metainfo, "--to", target or directory + "/image.raw", "--listen",
                "%s:%d" % (room.address(number), PORT), "--unsigned", "--stay",
                "--progress", "json"] + self.fetch_options

    def parse(self, line):
        """What a line of output says: None, or counters and whether it is complete."""
        if not line.startswith("{"):
            return None
        try:
            said = json.loads(line)
        except ValueError:
            return None
        if said.get("event") == "error":
            raise BenchError("%s: %s" % (self.name, said.get("text")))
        said["complete"] = said.get("event") == "complete"
        return said


class Rival:
    """A client that says nothing of its bytes: only whether it is complete."""
    profile = ""
    startup_s = 1.0
    done = None

    def fetch(self, room, number, directory, metainfo, target=None):
        return self.command(room, number, directory, metainfo)

    def seed(self, room, image, metainfo, work):
        return self.command(room, 0, os.path.dirname(image), metainfo)

    def parse(self, line):
        return {"complete": True} if self.done.search(line) else None

    def missing(self):
        return None if shutil.which(self.program) else "%s is not installed" % self.program


class Libtorrent(Rival):
    name = "libtorrent"
    program = "/usr/bin/python3"
    done = re.compile(r"^complete")
    profiles = {"default": "as it comes, uTP on",
                "tuned": "no uTP, no encryption, unlimited slots, deep queues",
                "no-utp": "as it comes, without uTP",
                "shallow": "tuned, with queues of one second and four slots"}

    def __init__(self, profile="shallow"):
        self.profile = profile

    def command(self, room, number, directory, metainfo):
        return [self.program, TOP + "/tests/foreign/libtorrent_node.py", metainfo, directory,
                "--listen", "%s:%d" % (room.address(number), PORT), "--profile", self.profile]

    def missing(self):
        done = os.system("%s -c 'import libtorrent' 2>/dev/null" % self.program)
        return "python3-libtorrent is not installed" if done != 0 else None


class Aria2(Rival):
    name = "aria2"
    program = "aria2c"
    done = re.compile(r"Seeding|SEED\(|SEEDING|Download complete")
    profiles = {"default": "no limits of peers and speeds",
                "cached": "the same with a disk cache of 64 MiB and larger socket buffers"}

    def __init__(self, profile="default"):
        self.profile = profile

    def command(self, room, number, directory, metainfo, extra=()):
        options = ["--disk-cache=64M", "--socket-recv-buffer-size=4M"] if self.profile == "cached" else []
        return [self.program, "--no-conf=true", "--dir=" + directory, "--listen-port=%d" % PORT,
                "--bt-external-ip=" + room.address(number), "--enable-dht=false",
                "--bt-enable-lpd=false", "--enable-peer-exchange=true", "--seed-ratio=0.0",
                "--file-allocation=none", "--bt-max-peers=0", "--bt-request-peer-speed-limit=1000M",
                "--bt-tracker-interval=5", "--summary-interval=1", "--console-log-level=notice",
                "--enable-color=false"] + options + list(extra) + [metainfo]

    def seed(self, room, image, metainfo, work):
        return self.command(room, 0, os.path.dirname(image), metainfo, ["--check-integrity=true"])


class Transmission(Rival):
    name = "transmission"
    program = "transmission-cli"
    done = re.compile(r"^Seeding|to \"Complete\"")
    profiles = {"default": "no uTP, no limits, 14 upload slots",
                "many": "the same with 64 upload slots and a cache of 64 MiB",
                "utp": "the same with uTP"}

    def __init__(self, profile="default"):
        self.profile = profile

    def command(self, room, number, directory, metainfo, verify=()):
        settings = os.path.join(os.path.dirname(metainfo),
                                "transmission-%d-%d" % (os.getpid(), number))
        shutil.rmtree(settings, ignore_errors=True)  # it believes what it remembers
        os.makedirs(settings)
        values = {"bind-address-ipv4": room.address(number), "dht-enabled": False, "lpd-enabled": False,
                  "utp-enabled": self.profile == "utp", "port-forwarding-enabled": False,
                  "encryption": 0, "speed-limit-down-enabled": False, "speed-limit-up-enabled": False,
                  "peer-limit-per-torrent": 200, "peer-limit-global": 1000, "preallocation": 0,
                  "upload-slots-per-torrent": 64 if self.profile == "many" else 14,
                  "cache-size-mb": 64 if self.profile == "many" else 4, "ratio-limit-enabled": False}
        with open(settings + "/settings.json", "w") as file:
            json.dump(values, file)
        # Without stdbuf it would say seconds later that it is complete.
        return ["stdbuf", "-o0", self.program, "-g", settings, "-w", directory, "-p", str(PORT), "-M", "-et", "-D", "-U",
                *verify, metainfo]

    def seed(self, room, image, metainfo, work):
        return self.command(room, 0, os.path.dirname(image), metainfo, ["-v"])


class External(Rival):
    """A client of the operator's: NAME=COMMAND with {metainfo}, {directory}, {address} and {port};
    complete when it prints a line with "complete" or "seeding"."""
    done = re.compile(r"complete|seeding", re.IGNORECASE)

    def __init__(self, text):
        self.name, found, self.text = text.partition("=")
        if not found or not re.fullmatch(r"[A-Za-z0-9._-]+", self.name):
            raise BenchError("--rival takes NAME=COMMAND, not %r" % text)
        self.program = shlex.split(self.text)[0]

    def command(self, room, number, directory, metainfo):
        values = {"metainfo": metainfo, "directory": directory, "address": room.address(number),
                  "port": PORT}
        return [part.format(**values) for part in shlex.split(self.text)]


RIVALS = {client.name: client for client in (Aria2, Libtorrent, Transmission)}


def best_profiles():
    """What `scripts/bench profiles` found, or each client's first choice."""
    path = os.path.join(TOP, "bench", "profiles.json")
    try:
        with open(path) as file:
            return {name: about["profile"] for name, about in json.load(file)["best"].items()}
    except (OSError, KeyError, ValueError):
        return {}


def rivals(context):
    """The rivals that are here, each in its best profile; those that are not are named once."""
    found = []
    best = best_profiles()
    for name, kind in RIVALS.items():
        client = kind(best[name]) if name in best else kind()
        why = client.missing()
        if why:
            context.note("%s is not measured: %s" % (name, why))
        else:
            found.append(client)
    return found + [External(text) for text in context.options.rival]
