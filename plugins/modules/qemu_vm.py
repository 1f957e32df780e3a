#!/usr/bin/python
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

DOCUMENTATION = r"""
module: qemu_vm
short_description: A local virtual machine in QEMU that Ansible can log in to
version_added: 0.1.0
description:
  - Runs on the controller, Linux or macOS, as an ordinary user. Makes a machine of a base image, which stays as it is,
    starts and stops it, keeps and takes back snapshots of all its disks, and destroys it.
  - The machine runs in the background and survives the playbook. Its SSH port is forwarded to one port of 127.0.0.1;
    nothing else of it can be reached. Its serial console goes to a log.
  - Acceleration is chosen by proof. A tiny guest must run under it, else software emulation is used.
author:
  - The freehyve.builder authors (@freehyve)
attributes:
  check_mode:
    description: Says what would be done; the acceleration is not tried.
    support: full
  diff_mode:
    description: Nothing to show beyond the actions.
    support: none
  idempotent:
    description: Except O(state=reverted), which goes back each time.
    support: partial
options:
  name:
    description: The machine's name, which is its host name and its name in the inventory too.
    type: str
    required: true
  state:
    description:
      - V(started) makes the machine when there is none, and starts it.
      - V(stopped) presses the power button and waits for a clean shutdown.
      - V(status) looks only.
      - V(snapshot) keeps the state of all disks. A running machine is shut down for it and started again.
      - V(reverted) goes back to a snapshot. A running machine is turned off at once for it and started again.
      - V(absent) removes the machine and its disks; needs O(allow_destroy).
    type: str
    choices: [started, stopped, status, snapshot, reverted, absent]
    default: started
  dir:
    description: Directory that holds all machines.
    type: path
    required: true
  image:
    description: Base image, raw or qcow2, that the machine's root disk is laid over. Needed once, to make it.
    type: path
  source:
    description: What the image was made from, if not itself. A machine that was made from another one is refused.
    type: path
  release:
    description: FreeBSD release in the image, which decides how its nuageinit(7) is told.
    type: str
    default: 15.1-RELEASE
  arch:
    description: V(amd64) or V(arm64/aarch64).
    type: str
    default: amd64
  firmware:
    description: V(auto) is BIOS for amd64 and UEFI for aarch64.
    type: str
    choices: [auto, bios, uefi]
    default: auto
  accel:
    description: V(auto) takes the best that a guest was seen to run under.
    type: str
    choices: [auto, kvm, hvf, tcg]
    default: auto
  cpus:
    description: Processors; V(0) for all of the host's, at most 8.
    type: int
    default: 0
  memory:
    description: Memory; half of the host's, at most 8g, when not given.
    type: str
  disk_size:
    description: Size of the root disk, C(16g) when not given. Counts when the machine is made.
    type: str
  work_size:
    description:
      - Size of the second disk, which the workspace's pool is made of; half of what is free, 10g to 64g, when not
        given. V(0) for none.
      - Counts when the machine is made.
    type: str
  port:
    description: Port on 127.0.0.1 that leads to the guest's sshd; V(0) for any free one, which the machine keeps.
    type: int
    default: 0
  seed:
    description: Whether the image reads a NoCloud seed. When not, it must accept O(private_key) as it is.
    type: bool
    default: true
  user:
    description: Who logs in. A seed sets up root.
    type: str
    default: root
  private_key:
    description: Path of a private key to log in with; one is made for the machine when not given.
    type: path
  host_key:
    description:
      - Public host key of an image without seed. When not given, the key that the guest shows at its first start is
        kept, and no other is accepted from then on. That first connection does not leave the controller.
    type: str
  snapshot:
    description: Name of the snapshot.
    type: str
    default: clean
  wait:
    description: Seconds to wait for a login after a start; V(0) not to wait.
    type: int
    default: 900
  stop_timeout:
    description: Seconds to wait for a clean shutdown.
    type: int
    default: 180
  force:
    description: Pull the plug when the guest does not shut down in that time.
    type: bool
    default: false
  allow_destroy:
    description: Whether O(state=absent) may remove the machine.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: A machine
  freehyve.builder.qemu_vm:
    name: factory
    dir: ~/.local/share/freehyve/vm
    image: /images/FreeBSD-15.1-RELEASE-amd64-BASIC-CLOUDINIT-zfs.qcow2
    release: 15.1-RELEASE
  delegate_to: localhost

- name: Back to how it was
  freehyve.builder.qemu_vm:
    name: factory
    dir: ~/.local/share/freehyve/vm
    state: reverted
  delegate_to: localhost
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: dict
  sample: [{action: start machine 'factory', reason: stopped}]
notes:
  description: What a user should know, one line each.
  returned: always
  type: list
  elements: str
  sample: ["software emulation, many times slower: there is no /dev/kvm"]
machine:
  description:
    - The machine; C(state) is one of absent, stopped, died and running.
    - All other keys are there unless it is absent.
  returned: always
  type: dict
  sample:
    name: factory
    state: running
    pid: 4711
    host: 127.0.0.1
    port: 10022
    user: root
    key: /home/me/.local/share/freehyve/vm/factory/key
    accel: kvm
    serial: /home/me/.local/share/freehyve/vm/factory/serial.log
    snapshots: [clean]
"""

