# SPDX-License-Identifier: Apache-2.0
"""What a measurement takes from the machine and gives back on every exit: processes, namespaces, memory,
loop devices, control groups. Everything is named after the process that made it, so that the next run
can sweep up after one that was killed."""
import atexit
import ctypes
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MIB = 1 << 20
GIB = 1 << 30
PREFIX = "sbb%d" % os.getpid()
SCRATCH = "/dev/shm/swarmboot-bench-"
DISK = "/var/tmp/swarmboot-bench-"
CGROUPS = "/sys/fs/cgroup"


class BenchError(Exception):
    """A run that gave no value; the text says why."""


def say(text):
    print("%s %s" % (time.strftime("%H:%M:%S"), text), flush=True)


def run(*command, check=True, given=None):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", input=given, timeout=900)
    if check and done.returncode != 0:
        raise BenchError("%s: %s" % (" ".join(command[:8]), done.stdout.strip()[-600:]))
    return done.stdout


_libc = ctypes.CDLL(None, use_errno=True)


def _prepare(group):
    """In the child: it ends with its parent, and joins its control group before anything else (inside a
    namespace of its own, /sys is another)."""
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if group is not None:
        with open(group.path + "/cgroup.procs", "w") as file:
            file.write(str(os.getpid()))


class Process:
    """A child in a namespace, with the CPU time that it took once it has ended."""

    def __init__(self, command, namespace=None, stdout=None, log=None, group=None):
        if namespace is not None:
            # Not `ip netns exec`, which copies all mounts for each.
            command = ["nsenter", "--net=/run/netns/" + namespace] + command
        self.cpu_seconds = None
        self.status = None
        self.child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stdout if stdout is not None else log,
            stderr=log, preexec_fn=lambda: _prepare(group))
        self.pid = self.child.pid
        self.stdout = self.child.stdout
        _children.add(self)

    def poll(self):
        """Its exit status, or None while it runs."""
        if self.status is None:
            self._reap(os.WNOHANG)
        return self.status

    def _reap(self, flags):
        pid, status, usage = os.wait4(self.pid, flags)
        if pid == 0:
            return
        self.status = os.waitstatus_to_exitcode(status)
        self.child.returncode = self.status
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        self.peak_bytes = usage.ru_maxrss * 1024
        _children.discard(self)

    def signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def wait(self, seconds):
        deadline = time.monotonic() + seconds
        pause = 0.002
        while self.poll() is None:
            if time.monotonic() > deadline:
                return None
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)
        return self.status

    def close(self):
        if self.stdout is not None:
            self.stdout.close()


_children = set()


def stop(processes, patience_s=10, first=signal.SIGTERM):
    """Asks all of them to end, waits, insists."""
    processes = [process for process in processes if process is not None]
    for process in processes:
        process.signal(signal.SIGCONT)
        process.signal(first)
    deadline = time.monotonic() + patience_s
    for process in processes:
        if process.wait(max(0.0, deadline - time.monotonic())) is None:
            process.signal(signal.SIGKILL)
            process.wait(10)
        process.close()


class Scratch:
    """A directory that goes again: in memory, or on the disk."""

    def __init__(self, on_disk=False):
        self.path = (DISK if on_disk else SCRATCH) + PREFIX
        self.mounts = []
        self.loops = []

    def __enter__(self):
        shutil.rmtree(self.path, ignore_errors=True)
        os.makedirs(self.path)
        _scratches.append(self)
        return self

    def file(self, name):
        return os.path.join(self.path, name)

    def loop(self, path, direct=True):
        device = run("losetup", "--find", "--show", *(["--direct-io=on"] if direct else []),
                     path).strip()
        self.loops.append(device)
        return device

    def loop_at(self, path, offset):
        """The part of the file from there on."""
        device = run("losetup", "--find", "--show", "--offset", str(offset), path).strip()
        self.loops.append(device)
        return device

    def unloop(self, device):
        run("losetup", "--detach", device, check=False)
        if device in self.loops:
            self.loops.remove(device)

    def mount(self, device, name, options="rw"):
        place = self.file(name)
        os.makedirs(place, exist_ok=True)
        run("mount", "-o", options, device, place)
        self.mounts.append(place)
        return place

    def unmount(self, place):
        run("umount", place)
        self.mounts.remove(place)

    def __exit__(self, *_):
        for place in reversed(self.mounts):
            run("umount", "--lazy", place, check=False)
        for device in self.loops:
            run("losetup", "--detach", device, check=False)
        self.mounts, self.loops = [], []
        shutil.rmtree(self.path, ignore_errors=True)
        if self in _scratches:
            _scratches.remove(self)


