# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The simulated poudriere: jails, ports trees, bulk builds of made-up ports, and the files they leave."""
