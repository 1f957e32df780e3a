# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Base tools that are the host's own, behind FreeBSD's option letters: what only GNU knows is refused as on FreeBSD."""

from __future__ import annotations

import os
import re
import sys

from ..base.options import Usage, complain, getopt

# tool: (path, letters that FreeBSD 13.2 knows, usage line, exit status of a usage error)
TOOLS = {
    "cat": ("/bin/cat", "belnstuv", "cat [-belnstuv] [file ...]", 1),
    "chmod": ("/bin/chmod", "HLPRfhvrwxXst", "chmod [-fhv] [-R [-H | -L | -P]] mode file ...", 1),
    "cp": ("/bin/cp", "HLPRafhilnprsvx", "cp [-R [-H | -L | -P]] [-f | -i | -n] [-alpsvx] source_file target_file", 64),
    "ln": ("/bin/ln", "FLPfhinsvw", "ln [-s [-F] | -L | -P] [-f | -i] [-hnv] source_file [target_file]", 1),
    "mkdir": ("/bin/mkdir", "m:pv", "mkdir [-pv] [-m mode] directory_name ...", 64),
    "mv": ("/bin/mv", "fhinv", "mv [-f | -i | -n] [-hv] source target", 64),
    "realpath": ("/bin/realpath", "q", "realpath [-q] [path ...]", 1),
    "rmdir": ("/bin/rmdir", "pv", "rmdir [-pv] directory ...", 1),
    "basename": ("/usr/bin/basename", "as:", "basename string [suffix]", 1),
    "chgrp": ("/usr/bin/chgrp", "HLPRfhnvx", "chgrp [-fhvx] [-R [-H | -L | -P]] group file ...", 1),
    "chown": ("/usr/sbin/chown", "HLPRfhnvx", "chown [-fhvx] [-R [-H | -L | -P]] owner[:group] file ...", 1),
    "comm": ("/usr/bin/comm", "123fi", "comm [-123i] file1 file2", 1),
    "cut": ("/usr/bin/cut", "b:c:d:f:nsw", "cut -b list [-n] [file ...]", 1),
    "dirname": ("/usr/bin/dirname", "", "dirname string [...]", 1),
    "env": ("/usr/bin/env", "0iP:S:u:v", "env [-0iv] [-u name] [name=value ...] [utility [argument ...]]", 1),
    "head": ("/usr/bin/head", "n:c:0123456789", "head [-n lines | -c bytes] [file ...]", 1),
    "id": ("/usr/bin/id", "AGMPacgnpru", "id [user]", 1),
    "nl": ("/usr/bin/nl", "b:d:f:h:i:l:n:ps:v:w:", "nl [-p] [-b type] [file]", 1),
    "paste": ("/usr/bin/paste", "d:s", "paste [-s] [-d delimiters] file ...", 1),
    "readlink": ("/usr/bin/readlink", "fn", "readlink [-fn] [file ...]", 1),
    "tail": ("/usr/bin/tail", "Fb:c:fn:qr0123456789", "tail [-F | -f | -r] [-q] [-b # | -c # | -n #] [file ...]", 1),
    "tee": ("/usr/bin/tee", "ai", "tee [-ai] [file ...]", 1),
    "touch": (
        "/usr/bin/touch",
        "A:acd:fhmr:t:",
        "touch [-A [-][[hh]mm]SS] [-achm] [-r file] [-t [[CC]YY]MMDDhhmm[.SS]] file ...",
        1,
    ),
    "tr": ("/usr/bin/tr", "CcdsuU", "tr [-Ccsu] string1 string2", 1),
    "uniq": (
        "/usr/bin/uniq",
        "cdDf:is:u0123456789",
        "uniq [-c | -d | -D | -u] [-i] [-f fields] [-s chars] [input [output]]",
        1,
    ),
    "xargs": (
        "/usr/bin/xargs",
        "0E:I:J:L:n:oP:pR:rS:s:tx",
        "xargs [-0opt] [-E eofstr] [-I replstr] [-n number] utility",
        1,
    ),
    "tar": ("/usr/bin/tar", "", "", 1),
    "bsdtar": ("/usr/bin/bsdtar", "", "", 1),
    "find": ("/usr/bin/find", "", "", 1),
    "install": (
        "/usr/bin/install",
        "B:bCcD:df:g:h:l:M:m:N:o:pSsT:Uv",
        "install [-bCcpSsUv] [-g group] [-m mode] [-o owner] file1 file2",
        64,
    ),
    "mktemp": ("/usr/bin/mktemp", "dp:qt:u", "mktemp [-d] [-p tmpdir] [-q] [-t prefix] [-u] template ...", 1),
    "sed": ("/usr/bin/sed", "Eae:f:i:I:lnrsu", "sed script [-EalnruI] [-i extension] [file ...]", 1),
    "wc": ("/usr/bin/wc", "Lclmw", "wc [-Lclmw] [file ...]", 1),
    "xz": ("/usr/bin/xz", "", "", 1),
    "unxz": ("/usr/bin/unxz", "", "", 1),
    "xzcat": ("/usr/bin/xzcat", "", "", 1),
    "zstd": ("/usr/bin/zstd", "", "", 1),
    "unzstd": ("/usr/bin/unzstd", "", "", 1),
    "zstdcat": ("/usr/bin/zstdcat", "", "", 1),
    "zstdmt": ("/usr/bin/zstdmt", "", "", 1),
}
PATHS = (
    "/bin/cat",
    "/bin/chmod",
    "/bin/cp",
    "/bin/ln",
    "/bin/mkdir",
    "/bin/mv",
    "/bin/realpath",
    "/bin/rmdir",
    "/usr/bin/basename",
    "/usr/bin/chgrp",
    "/usr/sbin/chown",
    "/usr/bin/comm",
    "/usr/bin/cut",
    "/usr/bin/dirname",
    "/usr/bin/env",
    "/usr/bin/head",
    "/usr/bin/id",
    "/usr/bin/nl",
    "/usr/bin/paste",
    "/usr/bin/readlink",
    "/usr/bin/tail",
    "/usr/bin/tee",
    "/usr/bin/touch",
    "/usr/bin/tr",
    "/usr/bin/uniq",
    "/usr/bin/xargs",
    "/usr/bin/tar",
    "/usr/bin/bsdtar",
    "/usr/bin/find",
    "/usr/bin/install",
    "/usr/bin/mktemp",
    "/usr/bin/sed",
    "/usr/bin/wc",
    "/usr/bin/xz",
    "/usr/bin/unxz",
    "/usr/bin/xzcat",
    "/usr/bin/zstd",
    "/usr/bin/unzstd",
    "/usr/bin/zstdcat",
    "/usr/bin/zstdmt",
)
_VERSIONS = {
    "xz": "xz (XZ Utils) 5.4.1\nliblzma 5.4.1\n",
    "zstd": "*** zstd command line interface 64-bits v1.4.8, by Yann Collet ***\n",
    "tar": "bsdtar 3.6.2 - libarchive 3.6.2 zlib/1.2.13 liblzma/5.4.1 bz2lib/1.0.8 libzstd/1.4.8\n",
}
# Words that GNU find knows and FreeBSD's does not.
_GNU_FIND = {
    "-printf",
    "-fprintf",
    "-fprint",
    "-fprint0",
    "-fls",
    "-regextype",
    "-executable",
    "-readable",
    "-writable",
    "-xtype",
    "-warn",
    "-nowarn",
    "-used",
    "-context",
}
# Tools whose complaints name the file as GNU does: ``cannot stat 'x': …`` where FreeBSD says ``x: …``.
_TALKERS = {
    *("cp", "mv", "mkdir", "rmdir", "ln", "chmod", "chown", "chgrp", "touch", "head", "tail", "tee", "cut", "uniq"),
    *("comm", "install"),
}
_GNU_COMPLAINT = re.compile(r"^(\w+): (?:cannot|failed to) [\w ]+? '([^']*)'(?: for \w+)?: (.*)$", re.MULTILINE)
_GNU_RENAME = re.compile(r"^mv: cannot (?:stat|move) '([^']*)'(?: to '[^']*')?: (.*)$", re.MULTILINE)
_HOST_NAMES = {"tar": "bsdtar"}


