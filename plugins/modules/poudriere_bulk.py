#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Build the packages of a list with poudriere, as a detached job."""

from __future__ import annotations

DOCUMENTATION = r"""
module: poudriere_bulk
short_description: Build packages with poudriere, as a job that survives the connection
version_added: 0.1.0
description:
  - Runs C(poudriere bulk) for the ports of one or more list files, as a detached job on the builder.
  - The job is named by the digest of everything that the packages depend on. A dropped connection or a killed
    controller loses nothing, because the next run finds the job by that name and attaches to it again.
  - The run is judged by poudriere's own status files, never by its exit status, which is a count modulo 256.
  - Nothing runs when the packages of the same inputs are there already.
options:
  jail:
    description: Name of the poudriere jail to build in.
    type: str
    required: true
  ports:
    description: Name of the poudriere ports tree to build from.
    type: str
    required: true
  set:
    description: Name of the poudriere set, C(poudriere bulk -z).
    type: str
  lists:
    description:
      - Absolute paths of package lists on the builder, one origin per line, with V(#) comments.
      - An origin is C(category/name) or C(category/name@flavor).
    type: list
    elements: path
    required: true
  origins:
    description:
      - What the lists will hold once they are on the builder.
      - A check run plans with it, because a check run copies nothing.
    type: list
    elements: str
  pending:
    description:
      - Reasons to build that a check run cannot see on the builder, because an earlier stage changed nothing in it.
      - Ignored outside of check mode.
    type: list
    elements: str
    default: []
  etcdir:
    description: The directory that C(poudriere -e) gets.
    type: path
    required: true
  jobs_dir:
    description: Directory that holds one directory for each job.
    type: path
    required: true
  receipt:
    description: File that says what the packages were made from, written as the last act.
    type: path
    required: true
  allow_failures:
    description:
      - Origins that may fail or be ignored. Ports that are skipped only because of them may be missing as well.
      - An origin without a flavor stands for all its flavors.
    type: list
    elements: str
    default: []
  fetch_branch:
    description: Branch of the upstream repository to take unchanged packages from, C(poudriere bulk -b).
    type: str
  signing_key:
    description: Path on the builder of the key that signs the repository, C(PKG_REPO_SIGNING_KEY).
    type: str
  jobs:
    description: How many ports are built at a time. poudriere takes the number of processors when it is not given.
    type: int
  min_space:
    description: Bytes that must be free below O(jobs_dir) before a build is started.
    type: int
    default: 0
  poll:
    description: Seconds between two looks at the running job.
    type: int
    default: 5
  timeout:
    description:
      - Seconds after which the task gives up waiting.
      - The job is not stopped, and the next run attaches to it again.
    type: int
    default: 86400
  phase:
    description:
      - What the action plugin of this module asks for. V(start) looks, and starts or attaches to the job when there
        is something to do; V(poll) looks at the job and judges it when it has ended.
    type: str
    choices: [start, poll]
    default: start
  key:
    description: The job to look at. Needed for O(phase=poll), which only the action plugin asks for.
    type: str
  log_offset:
    description: Where the last look at the job's log ended. For O(phase=poll), which only the action plugin asks for.
    type: int
    default: 0
attributes:
  check_mode:
    support: full
    description: Tells what would be built and why.
  diff_mode:
    support: full
    description: Shows what the packages were made from, against what they would be made from.
  idempotent:
    support: full
    description: Packages that were made from the same inputs are not built again.
author:
  - The freehyve.builder authors (@freehyve)
"""

EXAMPLES = r"""
- name: Build the packages of the image
  freehyve.builder.poudriere_bulk:
    jail: fh151RELEASEamd64
    ports: freehyve
    lists:
      - /zroot/freehyve/poudriere/etc/host_packages.txt
    etcdir: /zroot/freehyve/poudriere/etc
    jobs_dir: /zroot/freehyve/jobs
    receipt: /zroot/freehyve/stages/packages-fh151RELEASEamd64-freehyve.json

- name: Build, although one port is known to be broken
  freehyve.builder.poudriere_bulk:
    jail: fh151RELEASEamd64
    ports: freehyve
    lists:
      - /zroot/freehyve/poudriere/etc/host_packages.txt
    etcdir: /zroot/freehyve/poudriere/etc
    jobs_dir: /zroot/freehyve/jobs
    receipt: /zroot/freehyve/stages/packages-fh151RELEASEamd64-freehyve.json
    allow_failures:
      - sysutils/broken
"""

