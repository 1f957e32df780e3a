# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The simulated pkg(8): packages, catalogues, repositories and the database of installed packages."""
