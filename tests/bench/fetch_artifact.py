#!/usr/bin/env python3
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""fetch_artifact beside ansible.builtin.fetch, scp, sftp and rsync --sparse: seconds, bytes, memory.

    tests/bench/fetch_artifact.py                        8 GiB with 2 GiB of data, loopback and slow link
    tests/bench/fetch_artifact.py --scale 8              an eighth of it, for a few minutes' run
    tests/bench/fetch_artifact.py --link slow            20 ms and 200 Mbit/s: a network namespace with netem (root)

A quarter of the data is random, the rest shrinks to about 40 %. Cases: (a) whole image, (b) again unchanged, (c) after
1 % of the data changed in scattered pages of 4 KiB, (d) the rest of a transfer that was killed at 50 %. Seconds are
those of the whole command; Ansible runs one task by `ansible -m`. Bytes are what ssh says it sent and received.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.integration.loopback_sshd import Sshd, sshd  # noqa: E402
from tests.processes import kill_tree  # noqa: E402

MIB = 1 << 20
EIGHT = bytes(b"etaoin s"[value & 7] for value in range(256))
DELAY, RATE = 0.010, 25_000_000  # seconds each way, bytes per second: 20 ms round trip, 200 Mbit/s
NEAR, FAR = "10.231.77.1", "10.231.77.2"
NAMESPACE = "fetchbench"


@dataclass
class Figures:
    """``own`` is what fetch_artifact itself says of its files."""

    seconds: float = 0.0
    wire: int = 0
    memory: int = 0
    helper: int = 0
    near: float = 0.0  # CPU seconds of the command
    far: float = 0.0  # and of what sshd started for it
    own: dict[str, float] = field(default_factory=dict)


def make_image(path: Path, size: int, data: int) -> list[tuple[int, int]]:
    """Extents of 1 to 16 MiB, spread evenly; returns them."""
    generator = random.Random(20261122)
    extents, left = [], data
    while left:
        length = min(left, generator.randrange(1, 17) * MIB)
        extents.append(length)
        left -= length
    gap = (size - data) // (len(extents) + 1) // 4096 * 4096
    placed, position = [], gap
    with path.open("wb") as stream:
        for number, length in enumerate(extents):
            stream.seek(position)
            for _ in range(0, length, MIB):
                noise = os.urandom(MIB)
                stream.write(noise if number % 4 == 0 else noise.translate(EIGHT))
            placed.append((position, length))
            position += length + gap
        stream.truncate(size)
    return placed


