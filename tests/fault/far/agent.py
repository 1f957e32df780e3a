# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The half of the suite that runs on the builder: one request and one answer a line, both JSON.

The modules of a recorded build are called one after the other. Before each, things are remembered; each case starts
from there, breaks one thing, and is followed by what the next run of a playbook would do.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import py_compile
import re
import subprocess
import sys
import time
import traceback
import zipfile
from typing import Any, Dict, List

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [HERE, os.path.join(HERE, "code"), os.path.join(HERE, "lib")]

from far import state as states  # noqa: E402 (the path is set above)
from far import swift, trees  # noqa: E402
from far.calls import NOTHING, Caller, Done, Fault  # noqa: E402
from far.disk_lab import LabDisk  # noqa: E402
from far.disk_zfs import ZfsDisk  # noqa: E402
from far.full import main as fill  # noqa: E402

SEARCH = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
FOREIGN_FILE = "/var/tmp/fhfault-foreign.img"
FOREIGN_POOL = "fhforeign"
FOREIGN_PLACE = "/mnt/fhforeign"


def run(*argv: str, check: bool = True) -> str:
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.returncode}: {done.stderr.decode('utf-8', 'replace')}")
    return done.stdout.decode("utf-8", "replace")


_DATED = re.compile(r"\.json$|/timestamp$")
_TRIED = re.compile(r"jobs/[0-9a-f]{64}/(log|pid|process|process\.tmp|job\.json|outcome\.json|result\.json)$|.*\.part$")