import os
import re
import time
import uuid
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.freehyve.builder.plugins.module_utils import _vm_firmware, _vm_host, _vm_life, _vm_probe
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import read_json, write_json
from ansible_collections.freehyve.builder.plugins.module_utils._plan import Step, run_module
from ansible_collections.freehyve.builder.plugins.module_utils._sizes import human_size, parse_size
from ansible_collections.freehyve.builder.plugins.module_utils._vm_host import LOOPBACK, Controller, controller
from ansible_collections.freehyve.builder.plugins.module_utils._vm_image import kind_of
from ansible_collections.freehyve.builder.plugins.module_utils._vm_machine import (
    Hardware,
    Home,
    check_name,
    died,
    inspect,
    locked,
    machine_arch,
    neighbours,
    qemu_name,
    running_pid,
)
from ansible_collections.freehyve.builder.plugins.module_utils._vm_seed import check_release

GIB = 1 << 30
DISK = 16 * GIB
_SNAPSHOT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z")


@dataclass(frozen=True)
class Wanted:
    """Checked parameters; sizes in bytes, None where the host decides."""

    name: str
    state: str
    base: str
    image: Optional[str]
    source: Optional[str]
    release: str
    arch: str
    uefi: bool
    accel: str
    cpus: int
    memory: Optional[int]
    disk_size: Optional[int]
    work_size: Optional[int]
    port: int
    seed: bool
    user: str
    private_key: Optional[str]
    host_key: Optional[str]
    snapshot: str
    wait: int
    stop_timeout: int
    force: bool
    allow_destroy: bool

    @property
    def home(self) -> Home:
        return Home(os.path.join(self.base, self.name))


@dataclass(frozen=True)
class Observed:
    """The machine's record (None: there is no machine), its process, and whether one was killed."""

    record: Optional[Dict[str, Any]]
    pid: Optional[int]
    died: bool = False


def _size(params: Dict[str, Any], name: str) -> Optional[int]:
    return parse_size(params[name], name) if params[name] not in (None, "") else None


def wanted_of(params: Dict[str, Any]) -> Wanted:
    check_name(params["name"])
    arch = machine_arch(params["arch"])
    if params["firmware"] == "bios" and arch != "amd64":
        raise ToolError(f"arch '{params['arch']}': has no BIOS; set builder_vm_firmware: uefi")
    if not 0 <= params["port"] <= 65535:
        raise ToolError(f"port {params['port']}: not from 1 to 65535, nor 0 for any")
    if params["cpus"] < 0:
        raise ToolError(f"cpus {params['cpus']}: not a number of processors; set builder_vm_cpus")
    if not _SNAPSHOT.match(params["snapshot"]):
        raise ToolError(f"snapshot '{params['snapshot']}': malformed name; use letters, digits, '.', '_' and '-'")
    if params["seed"]:
        check_release(params["release"])
        if params["user"] != "root":
            raise ToolError(
                f"user '{params['user']}': a seed sets up root; leave builder_vm_user alone, "
                "or set builder_vm_seed: false"
            )
    elif not params["private_key"] and params["state"] == "started":
        raise ToolError(
            "image without seed: nobody could log in; set builder_vm_private_key to a key that the image accepts"
        )
    if params["private_key"] and not os.path.isfile(params["private_key"]):
        raise ToolError(f"private key '{params['private_key']}': not there; check builder_vm_private_key")
    return Wanted(
        name=params["name"],
        state=params["state"],
        base=os.path.abspath(params["dir"]),
        image=os.path.abspath(params["image"]) if params["image"] else None,
        source=os.path.realpath(params["source"]) if params["source"] else None,
        release=params["release"],
        arch=arch,
        uefi=params["firmware"] == "uefi" or arch == "aarch64",
        accel=params["accel"],
        cpus=params["cpus"],
        memory=_size(params, "memory"),
        disk_size=_size(params, "disk_size"),
        work_size=_size(params, "work_size"),
        port=params["port"],
        seed=params["seed"],
        user=params["user"],
        private_key=os.path.abspath(params["private_key"]) if params["private_key"] else None,
        host_key=params["host_key"] or None,
        snapshot=params["snapshot"],
        wait=params["wait"],
        stop_timeout=params["stop_timeout"],
        force=params["force"],
        allow_destroy=params["allow_destroy"],
    )


