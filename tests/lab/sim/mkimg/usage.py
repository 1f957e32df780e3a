# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What mkimg says about itself; recorded in transcripts/mkimg.json of 13.2."""

from __future__ import annotations

from . import formats, schemes

VERSION = "mkimg 20161016 (64-bit)"

_OPTIONS = """\
    options:
\t--formats\t-  list image formats
\t--schemes\t-  list partition schemes
\t--version\t-  show version information

\t-a <num>\t-  mark num'th partition as active
\t-b <file>\t-  file containing boot code
\t-c <num>\t-  minimum capacity (in bytes) of the disk
\t-C <num>\t-  maximum capacity (in bytes) of the disk
\t-f <format>
\t-o <file>\t-  file to write image into
\t-p <partition>
\t-s <scheme>
\t-v\t\t-  increase verbosity
\t-y\t\t-  [developers] enable unit test
\t-H <num>\t-  number of heads to simulate
\t-P <num>\t-  physical sector size
\t-S <num>\t-  logical sector size
\t-T <num>\t-  number of tracks to simulate
"""

_PARTITIONS = """\
    partition specification:
\t<t>[/<l>]::<size>[:[+]<offset>]\t-  empty partition of given size and
\t\t\t\t\t   optional relative or absolute offset
\t<t>[/<l>]:=<file>[:[+]offset]\t-  partition content and size are
\t\t\t\t\t   determined by the named file and
\t\t\t\t\t   optional relative or absolute offset
\t<t>[/<l>]:-<cmd>\t\t-  partition content and size are taken
\t\t\t\t\t   from the output of the command to run
\t-\t\t\t\t-  unused partition entry
\t    where:
\t\t<t>\t-  scheme neutral partition type
\t\t<l>\t-  optional scheme-dependent partition label
"""


def usage(why: str) -> str:
    lines = [f"mkimg: error: {why}\n\nusage: mkimg <options>\n", _OPTIONS, "\n    formats:\n"]
    lines += [f"\t{entry.NAME}\t-  {entry.DESCRIPTION}\n" for entry in formats.ALL]
    lines.append("\n    schemes:\n")
    lines += [f"\t{entry.NAME}\t-  {entry.DESCRIPTION}\n" for entry in schemes.ALL]
    lines += ["\n", _PARTITIONS]
    return "".join(lines)
