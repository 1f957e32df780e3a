# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Become root through doas(1): ansible-core has sudo and su, a FreeBSD host often has doas."""

from __future__ import annotations

DOCUMENTATION = r"""
name: doas
short_description: Become another user with doas(1)
version_added: 0.1.0
description:
  - Runs tasks through C(doas -n -u USER /bin/sh -c …), so a rule C(permit nopass build as root cmd /bin/sh) is enough.
  - With a password, doas asks for it on a terminal, so pipelining is off then.
author:
  - The freehyve.builder authors (@freehyve)
options:
  become_user:
    description: User to become.
    type: str
    default: root
    ini:
      - {section: privilege_escalation, key: become_user}
      - {section: doas_become_plugin, key: user}
    vars:
      - name: ansible_become_user
      - name: ansible_doas_user
    env:
      - name: ANSIBLE_BECOME_USER
      - name: ANSIBLE_DOAS_USER
  become_exe:
    description: The executable.
    type: str
    default: doas
    ini:
      - {section: privilege_escalation, key: become_exe}
      - {section: doas_become_plugin, key: executable}
    vars:
      - name: ansible_become_exe
      - name: ansible_doas_exe
    env:
      - name: ANSIBLE_BECOME_EXE
      - name: ANSIBLE_DOAS_EXE
  become_flags:
    description: Further options of doas.
    type: str
    default: ""
    ini:
      - {section: privilege_escalation, key: become_flags}
      - {section: doas_become_plugin, key: flags}
    vars:
      - name: ansible_become_flags
      - name: ansible_doas_flags
    env:
      - name: ANSIBLE_BECOME_FLAGS
      - name: ANSIBLE_DOAS_FLAGS
  become_pass:
    description: Password of the user that logs in, for rules without C(nopass).
    type: str
    vars:
      - name: ansible_become_password
      - name: ansible_become_pass
      - name: ansible_doas_pass
    env:
      - name: ANSIBLE_BECOME_PASS
      - name: ANSIBLE_DOAS_PASS
    ini:
      - {section: doas_become_plugin, key: password}
"""

import re

from ansible.plugins.become import BecomeBase

# doas(1) of the port: "doas (build@builder) password: ".
_PROMPT = re.compile(rb"doas \([^)]*\) password:|Password:")


class BecomeModule(BecomeBase):
    """See DOCUMENTATION."""

    name = "freehyve.builder.doas"
    # "Operation not permitted" is no wrong password: there is no rule, and doas says so itself.
    fail = ("doas: Authentication failed",)
    missing = ("doas: Authorization required", "doas: Authentication required")

    def check_password_prompt(self, b_output: bytes) -> bool:
        match = _PROMPT.search(b_output)
        if match:
            # The base class strips what was really printed from the output.
            self.prompt = match.group(0).decode()
        return bool(match)

    def build_become_command(self, cmd: str, shell: object) -> str:
        super().build_become_command(cmd, shell)
        if not cmd:
            return cmd
        password = bool(self.get_option("become_pass"))
        self.pipelining = not password
        # Any text does until the first prompt is seen: it only says that there will be one.
        self.prompt = "doas" if password else ""
        words = [self.get_option("become_exe") or "doas", *([] if password else ["-n"])]
        flags, user = self.get_option("become_flags"), self.get_option("become_user")
        words += [flags] if flags else []
        words += ["-u", user] if user else []
        # The shell is named even where Ansible leaves it out: a rule may permit it alone.
        words += [getattr(shell, "executable", None) or "/bin/sh", "-c"]
        return " ".join([*words, self._build_success_command(cmd, shell, noexe=True)])
