# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""fetch_artifact's controller half: what it connects with, what it says, what it refuses."""

from __future__ import annotations

import ast
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.freehyve.builder.plugins.action import fetch_artifact
from ansible_collections.freehyve.builder.plugins.module_utils import _artifact_helper as far
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_command import (
    HELPER,
    PYTHONS,
    RemoteCommand,
    interpreters,
)
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_errors import (
    FetchError,
    HostKeyRefused,
    LocalProblem,
    Unreachable,
)
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_openssh import (
    adapt,
    failure,
    fast_first,
    prefer_fast,
)
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_part import check_possible
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_progress import Progress, words
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_run import Fetched, Item
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_seeds import previous_version
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_sshargs import given_options, merge, split_jump
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_sums import parse_sums
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_tally import Tally

DIGEST = "ab" * 32
MODULE = Path(fetch_artifact.__file__).parents[1] / "modules" / "fetch_artifact.py"


# The command line of OpenSSH.


@pytest.mark.parametrize(
    ("before", "ours", "kept"),
    [
        (["-o", "Port=22"], [], ["-o", "Port=22"]),
        (["-C"], ["ControlMaster=no", "ControlPath=none"], []),
        (["-vC"], ["ControlMaster=no", "ControlPath=none"], ["-v"]),
        (["-o", "Compression=yes"], ["ControlMaster=no", "ControlPath=none"], ["-o", "Compression=yes"]),
        (
            ["-o", "StrictHostKeyChecking=no"],
            ["StrictHostKeyChecking=accept-new"],
            ["-o", "StrictHostKeyChecking=no"],
        ),
        (["-o", "ControlPath=/c/m"], [], ["-o", "ControlPath=/c/m"]),
    ],
)
def test_the_inventory_s_connection_is_made_fit_for_bulk(before: list[str], ours: list[str], kept: list[str]) -> None:
    argv = adapt(["sshpass", "-d3", "ssh", *before, "host"], "ssh")
    first = ["-T", "-o", "Compression=no", *(word for option in ours for word in ("-o", option))]
    assert argv == ["sshpass", "-d3", "ssh", *first, *kept, "host"]


@pytest.mark.parametrize(
    ("status", "said", "kind", "text"),
    [
        (255, "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n", HostKeyRefused, "not the one in known_hosts"),
        (255, "No key is known.\nHost key verification failed.\n", HostKeyRefused, "not in known_hosts"),
        (255, "ssh: connect to host b port 22: No route to host\n", Unreachable, "No route to host"),
        (255, "", Unreachable, "ssh gave no reason"),
    ],
)
def test_ssh_s_failures_are_told_in_one_line(status: int, said: str, kind: type[FetchError], text: str) -> None:
    found = failure("b", status, said)
    assert isinstance(found, kind)
    assert text in str(found)
    assert str(found).startswith("builder 'b': ")


def test_other_failures_are_not_ssh_s() -> None:
    assert failure("b", 1, "sudo: a password is required") is None


# What a client that is not ssh makes of the inventory.


def test_the_first_of_an_option_wins_as_in_ssh() -> None:
    texts = ["-o Port=2222 -J hop:23 -i ~/.ssh/a", "-oPort=1 -l root -F /c -o 'UserKnownHostsFile=/k1 /k2'", None]
    assert given_options(texts) == {
        "port": "2222",
        "proxyjump": "hop:23",
        "identityfile": "~/.ssh/a",
        "user": "root",
        "config": "/c",
        "userknownhostsfile": "/k1 /k2",
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hop", (None, "hop", None)),
        ("me@hop:23", ("me", "hop", 23)),
        ("ssh://me@hop:23", ("me", "hop", 23)),
        ("[::1]:23", (None, "::1", 23)),
        ("::1", (None, "::1", None)),
    ],
)
def test_a_jump_host_is_taken_apart(text: str, found: tuple[str | None, str, int | None]) -> None:
    assert split_jump(text) == found


def test_inventory_goes_before_command_line_before_configuration() -> None:
    config: dict[str, object] = {"hostname": "10.0.0.1", "user": "c", "port": "3", "identityfile": ["/c"]}
    settings = merge("b", {"port": "2", "proxycommand": "nc %h %p"}, config, None, "inventory")
    assert (settings.host, settings.port, settings.user) == ("10.0.0.1", 2, "inventory")
    assert settings.identities == ["/c"]
    assert settings.proxy_command == "nc %h %p"
    assert merge("b", {}, config, 1, None).port == 1
    assert merge("b", {"proxyjump": "a,b:2"}, {}, None, None).jumps == ["a", "b:2"]
    assert merge("b", {"proxyjump": "none"}, {}, None, None).jumps == []


