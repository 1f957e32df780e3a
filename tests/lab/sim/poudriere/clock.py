# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Time for the simulation: waits are given as recorded on a real host and shortened by a factor."""

from __future__ import annotations

import time

#: A recorded minute takes about a second unless a lab says otherwise.
DEFAULT_SCALE = 0.02


class Clock:
    """Wall clock and monotonic clock of one run.

    :param scale: seconds really waited for each recorded second.
    """

    def __init__(self, scale: float = DEFAULT_SCALE) -> None:
        self.scale = scale

    def epoch(self) -> int:
        return int(time.time())

    def monotonic(self) -> int:
        return int(time.monotonic())

    def wait(self, seconds: float) -> None:
        """Wait for as long as this many recorded seconds are worth."""
        if seconds > 0 and self.scale > 0:
            time.sleep(seconds * self.scale)


class FrozenClock(Clock):
    """A clock that only waits move: it writes history of builds that are said to have happened.

    :param start: epoch at which the history begins.
    """

    def __init__(self, start: int) -> None:
        super().__init__(0)
        self._now = float(start)
        self._boot = start - 600

    def epoch(self) -> int:
        return int(self._now)

    def monotonic(self) -> int:
        return int(self._now) - self._boot

    def wait(self, seconds: float) -> None:
        self._now += seconds


def duration(seconds: int) -> str:
    """Return a duration as poudriere's default DURATION_FORMAT prints it."""
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"
