# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""zfs(8): usage texts and option parsing (OpenZFS 2.1)."""

from __future__ import annotations

from . import props
from .errors import Fail
from .options import OptionError, getopt

USAGES = (
    ("version", "\tversion\n"),
    ("", "\n"),
    (
        "create",
        (
            "\tcreate [-Pnpuv] [-o property=value] ... <filesystem>\n"
            "\tcreate [-Pnpsv] [-b blocksize] [-o property=value] ... -V <size> <volume>\n"
        ),
    ),
    (
        "destroy",
        (
            "\tdestroy [-fnpRrv] <filesystem|volume>\n"
            "\tdestroy [-dnpRrv] <filesystem|volume>@<snap>[%<snap>][,...]\n"
            "\tdestroy <filesystem|volume>#<bookmark>\n"
        ),
    ),
    ("", "\n"),
    ("snapshot", "\tsnapshot [-r] [-o property=value] ... <filesystem|volume>@<snap> ...\n"),
    ("rollback", "\trollback [-rRf] <snapshot>\n"),
    ("clone", "\tclone [-p] [-o property=value] ... <snapshot> <filesystem|volume>\n"),
    ("promote", "\tpromote <clone-filesystem>\n"),
    (
        "rename",
        (
            "\trename [-f] <filesystem|volume|snapshot> <filesystem|volume|snapshot>\n"
            "\trename -p [-f] <filesystem|volume> <filesystem|volume>\n"
            "\trename -u [-f] <filesystem> <filesystem>\n"
            "\trename -r <snapshot> <snapshot>\n"
        ),
    ),
    ("bookmark", "\tbookmark <snapshot|bookmark> <newbookmark>\n"),
    (
        "program",
        "\tprogram [-jn] [-t <instruction limit>] [-m <memory limit (b)>]\n\t    <pool> <program file> [lua args...]\n",
    ),
    ("", "\n"),
    (
        "list",
        (
            "\tlist [-Hp] [-r|-d max] [-o property[,...]] [-s property]...\n"
            "\t    [-S property]... [-t type[,...]] [filesystem|volume|snapshot] ...\n"
        ),
    ),
    ("", "\n"),
    ("set", "\tset <property=value> ... <filesystem|volume|snapshot> ...\n"),
    (
        "get",
        (
            '\tget [-rHp] [-d max] [-o "all" | field[,...]]\n'
            "\t    [-t type[,...]] [-s source[,...]]\n"
            '\t    <"all" | property[,...]> [filesystem|volume|snapshot|bookmark] ...\n'
        ),
    ),
    ("inherit", "\tinherit [-rS] <property> <filesystem|volume|snapshot> ...\n"),
    ("upgrade", "\tupgrade [-v]\n\tupgrade [-r] [-V version] <-a | filesystem ...>\n"),
    ("", "\n"),
    (
        "userspace",
        (
            "\tuserspace [-Hinp] [-o field[,...]] [-s field] ...\n"
            "\t    [-S field] ... [-t type[,...]] <filesystem|snapshot|path>\n"
        ),
    ),
    (
        "groupspace",
        (
            "\tgroupspace [-Hinp] [-o field[,...]] [-s field] ...\n"
            "\t    [-S field] ... [-t type[,...]] <filesystem|snapshot|path>\n"
        ),
    ),
    (
        "projectspace",
        "\tprojectspace [-Hp] [-o field[,...]] [-s field] ... \n\t    [-S field] ... <filesystem|snapshot|path>\n",
    ),
    ("", "\n"),
    (
        "project",
        (
            "\tproject [-d|-r] <directory|file ...>\n"
            "\tproject -c [-0] [-d|-r] [-p id] <directory|file ...>\n"
            "\tproject -C [-k] [-r] <directory ...>\n"
            "\tproject [-p id] [-r] [-s] <directory ...>\n"
        ),
    ),
    ("", "\n"),
    ("mount", "\tmount\n\tmount [-flvO] [-o opts] <-a | filesystem>\n"),
    ("unmount", "\tunmount [-fu] <-a | filesystem|mountpoint>\n"),
    ("share", "\tshare [-l] <-a [nfs|smb] | filesystem>\n"),
    ("unshare", "\tunshare <-a [nfs|smb] | filesystem|mountpoint>\n"),
    ("", "\n"),
    (
        "send",
        (
            "\tsend [-DLPbcehnpsvw] [-i|-I snapshot]\n"
            "\t     [-R [-X dataset[,dataset]...]]     <snapshot>\n"
            "\tsend [-DnvPLecw] [-i snapshot|bookmark] <filesystem|volume|snapshot>\n"
            "\tsend [-DnPpvLec] [-i bookmark|snapshot] --redact <bookmark> <snapshot>\n"
            "\tsend [-nvPe] -t <receive_resume_token>\n"
            "\tsend [-Pnv] --saved filesystem\n"
        ),
    ),
    (
        "receive",
        (
            "\treceive [-vMnsFhu] [-o <property>=<value>] ... [-x <property>] ...\n"
            "\t    <filesystem|volume|snapshot>\n"
            "\treceive [-vMnsFhu] [-o <property>=<value>] ... [-x <property>] ... \n"
            "\t    [-d | -e] <filesystem>\n"
            "\treceive -A <filesystem|volume>\n"
        ),
    ),
    ("", "\n"),
    (
        "allow",
        (
            "\tallow <filesystem|volume>\n"
            '\tallow [-ldug] <"everyone"|user|group>[,...] <perm|@setname>[,...]\n'
            "\t    <filesystem|volume>\n"
            "\tallow [-ld] -e <perm|@setname>[,...] <filesystem|volume>\n"
            "\tallow -c <perm|@setname>[,...] <filesystem|volume>\n"
            "\tallow -s @setname <perm|@setname>[,...] <filesystem|volume>\n"
        ),
    ),
    (
        "unallow",
        (
            '\tunallow [-rldug] <"everyone"|user|group>[,...]\n'
            "\t    [<perm|@setname>[,...]] <filesystem|volume>\n"
            "\tunallow [-rld] -e [<perm|@setname>[,...]] <filesystem|volume>\n"
            "\tunallow [-r] -c [<perm|@setname>[,...]] <filesystem|volume>\n"
            "\tunallow [-r] -s @setname [<perm|@setname>[,...]] <filesystem|volume>\n"
        ),
    ),
    ("", "\n"),
    ("hold", "\thold [-r] <tag> <snapshot> ...\n"),
    ("holds", "\tholds [-rHp] <snapshot> ...\n"),
    ("release", "\trelease [-r] <tag> <snapshot> ...\n"),
    ("diff", "\tdiff [-FHth] <snapshot> [snapshot|filesystem]\n"),
    ("load-key", "\tload-key [-rn] [-L <keylocation>] <-a | filesystem|volume>\n"),
    ("unload-key", "\tunload-key [-r] <-a | filesystem|volume>\n"),
    (
        "change-key",
        (
            "\tchange-key [-l] [-o keyformat=<value>]\n"
            "\t    [-o keylocation=<value>] [-o pbkdf2iters=<value>]\n"
            "\t    <filesystem|volume>\n"
            "\tchange-key -i [-l] <filesystem|volume>\n"
        ),
    ),
    ("redact", "\tredact <snapshot> <bookmark> <redaction_snapshot> ...\n"),
    ("wait", "\twait [-t <activity>] <filesystem>\n"),
    ("jail", "\tjail <jailid|jailname> <filesystem>\n"),
    ("unjail", "\tunjail <jailid|jailname> <filesystem>\n"),
)
COMMANDS = {name: text for name, text in USAGES if name}
ALIASES = {"umount": "unmount", "recv": "receive", "snap": "snapshot"}


