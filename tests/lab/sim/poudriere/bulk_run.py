# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""One bulk build from the first message to the exit status."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from dataclasses import dataclass, field
from types import FrameType

from . import fetched, queue
from .builders import Build, Builder, skip
from .clock import duration
from .context import Context
from .gather import Gathered, Gatherer, listed
from .hooks import run_hook
from .output import Failure
from .portstree import PKG_ORIGIN, PortsTree
from .repository import Repository
from .running import Lock
from .session import Session
from .statusfiles import BuildStatus
from .versions import abi


@dataclass
class Plan:
    """A parsed command line, and what a history of builds overrides."""

    jail: str = ""
    tree: str = "default"
    chosen: str = ""
    files: list[str] = field(default_factory=list)
    operands: list[str] = field(default_factory=list)
    everything: bool = False
    clean: bool = False
    clean_listed: bool = False
    testing: bool = False
    skip_recursive: bool = False
    try_broken: bool = False
    dry: bool = False
    no_repository: int = 0
    parallel: int = 0
    buildname: str = ""
    branch: str = ""
    overrides: dict[str, dict[str, str]] = field(default_factory=dict)


class Terminated(BaseException):
    """A signal asked for the end.

    :param number: the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class BulkRun:
    """A bulk build."""

    def __init__(self, context: Context, plan: Plan) -> None:
        self.context, self.plan = context, plan
        self.out, self.config, self.clock = context.out, context.config, context.clock
        self.session = Session(context, plan.jail, plan.tree, plan.chosen)
        self.repository = Repository(context, self.session)
        self.begun = self.clock.epoch()
        self.status: BuildStatus | None = None
        self.build: Build | None = None
        self.lock: Lock | None = None
        self._json_stop = threading.Event()
        self._json_thread: threading.Thread | None = None
        self.makeconf = ""
        if plan.dry:
            self.out.dry = "[Dry Run] "

    @property
    def parallel(self) -> int:
        return self.plan.parallel or self.config.parallel

    @property
    def log_directory(self) -> str:
        return os.path.join(self.config.data, "logs/bulk", self.session.master, self.plan.buildname)

    def run(self) -> int:
        """Build, clean up in every case, and return the exit status."""
        self._catch_signals()
        try:
            status = self._build()
        except Failure as failure:
            self._crashed(failure)
            self._clean_up()
            return failure.status
        except (Terminated, BrokenPipeError) as error:
            self.out.deaf = True
            ended = error if isinstance(error, Terminated) else Terminated(signal.SIGPIPE)
            name = signal.Signals(ended.number).name
            self.out.msg(f"[{os.getpid()}] Signal {name[3:]} caught", error=True)
            if self.build is not None:
                self.build.aborted = True
            if self.status is not None:
                self.status.set("status", f"{name}:")
            self._clean_up()
            signal.signal(ended.number, signal.SIG_DFL)
            os.kill(os.getpid(), ended.number)
            return 128 + ended.number
        self._clean_up()
        return status % 256

    def _catch_signals(self) -> None:
        def end(number: int, _frame: FrameType | None) -> None:
            for other in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(other, signal.SIG_IGN)
            raise Terminated(number)

        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, end)

    def _set(self, status: str) -> None:
        if self.status is not None:
            self.status.set("status", status)

    def _build(self) -> int:
        run_hook(self.context, "bulk", "start")
        self.session.start(lambda: self.repository.stash(self.plan.clean), builds=True)
        self._name_build()
        if os.path.isdir(self.log_directory) and self.plan.clean:
            self.out.msg(f"Cleaning up old logs in {self.log_directory}")
            if not self.plan.dry:
                shutil.rmtree(self.log_directory, ignore_errors=True)
        jobs, gathered = self._prepare()
        if self.plan.dry:
            return self._dry_summary()
        self._summary()
        self.out.begin("Recording filesystem state for prepkg...")
        self.clock.wait(1)
        self.out.raw(" done\n")
        self._set("building:")
        self._parallel_build(jobs, gathered)
        assert self.status is not None
        if self.plan.no_repository == 0:
            self.repository.build(self._set)
        self.repository.commit(self.log_directory, self._set, self.status.number("failed"), self.plan.no_repository < 2)
        self._results()
        counts = [str(self.status.number(name)) for name in ("built", "failed", "ignored", "skipped", "fetched")]
        run_hook(self.context, "bulk", "done", *counts)
        self._set("done:")
        return self.status.number("failed") + self.status.number("skipped")

    def _name_build(self) -> None:
        """Name the build after its start; a second one in the same second waits, real builds never meet."""
        if self.plan.buildname:
            return
        form = self.config.get("BUILDNAME_FORMAT")
        self.plan.buildname = time.strftime(form, time.localtime(self.begun))
        while os.path.isdir(self.log_directory) and self.clock.scale > 0:
            time.sleep(0.05)
            self.begun = self.clock.epoch()
            self.plan.buildname = time.strftime(form, time.localtime(self.begun))

    def _prepare(self) -> tuple[queue.Graph, Gathered]:
        """Everything before the first port is built (prepare_ports); returns the trimmed queue."""
        self.session.features()
        self.out.begin(f"Acquiring build logs lock for {self.session.master}...")
        self.lock = Lock(self.config, f"logs_{self.session.master}")
        if not self.lock.acquire():
            raise Failure(1, "failed to acquire logs lock (in use by another process)", "prepare_ports:25")
        self.out.raw(" done\n")
        resuming = self._start_log()
        self.out.msg(f"Logs: {self.log_directory}")
        self._start_json()
        key = self.config.get("PKG_REPO_SIGNING_KEY")
        if key and not os.path.isfile(key.partition(":")[2] if ":" in key else key):
            raise Failure(1, "PKG_REPO_SIGNING_KEY defined but the file is missing.", "prepare_ports:135")
        gathered = self._gather()
        jobs = self._queue(gathered)
        self._sanity(gathered)
        jobs = self._trim(jobs, gathered, resuming)
        self._finish_queue(jobs, gathered, resuming)
        return jobs, gathered

    def _start_log(self) -> bool:
        status = self.status = BuildStatus(self.log_directory, self.clock)
        resuming = os.path.exists(status.path(".poudriere.ports.built"))
        if not resuming:
            plan = self.plan
            values = {"mastername": self.session.master, "jailname": plan.jail, "setname": plan.chosen,
                      "ptname": plan.tree, "buildname": plan.buildname, "started": str(self.begun)}
            os.makedirs(self.log_directory, exist_ok=True)
            top = os.path.dirname(os.path.dirname(self.log_directory))
            for directory in (top, os.path.dirname(self.log_directory)):
                os.makedirs(os.path.join(directory, "latest-per-pkg"), exist_ok=True)
            _link(plan.buildname, os.path.join(os.path.dirname(self.log_directory), "latest"))
            status.create({**values, **self._git()})
        return resuming

    def _git(self) -> dict[str, str]:
        """Return what a tree that git made says of itself."""
        from .ports import GIT

        directory = self.session.ports_directory
        if not os.path.isdir(os.path.join(directory, ".git")) or not os.access(GIT, os.X_OK):
            return {}
        import subprocess

        def ask(*words: str) -> str:
            return subprocess.run([GIT, "-C", directory, *words], capture_output=True, text=True,
                                  check=False).stdout.strip()

        return {"git_hash": ask("rev-parse", "--short", "HEAD"),
                "git_dirty": "yes" if ask("status", "--porcelain", "-uno") else "no"}

    def _start_json(self) -> None:
        interval = self.config.get("HTML_JSON_UPDATE_INTERVAL")
        if interval == "0":
            self.out.msg("HTML UI updates are disabled by HTML_JSON_UPDATE_INTERVAL being 0")
            return
        if self.clock.scale > 0:
            seconds = max(0.1, float(interval) * self.clock.scale)
            self._json_thread = threading.Thread(target=self._write_json_often, args=(seconds,), daemon=True)
            self._json_thread.start()

    def _write_json_often(self, seconds: float) -> None:
        assert self.status is not None
        while True:
            self.status.snapshot(self.clock.epoch() - self.begun)
            self.status.write_json()
            if self._json_stop.wait(seconds):
                return

    def _stop_json(self) -> None:
        self._json_stop.set()
        if self._json_thread is not None:
            self._json_thread.join(2)
        if self.status is not None and self.config.get("HTML_JSON_UPDATE_INTERVAL") != "0":
            self.status.set("ended", self.clock.epoch())
            self.status.snapshot(self.clock.epoch() - self.begun)
            self.status.write_json()

    def _gather(self) -> Gathered:
        plan, session = self.plan, self.session
        self.out.msg(f"Loading MOVED for {session.reference}/usr/ports")
        self._set("loading_moved:")
        self.clock.wait(4)
        blacklist = session.blacklist()
        values, self.makeconf = session.makeconf()
        if plan.try_broken:
            values["TRYBROKEN"] = "yes"
        tree = PortsTree(session.ports_directory, values, session.options_directory(), plan.overrides)
        self.out.msg("Gathering ports metadata")
        self._set("gatheringportvars:")
        self.clock.wait(1)
        every = self.config.yes("FLAVOR_DEFAULT_ALL") or plan.everything
        return Gatherer(self.context, tree, blacklist, every).gather(
            listed(plan.files, plan.operands, plan.everything, tree))

    def _queue(self, gathered: Gathered) -> queue.Graph:
        self.out.msg("Calculating ports order and dependencies")
        self._set("computingdeps:")
        self.clock.wait(0.5)
        jobs = queue.graph(gathered.unignored(), gathered.known())
        self._set("computingrdeps:")
        return jobs

    def _sanity(self, gathered: Gathered) -> None:
        """Look at the repository as a whole; write what the queue looked like before anything was trimmed."""
        status, plan, repository = self._status, self.plan, self.repository
        self._set("sanity:")
        self.out.msg("Sanity checking the repository")
        jobs = queue.graph(gathered.unignored(), gathered.known())
        status.note("all_pkgs", gathered.lines(list(gathered.ports.values())))
        status.note("all_pkgs_not_ignored", gathered.lines(gathered.unignored()))
        status.note("pkg_deps", queue.lines(jobs))
        status.note("pkg_deps.dot", queue.dot(jobs))
        status.note("pkg_pool", queue.listing(jobs))
        try:
            with open(os.path.join(repository.place, ".jailversion"), encoding="utf-8") as stream:
                version = stream.readline().strip()
        except OSError:
            version = self.session.version
        if version != self.session.version:
            repository.clear("newer version of jail")
        if plan.clean:
            repository.clear("-c specified")
        if plan.clean_listed:
            self._clean_listed(gathered)

    def _clean_listed(self, gathered: Gathered) -> None:
        self.out.msg("-C specified, cleaning listed packages")
        names = [port.pkgname for port in gathered.ports.values() if gathered.reasons[port.spec] == "listed"]
        for name in names:
            if self.repository.has(name) and name in [port.pkgname for port in gathered.unignored()]:
                self.out.msg(f"(-C) Will delete existing package: {name}.pkg")
                os.unlink(self.repository.path(name))
        self.out.msg("(-C) Flushing package deletions")

    @property
    def _status(self) -> BuildStatus:
        assert self.status is not None
        return self.status

    def _trim(self, jobs: queue.Graph, gathered: Gathered, resuming: bool) -> queue.Graph:
        """Take out of the queue what is ignored, done in an interrupted build, or there already."""
        repository, status = self.repository, self._status
        if resuming:
            done = {line.split()[1] for name in ("built", "failed", "ignored", "inspected", "fetched", "skipped")
                    for line in status.rows(name)}
            jobs = queue.without(jobs, [f"build:{name}" for name in done])
        else:
            jobs = self._trim_ignored(jobs, gathered)
        jobs = fetched.fetch(self.context, self.plan.branch, repository, status, jobs, gathered)
        if not repository.extract_pkg():
            repository.clear("pkg bootstrap missing: unable to inspect existing packages")
        self._set("sanity:")
        _link(os.path.relpath(self.log_directory, repository.place), os.path.join(repository.place, "logs"))
        _link(os.path.relpath(repository.root, self.log_directory), status.path("packages_root"))
        ports = gathered.known()
        name = abi(self.session.version, self.session.arch)
        repository.inspect({spec: port for spec, port in ports.items() if not port.ignore}, name, self._unqueued())
        if self.plan.skip_recursive:
            self.out.msg("Skipping recursive rebuild")
        else:
            bases = {port.name for port in gathered.ports.values()}
            repository.drop_incomplete(lambda pkgbase: pkgbase in bases)
        repository.tidy()
        self._set("sanity:")
        return self._unqueue(jobs, gathered)

    def _unqueued(self) -> bool:
        """Return whether packages that this build did not ask for are deleted."""
        choice = self.config.get("DELETE_UNQUEUED_PACKAGES")
        if choice != "yes":
            return choice == "always"
        if self.plan.testing or self.plan.clean_listed:
            return False
        return self.plan.everything or bool(self.plan.files)

    def _trim_ignored(self, jobs: queue.Graph, gathered: Gathered) -> queue.Graph:
        status = self._status
        self._set("trimming_ignore:")
        self.out.msg("Trimming IGNORED and blacklisted ports")
        self.clock.wait(1)
        ignored = [port for port in gathered.ports.values() if port.ignore]
        if not ignored:
            return jobs
        everything = queue.graph(list(gathered.ports.values()), gathered.known())
        build = Build(self.context, self.session, self.repository, status, gathered.known(), everything, "", False)
        for port in ignored:
            self.out.msg(f"Ignoring   {port.spec} | {port.pkgname}: {port.ignore}")
            run_hook(self.context, "pkgbuild", "ignored", port.origin, port.pkgname, port.ignore)
            status.add("ignored", f"{port.spec} {port.pkgname} {port.ignore}")
            skip(build, port, "ignored", self.out.msg)
        left = {job for job in build.jobs if job.partition(":")[2] not in {port.pkgname for port in ignored}}
        return queue.without(jobs, [job for job in jobs if job not in left])

    def _unqueue(self, jobs: queue.Graph, gathered: Gathered) -> queue.Graph:
        status, repository = self._status, self.repository
        self._set("cleaning:")
        self.out.msg("Unqueueing existing packages")
        names = [port.pkgname for port in gathered.unignored()]
        jobs = queue.without(jobs, [f"build:{name}" for name in names if repository.has(name)])
        if self.config.yes("TRIM_ORPHANED_BUILD_DEPS") and not self.plan.everything:
            self.out.msg("Unqueueing orphaned build dependencies")
            jobs = self._without_orphans(jobs, gathered)
        status.note("pkg_deps_trimmed", queue.listing(jobs))
        status.note("pkg_deps_trimmed.dot", queue.dot(jobs))
        self.out.msg("Sanity checking build queue")
        self._set("pkgqueue_sanity_check:")
        self.clock.wait(1)
        loop = queue.cycle(jobs)
        if loop:
            self.out.error("Dependency loop detected: " + " ".join(loop))
            raise Failure(1, "Sanity checking build queue failed", "pkgqueue_sanity_check:20")
        return jobs

    def _without_orphans(self, jobs: queue.Graph, gathered: Gathered) -> queue.Graph:
        """Drop builds that only served builds which are not needed any more."""
        roots = {port.pkgname for port in gathered.unignored()
                 if gathered.reasons[port.spec] == "listed" or port.origin == PKG_ORIGIN}
        needed = queue.closure(jobs, roots)
        grown = True
        while grown:
            grown = False
            for name in list(needed):
                build = jobs.get(f"build:{name}")
                more = queue.closure(jobs, {job.partition(":")[2] for job in build or ()}) - needed
                if more:
                    needed |= more
                    grown = True
        return queue.without(jobs, [job for job in jobs if job.startswith("build:")
                                    and job.partition(":")[2] not in needed])

    def _finish_queue(self, jobs: queue.Graph, gathered: Gathered, resuming: bool) -> None:
        status, repository = self._status, self.repository
        if not resuming:
            rows = [f"{port.spec} {port.pkgname} {gathered.reasons[port.spec]}" for port in gathered.unignored()
                    if f"build:{port.pkgname}" in jobs]
            status.write(".poudriere.ports.tobuild", "".join(row + "\n" for row in rows))
            status.set("stats_tobuild", len(rows))
            others = [row for name in ("ignored", "inspected", "skipped", "fetched") for row in status.rows(name)]
            status.write(".poudriere.ports.queued", "".join(row + "\n" for row in sorted(rows + others)))
            status.set("stats_queued", len(rows) + len(others))
        for name, text in ((".jailversion", self.session.version), (".buildname", self.plan.buildname)):
            path = os.path.join(repository.place, name)
            with open(path + ".new", "w", encoding="utf-8") as stream:
                stream.write(text + "\n")
            os.replace(path + ".new", path)

    def _parallel_build(self, jobs: queue.Graph, gathered: Gathered) -> None:
        status = self._status
        count = sum(job.startswith("build:") for job in jobs)
        if not count:
            return
        builders = min(self.parallel, count)
        self.out.msg("Processing PRIORITY_BOOST")
        self._set("load_priorities:")
        status.note("pkg_deps_priority", queue.priority_lines(jobs))
        status.note("pkg_deps.ptsort", queue.sorted_lines(jobs))
        allowed = self.config.yes("ALLOW_MAKE_JOBS")
        build = self.build = Build(self.context, self.session, self.repository, status,
                                   {spec: port for spec, port in gathered.known().items() if not port.ignore}, jobs,
                                   self.makeconf, allowed)
        status.note("pkg_pool_trimmed", queue.pool_listing(jobs, [job for job, needed in jobs.items() if not needed]))
        self.out.msg(f"Building {count} packages using up to {builders} builders")
        identities = [f"{number:02d}" for number in range(1, builders + 1)]
        status.set("builders", "\n".join(identities))
        self._set("parallel_build:")
        self.out.msg("Hit CTRL+t at any time to see build progress and stats")
        self._work([Builder(build, identity) for identity in identities])
        self._set("stopping_jobs:")
        self.out.msg(f"Stopping up to {builders} builders")
        self.clock.wait(1)
        self._set("updating_stats:")
        self._set("idle:")

    def _work(self, builders: list[Builder]) -> None:
        """Let the builders work; in frozen time one does everything."""
        assert self.build is not None
        self.build.idle = {builder.identity for builder in builders if self.clock.scale > 0}
        if self.clock.scale <= 0:
            builders[0].run()
        else:
            threads = [threading.Thread(target=builder.run, daemon=True) for builder in builders]
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                for thread in threads:
                    thread.join(0.05)
        if self.build.crash is not None:
            raise self.build.crash

    def _dry_summary(self) -> int:
        status = self._status
        self._set("done:")
        self.out.msg("Dry run mode, cleaning up and exiting")
        rows = status.rows("tobuild")
        if rows:
            self.out.msg(f"Would build {len(rows)} packages using {min(self.parallel, len(rows))} builders")
            self.out.begin("Ports to build: ")
            self.out.raw(" ".join(row.split(" ")[0] for row in rows) + "\n")
        else:
            self.out.msg("No packages would be built")
        self._summary()
        self.out.msg(f"Logs: {self.log_directory}")
        return 0

    def _summary(self, error: bool = False) -> None:
        """Print the state of the build (show_build_summary)."""
        status = self.status
        if status is None or not os.path.isdir(self.log_directory):
            return
        name = status.get("status").partition(":")[0]
        line = (f"[{self.session.master}] [{self.plan.buildname}] [{name}] "
                f"Time: {duration(self.clock.epoch() - self._first_status())}")
        queued = status.number("queued")
        if not queued:
            self.out.raw(line + "\n", error)
            return
        counts = {key: status.number(key) for key in ("inspected", "ignored", "built", "failed", "skipped", "fetched")}
        words = " ".join(f"{key.capitalize()}: {number}" for key, number in counts.items())
        pad = " " * len(f"[{duration(0)}] ")
        self.out.raw(f"{self.out.prefix()}{line}\n{pad}Queued: {queued} {words} "
                     f"Remaining: {queued - sum(counts.values())}\n", error)

    def _first_status(self) -> int:
        try:
            with open(self._status.path(".poudriere.status.journal%"), encoding="utf-8") as stream:
                return int(stream.readline().partition(":")[0])
        except (OSError, ValueError):
            return self.begun

    def _results(self) -> None:
        """Name the ports by what became of them (show_build_results)."""
        status = self._status
        for title, name in (("Built", "built"), ("Failed", "failed"), ("Skipped", "skipped"), ("Ignored", "ignored"),
                            ("Inspected", "inspected"), ("Fetched", "fetched")):
            rows = [row.split(" ") for row in status.rows(name)]
            words = [f"{row[0]}:{row[2]}" if name == "failed" else row[0] for row in rows]
            if rows:
                self.out.msg(f"{title} ports: {' '.join(sorted(set(words)) if name == 'skipped' else words)}")
        self._summary()
        self.out.msg(f"Logs: {self.log_directory}")

    def _crashed(self, failure: Failure) -> None:
        if self.status is not None:
            self.status.set("status", f"crashed:err:{failure}")
        self.out.failure(failure)
        if self.status is not None:
            self._summary(error=True)
            self.out.msg(f"Logs: {self.log_directory}", error=True)
        run_hook(self.context, "bulk", "crashed")

    def _clean_up(self) -> None:
        """What exit_handler() does to a bulk: files written for the last time, jail stopped."""
        if self.status is not None:
            self._list_data()
            self._stop_json()
        if self.plan.dry:
            self.repository.abandon()
        if self.session.started:
            self.out.msg("Cleaning up")
            self.session.stop()
            if self.status is not None:
                self.status.set("status", f"stopped:{self.status.get('status')}")
        if self.lock is not None:
            self.lock.release()

    def _list_data(self) -> None:
        """Write what ``find -ls`` shows of the build's data directory."""
        lines = []
        top = os.path.join(self.session.reference, ".p")
        for parent, _directories, names in os.walk(top):
            for path in [parent, *(os.path.join(parent, name) for name in names)]:
                info = os.stat(path)
                kind = "d" if os.path.isdir(path) else "-"
                made = time.strftime("%b %e %H:%M", time.localtime(info.st_mtime))
                relative = os.path.relpath(path, top)
                shown = "." if relative == "." else f"./{relative}"
                lines.append(f"{info.st_ino % 100000:>6} {info.st_blocks // 2:>8} {kind}rwxr-xr-x {info.st_nlink:>4} "
                             f"{'root':<32} {'wheel':<32} {info.st_size:>18} {made} {shown}\n")
        self._status.note("datadir", "".join(lines))


def _link(target: str, path: str) -> None:
    temporary = f"{path}.{os.getpid()}"
    if os.path.lexists(temporary):
        os.unlink(temporary)
    os.symlink(target, temporary)
    os.replace(temporary, path)


__all__ = ["BulkRun", "Plan"]
