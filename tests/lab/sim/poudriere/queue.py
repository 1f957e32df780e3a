# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The build queue: jobs ``build:pkg`` and ``run:pkg`` and what each waits for, with the files that show it."""

from __future__ import annotations

from typing import Iterable

from .portstree import PKG_ORIGIN, Port

Graph = dict[str, set[str]]


def graph(ports: list[Port], known: dict[str, Port]) -> Graph:
    """Return job → jobs it waits for.

    :param ports: the ports that are not ignored.
    :param known: every port by spec and, for the default flavor, by origin.
    """
    names = {port.pkgname for port in ports}
    bootstrap = known.get(PKG_ORIGIN)
    found: Graph = {}
    for port in ports:
        build, run = f"build:{port.pkgname}", f"run:{port.pkgname}"
        found.setdefault(build, set())
        found.setdefault(run, set()).add(build)
        if port.origin != PKG_ORIGIN and bootstrap is not None and bootstrap.pkgname in names:
            found[build].add(f"run:{bootstrap.pkgname}")
        needed = {known[spec].pkgname for _key, spec in port.run_depends if spec in known}
        at_build = needed | {known[spec].pkgname for _key, spec in port.build_depends if spec in known}
        found[run] |= {f"run:{name}" for name in needed & names}
        found[build] |= {f"run:{name}" for name in at_build & names}
    return found


def reverse(jobs: Graph) -> Graph:
    found: Graph = {job: set() for job in jobs}
    for job, needed in jobs.items():
        for other in needed:
            found.setdefault(other, set()).add(job)
    return found


def without(jobs: Graph, gone: Iterable[str]) -> Graph:
    """Return the graph without some jobs and the edges to them."""
    removed = set(gone)
    return {job: needed - removed for job, needed in jobs.items() if job not in removed}


def dependants(jobs: Graph, name: str) -> list[str]:
    """Return the packages whose build waits, however indirectly, for a package."""
    back = reverse(jobs)
    found: list[str] = []
    seen: set[str] = set()
    waiting = [f"build:{name}", f"run:{name}"]
    while waiting:
        job = waiting.pop(0)
        for other in sorted(back.get(job, ())):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
                kind, _colon, package = other.partition(":")
                if kind == "build" and package != name:
                    found.append(package)
    return found


def priorities(jobs: Graph) -> dict[str, int]:
    """Return for each job the length of the longest chain that waits for it."""
    back, found = reverse(jobs), {}

    def depth(job: str, path: tuple[str, ...]) -> int:
        if job in path:
            return 0
        if job not in found:
            found[job] = max([1 + depth(other, (*path, job)) for other in back.get(job, ())], default=0)
        return found[job]

    for job in jobs:
        depth(job, ())
    return found


def closure(jobs: Graph, wanted: Iterable[str]) -> set[str]:
    """Return the packages needed at run time by the wanted ones, these included."""
    found: set[str] = set()
    waiting = [f"run:{name}" for name in wanted]
    while waiting:
        job = waiting.pop()
        name = job.partition(":")[2]
        if name not in found:
            found.add(name)
            waiting += [other for other in jobs.get(job, ()) if other.startswith("run:")]
    return found


def cycle(jobs: Graph) -> list[str]:
    """Return the jobs of a loop, nothing when there is none."""
    left = {job: set(needed) for job, needed in jobs.items()}
    while True:
        free = [job for job, needed in left.items() if not needed & set(left)]
        if not free:
            return sorted(left)
        for job in free:
            del left[job]


def lines(jobs: Graph) -> str:
    """Return the file ``pkg_deps``: every edge, sorted."""
    return "".join(sorted(f"{job} {other}\n" for job, needed in jobs.items() for other in needed))


def sorted_lines(jobs: Graph) -> str:
    """Return the edges turned round, those nearest to the top last, as the priorities are computed from."""
    return "".join(f"{other} {job}\n" for job in sorted(jobs) for other in sorted(jobs[job]))


def priority_lines(jobs: Graph) -> str:
    ordered = sorted(priorities(jobs).items(), key=lambda item: item[0], reverse=True)
    return "".join(f"{number:>7} {job}\n" for job, number in sorted(ordered, key=lambda item: -item[1]))


def dot(jobs: Graph) -> str:
    """Return the graph in the language of graphviz."""
    edges = [(job, other) for other, waiting in sorted(reverse(jobs).items()) for job in sorted(waiting)]
    return "digraph Q {\n" + "".join(f'\t"{_dotted(job)}" -> "{_dotted(other)}";\n' for job, other in edges) + "}\n"


def _dotted(job: str) -> str:
    return job.replace("-", "_")


def listing(jobs: Graph) -> str:
    """Return the pool's directories ``deps`` and ``rdeps`` as find(1) lists them."""
    return _listing("deps", jobs, full=True) + _listing("rdeps", {job: waiting for job, waiting in
                                                                  reverse(jobs).items() if waiting}, full=False)


def _listing(top: str, jobs: Graph, full: bool) -> str:
    shown = [top]
    letters: dict[str, list[str]] = {}
    for job in sorted(jobs):
        letters.setdefault(job.partition(":")[2][:1], []).append(job)
    for letter, members in sorted(letters.items()):
        shown.append(f"{top}/{letter}")
        for job in members:
            if full or jobs[job]:
                shown.append(f"{top}/{letter}/{job}")
            shown += [f"{top}/{letter}/{job}/{other}" for other in sorted(jobs[job])]
    return "".join(line + "\n" for line in shown)


def pool_listing(jobs: Graph, ready: Iterable[str]) -> str:
    """Return the pool of ready jobs, a directory for each priority."""
    levels = priorities(jobs)
    shown = ["pool", *(f"pool/{number}" for number in sorted(set(levels.values()) | {0}, reverse=True))]
    shown += [f"pool/{levels[job]}/{job}" for job in sorted(ready)]
    return "".join(line + "\n" for line in [*shown, "pool/delayed", "pool/unbalanced"])