RETURN = r"""
actions:
  description: What was done or would be done, and why.
  type: list
  elements: dict
  returned: always
  sample: [{"action": "build 12 listed ports", "reason": "origins: sysutils/tmux added"}]
state:
  description: V(current) when nothing is to be done, V(planned) in check mode, V(running), V(done).
  type: str
  returned: success
key:
  description: Digest of the inputs, name of the job.
  type: str
  returned: when the inputs are known
origins:
  description: The listed origins whose packages are in the repository; in check mode all that are listed.
  type: list
  elements: str
  returned: success
repository:
  description: Directory of the finished repository. It never changes; a later build makes another one.
  type: str
  returned: when there is one
log_dir:
  description: poudriere's log directory of the run.
  type: str
  returned: when the run got so far
job:
  description: Directory, log, state, exit status and start of the job.
  type: dict
  returned: when a job was started or found
attached:
  description: Whether the job ran already and was attached to.
  type: bool
  returned: when a job was started or found
progress:
  description:
    - Counters of the running job, what each builder does and for how many seconds, the failed ports with the end of
      their logs, the seconds since the job began and a guess at those that are left.
  type: dict
  returned: while the job runs
log_offset:
  description: Where the next look at the log begins.
  type: int
  returned: while the job runs
bulk:
  description: Every port of the run by how it ended. Not at the top, where V(failed) and V(skipped) are Ansible's.
  type: dict
  returned: when the run is known
  contains:
    built:
      description: Packages that the run built, with origin, name, seconds, and when they were done.
      type: list
      elements: dict
    failed:
      description: Ports that failed, with phase, error type, path of the log and its last lines, and when.
      type: list
      elements: dict
    skipped:
      description: Ports that were not tried because another one is missing, and which.
      type: list
      elements: dict
    ignored:
      description: Ports that poudriere ignored, and why.
      type: list
      elements: dict
    fetched:
      description: Packages taken from the upstream repository.
      type: list
      elements: dict
seconds:
  description: How long the task took, waiting for the job included.
  type: float
  returned: always
log_tail:
  description: Last lines of the job's log, without terminal escapes.
  type: list
  elements: str
  returned: failure of the run
"""

import contextlib
import os
import time
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils import _job, _lease
from ansible_collections.freehyve.builder.plugins.module_utils._bulk import (
    PORT_LISTS,
    TAIL_LINES,
    available,
    build_times,
    bulk_argv,
    committed_repository,
    errors_of,
    port_lists,
    verdict_message,
)
from ansible_collections.freehyve.builder.plugins.module_utils._bulk_inputs import (
    Names,
    config_digests,
    jail_inputs,
    ports_inputs,
)
from ansible_collections.freehyve.builder.plugins.module_utils._bulk_progress import progress_of
from ansible_collections.freehyve.builder.plugins.module_utils._bulk_status import (
    BulkStatus,
    Verdict,
    is_allowed,
    is_listed,
    judge,
    read_status,
)
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import free_bytes, read_json, write_json
from ansible_collections.freehyve.builder.plugins.module_utils._keys import key_of, reasons
from ansible_collections.freehyve.builder.plugins.module_utils._package_list import merge_lists
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, diff_of, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._poudriere import jail as find_jail
from ansible_collections.freehyve.builder.plugins.module_utils._poudriere import (
    jails_run,
    log_dir_of,
    packages_dir,
    ports_tree,
)
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner


@dataclass(frozen=True)
class Wanted:
    """The parameters."""

    names: Names
    lists: Tuple[str, ...]
    etcdir: str
    jobs_dir: str
    receipt: str
    allow_failures: Tuple[str, ...] = ()
    origins: Optional[Tuple[str, ...]] = None
    pending: Tuple[str, ...] = ()
    fetch_branch: Optional[str] = None
    signing_key: Optional[str] = None
    jobs: Optional[int] = None
    min_space: int = 0
    check: bool = False


@dataclass(frozen=True)
class Ending:
    """How a job ended: poudriere's files, and what they amount to."""

    status: BulkStatus
    verdict: Verdict
    log_dir: Optional[str]
    repository: Optional[str]
    errors: Tuple[str, ...]


