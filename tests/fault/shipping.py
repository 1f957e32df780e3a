# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What the suite puts on the builder: the collection's code with one file changed, Ansible's part of it, the agent."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import ansible.module_utils

from tests.builders import ROOT

HERE = Path(__file__).resolve().parent
PACKAGE = "ansible_collections/freehyve/builder/plugins"
PATH = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
# Of Ansible only what the modules import by way of its argument specs.
LEFT_OUT = ("facts", "csharp", "powershell", "__pycache__", "testing.py", "urls.py", "service.py", "yumdnf.py")
START = """\
import sys
from ansible_collections.freehyve.builder.plugins.module_utils._detached import main
sys.exit(main(sys.argv[1]))
"""


def code(place: str, workspace: str) -> dict[str, bytes]:
    """The collection as modules see it; _runner.py ends with the hook that finds the wrappers."""
    found = {"__main__.py": START.encode()}
    parts = PACKAGE.split("/")
    for depth in range(len(parts)):
        found["/".join(parts[: depth + 1]) + "/__init__.py"] = b""
    for kind in ("modules", "module_utils"):
        found[f"{PACKAGE}/{kind}/__init__.py"] = b""
        for path in sorted((ROOT / "plugins" / kind).glob("*.py")):
            found[f"{PACKAGE}/{kind}/{path.name}"] = path.read_bytes()
    hook = (HERE / "far" / "hook.py").read_text(encoding="utf-8")
    for mark, value in (("@HERE@", place), ("@WORKSPACE@", workspace), ("@PATH@", PATH)):
        hook = hook.replace(mark, value)
    found[f"{PACKAGE}/module_utils/_runner.py"] += b"\n\n" + hook.encode()
    return found


def library() -> dict[str, bytes]:
    """ansible.module_utils, as much as argument specs need."""
    top = Path(ansible.module_utils.__file__).parent
    found = {"ansible/__init__.py": b"", "ansible/release.py": (top.parent / "release.py").read_bytes()}
    for path in sorted(top.rglob("*.py")):
        relative = path.relative_to(top)
        if not set(relative.parts) & set(LEFT_OUT):
            found[f"ansible/module_utils/{relative}"] = path.read_bytes()
    return found


def zipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return made.getvalue()


def parcel(place: str, spec: dict[str, Any]) -> bytes:
    """A tar archive of everything, to be unpacked in ``place``."""
    ours = code(place, spec["path"])
    files = {f"code/{name}": data for name, data in ours.items() if name != "__main__.py"}
    files |= {f"lib/{name}": data for name, data in library().items()}
    files["code.zip"] = zipped(ours)
    files |= {f"far/{path.name}": path.read_bytes() for path in sorted((HERE / "far").iterdir()) if path.is_file()}
    files["spec.json"] = json.dumps(spec).encode()
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return made.getvalue()
