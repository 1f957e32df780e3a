# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The storage stack of the lab: GEOM, md, GPT, FAT, ZFS pools and datasets, and the mount table."""
