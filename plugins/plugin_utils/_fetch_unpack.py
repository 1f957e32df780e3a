# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""DATA frames: one or more chunks' pages, packed with zstd or not."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import suppress

from ansible_collections.freehyve.builder.plugins.module_utils import _artifact_helper as far
from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_errors import FetchError


def _decompressor() -> Callable[[bytes], bytes] | None:
    """The library of Python 3.14, else the program; None when there is neither."""
    with suppress(ImportError):
        decompress: Callable[[bytes], bytes] = importlib.import_module("compression.zstd").decompress
        return decompress
    if far.zstd_command() is None:
        return None
    return lambda data: far.zstd(["-d"], data)


DECOMPRESS = _decompressor()


def unpack(payload: bytes) -> Iterator[tuple[int, memoryview]]:
    """``(chunk, pages)`` of a frame.

    :raises FetchError: the frame is damaged.
    """
    packed, count = far.DATA_HEAD.unpack_from(payload)
    at = far.DATA_HEAD.size
    size = far.DATA_ITEM.size
    items = [far.DATA_ITEM.unpack_from(payload, at + number * size) for number in range(count)]
    at += count * size
    body = memoryview(payload)[at:]
    if packed:
        if DECOMPRESS is None:
            raise FetchError("the builder compresses with zstd, which is not installed here")
        try:
            body = memoryview(DECOMPRESS(bytes(body)))
        except Exception as exc:
            raise FetchError(f"compressed data arrived damaged: {exc}") from exc
    if sum(item[1] for item in items) != len(body):
        raise FetchError("data arrived with a wrong length")
    at = 0
    for index, length in items:
        yield index, body[at : at + length]
        at += length
