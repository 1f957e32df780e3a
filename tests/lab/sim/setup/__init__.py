# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""What a new lab is made of: ``setup()`` once, ``boot()`` at every start, ``shutdown()`` at every clean stop."""