def change(path: Path, extents: list[tuple[int, int]], data: int) -> int:
    """Rewrite 1 % of the pages that hold data; returns their bytes."""
    pages = [page for start, length in extents for page in range(start // 4096, (start + length) // 4096)]
    chosen = random.Random(1).sample(pages, data // 100 // 4096)
    with path.open("r+b") as stream:
        for page in chosen:
            stream.seek(page * 4096)
            stream.write(os.urandom(4096))
    return len(chosen) * 4096


class Watch:
    """The largest resident size of the far helper."""

    def __init__(self) -> None:
        self.peak = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            for entry in Path("/proc").iterdir():
                if not entry.name.isdigit():
                    continue
                with suppress(OSError):
                    command = (entry / "cmdline").read_bytes()
                    if b"fetch_artifact_helper" in command and not command.startswith((b"sshd", b"/bin/sh", b"sh")):
                        high = re.search(r"VmHWM:\s+(\d+)", (entry / "status").read_text())
                        self.peak = max(self.peak, int(high[1]) if high else 0)


class Bench:
    """One link: a place to fetch from and one to fetch to."""

    def __init__(self, name: str, server: Sshd, place: Path, source: Path) -> None:
        self.name, self.server, self.place, self.source = name, server, place, source
        self.log = place / "ssh.log"
        self.ssh = place / "ssh"
        self.ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -v -E {self.log} "$@"\n')
        self.ssh.chmod(0o755)

    def measure(self, argv: list[str], stdin: str = "") -> Figures:
        self.log.write_text("")
        figures = Figures()
        before = self.far_cpu()
        with Watch() as watch, tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as text:
            text.write(stdin)
            text.seek(0)
            begun = time.monotonic()
            process = subprocess.Popen(
                argv, stdin=text, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, env=environment()
            )
            _, status, usage = os.wait4(process.pid, 0)
            figures.seconds = time.monotonic() - begun
            out.seek(0)
            self.said = out.read()
            if status:
                raise SystemExit(f"{argv[0]} failed: {self.said}")
        figures.memory, figures.helper = usage.ru_maxrss, watch.peak
        time.sleep(0.3)  # until sshd has taken leave of its child
        figures.near, figures.far = usage.ru_utime + usage.ru_stime, self.far_cpu() - before
        for sent, received in re.findall(r"Transferred: sent (\d+), received (\d+)", self.log.read_text()):
            figures.wire += int(sent) + int(received)
        return figures

    def far_cpu(self) -> float:
        """CPU seconds of all sessions so far: proc(5), cutime and cstime of sshd."""
        fields = Path(f"/proc/{self.server.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def arguments(self) -> list[str]:
        return ["-S", str(self.ssh), *self.server.arguments()]

    def ansible(self, module: str, **args: object) -> list[str]:
        """One task, as a command of its own: no playbook around it, as the others have none."""
        host = self.server.inventory(ansible_ssh_executable=str(self.ssh))
        host["ansible_python_interpreter"] = "/usr/bin/python3"
        inventory = self.place / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"builder": host}}}))
        return [ansible(), "builder", "-i", str(inventory), "-m", module, "-a", json.dumps(args)]

    def fetching(self, dest: Path) -> list[str]:
        caches = {"cache": str(self.place / "near-cache"), "remote_cache": str(self.place / "far-cache")}
        return self.ansible("freehyve.builder.fetch_artifact", src=str(self.source), dest=str(dest), **caches)

    def fetch_artifact(self, dest: Path) -> Figures:
        figures = self.measure(self.fetching(dest))
        figures.own = json.loads(self.said.partition("=>")[2])
        return figures

    def fetch(self, dest: Path) -> Figures:
        return self.measure(self.ansible("ansible.builtin.fetch", src=str(self.source), dest=str(dest), flat=True))

    def scp(self, dest: Path) -> Figures:
        return self.measure(["scp", *self.arguments(), f"{self.server.address}:{self.source}", str(dest)])

    def sftp(self, dest: Path) -> Figures:
        argv = ["sftp", *self.arguments(), "-b", "-", self.server.address]
        return self.measure(argv, f"get {self.source} {dest}\n")

    def rsync(self, dest: Path) -> Figures:
        shell = " ".join([str(self.ssh), *self.server.arguments()])
        far = f"{self.server.address}:{self.source}"
        return self.measure(["rsync", "--sparse", "--times", "-e", shell, far, str(dest)])

    def killed_halfway(self, dest: Path, data: int) -> None:
        """Start a transfer and kill it when half of the data is there."""
        argv = self.fetching(dest)
        process = subprocess.Popen(argv, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, start_new_session=True)
        part = dest.with_name(dest.name + ".part")
        while process.poll() is None:
            if part.exists() and part.stat().st_blocks * 512 >= data // 2:
                break
            time.sleep(0.02)
        kill_tree(process.pid)
        process.wait()


def environment() -> dict[str, str]:
    """Results that a program can read."""
    return dict(os.environ, ANSIBLE_CALLBACK_RESULT_FORMAT="json")


def ansible() -> str:
    beside = Path(sys.executable).with_name("ansible")
    found = str(beside) if beside.exists() else shutil.which("ansible")
    if not found:
        raise SystemExit("ansible is missing: run with the project's Python, .venv/bin/python")
    return found


def same(one: Path, other: Path) -> bool:
    return subprocess.run(["cmp", "-s", str(one), str(other)], check=False).returncode == 0


def show(link: str, case: str, name: str, figures: Figures) -> None:
    helper = f", helper {figures.helper >> 10} MiB" if figures.helper else ""
    own = f", own {figures.own['seconds']:.2f} s" if figures.own else ""
    print(
        f"{link:8} {case} {name:14} {figures.seconds:8.2f} s {figures.wire / MIB:9.1f} MiB on the wire, "
        f"CPU {figures.near:.1f} + {figures.far:.1f} s, memory {figures.memory >> 10} MiB{helper}{own}",
        flush=True,
    )


