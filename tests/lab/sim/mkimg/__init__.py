# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""mkimg(1) of FreeBSD 13.2, simulated: real images from real partitions, its messages and exit statuses."""
