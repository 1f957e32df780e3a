# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""``lab start --fresh``: a host as the installer leaves it, and the site's package repository for provisioning."""
