# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Builders: threads that take ready jobs from the queue and walk each port through its phases."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import Callable, TextIO

from . import failures, packaging, portlog, queue
from .clock import Clock, duration
from .config import sysctl
from .context import Context
from .portstree import PKG_ORIGIN, Port
from .repository import Repository
from .session import Session
from .statusfiles import BuildStatus
from .versions import abi

#: Phases with their recorded seconds; what LAB_SECONDS adds goes to ``build``.
PHASES = (("check-sanity", 1.0), ("pkg-depends", 6.0), ("fetch-depends", 0.2), ("fetch", 0.5), ("checksum", 0.6),
          ("extract-depends", 0.4), ("extract", 0.7), ("patch-depends", 0.4), ("patch", 0.6), ("build-depends", 0.4),
          ("lib-depends", 0.4), ("configure", 0.6), ("build", 0.7), ("run-depends", 1.0), ("stage", 2.0),
          ("package", 2.5))
DEFAULT_SECONDS = 22.0
BUILDER_START = 3.0
#: Cleaning up after a port: until its dependants may start, then until the builder is idle again.
RELEASE, AFTER_SUCCESS, AFTER_FAILURE = 1.0, 7.0, 1.0
LONGEST_WAIT = 0.2


class Aborted(Exception):
    """The build as a whole is being stopped."""


@dataclass
class Build:
    """What all builders of one bulk share.

    :param ports: ports that are not ignored, by spec and by origin for the default flavor.
    :param jobs: the trimmed queue.
    """

    context: Context
    session: Session
    repository: Repository
    status: BuildStatus
    ports: dict[str, Port]
    jobs: queue.Graph
    makeconf: str
    allow_make_jobs: bool
    condition: threading.Condition = field(default_factory=threading.Condition)
    building: set[str] = field(default_factory=set)
    idle: set[str] = field(default_factory=set)
    events: int = 0
    aborted: bool = False
    next_job: int = 0
    crash: BaseException | None = None

    @property
    def clock(self) -> Clock:
        return self.context.clock

    def by_package(self) -> dict[str, Port]:
        return {port.pkgname: port for port in self.ports.values()}

    def waiting(self) -> list[str]:
        """Return the packages still to build, most urgent first."""
        levels = queue.priorities(self.jobs)
        names = [job.partition(":")[2] for job in self.jobs if job.startswith("build:")]
        return sorted((name for name in names if name not in self.building),
                      key=lambda name: (-levels[f"build:{name}"], self.by_package()[name].spec))

    def ready(self) -> list[str]:
        """Return the packages that wait for nothing, most urgent first."""
        return [name for name in self.waiting() if not self._needs(f"build:{name}", set())]

    def _needs(self, job: str, seen: set[str]) -> bool:
        """Return whether a job waits for any build: finished builds are no longer in the queue."""
        for other in self.jobs.get(job, ()):
            if other in seen:
                continue
            seen.add(other)
            if other.startswith("build:") or self._needs(other, seen):
                return True
        return False

    def take(self, identity: str) -> str | None:
        """Return the next package for a builder, None when all is done; blocks while there is only waiting to do.

        As in poudriere, work is dealt out when some builder has become idle, to the idle builder with the lowest
        number first; that a package is ready does not by itself wake another builder.
        """
        with self.condition:
            self.idle.add(identity)
            seen = -1
            while not self.aborted:
                if not self.waiting():
                    self.idle.discard(identity)
                    return None
                if seen != self.events and identity == min(self.idle) and (ready := self.ready()):
                    self.idle.discard(identity)
                    self.building.add(ready[0])
                    self.next_job += 1
                    self._event()
                    return ready[0]
                seen = self.events
                self.condition.wait(LONGEST_WAIT)
            raise Aborted

    def _event(self) -> None:
        self.events += 1
        self.condition.notify_all()

    def release(self, name: str) -> None:
        """Let whatever waits for a finished build go on."""
        with self.condition:
            self.building.discard(name)
            self.jobs = queue.without(self.jobs, [f"build:{name}"])

    def rest(self, identity: str) -> None:
        """Note that a builder is idle again."""
        with self.condition:
            self.idle.add(identity)
            self._event()

    def pause(self, seconds: float) -> None:
        """Wait recorded seconds in slices short enough to notice that the build is being stopped."""
        left = seconds
        slice_ = LONGEST_WAIT / self.clock.scale if self.clock.scale > 0 else seconds
        while left > 0:
            if self.aborted:
                raise Aborted
            self.clock.wait(min(left, slice_))
            left -= slice_