@dataclass(frozen=True)
class Observed:
    """The builder as it is. ``blockers`` say what must be there before anything can be built.

    ``ending`` is of a job that ended and did not become a receipt: nobody has looked, or it was not good.
    """

    origins: Tuple[str, ...]
    inputs: Dict[str, Any]
    blockers: Tuple[str, ...]
    receipt: Optional[Dict[str, Any]]
    repository_there: bool
    job: _job.JobState
    ending: Optional[Ending] = None

    @property
    def key(self) -> str:
        return key_of(self.inputs)


@dataclass(frozen=True)
class Plan:
    """``state``: current, build, attach, accept (a job that ended well while nobody looked) or blocked."""

    state: str
    steps: Tuple[Step, ...] = ()


def bulk_inputs(wanted: Wanted, origins: Sequence[str], jail: Any, tree: Any) -> Dict[str, Any]:
    """Everything that the packages depend on; what is not there yet is left out."""
    inputs: Dict[str, Any] = {
        "origins": list(origins),
        "jail": dict(jail_inputs(jail), name=wanted.names.jail) if jail else {"name": wanted.names.jail},
        "ports": dict(ports_inputs(tree), name=wanted.names.ports) if tree else {"name": wanted.names.ports},
        "configuration": config_digests(wanted.etcdir, wanted.names),
    }
    for name, value in (
        ("set", wanted.names.set_name),
        ("fetch branch", wanted.fetch_branch),
        ("signing key", wanted.signing_key),
    ):
        if value:
            inputs[name] = value
    return inputs


def _lists(wanted: Wanted) -> List[str]:
    texts: Dict[str, Optional[str]] = {}
    for path in wanted.lists:
        try:
            with open(path, encoding="utf-8") as stream:
                texts[path] = stream.read()
        except (FileNotFoundError, IsADirectoryError):
            texts[path] = None
        except UnicodeDecodeError as exc:
            raise ToolError(f"package list {path}: not a text file (byte {exc.start} is not UTF-8)") from exc
        except OSError as exc:
            raise ToolError(f"package list {path}: cannot be read: {exc.strerror}") from exc
    return merge_lists(texts, "on the builder")


def _blockers(wanted: Wanted, runner: Runner, jail: Any, tree: Any) -> List[str]:
    names = wanted.names
    found = []
    if runner.which("poudriere") is None:
        found.append(
            "poudriere: not installed on the builder; run provision.yml, or `pkg install poudriere` as root there"
        )
    if jail is None:
        found.append(f"poudriere jail '{names.jail}': does not exist; run the jail stage first (--tags jail)")
    if tree is None:
        found.append(f"ports tree '{names.ports}': does not exist; run the ports stage first (--tags ports)")
    if wanted.signing_key and not os.path.isfile(wanted.signing_key):
        found.append(f"signing key '{wanted.signing_key}': no such file on the builder; put it there first")
    return found


def ending_of(wanted: Wanted, job: _job.Job, origins: Sequence[str]) -> Ending:
    """Read how a job ended."""
    try:
        with open(job.log, encoding="utf-8", errors="replace") as stream:
            log = _job.strip_escapes(stream.read())
    except FileNotFoundError:
        log = ""
    log_dir = log_dir_of(log)
    status = read_status(log_dir) if log_dir else read_status(os.devnull)
    repository = committed_repository(log)
    if repository is None and status.done:
        latest = os.path.realpath(os.path.join(packages_dir(wanted.etcdir, wanted.names.mastername), ".latest"))
        repository = latest if os.path.isdir(latest) else None
    verdict = judge(status, wanted.allow_failures, origins)
    return Ending(status, verdict, log_dir, repository, tuple(errors_of(log)))


def observe(wanted: Wanted, runner: Runner) -> Observed:
    """Look at lists, jail, tree, configuration, receipt and job."""
    jail = find_jail(wanted.etcdir, wanted.names.jail)
    tree = ports_tree(wanted.etcdir, wanted.names.ports)
    origins = list(wanted.origins) if wanted.check and wanted.origins is not None else _lists(wanted)
    inputs = bulk_inputs(wanted, origins, jail, tree)
    receipt = read_json(wanted.receipt)
    repository = ((receipt or {}).get("results") or {}).get("repository") or ""
    job = _job.Job(wanted.jobs_dir, key_of(inputs))
    state = _job.observe(runner, job)
    ending = None
    # A good end that has been looked at is a receipt by now; the log of a large run has megabytes.
    if state.state == _job.DONE and not state.cancelled and not (state.result or {}).get("good"):
        ending = ending_of(wanted, job, origins)
    return Observed(
        origins=tuple(origins),
        inputs=inputs,
        blockers=tuple(_blockers(wanted, runner, jail, tree)),
        receipt=receipt,
        repository_there=os.path.isdir(repository),
        job=state,
        ending=ending,
    )


