# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""jls(8): jails that simulated commands recorded in the state as ``jails``: {name: {jid, ip, hostname, path}}."""

from __future__ import annotations

import sys

from .. import state
from ..base.options import Usage, complain, getopt

PATHS = ("/usr/sbin/jls",)
USAGE = "usage: jls [-dhNnqsv] [-j jail] [param ...]\n"


def main(argv: list[str]) -> int:
    try:
        options, parameters = getopt(argv, "adj:hNnqsv")
    except Usage as error:
        return complain(error, USAGE, 1)
    letters = dict(options)
    with state.read() as known:
        jails = dict(known.get("jails", {}))
    if "j" in letters:
        wanted = letters["j"]
        jails = {name: jail for name, jail in jails.items() if wanted in (name, str(jail.get("jid", "")))}
        if not jails:
            sys.stderr.write(f'jls: jail "{wanted}" not found\n')
            return 1
    rows = [{"jid": "0", "ip4.addr": "", "host.hostname": "", "path": "/", "name": name, "ip": "", "hostname": ""} |
            {key: str(value) for key, value in jail.items()} for name, jail in sorted(jails.items())]  # fmt: skip
    if parameters or letters.keys() & {"n", "s", "q"}:
        for row in rows:
            chosen = parameters or ["jid", "name", "path"]
            print(" ".join((f"{key}=" if "n" in letters else "") + row.get(key, "-") for key in chosen))
        return 0
    if "N" in letters:
        print(" JID             IP Address      Hostname                      Path")
    else:
        print("   JID  IP Address      Hostname                      Path")
    for row in rows:
        shown = f" {row['name']:<15}" if "N" in letters else f"{row['jid']:>6} "
        print(f"{shown} {row['ip']:<15} {row['hostname']:<29} {row['path']}")
    return 0