class Builder:
    """One builder.

    :param identity: two digits, as in ``.poudriere.status.01``.
    """

    def __init__(self, build: Build, identity: str) -> None:
        self.build = build
        self.identity = identity
        self.active = False
        self.started = 0
        self.jail_ids = (0, 0)

    def say(self, text: str) -> None:
        elapsed = duration(self.build.clock.monotonic() - self.started)
        self.build.context.out.msg(f"[{self.identity}] [{elapsed}] {text}")

    def set(self, status: str) -> None:
        self.build.status.set("status", status, self.identity)

    def run(self) -> None:
        """Build until the queue is empty."""
        try:
            while True:
                name = self.build.take(self.identity)
                if name is None:
                    return
                self._start_once()
                port = self.build.by_package()[name]
                good = self._build(port)
                self.build.pause(RELEASE)
                self.build.release(name)
                self.build.pause(AFTER_SUCCESS if good else AFTER_FAILURE)
                self.set("done:")
                self.set("idle:")
                self.build.rest(self.identity)
        except Aborted:
            return
        except BaseException as error:
            # The main thread must learn of it, or the build would wait for ever.
            self.build.crash = error
            with self.build.condition:
                self.build.aborted = True
                self.build.condition.notify_all()

    def _start_once(self) -> None:
        if self.active:
            return
        build = self.build
        self.started = build.clock.monotonic()
        self.say("Builder starting")
        mount = os.path.join(build.session.root, self.identity)
        os.makedirs(os.path.join(mount, ".p"), exist_ok=True)
        build.pause(BUILDER_START)
        name = f"{build.session.master}-job-{self.identity}"
        first, second = build.session.running.add({name: mount, f"{name}-n": mount})
        self.jail_ids = (first, second)
        self.active = True
        self.set("idle:")
        self.say("Builder started")

    def _job(self, phase: str, port: Port) -> None:
        self.set(f"{phase}:{port.spec}:{port.pkgname}:{self.started}:{self.build.clock.monotonic()}")

    def _build(self, port: Port) -> bool:
        """Build one port; return whether that worked."""
        build, status = self.build, self.build.status
        self.started = build.clock.monotonic()
        begun = build.clock.epoch()
        self._job("starting", port)
        self._job("building", port)
        self.say(f"Building   {port.spec} | {port.pkgname}")
        log = status.path(f"logs/{port.pkgname}.log")
        place = self._surroundings(port)
        with open(log, "w", encoding="utf-8", buffering=1) as stream:
            stream.write(portlog.head(port, place, begun, begun - int(status.get("started") or begun)))
            phase = self._phases(port, place, stream)
            ended = build.clock.epoch()
            if phase is None:
                self._succeeded(port)
            else:
                stream.flush()
                self._failed(port, phase, log)
            stream.write(portlog.tail(port, ended, ended - begun, phase is not None))
        return phase is None

    def _surroundings(self, port: Port) -> portlog.Surroundings:
        build = self.build
        config = build.context.config
        user = ("nobody", 65534, 65534) if config.yes("BUILD_AS_NON_ROOT") else ("root", 0, 0)
        allowed = build.allow_make_jobs or port.origin == PKG_ORIGIN
        return portlog.Surroundings(
            build.session.master, build.session.version, build.session.arch, str(sysctl("kern.osreldate")),
            build.session.osversion, self.identity, config.data, build.next_job, self.jail_ids,
            portlog.makeconf(build.makeconf, allowed), user)

    def _phases(self, port: Port, place: portlog.Surroundings, stream: TextIO) -> str | None:
        """Walk through the phases; return the one that failed, None when none did."""
        build = self.build
        wanted, _slash, manner = port.get("LAB_FAIL_PHASE").partition("/")
        seconds = float(port.get("LAB_SECONDS") or DEFAULT_SECONDS)
        usual = sum(recorded for _phase, recorded in PHASES)
        extra, factor = max(0.0, seconds - usual), min(1.0, seconds / usual)
        for phase, recorded in PHASES:
            self._job(phase, port)
            stream.write(portlog.phase_head(phase, place))
            build.pause(recorded * factor + (extra if phase == "build" else 0))
            if phase == wanted:
                return self._fail_phase(port, phase, manner, stream)
            stream.write(portlog.phase_body(phase, port, place, self._depends(port, phase)))
            if phase == "package":
                self._package(port)
            stream.write(portlog.FOOTER)
        return None

    def _fail_phase(self, port: Port, phase: str, manner: str, stream: TextIO) -> str:
        text = port.get("LAB_FAIL_TEXT").replace("\\n", "\n")
        if manner in ("runaway", "timeout"):
            words = {"runaway": "runaway build after 7200 seconds with no output",
                     "timeout": "timed out build after 86400 seconds"}
            stream.write(f"{text}\n=>> Killing {words[manner]}\n" if text else f"=>> Killing {words[manner]}\n")
            self._job(f"{phase}/{manner}", port)
            return f"{phase}/{manner}"
        stream.write(portlog.failing_body(phase, port, text))
        return phase

    def _depends(self, port: Port, phase: str) -> list[tuple[str, Port, int]]:
        """Return the packages that a ``*-depends`` phase installs."""
        ports = self.build.ports
        if phase == "pkg-depends":
            pkg = ports.get(PKG_ORIGIN)
            return [] if pkg is None or port.origin == PKG_ORIGIN else [("/usr/local/sbin/pkg", pkg, 10)]
        rows = {"build-depends": port.build_depends, "run-depends": port.run_depends}.get(phase, [])
        return [(key, ports[spec], 1) for key, spec in rows if spec in ports]

    def _package(self, port: Port) -> None:
        build = self.build
        manifest = packaging.manifest(port, build.ports, abi(build.session.version, build.session.arch),
                                      build.session.osversion)
        build.repository.add(port, manifest, packaging.entries(port))

    def _succeeded(self, port: Port) -> None:
        build, status = self.build, self.build.status
        elapsed = build.clock.monotonic() - self.started
        self._job("build_port_done", port)
        _link(f"../{port.pkgname}.log", status.path(f"logs/built/{port.pkgname}.log"))
        status.add("built", f"{port.spec} {port.pkgname} {elapsed}")
        self.say(f"Finished   {port.spec} | {port.pkgname}: Success")
        if port.origin == PKG_ORIGIN:
            build.repository.extract_pkg(force=True)
        self.set("clean_pool:")

    def _failed(self, port: Port, phase: str, log: str) -> None:
        build, status = self.build, self.build.status
        elapsed = build.clock.monotonic() - self.started
        _link(f"../{port.pkgname}.log", status.path(f"logs/errors/{port.pkgname}.log"))
        kind = ""
        if build.context.config.yes("DETERMINE_BUILD_FAILURE_REASON"):
            self._job("processlog", port)
            with open(log, encoding="utf-8") as stream:
                kind = failures.kind(stream.read())
            self._job(phase, port)
        status.add("failed", f"{port.spec} {port.pkgname} {phase} {kind} {elapsed}")
        self.say(f"Finished   {port.spec} | {port.pkgname}: Failed: {phase}")
        self.set("clean_pool:")
        with build.condition:
            skip(build, port, "failed", self.say)


def skip(build: Build, port: Port, why: str, say: Callable[[str], None]) -> None:
    """Take everything that needs a port out of the queue, saying and recording each."""
    ports = build.by_package()
    for name in queue.dependants(build.jobs, port.pkgname):
        if f"build:{name}" not in build.jobs:
            continue
        other = ports[name]
        build.status.add("skipped", f"{other.spec} {name} {port.pkgname}")
        say(f"Skipping   {other.spec} | {name}: Dependent port {port.spec} | {port.pkgname} {why}")
        build.jobs = queue.without(build.jobs, [f"build:{name}", f"run:{name}"])


def _link(target: str, path: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)
    os.symlink(target, path)