def why(wanted: Wanted, observed: Observed) -> List[str]:
    """Reasons to build, empty when the packages that are there serve."""
    receipt = observed.receipt
    words = list(wanted.pending) if wanted.check else []
    words += reasons(receipt["inputs"] if receipt else None, observed.inputs)
    if receipt is None or words:
        return words
    results = receipt["results"]
    if not observed.repository_there:
        return [f"repository {results.get('repository')} is gone"]
    # Failed ports in a receipt were allowed to fail then.
    gone = [row["origin"] for row in results.get("failed", [])]
    gone += [row["origin"] for row in results.get("ignored", []) if is_listed(row["origin"], observed.origins)]
    return [
        f"{name} is no longer allowed to be missing" for name in gone if not is_allowed(wanted.allow_failures, name)
    ]


def plan(wanted: Wanted, observed: Observed) -> Plan:
    """Decide."""
    words = why(wanted, observed)
    if not words:
        return Plan("current")
    count = len(observed.origins)
    action = f"build {count} listed port" + ("" if count == 1 else "s")
    if observed.blockers:
        steps = [Step(action, "; ".join(words))]
        return Plan("blocked", tuple(steps + [Step("wait for an earlier stage", text) for text in observed.blockers]))
    job, ending = observed.job, observed.ending
    if job.state == _job.RUNNING:
        return Plan("attach", (Step("attach to the running job", "; ".join(words)),))
    if ending is not None and ending.verdict.good and os.path.isdir(ending.repository or ""):
        return Plan("accept", (Step("take the packages of the job that ended meanwhile", "; ".join(words)),))
    if job.state == _job.DIED:
        words.append("an earlier job died without a status")
    elif job.cancelled:
        words.append("an earlier job was cancelled")
    elif ending is not None and not ending.verdict.good:
        words.append("an earlier job of the same inputs failed")
    return Plan("build", (Step(action, "; ".join(words)),))


def _space(wanted: Wanted) -> None:
    """Refuse to start a build that the file system cannot hold."""
    place = wanted.jobs_dir if os.path.isdir(wanted.jobs_dir) else os.path.dirname(wanted.jobs_dir)
    if not wanted.min_space or not os.path.isdir(place):
        return
    free = free_bytes(place)
    if free < wanted.min_space:
        gib = 1 << 30
        raise ToolError(
            f"bulk '{wanted.names.mastername}': needs {wanted.min_space / gib:.1f} GiB free at {place}, "
            f"{free / gib:.1f} GiB are there; free some, or lower package_bulk_min_space"
        )


class BulkFailed(ToolError):
    """A run that ended and is not good; carries everything that is known of it."""

    def __init__(self, message: str, known: Dict[str, Any]) -> None:
        super().__init__(message)
        self.known = known

    def as_result(self) -> Dict[str, Any]:
        return dict(self.known, msg=self.message)


def _job_result(job: _job.Job, state: _job.JobState) -> Dict[str, Any]:
    return {
        "directory": job.directory,
        "log": job.log,
        "state": state.state,
        "rc": state.rc,
        "since": state.since,
        "cancelled": state.cancelled,
    }