def observe(wanted: Wanted) -> Observed:
    home = wanted.home
    record = read_json(home.record)
    if record is None and os.path.isdir(home.path) and os.listdir(home.path):
        raise ToolError(f"directory '{home.path}': is not a machine's; choose another builder_vm_name")
    return Observed(record, running_pid(home), died(home))


def plan(wanted: Wanted, observed: Observed) -> List[Step]:
    """Steps by their first word: create, finish, start, wait, stop, unplug, snapshot, revert, remove."""
    record, running = observed.record, observed.pid is not None
    name = f"machine '{wanted.name}'"
    start = Step(f"start {name}", "its process was killed" if observed.died else "stopped")
    if wanted.state == "status":
        return []
    if wanted.state == "absent":
        if record is None:
            return []
        if not wanted.allow_destroy:
            raise ToolError(f"{name}: refusing to destroy it and its disks; set builder_vm_allow_destroy: true")
        return [Step(f"unplug {name}", "runs")] * running + [Step(f"remove {name}", "asked for")]
    if record is None:
        if wanted.state == "started":
            return [Step(f"create {name}", "not there"), Step(f"start {name}", "new")]
        if wanted.state == "stopped":
            return []
        raise ToolError(f"{name}: there is none; start it first (builder_vm_state: started)")
    if wanted.state == "stopped":
        return [Step(f"stop {name}", "runs")] * running
    if wanted.state == "snapshot":
        if wanted.snapshot in record["snapshots"]:
            return []
        kept = Step(f"snapshot {name} as '{wanted.snapshot}'", "not there")
        again = [Step(f"start {name}", "it ran before")] * running
        return [Step(f"stop {name}", "disks at rest are kept")] * running + [kept] + again
    if wanted.state == "reverted":
        if wanted.snapshot not in record["snapshots"]:
            have = ", ".join(sorted(record["snapshots"])) or "none"
            raise ToolError(f"{name}: has no snapshot '{wanted.snapshot}', it has {have}; set builder_vm_snapshot")
        back = Step(f"revert {name} to '{wanted.snapshot}'", "asked for")
        again = [Step(f"start {name}", "it ran before")] * running
        return [Step(f"unplug {name}", "what was written since is not wanted")] * running + [back] + again
    finish = []
    if record.get("reverting"):
        finish = [Step(f"revert {name} to '{record['reverting']}'", "an earlier run was interrupted at it")]
    if not running:
        return [*finish, start]
    if not record["ready"] and wanted.wait:
        return [Step(f"wait for {name}", "nobody has logged in since it was started")]
    return []


def differences(wanted: Wanted, record: Dict[str, Any]) -> List[str]:
    """What a machine cannot become any more, in words."""
    words = []
    if wanted.image and os.path.realpath(wanted.image) != record["image"]:
        words.append(f"its image is {record['image']}")
    if wanted.source and wanted.source != record["source"]:
        words.append(f"its image was made from {record['source'] or 'the official one'}")
    if wanted.arch != record["arch"]:
        words.append(f"its architecture is {record['arch']}")
    if wanted.disk_size not in (None, record["disk_size"]):
        words.append(f"its root disk has {human_size(record['disk_size'])}")
    if wanted.work_size not in (None, record["work_size"]):
        words.append(f"its second disk has {human_size(record['work_size'])}")
    return words


