# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Sizes as the tools read and print them: zfs_nicenum(), zfs_nicestrtonum(), humanize_number(3), expand_number(3)."""

from __future__ import annotations

_SUFFIXES = "BKMGTPE"


def nicenum(value: int) -> str:
    """``zfs_nicenum``: five columns at most (libzutil, zutil_nicenum.c)."""
    number, index = value, 0
    while number >= 1024 and index < len(_SUFFIXES) - 1:
        number //= 1024
        index += 1
    if index == 0:
        return str(value)
    unit = _SUFFIXES[index]
    if value & ((1 << (10 * index)) - 1) == 0:
        return f"{number}{unit}"
    exact = value / (1 << (10 * index))
    for digits in (2, 1, 0):
        text = f"{exact:.{digits}f}{unit}"
        if len(text) <= 5:
            return text
    return f"{number}{unit}"


def nicebytes(value: int) -> str:
    """As ``nicenum``, bytes with their B."""
    return f"{value}B" if value < 1024 else nicenum(value)


def humanize(value: int, length: int = 5, bytes_suffix: str = "", decimal: bool = True) -> str:
    """``humanize_number(3)`` with divisor 1024, autoscaling into *length* bytes (its NUL included)."""
    room = length - 1
    if value < 1024 and len(str(value)) + len(bytes_suffix) <= room:
        return f"{value}{bytes_suffix}"
    scaled, index = float(value), 0
    limit = 10 ** max(1, room - 1)
    while (scaled >= limit - 0.5 or index == 0 or scaled >= 1024) and index < len(_SUFFIXES) - 1:
        if index and scaled < limit - 0.5 and scaled < 1024:
            break
        scaled /= 1024
        index += 1
        if scaled < min(limit - 0.5, 1000 if room < 5 else 1024):
            break
    if decimal and scaled < 9.95 and room >= 4:
        return f"{scaled:.1f}{_SUFFIXES[index]}"
    return f"{int(scaled + 0.5)}{_SUFFIXES[index]}"


def expand(text: str, unit: int = 1) -> int:
    """``expand_number(3)``: digits and one of ``kmgtpe`` (``b`` means bytes); *unit* applies where none is given.

    Raises ValueError for anything else.
    """
    digits = text.rstrip("bBkKmMgGtTpPeE")
    suffix = text[len(digits) :].lower()
    if not digits.isdigit() or len(suffix) > 2:
        raise ValueError(text)
    if len(suffix) == 2 and suffix[1] != "b":
        raise ValueError(text)
    if not suffix:
        return int(digits) * unit
    return int(digits) << (10 * "bkmgtpe".index(suffix[0]))


def zfs_number(text: str) -> int:
    """``zfs_nicestrtonum``: digits, a fraction if a unit follows, ``B``, ``K``, ``KB``, ``KiB`` … or ValueError."""
    index = 0
    while index < len(text) and (text[index].isdigit() or text[index] == "."):
        index += 1
    number, suffix = text[:index], text[index:].upper()
    if not number or number.count(".") > 1 or not number[0].isdigit():
        raise ValueError(text)
    shift = 0
    if suffix and suffix != "B":
        if suffix[0] not in _SUFFIXES[1:] or suffix[1:] not in ("", "B", "IB"):
            raise ValueError(text)
        shift = 10 * _SUFFIXES.index(suffix[0])
    if "." in number:
        if not suffix:
            raise ValueError(text)
        return int(float(number) * (1 << shift))
    return int(number) << shift


__all__ = ["expand", "humanize", "nicebytes", "nicenum", "zfs_number"]
