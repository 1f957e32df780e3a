# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""As much of UCL as pkg.conf(5) and repository files use: nested objects, strings, lists, comments."""

from __future__ import annotations

import re
from typing import Any

TOKEN = re.compile(
    r"""\s+|\#[^\n]*|/\*.*?\*/|(?P<string>"(?:[^"\\]|\\.)*"|'[^']*')|(?P<mark>[{}\[\],;=])"""
    r"""|(?P<colon>:(?=[\s"'\[{]))|(?P<word>(?:[^\s{}\[\],;=:"'#]|:(?![\s"'\[{])|\$\{[^}]*\})+)""",
    re.DOTALL)


class UclError(ValueError):
    """The text is not UCL."""


def _tokens(text: str) -> list[str]:
    found, position = [], 0
    while position < len(text):
        match = TOKEN.match(text, position)
        if not match or match.end() == position:
            raise UclError(f"unexpected {text[position:position + 10]!r}")
        position = match.end()
        if match.lastgroup:
            found.append(match.group())
    return found


def _plain(token: str) -> str:
    return token[1:-1] if token[:1] in "\"'" else token


def _value(tokens: list[str]) -> Any:
    token = tokens.pop(0)
    if token == "{":
        return _object(tokens, "}")
    if token == "[":
        items = []
        while tokens and tokens[0] != "]":
            items.append(_value(tokens))
            if tokens and tokens[0] in ",;":
                tokens.pop(0)
        if not tokens:
            raise UclError("unclosed list")
        tokens.pop(0)
        return items
    return _plain(token)


def _object(tokens: list[str], end: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while tokens and tokens[0] != end:
        if tokens[0] in ",;":
            tokens.pop(0)
            continue
        key = _plain(tokens.pop(0))
        if tokens and tokens[0] in ":=":
            tokens.pop(0)
        if not tokens:
            raise UclError(f"no value for {key}")
        found[key] = _value(tokens)
    if end and not tokens:
        raise UclError("unclosed object")
    if end:
        tokens.pop(0)
    return found


def parse(text: str) -> dict[str, Any]:
    """Return the object that the text describes; raises UclError."""
    tokens = _tokens(text)
    if tokens and tokens[0] == "{":
        tokens.pop(0)
        return _object(tokens, "}")
    return _object(tokens, "")


def truth(value: Any, default: bool = False) -> bool:
    """Return the Boolean that a UCL word means."""
    return default if value is None else str(value).lower() in ("yes", "true", "on", "1")