def main_usage() -> str:
    """The text after ``unrecognized command``, without the newline at its end."""
    body = "".join(text for _name, text in USAGES)
    return (
        f"usage: zfs command args ...\nwhere 'command' is one of the following:\n\n{body}"
        "\nEach dataset is of the form: pool/[dataset/]*dataset[@name]\n\n"
        "For the property list, run: zfs set|get\n\n"
        "For the delegated permission list, run: zfs allow|unallow"
    )


def usage(verb: str, problem: str = "") -> Fail:
    """The error of a wrong command line: *problem*, then how to call *verb*."""
    text = f"usage:\n{COMMANDS[verb]}"
    if verb in ("get", "set", "list", "inherit"):
        text += _properties()
    else:
        text += (
            "\nFor the property list, run: zfs set|get\n\nFor the delegated permission list, run: zfs allow|unallow\n"
        )
    return Fail((problem + "\n" if problem else "") + text.removesuffix("\n"), 2)


def _properties() -> str:
    out = f"\nThe following properties are supported:\n\n\t{'PROPERTY':<14} EDIT  INHERIT   VALUES\n\n"
    rows = [prop for prop in props.TABLE if prop.name != "name"]
    for prop in sorted(rows, key=lambda prop: (prop.mode != "ro", prop.name)):
        out += _row(prop.name, prop.mode == "set", prop.inherit, prop.values)
    for name, edit, inherit, values in props.USAGE_ONLY:
        out += _row(name, edit, inherit, values)
    return out + (
        "\nSizes are specified in bytes with standard units such as K, M, G, etc.\n"
        "\nUser-defined properties can be specified by using a name containing a colon (:).\n"
        "\nThe {user|group|project}[obj]{used|quota}@ properties must be appended with\n"
        "a user|group|project specifier of one of these forms:\n"
        '    POSIX name      (eg: "matt")\n'
        '    POSIX id        (eg: "126829")\n'
        '    SMB name@domain (eg: "matt@sun")\n'
        '    SMB SID         (eg: "S-1-234-567-89")\n'
    )


def _row(name: str, edit: bool, inherit: bool, values: str) -> str:
    return f"\t{name:<15} {'YES' if edit else ' NO'}      {'YES' if inherit else ' NO'}   {values}\n"


def options(verb: str, args: list[str], spec: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Parse, with zfs's complaints."""
    try:
        return getopt(args, spec)
    except OptionError as error:
        if error.missing:
            raise usage(verb, f"missing argument for '{error.letter}' option") from None
        raise usage(verb, f"invalid option '{error.letter}'") from None


__all__ = ["ALIASES", "COMMANDS", "main_usage", "options", "usage"]
