# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Progress of a transfer, as events for :mod:`_progress`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.freehyve.builder.plugins.plugin_utils._fetch_tally import Tally
from ansible_collections.freehyve.builder.plugins.plugin_utils._progress_text import human

FIRST, PAUSE = 2.0, 0.5  # seconds; a file that is here before is not worth a word

Tell = Callable[[Mapping[str, Any]], None]


def words(tally: Tally) -> str:
    """What went over the wire, and the share that need not."""
    spared = (tally.reused + tally.repeated + tally.holes) / tally.done if tally.done else 0.0
    return f"{human(tally.moved)} moved, {spared:.0%} reused or holes"


class Progress:
    """Call :meth:`show` often; it speaks seldom."""

    def __init__(self, name: str, tell: Tell) -> None:
        self._name, self._tell = name, tell
        self._next = time.monotonic() + FIRST
        self._since = time.time()
        self._last: Tally | None = None

    def _event(self, tally: Tally, state: str, text: str) -> None:
        counted = {"done": tally.done, "total": tally.size, "unit": "bytes", "what": self._name}
        self._tell({"task": "fetch", "state": state, "text": text, "since": self._since, **counted})

    def show(self, tally: Tally) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + PAUSE
        self._last = tally
        self._event(tally, "running", words(tally))

    def close(self) -> None:
        """The end of what was spoken of."""
        if self._last is not None:
            whole = self._last.done >= self._last.size
            self._event(self._last, "done" if whole else "failed", words(self._last) if whole else "interrupted")
            self._last = None


__all__ = ["FIRST", "PAUSE", "Progress", "Tell", "words"]
