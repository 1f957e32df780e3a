# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""service(8): which rc.d scripts are enabled, and sshd's state; other services only remember that they were started."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from ..base import rcconf
from ..base.options import Usage, complain, getopt

PATHS = ("/usr/sbin/service",)
USAGE = """
service [-j <jail name or id>] -e
service [-j <jail name or id>] -R
service [-j <jail name or id>] [-v] -l | -r
service [-j <jail name or id>] [-v] [-E var=value] <rc.d script> start|stop|etc.
service -h

-j\tPerform actions within the named jail
-E n=val\tSet variable n to val before executing the rc.d script
-e\tShow services that are enabled
-R\tStop and start enabled /usr/local/etc/rc.d services
-l\tList all scripts in /etc/rc.d and /usr/local/etc/rc.d
-r\tShow the results of boot time rcorder
-v\tVerbose
"""
# In the order of rcorder(8); the variable that enables each.
ORDER = (
    ("hostid", "hostid_enable"),
    ("zpool", "zfs_enable"),
    ("zpoolreguid", "zfs_enable"),
    ("zvol", "zfs_enable"),
    ("hostid_save", "hostid_enable"),
    ("growfs", "growfs_enable"),
    ("zfsbe", "zfs_enable"),
    ("zfs", "zfs_enable"),
    ("cleanvar", "cleanvar_enable"),
    ("kldxref", "kldxref_enable"),
    ("ip6addrctl", "ip6addrctl_enable"),
    ("mixer", "mixer_enable"),
    ("rctl", "rctl_enable"),
    ("devmatch", "devmatch_enable"),
    ("netif", "netif_enable"),
    ("ipfw", "firewall_enable"),
    ("pf", "pf_enable"),
    ("devd", "devd_enable"),
    ("resolv", "resolv_enable"),
    ("dmesg", "dmesg_enable"),
    ("motd", "update_motd"),
    ("newsyslog", "newsyslog_enable"),
    ("os-release", "osrelease_enable"),
    ("cleartmp", "clear_tmp_X"),
    ("gptboot", "gptboot_enable"),
    ("local_unbound", "local_unbound_enable"),
    ("syslogd", "syslogd_enable"),
    ("savecore", "savecore_enable"),
    ("ntpdate", "ntpdate_enable"),
    ("ntpd", "ntpd_enable"),
    ("powerd", "powerd_enable"),
    ("sshd", "sshd_enable"),
    ("cron", "cron_enable"),
    ("jail", "jail_enable"),
    ("moused", "moused_enable"),
    ("bgfsck", "background_fsck"),
)
_PLACES = ("/etc/rc.d", "/usr/local/etc/rc.d")


def main(argv: list[str]) -> int:
    try:
        options, words = getopt(argv, "ehj:lrRvE:")
    except Usage as error:
        return complain(error, USAGE, 1)
    letters = {letter for letter, _ in options}
    if "e" in letters:
        values = rcconf.effective()
        for name, variable in ORDER:
            if os.path.exists(f"/etc/rc.d/{name}") and rcconf.enabled(values.get(variable, "NO")):
                print(f"/etc/rc.d/{name}")
        for name in _local():
            if rcconf.enabled(values.get(f"{name.replace('-', '_')}_enable", "NO")):
                print(f"/usr/local/etc/rc.d/{name}")
        return 0
    if letters & {"l", "r"}:
        print("\n".join(sorted(os.listdir("/etc/rc.d")) + _local()))
        return 0
    if not words:
        return complain(Usage(), USAGE, 1)
    script = next((f"{place}/{words[0]}" for place in _PLACES if os.access(f"{place}/{words[0]}", os.X_OK)), None)
    if script is None:
        print(f"{words[0]} does not exist in /etc/rc.d or the local startup")
        print("directories (/usr/local/etc/rc.d), or is not executable")
        return 1
    if script.startswith("/usr/local/"):
        os.execv("/bin/sh", ["sh", script, *words[1:]])
    return Service(words[0]).run(words[1] if len(words) > 1 else "")


