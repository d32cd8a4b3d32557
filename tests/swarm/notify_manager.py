#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A service manager's ear (sd_notify(3)): notify_manager.py abstract|path COMMAND...

Runs the command with a socket in $NOTIFY_SOCKET and a watchdog of one second, lets it start, reload and
stop, and expects what systemd expects: READY=1, WATCHDOG=1 often enough, RELOADING=1 with the time
before READY=1, STOPPING=1 before the end, exit status 0.
"""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

WATCHDOG_S = 1.0
directory = tempfile.mkdtemp()
name = ("\0swarmboot-notify-%d" % os.getpid()) if sys.argv[1] == "abstract" else directory + "/notify"
ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
ear.bind(name)
environment = dict(os.environ, NOTIFY_SOCKET=name.replace("\0", "@"),
                   WATCHDOG_USEC=str(int(WATCHDOG_S * 1e6)))
environment.pop("WATCHDOG_PID", None)
child = subprocess.Popen(sys.argv[2:], env=environment)


def hear_any(seconds):
    """The next message as a dictionary."""
    ear.settimeout(seconds)
    message = dict(line.split("=", 1) for line in ear.recv(4096).decode().split("\n") if line)
    print(message, flush=True)
    return message


def hear():
    """The next message that is not only a sign of life."""
    limit = time.monotonic() + 10
    while True:
        message = hear_any(max(0.01, limit - time.monotonic()))
        if "WATCHDOG" not in message:
            return message


try:
    ready = hear()
    assert ready["READY"] == "1" and ready["STATUS"], ready

    # It is not ready before it serves.
    port = int(os.environ["PORT"])
    socket.create_connection(("127.0.0.1", port), 5).close()

    # A sign of life in time, several times over.
    for _ in range(4):
        assert hear_any(WATCHDOG_S)["WATCHDOG"] == "1"

    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    child.send_signal(signal.SIGHUP)
    reloading = hear()
    now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert reloading["RELOADING"] == "1", reloading
    assert before_us <= int(reloading["MONOTONIC_USEC"]) <= now_us, reloading
    assert hear()["READY"] == "1"

    child.send_signal(signal.SIGTERM)
    stopping = hear()
    assert stopping["STOPPING"] == "1", stopping
    assert child.wait(10) == 0, child.returncode
finally:
    if child.poll() is None:
        child.kill()
        child.wait()
    ear.close()
    if name[0] == "/":
        os.unlink(name)
    os.rmdir(directory)