def conclude(
    wanted: Wanted, runner: Runner, job: _job.Job, state: _job.JobState, inputs: Dict[str, Any], ending: Ending
) -> Dict[str, Any]:
    """Judge a job that ended and write the receipt when it is good.

    :raises BulkFailed: it is not.
    """
    listed = list(inputs["origins"])
    lists = port_lists(ending.status, ending.log_dir or "")
    known: Dict[str, Any] = {
        "bulk": lists,
        "key": job.key,
        "job": _job_result(job, state),
        "log_dir": ending.log_dir,
    }
    master = wanted.names.mastername
    message = None
    if not ending.verdict.good:
        message = verdict_message(master, ending.verdict, ending.errors, ending.log_dir, job.log)
    elif ending.repository is None:
        message = (
            f"bulk '{master}': poudriere committed no repository; "
            f"ATOMIC_PACKAGE_REPOSITORY and COMMIT_PACKAGES_ON_FAILURE must be yes; see {job.log}"
        )
    # A poudriere that was killed leaves its jails, and then the lease stays for the next run to stop them.
    if message is None or not jails_run(runner, master):
        give_back(wanted, job)
    looked = {"good": message is None, "allow_failures": list(wanted.allow_failures), "message": message}
    if message is not None:
        _job.finish(job, looked)
        raise BulkFailed(message, dict(known, log_tail=_job.tail_lines(job.log, TAIL_LINES)))
    before = ((read_json(wanted.receipt) or {}).get("results") or {}).get("seconds")
    results = dict(
        lists,
        seconds=build_times(before, ending.status, ending.repository or ""),
        repository=ending.repository,
        origins=available(listed, ending.status),
        listed=listed,
        ports_commit=inputs["ports"].get("commit"),
        log_dir=ending.log_dir,
    )
    os.makedirs(os.path.dirname(wanted.receipt), exist_ok=True)
    write_json(
        wanted.receipt,
        {
            "stage": "packages",
            "id": master,
            "key": job.key,
            "inputs": inputs,
            "results": results,
            "made": int(time.time()),
        },
    )
    # Last: who is killed before leaves an end that the next run looks at again.
    _job.finish(job, looked)
    return dict(known, state="done", repository=ending.repository, origins=results["origins"])


def look(wanted: Wanted, runner: Runner, job: _job.Job, offset: int) -> Dict[str, Any]:
    """One look at a job that was started: its progress, or its end.

    :raises ToolError: the job is gone, or its end is not good.
    """
    state = _job.observe(runner, job)
    master = wanted.names.mastername
    if state.state == _job.ABSENT or state.note is None:
        raise ToolError(f"bulk '{master}': its job {job.directory} is gone; run again to start another")
    inputs = state.note["inputs"]
    if state.state == _job.RUNNING:
        text, end = _job.read_log(job.log, offset)
        log_dir = log_dir_of(_job.head(job.log))
        status = read_status(log_dir) if log_dir else read_status(os.devnull)
        return {
            "state": "running",
            "key": job.key,
            "job": _job_result(job, state),
            "log_dir": log_dir,
            "log_offset": end,
            "log_lines": text.splitlines()[-TAIL_LINES:],
            "progress": progress_of(status, log_dir, state.since),
        }
    if state.state == _job.DIED or state.cancelled:
        cause = "was cancelled" if state.cancelled else "died without an exit status"
        raise BulkFailed(
            f"bulk '{master}': its job {cause}; run again to build what is missing; see {job.log}",
            {"job": _job_result(job, state), "key": job.key, "log_tail": _job.tail_lines(job.log, TAIL_LINES)},
        )
    return conclude(wanted, runner, job, state, inputs, ending_of(wanted, job, inputs["origins"]))


def apply(wanted: Wanted, runner: Runner, observed: Observed, planned: Plan) -> Dict[str, Any]:
    """Start the job or attach to it, or take the result of one that ended."""
    job = _job.Job(wanted.jobs_dir, observed.key)
    if planned.state == "accept" and observed.ending is not None:
        return dict(conclude(wanted, runner, job, observed.job, observed.inputs, observed.ending), changed=True)
    if planned.state == "attach":
        # Only looked at: it may have ended meanwhile, and then there is nothing to start.
        return dict(look(wanted, runner, job, 0), changed=True, attached=True)
    _space(wanted)
    argv = bulk_argv(wanted.etcdir, wanted.names, wanted.lists, wanted.jobs, wanted.fetch_branch, wanted.signing_key)
    with held(wanted, runner, job):
        _state, started = _job.start(runner, job, argv, note={"inputs": observed.inputs})
    return dict(look(wanted, runner, job, 0), changed=True, attached=not started)


def leases_of(wanted: Wanted) -> str:
    return os.path.join(os.path.dirname(wanted.jobs_dir.rstrip("/")), "leases")


