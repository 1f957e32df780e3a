# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Detached jobs, with real processes: only daemon(8) is played."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ansible_collections.freehyve.builder.plugins.module_utils import _job
from ansible_collections.freehyve.builder.plugins.module_utils._errors import ToolError
from ansible_collections.freehyve.builder.plugins.module_utils._files import write_json
from ansible_collections.freehyve.builder.plugins.module_utils._runner import Completed, Runner
from tests.unit import transcripts
from tests.unit.builder import DaemonHost

KEY = "0123456789abcdef" * 4


@pytest.fixture
def host() -> Iterator[DaemonHost]:
    made = DaemonHost()
    yield made
    made.stop()


@pytest.fixture
def job(tmp_path: Path) -> _job.Job:
    return _job.Job(str(tmp_path / "jobs"), KEY)


def wait_for(host: DaemonHost, job: _job.Job, state: str) -> _job.JobState:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        host.reap()
        found = _job.observe(host, job)
        if found.state == state:
            return found
        time.sleep(0.02)
    raise AssertionError(f"job is {found.state}, not {state}")


def test_a_job_that_nobody_started_is_absent(host: DaemonHost, job: _job.Job) -> None:
    assert _job.observe(host, job) == _job.JobState(_job.ABSENT)


@pytest.mark.parametrize("rc", [0, 3, 143])
def test_exit_status_and_output_are_kept(host: DaemonHost, job: _job.Job, rc: int) -> None:
    _state, started = _job.start(host, job, ["sh", "-c", f"echo out; echo err >&2; exit {rc}"], note={"a": [1]})
    assert started
    done = wait_for(host, job, _job.DONE)
    assert (done.rc, done.note, done.result, done.cancelled) == (rc, {"a": [1]}, None, False)
    assert _job.tail_lines(job.log, 5) == ["out", "err"]
    assert done.since is not None
    assert abs(done.since - time.time()) < 60


def test_a_job_whose_start_time_could_not_be_told_is_known_all_the_same(host: DaemonHost, job: _job.Job) -> None:
    _job.start(host, job, ["sleep", "60"])
    with open(job.path("process"), "w", encoding="ascii") as stream:
        stream.write(f"{host.started[0].pid} \n")
    assert _job.observe(host, job).state == _job.RUNNING


def test_a_second_start_attaches(host: DaemonHost, job: _job.Job) -> None:
    first, started = _job.start(host, job, ["sleep", "30"])
    assert (first.state, started) == (_job.RUNNING, True)
    second, again = _job.start(host, job, ["sleep", "30"])
    assert (second.state, again) == (_job.RUNNING, False)
    assert second.process == first.process
    assert len(host.started) == 1


def test_arguments_arrive_as_they_are(host: DaemonHost, job: _job.Job) -> None:
    _job.start(host, job, ["printf", "%s\\n", "a b", "it's", '"$HOME"', "`id`", ""])
    wait_for(host, job, _job.DONE)
    assert Path(job.log).read_text(encoding="utf-8") == 'a b\nit\'s\n"$HOME"\n`id`\n\n'


def test_environment_and_directory_are_set_by_the_wrapper(host: DaemonHost, job: _job.Job) -> None:
    _job.start(host, job, ["sh", "-c", 'pwd; echo "$LC_ALL $WORD"; umask'], {"WORD": "x y"})
    wait_for(host, job, _job.DONE)
    assert _job.tail_lines(job.log, 5) == ["/", "C x y", "0022"]


def test_a_job_whose_process_is_gone_without_a_status_has_died(host: DaemonHost, job: _job.Job) -> None:
    _job.start(host, job, ["sleep", "30"])
    os.killpg(host.started[0].pid, signal.SIGKILL)
    host.started[0].wait()
    assert wait_for(host, job, _job.DIED).rc is None


