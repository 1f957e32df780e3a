# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What can go wrong in a transfer; each text is the one line that a user reads."""

from __future__ import annotations


class FetchError(Exception):
    """Object, verb, cause, next step."""


class Unreachable(FetchError):
    """No connection was made."""


class HostKeyRefused(FetchError):
    """The host is not known to be the one that is meant: nothing was sent, nothing is tried again."""


class ConnectionLost(FetchError):
    """The connection ended in the middle: what arrived stays and is resumed."""


class SourceChanged(FetchError):
    """The source is not what it was when the transfer began."""


class SourceMissing(FetchError):
    """There is no such file on the builder."""


class LocalProblem(FetchError):
    """Disk full, no permission, another fetch at work: nothing the far end can help with."""
