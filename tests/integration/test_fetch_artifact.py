# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""fetch_artifact over a real sshd: playbooks, transports, login shells, cuts, host keys."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_command import RemoteCommand
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_errors import (
    ConnectionLost,
    FetchError,
    HostKeyRefused,
    Unreachable,
)
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_openssh import failure, openssh_transport
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_paramiko import paramiko_transport
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_run import Fetched, Item, Options, Run
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_session import Session
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_transport import Transport
from tests.integration.loopback_sshd import Sshd, make_key, sshd

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
TRANSPORTS: dict[str, Callable[[Any, str], Transport]] = {
    "openssh": openssh_transport,
    "paramiko": paramiko_transport,
}
PYTHON = sys.executable


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as found:
        yield found


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Sparse, 5 MiB of noise in 24 MiB."""
    path = tmp_path / "far" / "image.raw"
    path.parent.mkdir()
    noise = random.Random(5)
    with path.open("wb") as stream:
        for at in (0, 7 * MIB + 4096, 16 * MIB):
            stream.seek(at)
            stream.write(noise.randbytes(5 * MIB // 3))
        stream.truncate(24 * MIB)
    return path


def connection(server: Sshd, **options: object) -> Any:
    """Ansible's own ssh connection plugin, with an inventory's settings."""
    from ansible.playbook.play_context import PlayContext
    from ansible.plugins.loader import connection_loader

    given = server.inventory()
    found = connection_loader.get("ssh", PlayContext(), "/dev/null")
    found.set_options(
        direct={
            "host": given["ansible_host"],
            "port": given["ansible_port"],
            "remote_user": given["ansible_user"],
            "private_key_file": given["ansible_ssh_private_key_file"],
            "ssh_args": given["ansible_ssh_args"],
            **options,
        }
    )
    return found


def fetch(
    server: Sshd,
    source: Path,
    dest: Path,
    transport: str = "openssh",
    pythons: tuple[str, ...] = (PYTHON,),
    retries: int = 0,
    **options: object,
) -> Fetched:
    """One transfer, without a playbook round it."""

    def connect() -> Session:
        command = RemoteCommand(pythons, {"cache": ""})
        return Session("b", TRANSPORTS[transport](connection(server, **options), "b"), command, failure).start(
            command.text
        )

    run = Run(connect, Options(retries=retries, seeds=[], cache="", tell=lambda _: None, warn=lambda _: None))
    return run.fetch([Item(str(source), dest)])[0]


def play(place: Path, server: Sshd, arguments: dict[str, object], *words: str, **variables: object) -> dict[str, Any]:
    """Run one task by ansible-playbook; its result, or the failed one's."""
    host = server.inventory(ansible_python_interpreter=PYTHON, **variables)
    (place / "inventory.json").write_text(json.dumps({"all": {"hosts": {"b": host}}}))
    arguments = {"cache": str(place / "near-cache"), "remote_cache": str(place / "far-cache"), **arguments}
    task = {"name": "Fetch", "freehyve.builder.fetch_artifact": arguments, "register": "told", "ignore_errors": True}
    show = {"name": "Show", "ansible.builtin.debug": {"var": "told"}}
    (place / "play.json").write_text(json.dumps([{"hosts": "b", "gather_facts": False, "tasks": [task, show]}]))
    done = subprocess.run(
        [PYTHON, "-m", "ansible", "playbook", "-i", str(place / "inventory.json"), str(place / "play.json"), *words],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default", "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "TASK [Show]" in done.stdout, done.stdout + done.stderr
    text = done.stdout.split("TASK [Show]")[1].split("PLAY RECAP")[0]
    shown = yaml.safe_load(text[text.index("\n", text.index("=>")) :])
    told: dict[str, Any] = shown["told"]
    return told


@pytest.fixture(params=["/bin/csh", "/bin/sh"])
def shell(request: pytest.FixtureRequest) -> str:
    """Root's login shell on FreeBSD before 15.1, and since."""
    name: str = request.param
    assert shutil.which(name), f"{name} is missing and these tests need it: install tcsh"
    return name


def test_four_runs_from_any_login_shell(tmp_path: Path, source: Path, shell: str) -> None:
    dest = tmp_path / "artifacts" / "1.0" / "image.raw"
    dest.parent.mkdir(parents=True)
    arguments: dict[str, object] = {"src": str(source), "dest": str(dest)}
    with sshd(tmp_path / "sshd", shell=shell) as server:
        runs = [play(tmp_path, server, arguments, *words) for words in (["--check"], [], [], ["--check", "--diff"])]
    assert [run["changed"] for run in runs] == [True, True, False, False]
    assert runs[0]["msg"].endswith("bytes would move, 0 are here already")
    assert runs[0]["fetched"] == runs[1]["fetched"]
    assert runs[1]["actions"] == [{"action": f"fetch {source} to {dest}", "reason": "fetched"}]
    assert runs[2]["files"][0]["moved"] == 0
    assert runs[3]["diff"] == []
    assert dest.read_bytes() == source.read_bytes()
    assert dest.stat().st_blocks * 512 < 6 * MIB


def test_a_login_that_talks_is_no_harm(tmp_path: Path, source: Path) -> None:
    script = tmp_path / "chatty"
    script.write_text("#!/bin/sh\necho Welcome to the machine\nprintf 'no newline'\nexec /bin/sh \"$@\"\n")
    script.chmod(0o755)
    with sshd(tmp_path / "sshd", shell=str(script)) as server:
        fetch(server, source, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_both_transports_fetch(tmp_path: Path, server: Sshd, source: Path, transport: str) -> None:
    fetch(server, source, tmp_path / "out", transport)
    assert (tmp_path / "out").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_changed_host_key_stops_everything(tmp_path: Path, server: Sshd, source: Path, transport: str) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.port} {make_key(tmp_path / 'other')}")
    for checking in (True, False):
        with pytest.raises(HostKeyRefused, match="refusing to connect, its host key is not the one in known_hosts"):
            fetch(
                server,
                source,
                tmp_path / "out",
                transport,
                retries=2,
                ssh_args=f"-F /dev/null -o UserKnownHostsFile={known}",
                host_key_checking=checking,
            )
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("out")) == []


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_unknown_host_key_is_not_accepted(tmp_path: Path, server: Sshd, source: Path, transport: str) -> None:
    empty = tmp_path / "known_hosts"
    empty.touch()
    with pytest.raises(HostKeyRefused, match="its host key is not in known_hosts"):
        fetch(server, source, tmp_path / "out", transport, ssh_args=f"-F /dev/null -o UserKnownHostsFile={empty}")
    assert empty.read_text() == ""


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_builder_that_is_down_is_unreachable(tmp_path: Path, server: Sshd, source: Path, transport: str) -> None:
    with pytest.raises(Unreachable, match="builder 'b': cannot be reached"):
        fetch(server, source, tmp_path / "out", transport, port=1, timeout=5)