def test_a_died_job_is_started_anew_without_its_old_traces(host: DaemonHost, job: _job.Job) -> None:
    _job.start(host, job, ["sh", "-c", "echo old; sleep 30"])
    os.killpg(host.started[0].pid, signal.SIGKILL)
    host.started[0].wait()
    _job.finish(job, {"good": False})
    # As when the wrapper is killed between writing its exit status and giving it its name.
    Path(job.path("rc.tmp")).write_text("0\n", encoding="ascii")
    assert _job.observe(host, job).state == _job.DIED
    assert _job.scraps(host, job.jobs_dir) == [job.path("rc.tmp")]
    _state, started = _job.start(host, job, ["echo", "new"])
    assert started
    assert _job.scraps(host, job.jobs_dir) == []
    done = wait_for(host, job, _job.DONE)
    assert done.result is None
    assert _job.tail_lines(job.log, 5) == ["new"]


def test_another_process_with_the_same_pid_is_not_the_job(host: DaemonHost, job: _job.Job) -> None:
    _job.start(host, job, ["true"])
    wait_for(host, job, _job.DONE)
    os.unlink(job.path("rc"))
    Path(job.path("process")).write_text(f"{os.getpid()} Sun Nov 22 21:15:21 2026\n", encoding="ascii")
    assert _job.observe(host, job).state == _job.DIED


def test_a_half_written_exit_status_is_none(host: DaemonHost, job: _job.Job) -> None:
    _job.start(host, job, ["true"])
    wait_for(host, job, _job.DONE)
    Path(job.path("rc")).write_text("", encoding="ascii")
    assert _job.observe(host, job).state == _job.DIED


def test_cancel_lets_the_command_clean_up(host: DaemonHost, job: _job.Job) -> None:
    script = "trap 'echo cleaned; exit 143' TERM; echo ready; while :; do sleep 0.1; done"
    _job.start(host, job, ["sh", "-c", script])
    while not _job.tail_lines(job.log, 1):
        time.sleep(0.02)
    state = _job.cancel(host, job, grace=10)
    assert (state.state, state.rc, state.cancelled) == (_job.DONE, 143, True)
    assert _job.tail_lines(job.log, 1) == ["cleaned"]


def test_cancel_kills_what_does_not_listen(host: DaemonHost, job: _job.Job) -> None:
    _job.start(host, job, ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"])
    while not _job.tail_lines(job.log, 1):
        time.sleep(0.02)
    host_state = _job.cancel(host, job, grace=0.3)
    host.started[0].wait()
    assert host_state.cancelled
    assert wait_for(host, job, _job.DIED).cancelled


def test_cancel_leaves_a_job_alone_that_does_not_run(host: DaemonHost, job: _job.Job) -> None:
    _job.start(host, job, ["true"])
    wait_for(host, job, _job.DONE)
    assert _job.cancel(host, job).state == _job.DONE
    assert not os.path.exists(job.path("cancelled"))


def test_a_wrapper_that_ended_before_it_said_so_is_not_waited_for(job: _job.Job) -> None:
    class Full(Runner):
        """No room for the file that says who runs it; daemon(8) has removed its pid file again."""

        def run(self, argv: Sequence[str], *args: object, **kwargs: object) -> Completed:
            Path(job.log).write_text("printf: No space left on device\n", encoding="ascii")
            return Completed(tuple(argv), 0, "", "")

    with pytest.raises(ToolError, match=r"job 0123456789ab: did not start: printf: No space left on device; see "):
        _job.start(Full(), job, ["true"])


def test_what_did_not_say_that_it_started_in_time_is_killed(job: _job.Job, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Runner):
        """A wrapper that hangs before it writes down its process."""

        def run(self, argv: Sequence[str], *args: object, **kwargs: object) -> Completed:
            started.append(subprocess.Popen(["sleep", "60"], start_new_session=True))
            with open(argv[3], "w", encoding="ascii") as stream:
                stream.write(str(started[0].pid))
            return Completed(tuple(argv), 0, "", "")

    started: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(_job, "START_SECONDS", 0.1)
    with pytest.raises(ToolError, match="did not start within"):
        _job.start(Slow(), job, ["true"])
    assert started[0].wait(10) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("text", "row"),
    [
        (
            "Sun Nov 22 21:15:21 2026 sh /z/jobs/k/run\n",
            ("Sun Nov 22 21:15:21 2026", "sh /z/jobs/k/run"),
        ),
        ("Sun Nov  2 01:05:21 2026     <defunct>\n", ("Sun Nov 2 01:05:21 2026", "<defunct>")),
        ("", None),
        ("ps: Process environment requires procfs(5)\n", None),
    ],
)
def test_rows_of_ps(text: str, row: tuple[str, str] | None) -> None:
    assert _job.parse_ps(text) == row


