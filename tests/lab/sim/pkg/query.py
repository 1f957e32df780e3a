# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The formats and conditions of pkg query and pkg rquery (pkg-query(8))."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, field
from typing import Any, Callable

from .plan import exact_size


@dataclass
class Facts:
    """What a format can name about one package, installed or offered."""

    manifest: dict[str, Any]
    automatic: bool = False
    locked: bool = False
    time: int = 0
    repository: str = ""
    files: dict[str, str] = field(default_factory=dict)
    deps: list[tuple[str, str, str]] = field(default_factory=list)
    needed_by: list[tuple[str, str, str]] = field(default_factory=list)


def _text(name: str) -> Callable[[Facts], str]:
    return lambda facts: str(facts.manifest.get(name, ""))


SINGLE: dict[str, Callable[[Facts], str]] = {
    "n": _text("name"), "v": _text("version"), "o": _text("origin"), "p": _text("prefix"), "m": _text("maintainer"),
    "c": _text("comment"), "e": _text("desc"), "w": _text("www"), "q": _text("abi"),
    "l": lambda facts: {"single": "", "or": "|", "and": "&"}.get(str(facts.manifest.get("licenselogic")), ""),
    "a": lambda facts: str(int(facts.automatic)), "k": lambda facts: str(int(facts.locked)),
    "t": lambda facts: str(facts.time), "R": lambda facts: facts.repository, "M": lambda facts: "",
    "V": lambda facts: "0", "X": lambda facts: str(facts.manifest.get("sum", "")),
    "sb": lambda facts: str(facts.manifest.get("flatsize", 0)),
    "sh": lambda facts: exact_size(int(facts.manifest.get("flatsize", 0))),
}


def _multiple(facts: Facts, letter: str) -> list[dict[str, str]]:
    manifest = facts.manifest
    if letter in "dr":
        rows = facts.deps if letter == "d" else facts.needed_by
        return [{"n": name, "o": origin, "v": version} for name, origin, version in rows]
    if letter == "F":
        return [{"p": path, "s": digest.partition("$")[2]} for path, digest in facts.files.items()]
    if letter in "OA":
        table = manifest.get("options" if letter == "O" else "annotations") or {}
        return [{"k" if letter == "O" else "t": key, "v": str(value), "n": key} for key, value in sorted(table.items())]
    keys = {"C": "categories", "L": "licenses", "U": "users", "G": "groups", "D": "directories"}
    return [{"": str(item)} for item in manifest.get(keys[letter]) or []]


TOKEN = re.compile(r"%(?:(?P<count>[#?])(?P<counted>[drFOACLUGD])|(?P<multi>[drFOA])(?P<part>[a-z])"
                   r"|(?P<list>[CLUGD])|(?P<single>s[bh]|[a-zA-Z]))")


class QueryError(ValueError):
    """The format or the condition is not one."""


def render(pattern: str, facts: Facts) -> list[str]:
    """Return the lines that a format gives for one package: several when it names something that is many."""
    pattern = pattern.encode().decode("unicode_escape") if "\\" in pattern else pattern
    many = next((match for match in TOKEN.finditer(pattern) if match["multi"] or match["list"]), None)
    if many is None:
        return [_fill(pattern, facts, None, {})]
    letter = many["multi"] or many["list"]
    return [_fill(pattern, facts, letter, row) for row in _multiple(facts, letter)]


def _fill(pattern: str, facts: Facts, letter: str | None, row: dict[str, str]) -> str:
    def replace(match: re.Match[str]) -> str:
        if match["count"]:
            number = len(_multiple(facts, match["counted"]))
            return str(number if match["count"] == "#" else int(number > 0))
        if match["multi"] or match["list"]:
            if (match["multi"] or match["list"]) != letter:
                raise QueryError("Invalid query: only one kind of list")
            return row.get(match["part"] or "", "")
        if match["single"] not in SINGLE:
            raise QueryError(f"Invalid query: unknown format %{match['single']}")
        return SINGLE[match["single"]](facts)

    return TOKEN.sub(replace, pattern)


CONDITION = re.compile(r"\s*(?:(?P<open>\()|(?P<close>\))|(?P<join>&&|\|\|)|"
                       r"(?P<name>%[#?]?[a-zA-Z]+)\s*(?P<operator>!=|==|<=|>=|!~|=|<|>|~)\s*"
                       r"(?P<value>\"[^\"]*\"|'[^']*'|[^\s()&|]+))")


def holds(condition: str, facts: Facts) -> bool:
    """Return whether a condition holds for a package; raises QueryError."""
    python, position = [], 0
    while position < len(condition.rstrip()):
        match = CONDITION.match(condition, position)
        if not match:
            raise QueryError("unexpected character in the evaluation string")
        position = match.end()
        if match["name"]:
            python.append(str(_compare(_fill(match["name"], facts, None, {}), match["operator"],
                                       match["value"].strip("\"'"))))
        else:
            python.append({"&&": " and ", "||": " or "}.get(match.group().strip(), match.group().strip()))
    return _evaluate(python)


def _evaluate(words: list[str]) -> bool:
    """Evaluate True/False joined by and, or and parentheses; ``and`` binds tighter."""
    position = 0

    def operand() -> bool:
        nonlocal position
        if position >= len(words):
            raise QueryError("expected a condition")
        word = words[position]
        position += 1
        if word == "(":
            value = alternatives()
            if position >= len(words) or words[position] != ")":
                raise QueryError("unbalanced parenthesis")
            position += 1
            return value
        if word not in ("True", "False"):
            raise QueryError("expected a condition")
        return word == "True"

    def conjunction() -> bool:
        nonlocal position
        value = operand()
        while position < len(words) and words[position] == " and ":
            position += 1
            value = operand() and value
        return value

    def alternatives() -> bool:
        nonlocal position
        value = conjunction()
        while position < len(words) and words[position] == " or ":
            position += 1
            value = conjunction() or value
        return value

    result = alternatives()
    if position != len(words):
        raise QueryError("unexpected end of the evaluation string")
    return result


def _compare(left: str, operator: str, right: str) -> bool:
    if operator in ("~", "!~"):
        return fnmatch.fnmatchcase(left, right) == (operator == "~")
    both = left.lstrip("-").isdigit() and right.lstrip("-").isdigit()
    order = (int(left) > int(right)) - (int(left) < int(right)) if both else (left > right) - (left < right)
    return {"=": order == 0, "==": order == 0, "!=": order != 0, "<": order < 0, ">": order > 0, "<=": order <= 0,
            ">=": order >= 0}[operator]
