# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The made-up FreeBSD tree: what the lab's root and its distribution sets are made of. It contains no FreeBSD."""
