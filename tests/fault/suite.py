# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The whole of it: record a build, repeat it on one or two builders, and break it at every position."""

from __future__ import annotations

import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.builders import LAB, Builder, lab_builder, open_builder
from tests.integration.build_site import Site, open_site

from . import cuts, recording
from .comparison import Table, unequal
from .far.calls import turn
from .lane import AgentError, Lane

# What may happen to a command. ``during``: the module is killed and the command goes on without it.
COMMAND_FAULTS = ("fail", "hang", "before", "after", "full", "short")
ORPHAN = "during"
# What may happen to a change that Python makes itself, such as a file that it opens or renames.
CHANGE_FAULTS = ("before", "full", "short")
_MIRROR = re.compile(r"http://127\.0\.0\.1:\d+")
# Commands that only look: what goes on without its module changes nothing.
LOOKING = {"ps", "sysctl", "uname", "jls", "stat", "id", "freebsd-version", "kldstat", "df", "find"}
LOOKING_VERBS = {("zfs", "list"), ("zfs", "get"), ("zpool", "list"), ("zpool", "get"), ("zpool", "status")}
LOOKING_VERBS |= {("mdconfig", "-l"), ("mount", "-p"), ("mkimg", "--version"), ("mkimg", "--formats")}


@dataclass(frozen=True, order=True)
class Case:
    """``at`` as the agent counts: the turn of a command, or with a ``p`` a change."""

    call: int
    position: int
    at: str
    kind: str
    what: str = field(compare=False)

    @property
    def again(self) -> str:
        return f"python -m tests.fault --call {self.call} --at {self.at} --kind {self.kind}"


@dataclass
class Tally:
    """What was tried, and what of it held."""

    tried: int = 0
    held: int = 0
    missed: int = 0
    reruns: int = 0
    positions: int = 0
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Choice:
    """What of all cases is wanted; nothing said is all of it."""

    calls: frozenset[int] = frozenset()
    at: str = ""
    kind: str = ""
    changes: bool = False
    record: Path | None = None
    cuts: bool = False

    def wants(self, case: Case) -> bool:
        return self.at in ("", case.at, str(case.position)) and (not self.kind or case.kind == self.kind)


def only_looks(words: list[str]) -> bool:
    return words[0] in LOOKING or tuple(words[:2]) in LOOKING_VERBS or words == ["mount"]


def cases(call: int, reference: dict[str, Any], choice: Choice) -> list[Case]:
    """Every position of a call with everything that may happen there."""
    found = []
    for number, words in enumerate(reference["commands"], 1):
        more = () if only_looks(words) else (ORPHAN,)
        at = turn(reference["commands"], number)
        found += [Case(call, number, at, kind, " ".join(words)) for kind in (*COMMAND_FAULTS, *more)]
    if choice.changes:
        for number, text in enumerate(reference["changes"], 1):
            several = CHANGE_FAULTS if text.startswith("open ") else CHANGE_FAULTS[:2]
            found += [Case(call, number, f"p{number}", kind, text) for kind in several]
    return [case for case in found if choice.wants(case)]