def test_start_time_as_recorded() -> None:
    recorded = next(r for r in transcripts.rows("13.2", "files") if r.cmd.startswith("ps -o pid,ppid,lstart"))
    fields = recorded.stdout.splitlines()[1].split(None, 2)[2]
    assert _job.parse_ps(fields) == ("Sun Nov 22 21:15:21 2026", "/sbin/init")


def test_daemon_is_called_as_recorded(host: DaemonHost, job: _job.Job) -> None:
    recorded = next(r for r in transcripts.rows("13.2", "files") if r.cmd.startswith("daemon -f -p"))
    _job.start(host, job, ["true"])
    call = next(words for words in host.calls if words[0] == "daemon")
    words = recorded.cmd.split(";")[0].split()
    assert (
        [call[i] for i in (0, 1, 2, 4, 6)] == [words[i] for i in (0, 1, 2, 4, 6)] == ["daemon", "-f", "-p", "-o", "sh"]
    )


def test_logs_are_read_in_whole_lines_from_an_offset(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert _job.read_log(str(log), 0) == ("", 0)
    log.write_bytes(b"one\ntwo\nthr")
    text, offset = _job.read_log(str(log), 0)
    assert (text, offset) == ("one\ntwo\n", 8)
    assert _job.read_log(str(log), offset) == ("", 8)
    log.write_bytes(b"one\ntwo\nthree\n")
    assert _job.read_log(str(log), offset) == ("three\n", 14)
    log.write_bytes(b"new\n")
    assert _job.read_log(str(log), 14) == ("new\n", 4)


def test_a_long_log_gives_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * 99 + b"\n" + b"y" * 9 + b"\n")
    assert _job.read_log(str(log), 0, limit=20) == ("x" * 9 + "\n" + "y" * 9 + "\n", 110)


def test_the_head_of_a_log_is_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert _job.head(str(log)) == ""
    log.write_bytes(b"one\n\x1b[1mtwo\x1b[0m\nthree\n")
    assert _job.head(str(log), limit=20) == "one\ntwo\n"


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("\x1b[1;31mError\x1b[0m: x", "Error: x"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]52;c;ZXZpbA==\x1b\\text", "text"),
        ("\x1bP1$r\x1b\\a", "a"),
        ("a\rb\x08c\x00d", "abcd"),
        ("tab\tline\r\nnext", "tab\tline\nnext"),
        ("\x9b31mred", "31mred"),
        ("\x1b", ""),
        ("naïve ok", "naïve ok"),
    ],
)
def test_terminal_escapes_are_removed(dirty: str, clean: str) -> None:
    assert _job.strip_escapes(dirty) == clean


def test_who_looks_while_a_job_is_being_started_waits_until_it_runs(host: DaemonHost, job: _job.Job) -> None:
    """Without waiting it would look as if the job had died: it is written down before it has a process."""
    inside, seen = threading.Event(), []

    def prepare() -> None:
        write_json(job.path("job.json"), {"argv": [], "since": 1, "note": {}})
        inside.set()
        time.sleep(0.3)

    def look() -> None:
        inside.wait()
        seen.append(_job.observe(host, job).state)

    looker = threading.Thread(target=look)
    looker.start()
    _state, started = _job.start(host, job, ["sleep", "30"], prepare=prepare)
    looker.join()
    assert (started, seen) == (True, [_job.RUNNING])


def test_a_job_that_runs_is_not_prepared_again(host: DaemonHost, job: _job.Job) -> None:
    _job.start(host, job, ["sleep", "30"])
    _state, started = _job.start(host, job, ["sleep", "30"], prepare=lambda: pytest.fail("the job runs already"))
    assert started is False
