# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""getopt_long(3) of FreeBSD: options may follow arguments, long ones may be cut short, its own words for errors."""

from __future__ import annotations

from typing import Iterator, List, Tuple

from .errors import UsageError

SHORT = "a:b:c:C:f:o:p:s:vyH:P:S:T:"
LONG = {"formats": False, "schemes": False, "version": False, "capacity": True}


class BadOption(UsageError):
    """``complaint`` is getopt's own line, printed before the usage."""

    def __init__(self, complaint: str) -> None:
        super().__init__("unknown option")
        self.complaint = complaint


def _long(text: str, rest: List[str]) -> Tuple[str, str]:
    name, equals, value = text.partition("=")
    matches = [name] if name in LONG else [entry for entry in LONG if entry.startswith(name)]
    if not matches:
        raise BadOption(f"unrecognized option `--{text}'")
    if len(matches) > 1:
        raise BadOption(f"option `--{name}' is ambiguous")
    if not LONG[matches[0]]:
        if equals:
            raise BadOption(f"option `--{matches[0]}' doesn't allow an argument")
    elif not equals:
        if not rest:
            raise BadOption(f"option `--{matches[0]}' requires an argument")
        value = rest.pop(0)
    return "--" + matches[0], value


def options(arguments: List[str], left: List[str]) -> Iterator[Tuple[str, str]]:
    """Yield ``(option, value)`` in order; what is no option goes to ``left``.

    :raises BadOption: when the bad one is reached, so that those before it have had their effect.
    """
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            left.extend(rest)
            return
        if word.startswith("--"):
            yield _long(word[2:], rest)
        elif word.startswith("-") and word != "-":
            letters = word[1:]
            while letters:
                letter, letters = letters[0], letters[1:]
                at = SHORT.find(letter)
                if at < 0 or letter == ":":
                    raise BadOption(f"invalid option -- {letter}")
                if SHORT[at + 1 : at + 2] != ":":
                    yield "-" + letter, ""
                    continue
                if not letters and not rest:
                    raise BadOption(f"option requires an argument -- {letter}")
                yield "-" + letter, letters or rest.pop(0)
                break
        else:
            left.append(word)
