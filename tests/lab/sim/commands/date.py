# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""date(1): FreeBSD's -r, -j -f, -v and -I; setting the clock is refused."""

from __future__ import annotations

import calendar
import os
import re
import sys
import time
from datetime import datetime, timedelta, timezone

from ..base.options import Usage, complain, getopt

PATHS = ("/bin/date",)
USAGE = """usage: date [-jnRu] [-I[date|hours|minutes|seconds]] [-f input_fmt]
            [ -z output_zone ] [-r filename|seconds] [-v[+|-]val[y|m|w|d|H|M|S]]
            [[[[[[cc]yy]mm]dd]HH]MM[.SS] | new_date] [+output_fmt]
"""
_ISO = {
    "": "%Y-%m-%d",
    "date": "%Y-%m-%d",
    "hours": "%Y-%m-%dT%H",
    "minutes": "%Y-%m-%dT%H:%M",
    "seconds": "%Y-%m-%dT%H:%M:%S",
}
_SHIFT = re.compile(r"([-+]?)(\d+)([ymwdHMS])\Z")


def main(argv: list[str]) -> int:
    words, iso = [argv[0]], None
    for word in argv[1:]:
        # -I takes its value only when joined to it, which getopt cannot say.
        if word.startswith("-I") and word[2:] in _ISO:
            iso = word[2:]
        else:
            words.append(word)
    try:
        options, rest = getopt(words, "f:jnRr:uv:z:")
    except Usage as error:
        return complain(error, USAGE, 1)
    letters = dict(options)
    if "u" in letters:
        os.environ["TZ"] = "UTC0"
    elif "z" in letters:
        os.environ["TZ"] = letters["z"]
    time.tzset()
    form = next((word[1:] for word in rest if word.startswith("+")), None)
    given = next((word for word in rest if not word.startswith("+")), None)
    try:
        moment = _moment(letters, given)
        for letter, value in options:
            if letter == "v":
                moment = _shift(moment, value)
    except ValueError as error:
        sys.stderr.write(f"date: {error}\n")
        return 1
    local = time.localtime(moment)
    if form is None:
        form = "%a, %d %b %Y %H:%M:%S %z" if "R" in letters else "%a %b %e %H:%M:%S %Z %Y"
        if iso is not None:
            zone = time.strftime("%z", local)
            form = _ISO[iso] + (f"{zone[:3]}:{zone[3:]}" if iso not in ("", "date") else "")
    print(time.strftime(form.replace("%s", str(moment)), local))
    return 0


def _moment(letters: dict[str, str], given: str | None) -> int:
    if "r" in letters:
        if re.match(r"-?\d+\Z", letters["r"]):
            return int(letters["r"])
        if not os.path.exists(letters["r"]):
            raise ValueError(f"{letters['r']}: No such file or directory")
        return int(os.stat(letters["r"]).st_mtime)
    if given is None:
        return int(time.time())
    if "f" in letters:
        try:
            if letters["f"] == "%s":
                return int(given)
            parsed = time.strptime(given, letters["f"])
        except ValueError:
            raise ValueError(f"Failed conversion of ``{given}'' using format ``{letters['f']}''") from None
        return calendar.timegm(parsed) if "%z" in letters["f"] else int(time.mktime(parsed[:8] + (-1,)))
    if "j" not in letters:
        raise ValueError("settimeofday (timeval): Operation not permitted")
    digits = re.match(r"(\d{2}){0,6}\Z", given.replace(".", ""))
    if not digits:
        raise ValueError("illegal time format")
    return int(datetime.strptime(given, "%Y%m%d%H%M.%S" if "." in given else "%Y%m%d%H%M").timestamp())


def _shift(moment: int, value: str) -> int:
    found = _SHIFT.match(value)
    if not found:
        raise ValueError(f"{value}: Cannot apply date adjustment")
    sign, amount, unit = found[1], int(found[2]), found[3]
    when = datetime.fromtimestamp(moment, timezone.utc).astimezone()
    if not sign:
        fields = {"y": when.year, "m": when.month, "d": when.day, "H": when.hour, "M": when.minute, "S": when.second}
        if unit not in fields:
            raise ValueError(f"{value}: Cannot apply date adjustment")
        fields[unit] = amount
        year, month, day, hour, minute, second = fields.values()
        return int(datetime(year, month, day, hour, minute, second, tzinfo=when.tzinfo).timestamp())
    step = amount if sign == "+" else -amount
    if unit in "ym":
        months = when.year * 12 + when.month - 1 + step * (12 if unit == "y" else 1)
        year, month = divmod(months, 12)
        day = min(when.day, calendar.monthrange(year, month + 1)[1])
        return int(when.replace(year=year, month=month + 1, day=day).timestamp())
    seconds = {"w": 604800, "d": 86400, "H": 3600, "M": 60, "S": 1}[unit] * step
    return int((when + timedelta(seconds=seconds)).timestamp())
