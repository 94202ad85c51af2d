#!/usr/bin/python3
"""Kills, power cuts and full disks under load, and whether anything acknowledged was lost.

    tests/integration/durability.py --kills 50
    tests/integration/durability.py --power-cuts 30
    tests/integration/durability.py --power-cuts 10 --lying     # must fail: syncs do nothing
    tests/integration/durability.py --failing-syncs 20
    tests/integration/durability.py --full-disk
    tests/integration/durability.py --full-disk-at-start

Prints the seed; --seed repeats a run as far as a machine can."""
import argparse
import os
import pathlib
import random
import smtplib
import subprocess
import sys
import tempfile
import time

import disks
import mails
from aviso import Server
from flood import ACCOUNTS, Deliverer, Flood, Violation, check_deliveries


def may_mount():
    """Whether this machine lets us mount a loop device; only a try tells."""
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            disk = disks.Disk(folder, "16M")
            disk.mount()
            disk.unmount()
            return True
        except (OSError, subprocess.SubprocessError):
            return False


def work_for(flood, chance):
    """Lets the clients work for a moment: a second or two, of no fixed length."""
    deadline = time.monotonic() + 0.4 + chance.random() * 1.6
    while time.monotonic() < deadline:
        flood.healthy()
        time.sleep(0.02)


def kills(folder, count, seed):
    chance = random.Random(seed)
    server = Server(folder, ACCOUNTS).start().fill()
    flood = Flood(server, seed).begin()
    for number in range(count):
        work_for(flood, chance)
        server.kill()
        server.start()
        print(f"kill {number + 1} of {count}: {flood.acknowledged()} acknowledged", flush=True)
    work_for(flood, chance)
    acknowledged = flood.end()
    server.stop()
    return {"kills": count, "acknowledged": acknowledged, "seed": seed}


def power_cuts(folder, count, seed, lying=False):
    chance = random.Random(seed)
    disk = disks.Disk(folder)
    disk.mount()
    server = Server(folder, ACCOUNTS, data=disk.mount_point / "data")
    if lying:
        server.environment["LD_PRELOAD"] = str(disks.compiled(folder, "nosync.c", "-shared", "-fPIC"))
    try:
        server.start().fill()
        flood = Flood(server, seed).begin()
        for number in range(count):
            work_for(flood, chance)
            disk.cut_power()
            server.kill()
            disk.unmount()
            disk.mount()
            try:
                server.start()
            except AssertionError as fault:
                raise_if_lying(lying, fault)
            print(f"power cut {number + 1} of {count}: {flood.acknowledged()} acknowledged", flush=True)
        work_for(flood, chance)
        acknowledged = flood.end()
        server.stop()
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()
        disk.unmount()
    return {"power cuts": count, "acknowledged": acknowledged, "seed": seed}


def failing_syncs(folder, count, seed):
    """Syncs begin to fail under load. The server must end by itself and say why; then the power is cut, so that
    what no sync had confirmed is gone, and nothing acknowledged may be."""
    chance = random.Random(seed)
    disk = disks.Disk(folder)
    disk.mount()
    server = Server(folder, ACCOUNTS, data=disk.mount_point / "data")
    trigger = pathlib.Path(folder) / "fail-syncs"
    server.environment["LD_PRELOAD"] = str(disks.compiled(folder, "failsync.c", "-shared", "-fPIC", "-ldl"))
    server.environment["FAIL_SYNC"] = str(trigger)
    try:
        server.start().fill()
        flood = Flood(server, seed).begin()
        for number in range(count):
            work_for(flood, chance)
            trigger.touch()
            assert server.process.wait(timeout=60) == 1, server.tail()
            assert "standalone.storage_failed" in server.tail(), server.tail()
            disk.cut_power()
            disk.unmount()
            trigger.unlink()
            disk.mount()
            server.start()
            print(f"failing sync {number + 1} of {count}: {flood.acknowledged()} acknowledged", flush=True)
        work_for(flood, chance)
        acknowledged = flood.end()
        server.stop()
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()
        disk.unmount()
    return {"failing syncs": count, "acknowledged": acknowledged, "seed": seed}