class Agent:
    """State between two requests."""

    def __init__(self, spec: Dict[str, Any]) -> None:
        self.spec = spec
        self.workspace: str = spec["path"]
        self.caller = Caller(HERE)
        self.disk: Any = LabDisk(HERE) if spec["lab"] else ZfsDisk(spec["workspace"])
        self.digests = trees.Digests()
        self.answers: List[Dict[str, Any]] = []
        self.first: Dict[str, Any] = {}
        self.second: Dict[str, Any] = {}
        self.known: Dict[str, List[str]] = {}
        self.foreign = [os.path.join(FOREIGN_PLACE, "precious")]

    # --- once -----------------------------------------------------------------------------------------------------

    def prepare(self) -> Dict[str, Any]:
        preload()
        swiftly = swift.usable()
        self.wrap(swiftly)
        if swiftly:
            swift.preload()
            self.caller.python = os.path.join(HERE, "far", "job")
            with open(self.caller.python, "w", encoding="ascii") as stream:
                stream.write("#!/bin/sh\n" + swift.ask(HERE, swift.JOB, swift.JOB))
            os.chmod(self.caller.python, 0o755)
            states.OWN.add(str(swift.start(HERE)))
        else:
            self.compile()
        self.disk.prepare()
        with open(os.path.join(HERE, "disk.json"), "w", encoding="utf-8") as stream:
            json.dump(self.disk.settings, stream)
        run("truncate", "-s", "96m", FOREIGN_FILE)
        unit = run("mdconfig", "-a", "-t", "vnode", "-f", FOREIGN_FILE).strip()
        # The very name that the image's pool has, and that of nobody else's on this builder.
        run("zpool", "create", "-m", FOREIGN_PLACE, self.spec.get("pool") or FOREIGN_POOL, unit)
        with open(self.foreign[0], "w", encoding="ascii") as stream:
            stream.write("not yours\n")
        return {"unit": unit}

    def finish(self) -> Dict[str, Any]:
        run("zpool", "destroy", "-f", self.spec.get("pool") or FOREIGN_POOL, check=False)
        for row in run("mdconfig", "-l", "-v").splitlines():
            if FOREIGN_FILE in row:
                run("mdconfig", "-d", "-u", row.split("\t")[0])
        os.unlink(FOREIGN_FILE)
        if not self.spec["lab"]:
            self.disk.finish()
        return {}

    def compile(self) -> None:
        """Bytecode for the archive of jobs, as Ansible's cache of bytecode would be there on a second run."""
        path = os.path.join(HERE, "code.zip")
        with zipfile.ZipFile(path) as archive:
            sources = {name: archive.read(name) for name in archive.namelist()}
        made = os.path.join(HERE, "made.pyc")
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in sources.items():
                archive.writestr(name, data)
                if name.endswith(".py") and data:
                    with open(made[:-1], "wb") as stream:
                        stream.write(data)
                    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
                    py_compile.compile(made[:-1], made, name, doraise=True, invalidation_mode=mode)
                    archive.write(made, name + "c")

    def wrap(self, swiftly: bool) -> None:
        """A wrapper for every command of the search path."""
        with open(os.path.join(HERE, "far", "wrapper.sh"), encoding="utf-8") as stream:
            text = stream.read()
        marks = {"@RUN@": self.caller.run, "@HERE@": HERE, "@PATH@": SEARCH, "@PYTHON@": sys.executable}
        for mark_of, value in marks.items():
            text = text.replace(mark_of, value)
        os.makedirs(os.path.join(HERE, "bin"), exist_ok=True)
        done = set()
        for directory in SEARCH.split(":"):
            for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
                real = os.path.join(directory, name)
                if name in done or not os.path.isfile(real) or not os.access(real, os.X_OK):
                    continue
                if not re.match(r"^[A-Za-z0-9._+-]+$", name):
                    continue
                done.add(name)
                with open(real, "rb") as stream:
                    shim = re.search(rb"^run\.shim\('(\w+)'\)$", stream.read(400), re.M) if swiftly else None
                simulated = shim.group(1).decode() if shim else ""
                short = simulated and simulated not in swift.SLOW
                ask = swift.ask(HERE, f"$((n % {swift.ANSWERS}))", simulated) if short else ""
                path = os.path.join(HERE, "bin", name)
                with open(path, "w", encoding="utf-8") as stream:
                    stream.write(text.replace("@NAME@", name).replace("@REAL@", real).replace("@SWIFT@", ask))
                os.chmod(path, 0o755)

    # --- calls ----------------------------------------------------------------------------------------------------

    def params(self, index: int) -> Dict[str, Any]:
        """Parameters of a call; what the recorded build took from an earlier answer is taken from ours."""
        value: Dict[str, Any] = self._resolved(self.spec["calls"][index]["params"])
        return value

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, dict):
            if "$from" in value:
                found: Any = self.answers[value["$from"][0]]
                for step in value["$from"][1]:
                    found = found[step]
                return found
            return {name: self._resolved(item) for name, item in value.items()}
        return [self._resolved(item) for item in value] if isinstance(value, list) else value

    def call(self, index: int, fault: Fault = NOTHING) -> Done:
        return self.caller.call(self.spec["calls"][index]["module"], self.params(index), fault)

    def seen(self) -> Dict[str, Any]:
        return {
            "state": states.state(HERE, self.workspace, self.foreign),
            "table": trees.table(self.workspace, self.digests),
        }

    def again(self, index: int) -> List[Done]:
        """What the next run of the playbook does, as far as the call that was disturbed."""
        reaping = self.spec["reap"]
        done = [self.call(reaping)] if reaping is not None and reaping < index else []
        return [*done, self.call(index)]

    # --- requests -------------------------------------------------------------------------------------------------

    def once(self, index: int) -> Dict[str, Any]:
        """Run a call undisturbed, on the way to a later one."""
        done = self.call(index)
        if not done.good:
            raise RuntimeError(f"undisturbed: {done.message}\n{done.said}")
        del self.answers[index:]
        self.answers.append(done.answer or {})
        return {"seconds": done.seconds, "commands": done.commands, "changes": done.changes}

    def reference(self, index: int) -> Dict[str, Any]:
        """Run a call twice undisturbed, the second time from where the first began; what differs is nobody's fault."""
        self.disk.checkpoint()
        first = self.once(index)
        self.first = self.seen()
        time.sleep(
            2.0
        )  # the time that a file system keeps, FAT in steps of two seconds, must not be the same by chance
        self.disk.restore()
        for reaped in self.again(index):
            if not reaped.good:
                raise RuntimeError(f"undisturbed again: {reaped.message}\n{reaped.said}")
        self.second = self.seen()
        self.known = {}
        del self.answers[index:]
        self.answers.append(reaped.answer or {})
        return first

    def case(self, index: int, kind: str, at: str) -> Dict[str, Any]:
        """One case: broken, looked at, run again, compared."""
        began = time.monotonic()
        self.disk.restore()
        broken = self.call(index, Fault(kind, at, self.spec["limit"]))
        if kind == "full":
            fill(self.caller.run, True)
        wrong: List[str] = []
        if broken.answer is not None and broken.answer.get("stuck"):
            wrong.append("it never came to an end")
        if re.search(r"^Traceback", broken.said + "\n" + broken.message, re.M):
            wrong.append(f"a traceback: {broken.said.strip().splitlines()[-1:] or broken.message}")
        left = self.seen()
        # What is exactly as after an earlier case has no other future than that had.
        name_of_state = mark(left, self.workspace)
        fresh = name_of_state not in self.known
        if fresh:
            self.known[name_of_state] = self.after(index, broken)
        elif any(left["state"][kind] != self.first["state"][kind] for kind in ("memory disks", "pools", "mounts")):
            # What a checkpoint does not take back.
            self.call(self.spec["reap"])
        return {
            "hit": broken.hit,
            "failed": not broken.good,
            "message": broken.message[:300],
            "wrong": wrong + self.known[name_of_state],
            "fresh": fresh,
            "seconds": time.monotonic() - began,
        }

    def after(self, index: int, broken: Done) -> List[str]:
        """Run again, and compare with what two undisturbed runs left."""
        third = self.again(index)
        for done in third:
            if not done.good:
                return [f"the next run fails: {done.message[:600]}"]
        now = self.seen()
        wrong: List[str] = states.differences(now["state"], self.first["state"], self.second["state"])
        wrong += trees.differences(now["table"], self.first["table"], self.second["table"])
        answer = third[-1].answer or {}
        one, other = (trees.text_of(trees.plain_answer(value)) for value in (answer, self.answers[index]))
        # What was finished in spite of the fault is not made again, and then the answer says less.
        if one != other and answer.get("changed") == self.answers[index].get("changed"):
            wrong.append(f"answers {one[:400]} instead of {other[:400]}")
        return wrong

    def digest(self) -> Dict[str, Any]:
        """Everything below the workspace, for comparison with a build of ansible-playbook."""
        return {name: list(row) for name, row in trees.table(self.workspace, self.digests).items()}