@contextlib.contextmanager
def held(wanted: Wanted, runner: Runner, job: _job.Job) -> Iterator[None]:
    """The jails of a jail and a tree are lent to one job: poudriere has no two builds in them.

    :raises ToolError: another job has them.
    """
    details = {"etcdir": wanted.etcdir, "jail": wanted.names.jail, "ports": wanted.names.ports}
    if wanted.names.set_name:
        details["set"] = wanted.names.set_name
    master = wanted.names.mastername
    try:
        lease = _lease.take(runner, leases_of(wanted), "bulk", master, job=job.directory, details=details)
    except ToolError:
        found = _lease.read(_lease.lease_path(leases_of(wanted), "bulk", master))
        if found is None or found.job != job.directory:
            raise
        # Another run wants the very same: it starts the job at this moment, and we attach to it.
        yield
        return
    lease = _lease.entrust(lease)
    try:
        yield
    except BaseException:
        _lease.release(lease)
        raise
    _lease.leave(lease)


def give_back(wanted: Wanted, job: _job.Job) -> None:
    """The job has ended, and poudriere has stopped its jails."""
    leases = leases_of(wanted)
    with _lease.alone(leases):
        found = _lease.read(_lease.lease_path(leases, "bulk", wanted.names.mastername))
        if found is not None and found.job == job.directory:
            _lease.drop(found)


def run_start(wanted: Wanted, runner: Runner, diff: bool) -> Dict[str, Any]:
    """Look, and do what is to be done."""
    observed = observe(wanted, runner)
    planned = plan(wanted, observed)
    results = (observed.receipt or {}).get("results") or {}
    common: Dict[str, Any] = {
        "changed": planned.state != "current",
        "actions": [step.as_dict() for step in planned.steps],
        "key": observed.key,
        "origins": list(observed.origins),
    }
    if diff and planned.state != "current":
        common["diff"] = diff_of((observed.receipt or {}).get("inputs"), observed.inputs)
    if planned.state == "current":
        known = {name: results.get(name) for name in ("repository", "origins", "log_dir")}
        known["bulk"] = {name: results.get(name, []) for name in PORT_LISTS}
        return {**common, **known, "state": "current"}
    if wanted.check:
        return dict(common, state="planned")
    if planned.state == "blocked":
        raise ToolError(observed.blockers[0])
    return dict(common, **apply(wanted, runner, observed, planned))


def _wanted(params: Dict[str, Any], check: bool) -> Wanted:
    origins = params["origins"]
    return Wanted(
        names=Names(params["jail"], params["ports"], params["set"]),
        lists=tuple(params["lists"]),
        etcdir=params["etcdir"],
        jobs_dir=params["jobs_dir"],
        receipt=params["receipt"],
        allow_failures=tuple(params["allow_failures"]),
        origins=None if origins is None else tuple(origins),
        pending=tuple(params["pending"]),
        fetch_branch=params["fetch_branch"],
        signing_key=params["signing_key"],
        jobs=params["jobs"],
        min_space=params["min_space"],
        check=check,
    )


ARGUMENTS: Dict[str, Any] = {
    "jail": {"type": "str", "required": True},
    "ports": {"type": "str", "required": True},
    "set": {"type": "str"},
    "lists": {"type": "list", "elements": "path", "required": True},
    "origins": {"type": "list", "elements": "str"},
    "pending": {"type": "list", "elements": "str", "default": []},
    "etcdir": {"type": "path", "required": True},
    "jobs_dir": {"type": "path", "required": True},
    "receipt": {"type": "path", "required": True},
    "allow_failures": {"type": "list", "elements": "str", "default": []},
    "fetch_branch": {"type": "str"},
    "signing_key": {"type": "str", "no_log": False},
    "jobs": {"type": "int"},
    "min_space": {"type": "int", "default": 0},
    "poll": {"type": "int", "default": 5},
    "timeout": {"type": "int", "default": 86400},
    "phase": {"type": "str", "choices": ["start", "poll"], "default": "start"},
    "key": {"type": "str", "no_log": False},
    "log_offset": {"type": "int", "default": 0},
}
RULES: Dict[str, Any] = {"required_if": [("phase", "poll", ("key",))]}


def entry(module: Any) -> Dict[str, Any]:
    """The module's work, for AnsibleModule and for a job's Context."""
    wanted = _wanted(module.params, module.check_mode)
    runner = Runner()
    if module.params["phase"] == "poll":
        job = _job.Job(wanted.jobs_dir, module.params["key"])
        found = look(wanted, runner, job, module.params["log_offset"])
        return dict(found, changed=True, actions=[])
    return run_start(wanted, runner, bool(getattr(module, "_diff", False)))


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True, **RULES)
    run_module(module, lambda: entry(module))


if __name__ == "__main__":
    main()
