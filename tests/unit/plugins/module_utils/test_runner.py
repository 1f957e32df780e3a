# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
from __future__ import annotations

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _runner
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Runner, limit_of


def sh(script):
    return ["/bin/sh", "-c", script]


def test_output_and_status_are_returned():
    done = Runner().run(sh("echo out; echo err >&2; exit 3"), ok=(0, 3))
    assert (done.rc, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_locale_is_c_and_the_search_path_is_ours():
    assert Runner().run(sh("echo $LC_ALL $PATH")).stdout.startswith("C /sbin:/bin:")


def test_a_failure_names_the_cause_and_carries_the_command():
    with pytest.raises(ToolError) as caught:
        Runner().run(sh("echo; echo the cause >&2; exit 4"), failed="pool 'x': cannot be made")
    assert caught.value.message == "pool 'x': cannot be made: the cause"
    assert caught.value.as_result()["rc"] == 4


def test_a_missing_command_is_named():
    with pytest.raises(ToolError, match="command not found: no-such-tool"):
        Runner().run(["no-such-tool"])


def test_a_command_that_hangs_is_killed():
    with pytest.raises(ToolError, match=r"no answer after 0\.2 s"):
        Runner().run(sh("exec sleep 30"), timeout=0.2)


def test_pipe_writes_the_last_output(tmp_path):
    Runner().pipe(sh("printf 'b\\na\\n'"), ["sort"], output=str(tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "a\nb\n"


@pytest.mark.parametrize(
    ("first", "second", "blamed"),
    [
        ("echo x; echo producer >&2; exit 1", "cat >/dev/null", "producer"),
        ("yes", "echo consumer >&2; exit 1", "consumer"),
        ("echo x; echo producer >&2; exit 1", "cat >/dev/null; echo consumer >&2; exit 1", "consumer"),
    ],
)
def test_pipe_blames_the_command_that_failed_by_itself(first, second, blamed):
    with pytest.raises(ToolError, match=blamed):
        Runner().pipe(sh(first), sh(second))


def test_pipe_survives_long_complaints():
    Runner().pipe(sh("echo x; yes complaint | head -c 300000 >&2"), sh("yes other | head -c 300000 >&2; cat"))


def test_every_command_has_a_limit_and_long_work_a_longer_one():
    assert limit_of(["zpool", "list"]) == limit_of(["/sbin/mdconfig", "-l"]) == _runner.SHORT_SECONDS
    assert limit_of(["/usr/bin/tar", "-x"]) == limit_of(["zfs", "send", "x@y"]) == _runner.LONG_SECONDS


def test_a_command_without_a_limit_of_its_own_is_killed_after_that_of_its_kind(monkeypatch):
    monkeypatch.setattr(_runner, "SHORT_SECONDS", 0.2)
    with pytest.raises(ToolError, match=r"sleeping: no answer after 0\.2 s"):
        Runner().run(["sleep", "30"], failed="sleeping")


def test_a_pipe_that_hangs_is_killed_whichever_end_hangs(monkeypatch):
    monkeypatch.setattr(_runner, "SHORT_SECONDS", 0.2)
    for commands in ((["sleep", "30"], ["sort"]), (["yes"], ["sleep", "30"])):
        with pytest.raises(ToolError, match=r"copying: no end after 0\.2 s"):
            Runner().pipe(*commands, failed="copying")


def test_a_producer_that_dies_of_a_broken_pipe_has_not_given_all_although_its_consumer_is_content():
    with pytest.raises(ToolError, match="sending: exit status -13"):
        Runner().pipe(sh("echo x; kill -PIPE $$"), sh("cat"), failed="sending")


def test_the_last_command_of_a_pipe_may_not_die_of_a_broken_pipe():
    with pytest.raises(ToolError, match="exit status -13"):
        Runner().pipe(sh("echo x"), sh("kill -PIPE $$"))
