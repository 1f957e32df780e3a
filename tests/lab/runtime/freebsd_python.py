# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Becomes sitecustomize.py of the lab's Python only: os.uname() says what FreeBSD's would."""

import os
import socket

_FIELDS = ("FreeBSD", socket.gethostname(), "13.2-RELEASE", "FreeBSD 13.2-RELEASE  BUILDER", "amd64")


def _uname() -> os.uname_result:
    return os.uname_result(_FIELDS)


os.uname = _uname