class ControlGroup:
    """A control group of version 1 or 2 for the processes of one run."""

    def __init__(self, controller):
        first = os.path.join(CGROUPS, controller)
        self.old = os.path.isdir(first)
        self.path = os.path.join(first if self.old else CGROUPS, PREFIX)
        if not self.old and not os.path.exists(os.path.join(CGROUPS, "cgroup.controllers")):
            raise BenchError("no control groups at " + CGROUPS)
        os.makedirs(self.path, exist_ok=True)
        _groups.append(self.path)

    def write(self, name, value):
        try:
            with open(os.path.join(self.path, name), "w") as file:
                file.write(str(value))
        except OSError as error:
            raise BenchError("control group: %s: %s" % (name, error.strerror)) from None

    def close(self):
        for _ in range(50):
            try:
                os.rmdir(self.path)
                break
            except OSError:
                time.sleep(0.1)
        if self.path in _groups:
            _groups.remove(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class MemoryGroup(ControlGroup):
    def __init__(self, limit_bytes):
        super().__init__("memory")
        self.write("memory.limit_in_bytes" if self.old else "memory.max", limit_bytes)

    def peak_bytes(self):
        name = "memory.max_usage_in_bytes" if self.old else "memory.peak"
        with open(os.path.join(self.path, name)) as file:
            return int(file.read())


class SlowDisks(ControlGroup):
    """Writes to each of the devices are held to a rate."""

    def __init__(self, devices, bytes_per_s):
        super().__init__("blkio" if os.path.isdir(CGROUPS + "/blkio") else "io")
        for device in devices:
            number = os.stat(device).st_rdev
            name = "%d:%d" % (os.major(number), os.minor(number))
            if self.old:
                self.write("blkio.throttle.write_bps_device", "%s %d" % (name, bytes_per_s))
            else:
                self.write("io.max", "%s wbps=%d" % (name, bytes_per_s))


_scratches = []
_groups = []
_namespaces = []


def namespace_add(what):
    name = "%s-%s" % (PREFIX, what)
    run("ip", "netns", "add", name)
    _namespaces.append(name)
    return name


def namespaces_delete(names):
    if names:
        run("ip", "-force", "-batch", "-", check=False,
            given="".join("netns del %s\n" % name for name in reversed(names)))
    for name in list(names):
        if name in _namespaces:
            _namespaces.remove(name)


def _alive(pid):
    return os.path.isdir("/proc/%s" % pid)


def sweep():
    """Takes away what runs that are no more left behind."""
    stale = []
    for path in glob.glob("/run/netns/sbb*"):
        found = re.fullmatch(r"(sbb(\d+))-.*", os.path.basename(path))
        if found and not _alive(found.group(2)):
            stale.append(os.path.basename(path))
    if stale:
        say("sweeping up %d namespaces of a run that was killed" % len(stale))
    namespaces_delete(stale)
    for path in glob.glob(SCRATCH + "sbb*") + glob.glob(DISK + "sbb*"):
        if _alive(path.rsplit("sbb", 1)[1]):
            continue
        for line in open("/proc/mounts").read().splitlines():
            if line.split()[1].startswith(path):
                run("umount", "--lazy", line.split()[1], check=False)
        for line in run("losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE",
                        check=False).splitlines():
            if path in line:
                run("losetup", "--detach", line.split()[0], check=False)
        shutil.rmtree(path, ignore_errors=True)
    for path in glob.glob(CGROUPS + "/sbb*") + glob.glob(CGROUPS + "/*/sbb[0-9]*"):
        number = path.rsplit("sbb", 1)[1]
        if number.isdigit() and not _alive(number):
            try:
                os.rmdir(path)
            except OSError:
                pass


def give_back():
    stop(list(_children), 5)
    for scratch in list(_scratches):
        scratch.__exit__()
    namespaces_delete(list(_namespaces))
    for path in list(_groups):
        try:
            os.rmdir(path)
        except OSError:
            pass


def guard():
    """Gives everything back however this process ends, but for SIGKILL, which the next sweep() mends."""
    atexit.register(give_back)

    def leave(number, _frame):
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, leave)