def raise_if_lying(lying, fault):
    """A disk that lied may leave a log that the server rightly refuses: that is a loss, too."""
    if lying:
        raise Violation("the server cannot start from what is left") from fault
    raise fault


class Filler:
    """Sends large mails to one account, and notes those that were acknowledged."""

    def __init__(self, server, seed):
        self.server, self.seed, self.random = server, seed, random.Random(seed)
        self.count, self.kept = 0, set()

    def send(self):
        self.count += 1
        body = self.random.randbytes(60000).hex()
        message = mails.simple(f"full-{self.count}") + "\r\n".join(
            body[i:i + 76] for i in range(0, len(body), 76)).encode() + b"\r\n"
        with smtplib.LMTP("127.0.0.1", self.server.lmtp_port, timeout=120) as client:
            try:
                client.sendmail("c@example.com", ["ann@example.org"], message)
                self.kept.add(f"full-{self.count}")
                return 250
            except smtplib.SMTPRecipientsRefused as refused:
                return refused.recipients["ann@example.org"][0]
            except smtplib.SMTPResponseException as refused:
                return refused.smtp_code

    def until_refused(self):
        for _ in range(4000):
            code = self.send()
            if code != 250:
                assert code in (451, 452), code
                return
        raise AssertionError("the disk does not become full")

    def until_taken(self):
        deadline = time.monotonic() + 60
        while self.send() != 250:
            assert time.monotonic() < deadline, "no service again after there was room"
            time.sleep(0.5)

    def check(self):
        sender = Deliverer(self.server, "full", self.seed, "ann@example.org", True)
        sender.kept = self.kept
        check_deliveries(self.server, [sender])


def fill_up(path):
    """Takes all that is left of a disk."""
    with open(path, "wb", buffering=0) as file:
        size = 1 << 20
        while size >= 512:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2


def start_on_full_disk(server):
    """It says what is wrong and ends, so that whoever supervises it tries again."""
    server.start(ready=False)
    assert server.process.wait(timeout=60) == 1, server.tail()
    assert "make room" in server.tail(), server.tail()


def full_disk(folder, seed, at_start=False):
    """Fills the disk by mail until it is refused for now, makes room, and goes on. With `at_start` the server is
    killed then, and started on a disk that has no room at all."""
    disk = disks.Disk(folder, "400M")
    disk.mount()
    server = Server(folder, ("ann@example.org",), data=disk.mount_point / "data",
                    **{"storage.log_segment": "4MiB", "storage.write_buffer": "4MiB"})
    ballast, rest = disk.mount_point / "ballast", disk.mount_point / "rest"
    try:
        server.start().fill()
        with open(ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 250 << 20)
        filler = Filler(server, seed)
        filler.until_refused()
        if at_start:
            server.kill()
            fill_up(rest)
            start_on_full_disk(server)
            ballast.unlink()
            rest.unlink()
            server.start()
        else:
            ballast.unlink()
        filler.until_taken()
        filler.check()
        server.stop()
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()
        disk.unmount()
    return {"full disk": "452 or 451, then service again", "acknowledged": len(filler.kept), "seed": seed}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--power-cuts", type=int, default=0)
    parser.add_argument("--lying", action="store_true")
    parser.add_argument("--failing-syncs", type=int, default=0)
    parser.add_argument("--full-disk", action="store_true")
    parser.add_argument("--full-disk-at-start", action="store_true")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory() as folder:
        if options.kills:
            print(kills(pathlib.Path(folder) / "kills", options.kills, options.seed))
        if options.power_cuts:
            print(power_cuts(pathlib.Path(folder) / "cuts", options.power_cuts, options.seed, options.lying))
        if options.failing_syncs:
            print(failing_syncs(pathlib.Path(folder) / "syncs", options.failing_syncs, options.seed))
        if options.full_disk:
            print(full_disk(pathlib.Path(folder) / "full", options.seed))
        if options.full_disk_at_start:
            print(full_disk(pathlib.Path(folder) / "start", options.seed, at_start=True))


if __name__ == "__main__":
    sys.exit(main())
