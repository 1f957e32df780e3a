# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The simulated FreeBSD: one file per command below ``commands``, first-start set-up below ``setup``."""