def mark(seen: Dict[str, Any], workspace: str) -> str:
    """Names what a builder holds, less what tells only when and by whom it was tried.

    That is: times, processes, the random numbers of a pool of ours and of what lies half-made on it.
    """
    table, state = dict(seen["table"]), dict(seen["state"])
    for name in table:
        if _TRIED.match(name):
            table[name] = table[name][:4]
        elif name.startswith("leases/") and name.endswith(".json"):
            table[name] = table[name][:4] + (lease(os.path.join(workspace, name)),)
        elif table[name][0] == "file" and _DATED.search(name):
            table[name] = table[name][:4] + (undated(os.path.join(workspace, name)) or table[name][4],)
    state["pools"] = [re.sub(r"^(fhb\S*\s)\d+", r"\1GUID", row) for row in state["pools"]]
    return hashlib.sha256(repr((sorted(state.items()), sorted(table.items()))).encode()).hexdigest()


def lease(path: str) -> str:
    """What a lease holds, and how much it tells of it; not by whom and since when."""
    try:
        with open(path, encoding="utf-8") as stream:
            value = json.load(stream)
        details = {k: "-" if k in ("guid", "inode", "fsid") else v for k, v in (value.get("details") or {}).items()}
        return repr((value["kind"], value["identity"], sorted(details.items())))
    except (OSError, ValueError, KeyError):
        return "unreadable"


def undated(path: str) -> str:
    """A small file without when it was written, and with whether the files that it tells of are still the same ones."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(item) for item in value]
        if not isinstance(value, dict):
            return value
        found = {name: plain(item) for name, item in value.items() if name not in ("made", "begun")}
        if {"path", "inode", "mtime_ns"} <= set(found):
            info = os.stat(found["path"])
            found["mtime_ns"] = (found.pop("inode"), found["mtime_ns"]) == (info.st_ino, info.st_mtime_ns)
        return found

    try:
        with open(path, encoding="utf-8") as stream:
            value = json.load(stream)
        return "EPOCH" if isinstance(value, int) else json.dumps(plain(value), sort_keys=True)
    except (OSError, ValueError):
        return ""


def preload() -> None:
    """Import once what every call would import."""
    package = "ansible_collections.freehyve.builder.plugins"
    importlib.import_module(f"{package}.module_utils._remote")
    directory = os.path.join(HERE, "code", *package.split("."), "modules")
    for file in sorted(os.listdir(directory)):
        if file.endswith(".py") and not file.startswith("_"):
            importlib.import_module(f"{package}.modules.{file[:-3]}")


def main() -> None:
    with open(os.path.join(HERE, "spec.json"), encoding="utf-8") as stream:
        agent = Agent(json.load(stream))
    os.environ["PATH"], os.environ["LC_ALL"] = SEARCH, "C"
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(agent, request.pop("do"))(**request)
        except Exception as exc:
            answer = {"error": f"{exc}", "traceback": traceback.format_exc()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