def run(bench: Bench, extents: list[tuple[int, int]], data: int, methods: list[str]) -> None:
    others: dict[str, Callable[[Path], Figures]] = {
        "fetch": bench.fetch,
        "scp": bench.scp,
        "sftp": bench.sftp,
        "rsync": bench.rsync,
    }
    here = [name for name in methods if name == "fetch" or shutil.which(name)]
    others = {name: call for name, call in others.items() if name in here}
    out = bench.place / "out"
    out.mkdir()
    table: dict[str, dict[str, Figures]] = {"a": {}, "b": {}, "c": {}}
    for case in table:
        changed = change(bench.source, extents, data) if case == "c" else 0
        table[case]["fetch_artifact"] = bench.fetch_artifact(out / "fetch_artifact")
        show(bench.name, case, "fetch_artifact", table[case]["fetch_artifact"])
        assert same(bench.source, out / "fetch_artifact")
        for name, call in others.items():
            if case == "a" or name in ("rsync", "fetch"):  # scp and sftp do the same work every time
                table[case][name] = call(out / name)
                show(bench.name, case, name, table[case][name])
        if changed:
            moved = table["c"]["fetch_artifact"].own["moved"]
            print(f"{bench.name:8} c moved {moved / changed:.3f} times the {changed / MIB:.1f} MiB that changed")
    if others:
        best = min(figures.seconds for name, figures in table["a"].items() if name != "fetch_artifact")
        print(f"{bench.name:8} a {best / table['a']['fetch_artifact'].seconds:.2f} times as fast as the fastest other")
    (out / "fetch_artifact").unlink()
    bench.killed_halfway(out / "fetch_artifact", data)
    figures = bench.fetch_artifact(out / "fetch_artifact")
    show(bench.name, "d", "fetch_artifact", figures)
    assert same(bench.source, out / "fetch_artifact")
    fetched = figures.own["fetched"]
    print(f"{bench.name:8} d fetched {fetched / data:.1%} of the data, moved {figures.own['moved'] / data:.1%}")


@contextmanager
def slow_link() -> Iterator[tuple[str, ...]]:
    """Words that run a command at the far end of a slow link."""
    sh = ["ip", "netns", "exec", NAMESPACE]
    shape = ["root", "netem", "delay", f"{DELAY * 1000:.0f}ms", "rate", f"{RATE * 8}bit", "limit", "20000"]
    rules = [
        ["ip", "netns", "add", NAMESPACE],
        ["ip", "link", "add", "fb0", "type", "veth", "peer", "name", "fb1", "netns", NAMESPACE],
        ["ip", "addr", "add", f"{NEAR}/24", "dev", "fb0"],
        [*sh, "ip", "addr", "add", f"{FAR}/24", "dev", "fb1"],
        ["ip", "link", "set", "fb0", "up"],
        [*sh, "ip", "link", "set", "fb1", "up"],
        ["tc", "qdisc", "add", "dev", "fb0", *shape],
        [*sh, "tc", "qdisc", "add", "dev", "fb1", *shape],
    ]
    try:
        for rule in rules:
            subprocess.run(rule, check=True, capture_output=True)
        yield tuple(sh)
    finally:
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=False, capture_output=True)


@contextmanager
def slow_server(place: Path) -> Iterator[Sshd]:
    """An sshd at the far end of a slow link: a network namespace where that can be, else behind a relay of ours."""
    try:
        with slow_link() as prefix, sshd(place, address=FAR, prefix=prefix) as server:
            yield server
            return
    except (subprocess.CalledProcessError, FileNotFoundError) as exc:
        why = exc.stderr.decode().strip() if isinstance(exc, subprocess.CalledProcessError) else str(exc)
        print(f"slow: no network namespace with netem ({why}), a relay stands in for it")
    with sshd(place) as server:
        words = [sys.executable, str(Path(__file__).with_name("slow_relay.py"))]
        words += [str(server.port), str(DELAY), str(RATE)]
        relay = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        try:
            assert relay.stdout is not None
            port = int(relay.stdout.readline())
            known = server.known_hosts.read_text()
            server.known_hosts.write_text(known + known.replace(f":{server.port} ", f":{port} "))
            yield replace(server, port=port)
        finally:
            relay.terminate()
            relay.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=int, default=1, help="divide 8 GiB and 2 GiB by this")
    parser.add_argument("--link", choices=["loopback", "slow", "both"], default="both")
    parser.add_argument("--methods", default="fetch,scp,sftp,rsync", help="what to compare with")
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    size, data = (8 << 30) // options.scale, (2 << 30) // options.scale
    methods = options.methods.split(",")
    options.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-bench-", dir=options.directory) as name:
        place = Path(name)
        if options.link in ("loopback", "both"):
            extents = make_image(place / "image", size, data)
            (place / "loopback").mkdir()
            with sshd(place / "sshd") as server:
                run(Bench("loopback", server, place / "loopback", place / "image"), extents, data, methods)
            shutil.rmtree(place / "loopback")
        if options.link in ("slow", "both"):
            extents = make_image(place / "image", size, data)
            (place / "slow").mkdir()
            with slow_server(place / "sshd2") as server:
                run(Bench("slow", server, place / "slow", place / "image"), extents, data, methods)
    print(f"this process at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")


if __name__ == "__main__":
    main()
