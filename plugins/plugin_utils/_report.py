# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The report of a build: a build record (docs/build.schema.json) as one HTML page that needs nothing else.

Everything in a record may come from a builder, so nothing of it is trusted: the template escapes all values, control
characters become visible, and the page's own Content-Security-Policy lets only its own style and script run.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ansible_collections.freehyve.builder.plugins.plugin_utils._report_drawings import percent
from ansible_collections.freehyve.builder.plugins.plugin_utils._report_text import clean, count
from ansible_collections.freehyve.builder.plugins.plugin_utils._report_view import view_of

SCHEMA = 1
TEMPLATES = Path(__file__).with_name("templates")


def _finalize(value: Any) -> Any:
    """Last line of defence: whatever the template shows is clean, wherever it came from."""
    return value if isinstance(value, Markup | int | float) else clean(value)


def breaks(value: Any) -> Markup:
    """An origin or a path, which may go on in the next line behind its separators."""
    return Markup("<wbr>").join(re.split(r"(?<=[/@_:])(?=[^\s/])", clean(value)))


@functools.cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(percent=percent, breaks=breaks, count=count)
    return made


@functools.cache
def _inline(name: str) -> tuple[Markup, str]:
    """A file of ours for the page, and its hash for the policy."""
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup(text), f"'sha256-{digest}'"


def report(record: Mapping[str, Any], previous: Mapping[str, Any] | None = None) -> str:
    """The page for a record, with what changed since the record of an earlier version.

    :param record: the content of a build.json; members that are missing or of another type are left out.
    :param previous: the same of the earlier version.
    :returns: HTML, the same for the same records.
    """
    style, style_hash = _inline("report.css")
    script, script_hash = _inline("report.js")
    policy = (
        f"default-src 'none'; style-src {style_hash}; script-src {script_hash}; base-uri 'none'; form-action 'none'"
    )
    template = _environment().get_template("report.html.j2")
    return template.render(view_of(record, previous), style=style, script=script, policy=policy)


__all__ = ["SCHEMA", "report"]