class Work:
    """The cases of one call, handed out to whoever is free."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lists: dict[int, Iterator[Case]] = {}

    def take(self, call: int, found: list[Case]) -> Iterator[Case]:
        with self._lock:
            cases_left = self._lists.setdefault(call, iter(found))
        while True:
            with self._lock:
                case = next(cases_left, None)
            if case is None:
                return
            yield case


def mirror_of(lab: str) -> str:
    done = subprocess.run(
        [LAB, "exec", "--name", lab, "--", "cat", "/lab/run/ports.json"], check=True, capture_output=True, text=True
    )
    found = re.search(r'"mirror": *(\d+)', done.stdout)
    assert found
    return f"http://127.0.0.1:{found[1]}"


def specification(site: Site, found: list[recording.Call], builder: Builder) -> dict[str, Any]:
    """What the agent must know; in a lab of its own the mirror has another port."""
    calls: Any = [call.as_data() for call in found]
    if builder.lab:
        calls = _replaced(calls, mirror_of(builder.lab))
    return {
        "calls": calls,
        "path": f"/{site.workspace}",
        "workspace": site.workspace,
        "lab": builder.is_lab,
        "pool": "freehyve" if builder.is_lab else "",
        "reap": recording.reaper(found),
        "limit": 1.0,
    }


def _replaced(value: Any, mirror: str) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(item, mirror) for name, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, mirror) for item in value]
    return _MIRROR.sub(mirror, value) if isinstance(value, str) else value


def record(site: Site, kept: Path | None) -> list[recording.Call]:
    """A build by ansible-playbook, as a user would make it, unless a record was kept."""
    path = kept or site.directory / "record.jsonl"
    if path.is_file():
        return recording.read(path)
    site.builder.ansible("build.yml", *site.settings(), environment=recording.environment(path), timeout=3600)
    return recording.read(path)


class Suite:
    """One run; ``say`` prints a line."""

    def __init__(self, choice: Choice, say: Any = print) -> None:
        self.choice = choice
        self.say = say
        self.tally = Tally()
        self.work = Work()
        self.digests: list[Table] = []
        self.cuts = cuts.Cuts()
        self.seconds = 0.0
        self.first_lane: Lane | None = None
        self._lock = threading.Lock()

    def run_lane(self, lane: Lane, calls: list[recording.Call]) -> None:
        """All calls in order, and on the way the cases of each."""
        self.first_lane = self.first_lane or lane
        last = max(self.choice.calls, default=len(calls) - 1)
        lane.ask("prepare")
        for number, call in enumerate(calls[: last + 1]):
            if self.choice.calls and number not in self.choice.calls:
                lane.ask("once", index=number)
                continue
            reference = lane.ask("reference", index=number)
            found = cases(number, reference, self.choice)
            if lane is self.first_lane:
                self.tally.positions += len({case.at for case in found})
            title = f"{number} {call.module}: {len(reference['commands'])} commands, {len(found)} cases"
            began = time.monotonic()
            for case in self.work.take(number, found):
                self.judge(case, lane.ask("case", index=number, kind=case.kind, at=case.at))
            self.say(f"{title}, {time.monotonic() - began:.0f} s")
        if last == len(calls) - 1:
            with self._lock:
                self.digests.append(lane.ask("digest"))
        lane.ask("finish")

    def cut(self, site: Site, built: Table, look: Callable[[], Table]) -> None:
        self.cuts = cuts.run(site, built, look, self.say)

    def judge(self, case: Case, answer: dict[str, Any]) -> None:
        with self._lock:
            self.tally.tried += 1
            self.tally.reruns += answer["fresh"]
            if not answer["hit"]:
                self.tally.missed += 1
            if not answer["wrong"] and answer["hit"]:
                self.tally.held += 1
                return
            wrong = answer["wrong"] or ["the position was not reached"]
            lines = [f"call {case.call}, {case.kind} at {case.at}: {case.what[:160]}"]
            lines += [f"  it said: {answer['message']}"]
            lines += [f"  {text}" for text in wrong[:6]]
            self.tally.lines.append(f"does not hold: {case.again}")
            self.say("\n".join([*lines, f"  again: {case.again}"]))


@contextmanager
def lanes(site: Site, found: list[recording.Call], number: int) -> Iterator[list[Lane]]:
    """Builders with an agent each: fresh labs, or the one real builder without what was recorded on it."""
    with ExitStack() as stack:
        made = []
        if number == 0:
            pass
        elif site.builder.is_lab:
            for _number in range(number):
                builder = stack.enter_context(lab_builder())
                made.append(Lane(builder, specification(site, found, builder)))
        else:
            site.builder.run(["zfs", "destroy", "-r", "-f", site.workspace])
            made.append(Lane(site.builder, specification(site, found, site.builder)))
        for lane in made:
            stack.callback(lane.close)
        yield made


def side_by_side(work: list[Callable[[], None]], at_once: bool) -> None:
    """All of it at once, or on the one builder one after the other; the first error is raised when all have ended."""
    errors: list[BaseException] = []

    def guarded(one: Callable[[], None]) -> None:
        try:
            one()
        except (AgentError, AssertionError, OSError, ValueError) as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
        if not at_once:
            thread.join()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def run(choice: Choice, number: int = 2, say: Any = print) -> Suite:
    """Everything; the caller looks at the tally."""
    suite = Suite(choice, say)
    began = time.monotonic()
    with (
        open_builder() as builder,
        tempfile.TemporaryDirectory(prefix="freehyve-fault-") as directory,
        open_site(builder, Path(directory)) as site,
    ):
        found = record(site, choice.record)
        say(f"recorded: {len(found)} module calls, {time.monotonic() - began:.0f} s")
        looking = Lane(builder, specification(site, found, builder))
        built: Table = looking.ask("digest")
        with lanes(site, found, number) as made:
            work: list[Callable[[], None]] = [partial(suite.run_lane, lane, found) for lane in made]
            if choice.cuts:
                work.append(lambda: suite.cut(site, built, lambda: looking.ask("digest")))
            side_by_side(work, at_once=builder.is_lab)
        looking.close()
    if suite.digests and built:
        wrong = unequal(built, suite.digests)
        suite.tally.lines += [f"repeated without Ansible, the build differs: {text}" for text in wrong]
    suite.seconds = time.monotonic() - began
    return suite