def test_aes_gcm_is_preferred() -> None:
    offered = "chacha20-poly1305@openssh.com,aes128-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com"
    first = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr"
    assert fast_first(offered) == first


def test_only_ciphers_that_the_configuration_allows_are_offered() -> None:
    argv = ["sshpass", "ssh", "-F", "/dev/null", "-o", "Ciphers=aes128-ctr,aes256-gcm@openssh.com", "host"]
    assert prefer_fast(argv, "ssh")[:4] == ["sshpass", "ssh", "-o", "Ciphers=aes256-gcm@openssh.com,aes128-ctr"]
    assert prefer_fast(["ssh", "--nonsense"], "ssh") == ["ssh", "--nonsense"]


# The remote command.


def test_the_inventory_s_interpreter_is_the_only_one() -> None:
    assert interpreters({"ansible_python_interpreter": "/usr/local/bin/python3.11"}) == ("/usr/local/bin/python3.11",)


@pytest.mark.parametrize("value", ["auto", "auto_silent", None, ""])
def test_else_the_one_that_ansible_found_goes_before_the_usual_places(value: str | None) -> None:
    variables: dict[str, object] = {"ansible_python_interpreter": value}
    assert interpreters(variables) == PYTHONS
    variables["ansible_facts"] = {"discovered_interpreter_python": "/found"}
    assert interpreters(variables) == ("/found", *PYTHONS)


