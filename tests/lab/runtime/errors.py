# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The one exception whose text a user of the lab reads."""


class LabError(Exception):
    """One line: object, verb, cause, next step."""


__all__ = ["LabError"]
