# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Sizes as people and FreeBSD's tools write them: powers of two, in bytes."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Union

from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError

_UNITS = "bkmgtpe"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([kmgtpe]?)(?:i?b)?", re.IGNORECASE)


def parse_size(value: Union[int, str], what: str = "size") -> int:
    """Bytes of ``8g``, ``512m``, ``1.5t``, ``4096`` or an integer.

    Suffixes are those of expand_number(3) (k m g t p e, powers of two), with an optional ``b`` or ``ib`` and a fraction
    as zfs(8) takes them.

    :param what: names the thing in the message.
    :raises ToolError: not a size, or not a whole number of bytes.
    """
    text = str(value).strip()
    match = _SIZE.fullmatch(text)
    if isinstance(value, bool) or match is None:
        raise ToolError(f"{what}: '{value}' is not a size; write bytes or a number with k, m, g or t, such as 8g")
    suffix = match.group(2).lower()
    number = Decimal(match.group(1)) * (1 << (10 * _UNITS.index(suffix or "b")))
    if number != int(number):
        raise ToolError(f"{what}: '{value}' is not a whole number of bytes")
    return int(number)


def human_size(size: int) -> str:
    """A size for a message: the largest unit that keeps it exact, else two digits behind the point."""
    for power in range(len(_UNITS) - 1, 0, -1):
        unit = 1 << (10 * power)
        if size >= unit:
            suffix = _UNITS[power]
            return f"{size // unit}{suffix}" if size % unit == 0 else f"{size / unit:.2f}{suffix}"
    return str(size)


__all__ = ["human_size", "parse_size"]