@pytest.mark.parametrize("shell", ["sh", "csh", "bash"])
def test_any_login_shell_runs_the_command(shell: str) -> None:
    assert shutil.which(shell), f"{shell} is missing and these tests need it: install tcsh or bash"
    helper = b"def main(options):\n import sys\n print(options['marker'] + options['x'], sys.stdin.read())\n"
    command = RemoteCommand(["/nonexistent/python", sys.executable], {"x": "'\"!$"}, helper)
    done = subprocess.run(
        [shell, "-c", command.text],
        input=b"a secret line\n" + command.greeting + b"rest",
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == command.marker + "'\"!$ rest\n"


def test_the_command_is_fit_for_csh() -> None:
    text = RemoteCommand(PYTHONS, {}).text
    assert "\n" not in text
    assert "!" not in text
    assert len(text) < 1024
    assert shlex.split(text)[:2] == ["/bin/sh", "-c"]


def test_a_builder_without_python_says_so() -> None:
    command = RemoteCommand(["/nonexistent/python"], {})
    done = subprocess.run(["/bin/sh", "-c", command.text], input=b"", capture_output=True, check=False)
    assert done.returncode == 127
    assert b"no Python 3" in done.stderr


def test_the_helper_is_python_3_8_and_its_standard_library() -> None:
    tree = ast.parse(HELPER.read_text(), feature_version=(3, 8))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {str(name).split(".", 1)[0] for name in imported} <= sys.stdlib_module_names


# The task.


def test_the_documentation_and_the_action_have_the_same_options() -> None:
    tree = ast.parse(MODULE.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    made = next(call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "AnsibleModule")
    given = {word.arg: word.value for word in made.keywords}
    assert ast.literal_eval(given["argument_spec"]) == fetch_artifact.ARGUMENTS
    for rule, value in fetch_artifact.RULES.items():
        assert ast.literal_eval(given[rule]) == value


def test_one_file_or_many() -> None:
    one = fetch_artifact.items_of({"files": None, "src": "/a", "dest": "/b/c", "checksum": DIGEST})
    assert one == [Item("/a", Path("/b/c"), False, DIGEST)]
    many = fetch_artifact.items_of(
        {"files": [{"src": "/a", "dest": "b", "recurse": True, "checksum": None, "exclude": ["work"]}]}
    )
    assert many == [Item("/a", Path.cwd() / "b", True, None, ("work",))]


@pytest.mark.parametrize(
    ("name", "taken"),
    [("a.raw", True), ("work", False), ("work/x/y", False), ("workshop", True), ("logs/a.tmp", True), ("a.tmp", False)],
)
def test_a_pattern_leaves_a_directory_and_all_below(name: str, taken: bool) -> None:
    assert Item("/s", Path("/d"), True, None, ("work", "[a-z].tmp")).takes(name) is taken


def test_the_difference_names_what_changes() -> None:
    results = [Fetched("/a", "/b", changed=True, msg="fetched"), Fetched("/c", "/d", msg="unchanged")]
    assert fetch_artifact.difference(results) == [{"header": "/b", "prepared": "/a -> /b: fetched\n"}]


def test_directories_may_be_missing_in_preflight(tmp_path: Path) -> None:
    check_possible(tmp_path / "a" / "b" / "c")
    (tmp_path / "file").touch()
    with pytest.raises(LocalProblem, match="is no directory; name another place"):
        check_possible(tmp_path / "file" / "b")


def test_a_place_without_permission_is_refused_in_preflight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(LocalProblem, match="no permission to write in"):
        check_possible(tmp_path / "a" / "b")


# Lists of digests, versions, figures.


def test_both_forms_of_checksums_are_read() -> None:
    text = f"# made by us\n{DIGEST}  a b.raw\n{DIGEST} *sub/c\nSHA256 (d) = {DIGEST.upper()}\n\n"
    assert parse_sums(text, "/r/SHA256SUMS") == {f"/r/{name}": DIGEST for name in ("a b.raw", "sub/c", "d")}


@pytest.mark.parametrize("row", ["nonsense", DIGEST, f"{DIGEST[:-1]}  a", f"MD5 (a) = {DIGEST}"])
def test_a_row_that_is_no_checksum_is_refused(row: str) -> None:
    with pytest.raises(FetchError, match=r"sums '/r/S': line 2 is no checksum; make the list again"):
        parse_sums(f"{DIGEST}  a\n{row}\n", "/r/S")


def test_the_version_in_a_name_is_the_directory_s(tmp_path: Path) -> None:
    for version in ("0.1.0", "0.2.0"):
        (tmp_path / version).mkdir()
    old = tmp_path / "0.1.0" / "freehyve-0.1.0-amd64.raw"
    old.touch()
    assert previous_version(tmp_path / "0.2.0" / "freehyve-0.2.0-amd64.raw") == [old]
    assert previous_version(tmp_path / "0.2.0" / "other.raw") == []
    assert previous_version(tmp_path / "none" / "0.2.0" / "other.raw") == []


def test_words_tell_what_moved_and_what_need_not() -> None:
    tally = Tally(size=100 << 20, done=50 << 20, moved=10 << 20, reused=20 << 20, holes=20 << 20)
    assert words(tally) == "10.0 MiB moved, 80% reused or holes"


def progress_over(seconds: int, tally: Tally, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is told of a file that took so long."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    told: list[dict[str, Any]] = []
    progress = Progress("a", lambda event: told.append(dict(event)))
    for _turn in range(seconds * 10):
        now[0] += 0.1
        progress.show(tally)
    progress.close()
    return told


def test_a_transfer_tells_twice_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    told = progress_over(20, Tally(size=10, done=5, moved=5), monkeypatch)
    assert 28 <= len(told) <= 38
    counted = {"done": 5, "total": 10, "unit": "bytes", "what": "a"}
    assert told[0].items() >= {"task": "fetch", "state": "running", **counted}.items()
    assert told[-1].items() >= {"state": "failed", "text": "interrupted"}.items()


def test_the_end_of_a_file_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert progress_over(5, Tally(size=10, done=10), monkeypatch)[-1]["state"] == "done"


def test_a_short_transfer_is_not_worth_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    assert progress_over(1, Tally(size=10, done=10), monkeypatch) == []


# Compression.


def test_noise_is_not_compressed_and_text_is() -> None:
    squeezer = far.Squeezer("always")
    assert not squeezer.shrinks(random_bytes())
    assert squeezer.shrinks(b"text " * 100_000)
    packed, wire = squeezer.pack(b"text " * 100_000)
    assert packed
    assert far.zstd(["-d"], wire) == b"text " * 100_000


def random_bytes() -> bytes:
    import random

    return random.Random(1).randbytes(1 << 20)


@pytest.mark.parametrize(("slow_packing", "packs"), [(True, False), (False, True)])
def test_auto_takes_the_faster_way(slow_packing: bool, packs: bool) -> None:
    squeezer = far.Squeezer("auto")
    for _turn in range(2 * far.Squeezer.TRIAL // (4 << 20)):
        packed, _data = squeezer.pack(b"text " * 1000)
        squeezer.took(4 << 20, 2.0 if packed is slow_packing else 1.0)
    assert squeezer.pack(b"text " * 1000)[0] is packs


def test_without_zstd_nothing_is_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(far, "zstd_command", lambda: None)
    assert not far.Squeezer("always").shrinks(b"text " * 1000)