def main(argv: list[str]) -> int:
    name = argv[0]
    _, spec, usage, code = TOOLS[name]
    if len(argv) == 2 and argv[1] in ("--version", "-V") and name in _VERSIONS:
        sys.stdout.write(_VERSIONS[name])
        return 0
    special = _SPECIAL.get(name)
    try:
        if special:
            return special(argv)
        if name in ("head", "tail", "chmod", "uniq") or not spec:
            _refuse_long(argv, name)
        else:
            getopt(argv, spec)
    except Usage as error:
        return complain(error, f"usage: {usage}\n" if usage else "", code)
    return execute(name, argv[1:])


def _refuse_long(argv: list[str], name: str) -> None:
    if name in ("xz", "unxz", "xzcat", "zstd", "unzstd", "zstdcat", "zstdmt", "tar", "bsdtar", "find"):
        return
    for word in argv[1:]:
        if word == "--":
            return
        if word.startswith("--"):
            raise Usage(f"{name}: illegal option -- -")


def execute(name: str, arguments: list[str]) -> int:
    """Become the host's tool under FreeBSD's name; it must not permute its arguments, as getopt(3) does not."""
    host = _HOST_NAMES.get(name, name)
    environment = dict(os.environ)
    # xargs, env and tar run other programs, which must not see it.
    if name not in ("env", "xargs", "tar", "bsdtar", "find", "nice", "nohup"):
        environment["POSIXLY_CORRECT"] = "1"
    for place in ("/.host/usr/bin", "/.host/bin", "/.host/usr/sbin", "/.host/usr/local/bin"):
        path = f"{place}/{host}"
        if os.path.exists(path):
            if name in _TALKERS:
                return _translate(path, [name, *arguments], environment)
            os.execve(path, [name, *arguments], environment)
    sys.stderr.write(f"{name}: not found on the lab's host\n")
    return 127


