# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The repository against its own rules: nothing without tests, nothing undocumented."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
LICENCE = ["# Copyright (c) 2026 The freehyve.builder authors", "# SPDX-License-Identifier: BSD-2-Clause"]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
UTILITIES = sorted(path.stem for path in (ROOT / "plugins" / "module_utils").glob("*.py"))
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
PYTHON_38 = (3, 8)


@cache
def tracked() -> tuple[Path, ...]:
    """Files of the work tree that git knows or would add."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"], capture_output=True, check=True
    ).stdout.decode()
    return tuple(ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file())


def python_files() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and path.read_text(encoding="utf-8").strip()]


def load(path: Path) -> object:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def docs_of(name: str) -> dict[str, object]:
    """DOCUMENTATION of a module, without importing it."""
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{name}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DOCUMENTATION":
            found: dict[str, object] = yaml.safe_load(ast.literal_eval(node.value))
            return found
    raise AssertionError(f"{name} has no DOCUMENTATION")


@pytest.mark.parametrize("name", MODULES)
def test_a_module_has_unit_tests_and_an_integration_target(name: str) -> None:
    assert (ROOT / "tests" / "unit" / "plugins" / "modules" / f"test_{name}.py").is_file()
    assert (ROOT / "tests" / "integration" / "targets" / name / "tasks" / "main.yml").is_file()


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_how_it_behaves(name: str) -> None:
    docs = docs_of(name)
    assert docs["module"] == name
    assert docs["version_added"] == "0.1.0"
    attributes = docs["attributes"]
    assert isinstance(attributes, dict)
    assert {"check_mode", "diff_mode", "idempotent"} <= set(attributes)


@pytest.mark.parametrize("name", [name for name in UTILITIES if name != "__init__"])
def test_a_utility_is_imported_by_a_test(name: str) -> None:
    """Private helpers of one module may be tested through it, but somebody must look at each."""
    users = [path for path in (ROOT / "tests" / "unit").rglob("test_*.py") if name in path.read_text(encoding="utf-8")]
    through = [
        path
        for path in (ROOT / "plugins").rglob("*.py")
        if path.stem != name and re.search(rf"\b{name}\b", path.read_text(encoding="utf-8"))
    ]
    assert users or through, f"nobody tests or uses {name}"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_all_its_parts(role: str) -> None:
    for part in ("defaults/main.yml", "meta/argument_specs.yml", "tasks/main.yml", "tasks/preflight.yml", "README.md"):
        assert (ROOT / "roles" / role / part).is_file(), part
    assert (ROOT / "extensions" / "molecule" / role / "molecule.yml").is_file()


@pytest.mark.parametrize("role", ROLES)
def test_defaults_and_argument_specs_have_the_same_keys(role: str) -> None:
    defaults = load(ROOT / "roles" / role / "defaults" / "main.yml")
    specs = load(ROOT / "roles" / role / "meta" / "argument_specs.yml")
    assert isinstance(defaults, dict)
    assert isinstance(specs, dict)
    options = specs["argument_specs"]["main"]["options"]
    public = {name for name in defaults if not name.startswith("__")}
    required = {name for name, option in options.items() if option.get("required")}
    assert public == set(options) - required
    assert all(name.startswith(f"{role}_") for name in options)
    assert all(option.get("description") and option.get("type") for option in options.values())


@pytest.mark.parametrize("role", ROLES)
def test_a_role_neither_includes_roles_nor_reaches_outside(role: str) -> None:
    for path in sorted((ROOT / "roles" / role).rglob("*.yml")):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(include|import)_role", text), path
        assert "playbook_dir" not in text, path
        assert "inventory_dir" not in text, path


def test_every_python_file_begins_with_the_licence() -> None:
    for path in python_files():
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#!")]
        assert lines[:2] == LICENCE, path


def test_what_runs_on_the_builder_is_python_3_8() -> None:
    for directory in ("modules", "module_utils"):
        for path in (ROOT / "plugins" / directory).glob("*.py"):
            ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=PYTHON_38)


def test_a_command_is_executed_in_one_place_only() -> None:
    # The second one is sent to the builder alone and runs there without the collection.
    allowed = {"_runner.py", "_artifact_helper.py"}
    for directory in ("modules", "module_utils"):
        for path in (ROOT / "plugins" / directory).glob("*.py"):
            if path.name not in allowed:
                text = path.read_text(encoding="utf-8")
                assert not re.search(r"^\s*(import|from) subprocess|run_command\(|os\.system\(", text, re.MULTILINE), (
                    path
                )


def test_nothing_is_left_undone() -> None:
    pattern = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
    for path in tracked():
        if path.suffix in (".py", ".yml", ".yaml", ".sh") and "fixtures" not in path.parts:
            assert not pattern.search(path.read_text(encoding="utf-8")), path


def test_no_package_registry_is_named() -> None:
    """Tools come from wherever pip is set up to take them."""
    hosts = re.compile("|".join(("py" + r"pi\.org", "python" + r"hosted\.org", "npm" + r"js\.(com|org)")))
    for path in tracked():
        if "fixtures" not in path.parts and path.suffix not in (".png", ".img"):
            text = path.read_text(encoding="utf-8", errors="replace")
            assert not hosts.search(text), path


def test_tasks_use_fully_qualified_names() -> None:
    for path in sorted((ROOT / "roles").rglob("tasks/*.yml")):
        tasks = load(path)
        assert isinstance(tasks, list)
        for task in tasks:
            modules = [key for key in task if "." in key]
            assert modules or "block" in task, f"{path}: {task.get('name')}"


def test_sanity_is_told_of_the_licence_and_of_nothing_else() -> None:
    """ansible-test asks modules, become, callback and lookup plugins for GPLv3; this collection is BSD-2-Clause."""
    kinds = ("become", "callback", "lookup", "modules")
    asked = [path for kind in kinds for path in (ROOT / "plugins" / kind).glob("*.py")]
    expected = sorted(f"{path.relative_to(ROOT)} validate-modules:missing-gplv3-license" for path in asked)
    for path in sorted((ROOT / "tests" / "sanity").glob("ignore-*.txt")):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
        assert sorted(lines) == expected, path


def test_the_only_executables_are_those_people_run() -> None:
    for path in tracked():
        executable = bool(path.stat().st_mode & 0o111)
        first = path.read_bytes()[:2]
        if executable and not path.is_relative_to(ROOT / "overlay"):
            assert first == b"#!", path
        if path.suffix == ".py" and executable:
            assert path.name == "hosts.py" or path.parent.name == "bench", path
