# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Python comes to a host that has none: by every way to be root, from every kind of repository. One fresh lab, made
bare again before each try.
"""

from __future__ import annotations

import json
import re
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.builders import LAB, ROOT, Builder, lab_builder

PROVISION = ROOT / "provision.yml"
SECRET = "correct horse"
SU: dict[str, Any] = {"ansible_user": "op", "ansible_become": True, "ansible_become_method": "ansible.builtin.su"}
DOAS = {**SU, "ansible_become_method": "freehyve.builder.doas"}
SUDO = {**SU, "ansible_become_method": "ansible.builtin.sudo"}


@dataclass(frozen=True)
class Host:
    """The lab, its mirror over http, and the same over https by an authority of the site's own."""

    builder: Builder
    mirror: str
    secure: str
    authority: Path

    def sh(self, script: str, check: bool = True, input: str | None = None) -> str:
        return self.builder.run(["/bin/sh", "-c", script], check=check, input=input).stdout

    def bare(self) -> None:
        """As the installer left it, but for the user ``op``."""
        self.sh("rm -rf /usr/local/* /var/db/pkg /var/cache/pkg /etc/ssl/certs/*; pw usermod root -w none")

    def state(self) -> str:
        return self.sh("ls -AR /usr/local; ls -A /var/db/pkg; cat /etc/rc.conf", check=False)

    def provision(self, variables: dict[str, Any], *, check: bool = True) -> tuple[int, str]:
        """Exit status and, in one line, what a run says that needs nothing but Python."""
        done = self.builder.ansible(PROVISION, "--tags", "summary", "-e", json.dumps(variables), check=check)
        return done.returncode, re.sub(r"\s+", " ", done.stdout + done.stderr)


@contextmanager
def served_securely(directory: Path, place: Path) -> Iterator[tuple[str, Path]]:
    """``directory`` over https on loopback: the URL, and the certificate that one must trust."""
    certificate, key = place / "site.pem", place / "site.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory))) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}", certificate
        finally:
            server.shutdown()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with lab_builder(fresh=True) as builder:
        status = subprocess.run(
            [LAB, "status", "--json", "--name", str(builder.lab)], check=True, capture_output=True, text=True
        )
        known = json.loads(status.stdout)
        place = tmp_path_factory.mktemp("https")
        with served_securely(Path(known["dir"]) / "mirror", place) as (secure, authority):
            found = Host(builder, known["mirror"], secure, authority)
            # The users of a cloud's image: one in wheel with csh, one outside.
            found.sh("for user in op:wheel out:operator; do pw useradd ${user%:*} -m -s /bin/csh -G ${user#*:}; done")
            public = Path(known["key"]).with_suffix(".pub").read_text(encoding="utf-8")
            for user in ("op", "out"):
                home = f"/home/{user}/.ssh"
                found.sh(f"mkdir -p {home}; cat >{home}/authorized_keys; chown -R {user} {home}", input=public)
            yield found


def own_repository(host: Host, *packages: str) -> None:
    """The host's admin set a repository up, and took packages from it."""
    host.sh(
        "mkdir -p /usr/local/etc/pkg/repos; cat >/usr/local/etc/pkg/repos/site.conf",
        input=f'site: {{ url: "{host.mirror}/packages", signature_type: "none", enabled: yes }}\n',
    )
    if packages:
        host.sh(f"ASSUME_ALWAYS_YES=yes pkg install -y -r site {' '.join(packages)}")


def password(host: Host) -> None:
    host.sh("pw usermod root -h 0", input=SECRET + "\n")


def fingerprints(host: Host, *, trusted: str = "site", revoked: str = "") -> None:
    host.sh("rm -rf /root/prints; mkdir -p /root/prints/trusted /root/prints/revoked")
    for kind, name in (("trusted", trusted), ("revoked", revoked)):
        if name == "site":
            host.sh(f"cp /lab/mirror/packages-signed.fingerprint /root/prints/{kind}/site")
        elif name:
            host.sh(f"printf 'function: sha256\\nfingerprint: {'0' * 64}\\n' >/root/prints/{kind}/{name}")


def by_root(host: Host) -> dict[str, Any]:
    own_repository(host)
    return {"freehyve_pkg_repo": ""}


def by_su_of_file(host: Host) -> dict[str, Any]:
    return {**SU, "freehyve_pkg_repo": "file:///lab/mirror/packages"}


def by_su_with_fingerprints(host: Host) -> dict[str, Any]:
    password(host)
    fingerprints(host)
    return {
        **SU,
        "ansible_become_password": SECRET,
        "freehyve_pkg_repo": f"{host.mirror}/packages-fingerprint",
        "builder_host_pkg_repo_signature": "/root/prints",
    }


def by_https(host: Host) -> dict[str, Any]:
    host.sh(
        "mkdir -p /etc/ssl/certs; cat >/root/ca.pem; mv /root/ca.pem /etc/ssl/certs/"
        "`openssl x509 -hash -noout -in /root/ca.pem`.0",
        input=host.authority.read_text(encoding="utf-8"),
    )
    return {"freehyve_pkg_repo": f"{host.secure}/packages"}


def by_doas_with_a_key(host: Host) -> dict[str, Any]:
    own_repository(host, "doas")
    host.sh("cat >/usr/local/etc/doas.conf", input="permit nopass op as root cmd /bin/sh\n")
    host.sh("cp /lab/mirror/packages-signed.pub /root/site.pub")
    return {
        **DOAS,
        "freehyve_pkg_repo": f"{host.mirror}/packages-signed",
        "builder_host_pkg_repo_signature": "/root/site.pub",
    }