def _translate(path: str, argv: list[str], environment: dict[str, str]) -> int:
    """Run it and say its complaints in FreeBSD's words."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(write, 2)
        os.execve(path, argv, environment)
    os.close(write)
    with os.fdopen(read, encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream:
            sys.stderr.write(_in_freebsd_words(line, argv))
            sys.stderr.flush()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF


def _in_freebsd_words(line: str, argv: list[str]) -> str:
    line = line.replace("Device or resource busy", "Device busy")
    line = re.sub(r"^(chown|chgrp): invalid (user|group): '([^']*)'", r"\1: \3: illegal \2 name", line)
    moved = _GNU_RENAME.sub(lambda found: f"mv: rename {found[1]} to {argv[-1]}: {found[2]}", line)
    return _GNU_COMPLAINT.sub(r"\1: \2: \3", moved)


def _tar(argv: list[str]) -> int:
    """File flags of an archive would become the host file system's own: they are left out of an extraction."""
    words = argv[1:]
    if words and words[0].startswith("-") and not words[0].startswith("--") and "x" in words[0]:
        words = ["--no-fflags", *words]
    return execute(argv[0], words)


def _find(argv: list[str]) -> int:
    for word in argv[1:]:
        if word in _GNU_FIND:
            sys.stderr.write(f"find: {word}: unknown primary or operator\n")
            return 1
    return execute("find", argv[1:])


def _install(argv: list[str]) -> int:
    """What both know goes on; -U, -S, -l … have no meaning or no match here."""
    options, rest = getopt(argv, TOOLS["install"][1])
    arguments = []
    for letter, value in options:
        if letter in "gmo":
            arguments += [f"-{letter}", value]
        elif letter in "bCdpsv":
            arguments.append(f"-{letter}")
        elif letter in "fhlMNDT":
            sys.stderr.write(f"install: the lab does not play -{letter}\n")
            return 64
    return execute("install", [*arguments, "--", *rest])


def _mktemp(argv: list[str]) -> int:
    options, templates = getopt(argv, TOOLS["mktemp"][1])
    arguments = [f"-{letter}" for letter, _ in options if letter in "dqu"]
    letters = dict(options)
    if "t" in letters:
        directory = letters.get("p", os.environ.get("TMPDIR", "/tmp"))
        return execute("mktemp", [*arguments, f"{directory}/{letters['t']}.XXXXXXXXXX"])
    if not templates and "p" not in letters and argv[1:] and not options:
        raise Usage
    if "p" in letters:
        templates = [f"{letters['p']}/{template}" for template in templates or ["tmp.XXXXXXXXXX"]]
    return execute("mktemp", [*arguments, *templates])


def _sed(argv: list[str]) -> int:
    """-i takes its extension as a word of its own, even an empty one."""
    options, rest = getopt(argv, TOOLS["sed"][1])
    arguments = []
    for letter, value in options:
        if letter in "iI":
            arguments.append(f"-i{value}")
        elif letter in "ef":
            arguments += [f"-{letter}", value]
        elif letter == "l":
            arguments.append("-u")
        elif letter != "a":
            arguments.append(f"-{letter}")
    return execute("sed", [*arguments, "--", *rest])


def _wc(argv: list[str]) -> int:
    """Counts in columns of eight, as FreeBSD prints them."""
    options, paths = getopt(argv, TOOLS["wc"][1])
    letters = {letter for letter, _ in options} or set("lwc")
    totals = [0, 0, 0, 0]
    code = 0
    for path in paths or ["-"]:
        try:
            if path == "-" and not paths:
                data = sys.stdin.buffer.read()
            else:
                with open(path, "rb") as file:
                    data = file.read()
        except OSError as error:
            sys.stdout.flush()
            sys.stderr.write(f"wc: {path}: open: {os.strerror(error.errno or 0)}\n")
            code = 1
            continue
        longest = max((len(line) for line in data.split(b"\n")), default=0)
        counts = [data.count(b"\n"), len(data.split()), len(data), longest]
        totals = [a + b for a, b in zip(totals[:3], counts[:3], strict=True)] + [max(totals[3], longest)]
        print(_columns(counts, letters) + (f" {path}" if paths else ""))
    if len(paths) > 1:
        print(_columns(totals, letters) + " total")
    return code


def _columns(counts: list[int], letters: set[str]) -> str:
    shown = [("l",), ("w",), ("c", "m"), ("L",)]
    return "".join(f" {count:7}" for count, which in zip(counts, shown, strict=True) if letters & set(which))


_SPECIAL = {"install": _install, "tar": _tar, "bsdtar": _tar, "find": _find, "mktemp": _mktemp, "sed": _sed, "wc": _wc}