def test_a_builder_without_python_is_told(tmp_path: Path, server: Sshd, source: Path) -> None:
    with pytest.raises(FetchError, match=r"no Python 3 was found; run provision.yml or set ansible_python_interpreter"):
        fetch(server, source, tmp_path / "out", pythons=("/nonexistent/python3",))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_jump_host_is_passed(tmp_path: Path, server: Sshd, source: Path, transport: str) -> None:
    with sshd(tmp_path / "jump") as jump:
        config = tmp_path / "config"
        (tmp_path / "known").write_text(server.known_hosts.read_text() + jump.known_hosts.read_text())
        keys = "\n".join(f"IdentityFile {key}" for key in (server.key, jump.key))
        config.write_text(f"UserKnownHostsFile {tmp_path}/known\n{keys}\n")
        (tmp_path / "both").write_text(server.key.read_text())
        with (jump.directory / "authorized_keys").open("a") as stream:
            stream.write(server.key.with_suffix(".pub").read_text())
        arguments = f"-F {config} -o ControlPath=none -o ProxyJump=127.0.0.1:{jump.port}"
        fetch(server, source, tmp_path / "out", transport, ssh_args=arguments)
    assert (tmp_path / "out").read_bytes() == source.read_bytes()


def test_a_shared_connection_is_used_and_not_waited_for(tmp_path: Path, server: Sshd, source: Path) -> None:
    socket = f"{tmp_path}/m"
    arguments = (
        f"-F /dev/null -o UserKnownHostsFile={server.known_hosts} "
        f"-o ControlMaster=auto -o ControlPersist=30 -o ControlPath={socket}"
    )
    begun = time.monotonic()
    try:
        for name in ("one", "two"):
            fetch(server, source, tmp_path / name, ssh_args=arguments)
            assert Path(socket).exists()
    finally:
        subprocess.run(["ssh", "-O", "exit", "-o", f"ControlPath={socket}", "x"], check=False, capture_output=True)
    assert time.monotonic() - begun < 25  # the master lives for 30 seconds


CUTTER = """\
import os, select, socket, sys
far = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
left = int(sys.argv[2])
while left > 0:
    for ready in select.select([0, far], [], [])[0]:
        if ready is far:
            data = far.recv(min(65536, left))
            left -= len(data)
            if not data:
                sys.exit()
            while data:
                data = data[os.write(1, data):]
        else:
            data = os.read(0, 65536)
            if not data:
                sys.exit()
            far.sendall(data)
"""