def settings(wanted: Wanted, record: Dict[str, Any]) -> Dict[str, Any]:
    """What the next start takes from the parameters; the host decides where they say nothing."""
    found: Dict[str, Any] = {"cpus": wanted.cpus or min(8, _vm_host.cpus())}
    memory = _vm_host.memory()
    found["memory"] = wanted.memory or record.get("memory") or min(8 * GIB, (memory.total if memory else 2 * GIB) // 2)
    found["port"] = wanted.port or record.get("port") or 0
    return found


def _need_resources(wanted: Wanted, record: Optional[Dict[str, Any]], chosen: Dict[str, Any]) -> None:
    """Refusals that cost nothing to find, before anything is downloaded or made."""
    if chosen["cpus"] > _vm_host.cpus():
        raise ToolError(f"cpus {chosen['cpus']}: the host has {_vm_host.cpus()}; set builder_vm_cpus to less")
    memory = _vm_host.memory()
    if memory is not None and chosen["memory"] > memory.available:
        raise ToolError(
            f"too little memory: the machine is to have {human_size(chosen['memory'])}, "
            f"the host has {human_size(memory.available)} to give; set builder_vm_memory to less"
        )
    if chosen["memory"] < 64 << 20:
        raise ToolError(f"memory {human_size(chosen['memory'])}: no system runs in that; set builder_vm_memory to more")
    port = chosen["port"]
    if port and not _vm_host.port_is_free(port):
        holder = next((o for o, r in neighbours(wanted.base, wanted.name).items() if r.get("port") == port), None)
        who = f"by machine '{holder}'" if holder else "by another program"
        raise ToolError(f"port {port} on {LOOPBACK}: in use {who}; set builder_vm_port to another, or to 0 for any")
    if record is None:
        size, work = _disk_sizes(wanted)
        free = _vm_host.free_space(wanted.base)
        if size + work > free:
            raise ToolError(
                f"too little disk: the machine's disks may grow to {human_size(size + work)}, {wanted.base} has "
                f"{human_size(free)} free; set builder_vm_work_size or builder_vm_disk_size to less, or builder_vm_dir"
            )


def _disk_sizes(wanted: Wanted) -> Tuple[int, int]:
    """Bytes of the root disk and of the second one, 0 for none."""
    free = _vm_host.free_space(wanted.base)
    size = DISK if wanted.disk_size is None else wanted.disk_size
    work = max(10 * GIB, min(64 * GIB, free // 2 // GIB * GIB)) if wanted.work_size is None else wanted.work_size
    return size, work


@dataclass(frozen=True)
class Tools:
    qemu: str
    qemu_img: str


def tools(runner: Controller, wanted: Wanted, arch: str) -> Tools:
    """:raises ToolError: one is missing; names the package."""
    purpose = f"machine '{wanted.name}'"
    runner.need("ssh", purpose)
    return Tools(runner.need(qemu_name(arch), purpose), runner.need("qemu-img", purpose))


def create(runner: Controller, found: Tools, wanted: Wanted, chosen: Dict[str, Any]) -> Dict[str, Any]:
    """Make the machine's directory, under another name until it is whole; returns its record."""
    if wanted.image is None:
        raise ToolError(f"machine '{wanted.name}': no image to make it of; set image")
    kind = kind_of(wanted.image)
    if kind not in ("raw", "qcow2"):
        raise ToolError(f"image '{wanted.image}': compressed by {kind}; unpack it with the module vm_image")
    staging = Home(os.path.join(wanted.base, f".{wanted.name}.new"))
    if os.path.isdir(staging.path):
        _vm_life.remove(staging)
    os.makedirs(staging.path, mode=0o700)
    try:
        record = _make(runner, found, wanted, staging, kind)
        write_json(staging.record, dict(record, **chosen))
        os.rename(staging.path, wanted.home.path)
    except BaseException:
        _vm_life.remove(staging)
        raise
    return dict(record, **chosen)


def _make(runner: Controller, found: Tools, wanted: Wanted, staging: Home, kind: str) -> Dict[str, Any]:
    """Disks, keys and seed; the record, less what each start chooses anew."""
    image = wanted.image or ""
    size, work = _disk_sizes(wanted)
    firmware = _vm_firmware.find(runner, found.qemu, wanted.arch) if wanted.uefi else None
    disks = _vm_life.Disks(image, kind, size, work)
    _vm_life.make_disks(runner, found.qemu_img, staging, disks, firmware)
    host_keys = [wanted.host_key] if wanted.host_key else []
    if wanted.private_key:
        authorized = ""
        if wanted.seed:
            keygen = runner.need("ssh-keygen", "machine's keys")
            shown = runner.run([keygen, "-y", "-P", "", "-f", wanted.private_key], failed="builder_vm_private_key")
            authorized = shown.stdout.strip()
    else:
        authorized = _vm_life.make_key(runner, staging.key, f"freehyve-vm-{wanted.name}")
    if wanted.seed:
        instance = f"iid-{uuid.uuid4()}"
        host_keys = [_vm_life.make_seed(runner, staging, wanted.name, wanted.release, authorized, instance)]
    return {
        "name": wanted.name,
        "created": int(time.time()),
        "image": os.path.realpath(image),
        "source": wanted.source,
        "release": wanted.release,
        "arch": wanted.arch,
        "uefi": wanted.uefi,
        "firmware": vars(firmware) if firmware else None,
        "seed": wanted.seed,
        "user": wanted.user,
        "key": wanted.private_key or wanted.home.key,
        "host_keys": host_keys,
        "disk_size": size,
        "work_size": work,
        "snapshots": {},
        "reverting": None,
        "ready": False,
        "accel": None,
        "why": None,
    }


def start(
    runner: Controller, found: Tools, wanted: Wanted, record: Dict[str, Any], choice: _vm_probe.Choice
) -> Dict[str, Any]:
    """Start it and wait for a login; the record is written when it runs, and once more when one can log in."""
    home = wanted.home
    firmware = _vm_firmware.Firmware(**record["firmware"]) if record["firmware"] else None
    for disk in home.disks:
        inspect(runner, found.qemu_img, disk)
    if not record["port"]:
        taken = [int(other.get("port") or 0) for other in neighbours(wanted.base, wanted.name).values()]
        record = dict(record, port=_vm_host.free_port(taken))
    hardware = Hardware(
        record["name"], record["arch"], record["cpus"], record["memory"], record["port"], choice.accel, firmware
    )
    _vm_life.launch(runner, found.qemu, home, hardware)
    record = dict(record, accel=choice.accel, why=choice.why, ready=False)
    _vm_life.write_known_hosts(home, record["port"], record["host_keys"])
    write_json(home.record, record)
    return wait(runner, wanted, record)


def wait(runner: Controller, wanted: Wanted, record: Dict[str, Any]) -> Dict[str, Any]:
    if wanted.wait:
        record = dict(_vm_life.await_login(runner, wanted.home, record, wanted.wait), ready=True)
        write_json(wanted.home.record, record)
    return record


def apply(runner: Controller, wanted: Wanted, observed: Observed, steps: List[Step]) -> Optional[Dict[str, Any]]:
    """Do the steps; the record as it is then."""
    home, record = wanted.home, observed.record
    found = tools(runner, wanted, record["arch"] if record else wanted.arch)
    chosen = settings(wanted, record or {})
    choice = None
    if any(step.action.startswith("start ") for step in steps):
        # Before anything is made, and before a machine that runs is stopped.
        choice = _vm_probe.choose(runner, found.qemu, record["arch"] if record else wanted.arch, wanted.accel)
    for step in steps:
        verb = step.action.split()[0]
        if verb == "create":
            record = create(runner, found, wanted, chosen)
        elif verb == "remove":
            _vm_life.remove(home)
            record = None
        elif record is None:
            raise ToolError(f"machine '{wanted.name}': there is none to {verb}")
        elif verb == "start" and choice is not None:
            if wanted.state == "started":
                record = dict(record, **chosen)
            record = start(runner, found, wanted, record, choice)
        elif verb == "wait":
            record = wait(runner, wanted, record)
        elif verb == "stop":
            _vm_life.shut_down(home, wanted.name, wanted.stop_timeout, wanted.force)
        elif verb == "unplug":
            _vm_life.pull_plug(home)
        elif verb == "snapshot":
            _vm_life.snapshot(runner, found.qemu_img, home, wanted.snapshot)
            record = dict(record, snapshots=dict(record["snapshots"], **{wanted.snapshot: int(time.time())}))
            write_json(home.record, record)
        elif verb == "revert":
            record = _revert(runner, found, home, record, record.get("reverting") or wanted.snapshot)
    return record


def _revert(runner: Controller, found: Tools, home: Home, record: Dict[str, Any], name: str) -> Dict[str, Any]:
    """Noted before and after: disks of different times must never be started together."""
    write_json(home.record, dict(record, reverting=name))
    _vm_life.revert(runner, found.qemu_img, home, name)
    record = dict(record, reverting=None, ready=False)
    write_json(home.record, record)
    return record


def describe(wanted: Wanted, record: Optional[Dict[str, Any]]) -> Dict[str, Any]:
    """The machine as it is now."""
    home = wanted.home
    if record is None:
        return {"name": wanted.name, "state": "absent"}
    pid = running_pid(home)
    shown = ("arch", "release", "image", "user", "key", "port", "cpus", "memory", "accel", "why")
    return {
        "name": wanted.name,
        "state": "running" if pid is not None else "died" if died(home) else "stopped",
        "pid": pid,
        "host": LOOPBACK,
        **{key: record[key] for key in (*shown, "disk_size", "work_size")},
        "known_hosts": home.known_hosts,
        "serial": home.serial,
        "socket": home.socket,
        "directory": home.path,
        "snapshots": sorted(record["snapshots"]),
        "ssh": _vm_life.ssh_command(home, record),
    }


def notes_of(wanted: Wanted, before: Observed, record: Optional[Dict[str, Any]]) -> List[str]:
    """Lines for the user: how it runs, and settings that wait for the next start."""
    if record is None:
        return []
    lines = [record["why"]] if record["why"] and running_pid(wanted.home) is not None else []
    if wanted.seed and wanted.release != record["release"]:
        lines.append(f"it was made of {record['release']}; destroy it to have one of {wanted.release}")
    if wanted.state == "started" and before.pid is not None and before.record is not None:
        chosen = settings(wanted, before.record)
        late = sorted(name for name in chosen if chosen[name] != before.record[name])
        if late:
            lines.append(f"{', '.join(late)}: changed; stop and start the machine to make it so")
    return lines


def _refuse(runner: Controller, wanted: Wanted, observed: Observed, steps: List[Step]) -> None:
    """Everything that would stop the steps and can be seen now."""
    record = observed.record
    if wanted.state == "started" and record is not None:
        words = differences(wanted, record)
        if words:
            raise ToolError(
                f"machine '{wanted.name}': was made otherwise, {'; '.join(words)}; "
                "destroy it first (builder_vm_state: absent), or choose another builder_vm_name"
            )
    if not steps:
        return
    arch = record["arch"] if record else wanted.arch
    found = tools(runner, wanted, arch)
    if record is None and wanted.uefi:
        _vm_firmware.find(runner, found.qemu, arch)
    if wanted.state == "started" and observed.pid is None:
        _need_resources(wanted, record, settings(wanted, record or {}))


def body(module: AnsibleModule, runner: Controller) -> Dict[str, Any]:
    wanted = wanted_of(module.params)
    observed = observe(wanted)
    steps = plan(wanted, observed)
    _refuse(runner, wanted, observed, steps)
    record = observed.record
    if steps and not module.check_mode:
        with locked(os.path.join(wanted.base, f".{wanted.name}.lock")):
            observed = observe(wanted)
            steps = plan(wanted, observed)
            record = apply(runner, wanted, observed, steps)
    return {
        "changed": bool(steps),
        "actions": [step.as_dict() for step in steps],
        "notes": notes_of(wanted, observed, record),
        "machine": describe(wanted, record),
    }


ARGUMENTS: Dict[str, Dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "state": {
        "type": "str",
        "choices": ["started", "stopped", "status", "snapshot", "reverted", "absent"],
        "default": "started",
    },
    "dir": {"type": "path", "required": True},
    "image": {"type": "path"},
    "source": {"type": "path"},
    "release": {"type": "str", "default": "15.1-RELEASE"},
    "arch": {"type": "str", "default": "amd64"},
    "firmware": {"type": "str", "choices": ["auto", "bios", "uefi"], "default": "auto"},
    "accel": {"type": "str", "choices": ["auto", "kvm", "hvf", "tcg"], "default": "auto"},
    "cpus": {"type": "int", "default": 0},
    "memory": {"type": "str"},
    "disk_size": {"type": "str"},
    "work_size": {"type": "str"},
    "port": {"type": "int", "default": 0},
    "seed": {"type": "bool", "default": True},
    "user": {"type": "str", "default": "root"},
    "private_key": {"type": "path"},
    "host_key": {"type": "str", "no_log": False},
    "snapshot": {"type": "str", "default": "clean"},
    "wait": {"type": "int", "default": 900},
    "stop_timeout": {"type": "int", "default": 180},
    "force": {"type": "bool", "default": False},
    "allow_destroy": {"type": "bool", "default": False},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: body(module, controller()))


if __name__ == "__main__":
    main()