def by_sudo(host: Host) -> dict[str, Any]:
    own_repository(host, "sudo")
    host.sh(
        "mkdir -p /usr/local/etc/sudoers.d; cat >/usr/local/etc/sudoers.d/op",
        input="op ALL=(root) NOPASSWD: /bin/sh\n",
    )
    return SUDO


WAYS = (by_root, by_su_of_file, by_su_with_fingerprints, by_https, by_doas_with_a_key, by_sudo)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_python_comes(host: Host, way: Any) -> None:
    host.bare()
    _status, told = host.provision(way(host))
    assert "python 3." in told and "changed=1" in told
    assert "[WARNING]" not in told
    assert "python3" in host.sh("pkg query %n").split()


def test_nothing_at_all_is_done_where_python_is(host: Host) -> None:
    host.bare()
    host.provision(by_root(host))
    before = host.state()
    _status, told = host.provision({"freehyve_pkg_repo": "file:///nosuch"})
    assert "changed=0" in told
    assert host.state() == before


def test_check_mode_on_a_host_that_has_python_only(host: Host) -> None:
    host.bare()
    host.provision(by_root(host))
    before = host.state()
    variables = {
        "freehyve_pkg_repo": f"{host.mirror}/packages",
        "freehyve_ccache": "/tank/freehyve/ccache",
        "builder_host_signing_key": "/root/repo.key",
        "builder_host_user": "build",
        "builder_host_user_keys": ["ssh-ed25519 AAAA you@laptop"],
        "builder_host_sshd_harden": True,
    }
    done = host.builder.ansible(PROVISION, "--check", "--diff", "-e", json.dumps(variables))
    told = re.sub(r"\s+", " ", done.stdout + done.stderr)
    for task in (
        "The site's package repository",
        "Install the packages of a build host",
        "Load kernel modules, now and at boot",
        "The workspace",
        "The key that signs packages",
        "The build user",
        "No passwords in sshd",
    ):
        assert re.search(rf"builder_host : {re.escape(task)}\] \**.*? changed: \[lab\]", told), told
    assert host.state() == before
    assert "PasswordAuthentication no" not in host.sh("cat /etc/ssh/sshd_config; ls /etc/ssh")


@dataclass(frozen=True)
class Refusal:
    says: str
    variables: dict[str, Any] = field(default_factory=dict)
    repository: str | None = None
    prepare: Any = None


REFUSALS = {
    "nobody answers": Refusal("nosuch.invalid", repository="http://nosuch.invalid/packages"),
    "FreeBSD's repository cannot be reached": Refusal(
        "installed from the repositories of the host: pkg: Error fetching", repository=""
    ),
    "nothing there": Refusal("/nosuch/Latest/pkg.pkg: Not Found", repository="{mirror}/nosuch"),
    "unknown authority": Refusal("Certificate verification failed for /CN=127.0.0.1", repository="{secure}/packages"),
    "other fingerprint": Refusal(
        "No trusted fingerprint found matching package's certificate; set freehyve_pkg_repo and "
        "builder_host_pkg_repo_signature",
        {"builder_host_pkg_repo_signature": "/root/prints"},
        "{mirror}/packages-fingerprint",
        partial(fingerprints, trusted="other"),
    ),
    "revoked fingerprint": Refusal(
        "The package was signed with revoked certificate",
        {"builder_host_pkg_repo_signature": "/root/prints"},
        "{mirror}/packages-fingerprint",
        partial(fingerprints, revoked="site"),
    ),
    "no signature": Refusal(
        "Signature for pkg not available",
        {"builder_host_pkg_repo_signature": "/root/prints"},
        "{mirror}/packages",
        fingerprints,
    ),
    "directory without fingerprints": Refusal(
        "there is no /root to check packages with, neither a public key nor a directory of fingerprints",
        {"builder_host_pkg_repo_signature": "/root"},
    ),
    "other key": Refusal(
        "Signature is not valid; set freehyve_pkg_repo and builder_host_pkg_repo_signature",
        {"builder_host_pkg_repo_signature": "/root/other.pub"},
        "{mirror}/packages-signed",
        lambda host: host.sh("openssl genrsa 2048 2>/dev/null | openssl rsa -pubout -out /root/other.pub 2>/dev/null"),
    ),
    "su with a wrong password": Refusal(
        "asks for the password of root (su: Sorry); give it by --ask-become-pass",
        {**SU, "ansible_become_password": "wrong"},
        prepare=password,
    ),
    "su without the password": Refusal(
        "asks for the password of root (Timeout", {**SU, "ansible_timeout": 1}, prepare=password
    ),
    "su on a host that is down": Refusal(
        "cannot be reached: Failed to connect to the host via ssh", {**SU, "ansible_port": 1}
    ),
    "su outside wheel": Refusal("only members of wheel become root", {**SU, "ansible_user": "out"}),
    "no doas": Refusal("cannot become root there: doas: Command not found", DOAS),
    "doas without a rule": Refusal(
        "cannot become root there: doas: Operation not permitted; see ansible_become_method",
        DOAS,
        prepare=lambda host: own_repository(host, "doas"),
    ),
    "sudo without a rule": Refusal(
        "Missing sudo password",
        SUDO,
        prepare=lambda host: own_repository(host, "sudo"),
    ),
    "no way up": Refusal("not root there; connect as root, or set ansible_become", {"ansible_user": "op"}),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refused_in_one_line_and_nothing_is_changed(host: Host, case: str) -> None:
    refusal = REFUSALS[case]
    host.bare()
    if refusal.prepare is not None:
        refusal.prepare(host)
    before = host.state()
    variables = dict(refusal.variables)
    if refusal.repository is not None:
        variables["freehyve_pkg_repo"] = refusal.repository.format(mirror=host.mirror, secure=host.secure)
    status, told = host.provision(variables, check=False)
    assert status == 2, told
    assert refusal.says in told
    assert "Traceback" not in told
    assert host.state() == before