def _local() -> list[str]:
    try:
        return sorted(os.listdir("/usr/local/etc/rc.d"))
    except OSError:
        return []


class Service:
    """One rc.d script of the base system."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.variable = dict(ORDER).get(name, f"{name}_enable")
        self.pid_file = f"/var/run/{name}.pid"

    def enabled(self) -> bool:
        return rcconf.enabled(rcconf.effective().get(self.variable, "NO"))

    def pid(self) -> int | None:
        try:
            with open(self.pid_file, encoding="ascii") as file:
                pid = int(file.read())
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid

    def run(self, verb: str) -> int:
        plain = verb
        for prefix in ("one", "force", "quiet"):
            plain = plain.removeprefix(prefix)
        actions: dict[str, Callable[[], int]] = {
            "status": self.status,
            "start": self.start,
            "stop": self.stop,
            "restart": self.restart,
            "reload": self.reload,
            "enable": self.enable,
            "disable": self.disable,
            "rcvar": self.rcvar,
            "enabled": self.is_enabled,
            "delete": self.delete,
            "poll": self.poll,
        }
        if plain not in actions:
            sys.stderr.write(f"/etc/rc.d/{self.name}: unknown directive '{verb}'.\n")
            sys.stderr.write(
                f"Usage: /etc/rc.d/{self.name} [fast|force|one|quiet](start|stop|restart|rcvar|enable|disable|delete|"
            )
            sys.stderr.write("enabled|status|poll)\n")
            return 1
        if plain in ("start", "stop", "restart", "reload") and plain == verb and not self.enabled():
            sys.stderr.write(f"Cannot '{verb}' {self.name}. Set {self.variable} to YES in /etc/rc.conf or use ")
            sys.stderr.write(f"'one{verb}' instead of '{verb}'.\n")
            return 1
        return actions[plain]()

    def status(self) -> int:
        pid = self.pid()
        print(f"{self.name} is running as pid {pid}." if pid else f"{self.name} is not running.")
        return 0 if pid else 1

    def start(self) -> int:
        pid = self.pid()
        if pid:
            print(f"{self.name} already running?  (pid={pid}).")
            return 1
        if self.name == "sshd":
            # init keeps the lab reachable; a second sshd would fight for the port.
            sys.stderr.write("sshd: the lab's own sshd is started with the lab\n")
            return 1
        print(f"Starting {self.name}.")
        return 0

    def stop(self) -> int:
        pid = self.pid()
        if not pid:
            print(f"{self.name} not running? (check {self.pid_file}).")
            return 1
        if self.name == "sshd":
            sys.stderr.write("sshd: refusing to cut the lab off; use tests/lab/lab stop\n")
            return 1
        os.kill(pid, signal.SIGTERM)
        print(f"Stopping {self.name}.\nWaiting for PIDS: {pid}.")
        return 0

    def restart(self) -> int:
        return self.reload() if self.name == "sshd" else max(self.stop(), self.start())

    def reload(self) -> int:
        if self.pid() is None:
            print(f"{self.name} not running? (check {self.pid_file}).")
            return 1
        print("Performing sanity check on sshd configuration." if self.name == "sshd" else f"Reloading {self.name}.")
        return 0

    def enable(self) -> int:
        return self._set("YES", "enabled")

    def disable(self) -> int:
        return self._set("NO", "disabled")

    def delete(self) -> int:
        for path in rcconf.FILES:
            if self.variable in rcconf.assignments(path):
                rcconf.remove(path, self.variable)
        print(f"{self.name} deleted from /etc/rc.conf")
        return 0

    def _set(self, value: str, word: str) -> int:
        rcconf.write("/etc/rc.conf", self.variable, value)
        print(f"{self.name} {word} in /etc/rc.conf")
        return 0

    def is_enabled(self) -> int:
        return 0 if self.enabled() else 1

    def poll(self) -> int:
        return 0

    def rcvar(self) -> int:
        value = rcconf.effective().get(self.variable, "NO")
        print(f'# {self.name}\n#\n{self.variable}="{value}"\n#   (default: "")\n')
        return 0