def cut_after(place: Path, server: Sshd, count: int) -> str:
    """ssh arguments of a connection that ends after ``count`` bytes."""
    cutter = place / "cutter.py"
    cutter.write_text(CUTTER)
    proxy = f"{PYTHON} {cutter} {server.port} {count}"
    return f"-F /dev/null -o UserKnownHostsFile={server.known_hosts} -o ControlPath=none -o 'ProxyCommand={proxy}'"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_connection_that_is_cut_is_resumed(tmp_path: Path, server: Sshd, source: Path, transport: str) -> None:
    dest = tmp_path / "out"
    dest.write_bytes(b"old")
    # paramiko notices the end of a proxy command only by its keep-alive.
    for count in (MIB // 2, 3 * MIB // 2, 5 * MIB // 2)[2 if transport == "paramiko" else 0 :]:
        with pytest.raises(ConnectionLost, match="the connection was lost; run again to resume"):
            fetch(server, source, dest, transport, ssh_args=cut_after(tmp_path, server, count))
        assert dest.read_bytes() == b"old"
    result = fetch(server, source, dest, transport)
    assert result.resumed
    assert result.tally.reused > MIB
    assert dest.read_bytes() == source.read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("out")] == ["out"]


def test_a_cut_is_survived_within_one_task(tmp_path: Path, server: Sshd, source: Path) -> None:
    with pytest.raises(ConnectionLost):
        fetch(server, source, tmp_path / "out", retries=1, ssh_args=cut_after(tmp_path, server, 2 * MIB))
    result = fetch(server, source, tmp_path / "out", retries=1)
    assert result.tally.fetched < 4 * MIB  # two connections, each with its share


def test_a_killed_controller_leaves_what_the_next_one_needs(tmp_path: Path, server: Sshd) -> None:
    source = tmp_path / "big"
    source.write_bytes(random.Random(9).randbytes(48 * MIB))
    dest = tmp_path / "out"
    script = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from pathlib import Path\n"
        "from tests.integration import test_fetch_artifact as t\n"
        "server = t.Sshd(Path(sys.argv[3]), int(sys.argv[4]), None)\n"
        "t.fetch(server, Path(sys.argv[5]), Path(sys.argv[6]))\n"
    )
    words = [str(ROOT), str(ROOT / "collections"), str(server.directory), str(server.port), str(source), str(dest)]
    process = subprocess.Popen([PYTHON, "-c", script, *words], start_new_session=True)
    part = dest.with_name("out.part")
    while process.poll() is None and not (part.exists() and part.stat().st_blocks * 512 > 8 * MIB):
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not dest.exists()
    result = fetch(server, source, dest)
    assert result.resumed
    assert dest.read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    ("src", "dest", "text"),
    [
        ("none", "out", "/none': is not there on builder 'b'; build it first"),
        (".", "out", "is a directory on builder 'b'; name a file, or set recurse"),
        ("image.raw", "nowhere/out", "its directory is missing; create"),
        ("image.raw", ".", "is a directory; name the file"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(
    tmp_path: Path, server: Sshd, source: Path, src: str, dest: str, text: str
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    arguments: dict[str, object] = {"src": str(source.parent / src), "dest": str(place / dest)}
    told = play(tmp_path, server, arguments)
    assert told["failed"]
    assert text in told["msg"]
    assert "\n" not in told["msg"]
    assert list(place.iterdir()) == []


def test_an_unwritable_place_is_found_in_preflight(tmp_path: Path, server: Sshd) -> None:
    (tmp_path / "file").touch()
    files = [{"src": "/none", "dest": str(tmp_path / "file" / "below"), "recurse": True}]
    told = play(tmp_path, server, {"files": files, "preflight": True})
    assert told["failed"]
    assert "is no directory; name another place" in told["msg"]


def test_the_password_of_become_is_given_and_never_shown(tmp_path: Path, server: Sshd, source: Path) -> None:
    sudo = tmp_path / "sudo"
    sudo.write_text(
        "#!/bin/sh\n"
        'while [ "$1" != "-u" ]; do shift; done\n'
        "shift 2\n"
        "printf 'password:' >&2\n"
        "read -r word\n"
        '[ "$word" = canary-4711 ] || { echo "sudo: 1 incorrect password attempt" >&2; exit 1; }\n'
        'exec "$@"\n'
    )
    sudo.chmod(0o755)
    settings = {"ansible_become": True, "ansible_become_exe": str(sudo)}
    arguments: dict[str, object] = {"src": str(source), "dest": str(tmp_path / "out")}
    told = play(tmp_path, server, arguments, **settings, ansible_become_password="canary-4711")
    assert not told["failed"], told["msg"]
    assert "canary" not in json.dumps(told)
    told = play(tmp_path, server, arguments, **settings, ansible_become_password="wrong")
    assert "become was refused" in told["msg"]
