# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The suite's own parts: what it records, what it takes for a position, what it takes for the same build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fault.comparison import unequal
from tests.fault.far.calls import turn
from tests.fault.far.trees import Digests, differences, plain_answer, table
from tests.fault.recording import calls, reaper
from tests.fault.suite import Choice, Work, cases, only_looks

GUID = "17031052791295455392"


def row(name: str, params: dict[str, Any], answer: dict[str, Any], **more: Any) -> dict[str, Any]:
    args = {"name": name, "params": params, "code": "UEsDBA==", **more}
    return {"module": "freehyve.builder.job", "task": name, "args": args, "answer": answer}


def test_what_an_earlier_call_answered_is_taken_from_its_answer_when_it_is_repeated() -> None:
    found = calls([row("pool_image", {"pool": "z"}, {"guid": GUID}), row("mkimg", {"digests": {"/a": GUID}}, {})])
    assert found[1].params == {"digests": {"/a": {"$from": [0, ["guid"]]}}}


def test_a_look_at_a_job_belongs_to_the_call_that_started_it() -> None:
    first = row("compress", {"level": 3}, {"job": {"key": "k", "state": "running"}})
    found = calls([first, row("compress", {"level": 3}, {"changed": True}, key="k"), row("mkimg", {}, {})])
    assert [call.module for call in found] == ["compress", "mkimg"]
    assert found[0].answer["changed"] is True


def test_what_later_looks_have_changed_is_not_where_a_value_comes_from() -> None:
    step = {"action": "build sysutils/hello as well"}
    rows = [row("poudriere_bulk", {}, {"actions": [step]}), row("poudriere_bulk", {}, {"actions": []}, key="k")]
    found = calls([*rows, row("layers", {"pending": [step["action"]]}, {})])
    assert found[1].params == {"pending": [step["action"]]}


def test_the_call_that_reaps_is_known() -> None:
    assert reaper(calls([row("builder_facts", {}, {}), row("workspace", {}, {})])) == 1


@pytest.mark.parametrize(
    ("command", "looks"),
    [
        ("zfs get -Hp type tank", True),
        ("zfs create tank/a", False),
        ("mount -p", True),
        ("mount -t msdosfs /dev/md0 /mnt", False),
        ("mdconfig -l -v", True),
        ("mdconfig -d -u md0", False),
        ("ps -o lstart= -p 1", True),
    ],
)
def test_commands_that_only_look_are_told_from_those_that_change(command: str, looks: bool) -> None:
    assert only_looks(command.split()) is looks


def test_every_position_has_every_fault() -> None:
    reference = {"commands": [["ps"], ["zfs", "create", "a"]], "changes": ["open /z/a", "os.rename /z/a"]}
    found = cases(4, reference, Choice(changes=True))
    kinds = {at: [case.kind for case in found if case.at == at] for at in ("ps..1", "zfs.create.1", "p1", "p2")}
    assert kinds["ps..1"] == ["fail", "hang", "before", "after", "full", "short"]
    assert kinds["zfs.create.1"] == [*kinds["ps..1"], "during"]
    assert (kinds["p1"], kinds["p2"]) == (["before", "full", "short"], ["before", "full"])
    assert found[0].again == "python -m tests.fault --call 4 --at ps..1 --kind fail"


def test_one_position_can_be_chosen() -> None:
    reference = {"commands": [["ps"], ["ps"]], "changes": ["open /z/a"]}
    assert [case.kind for case in cases(0, reference, Choice(at="ps..2", kind="hang"))] == ["hang"]
    assert [case.at for case in cases(0, reference, Choice(at="p1", kind="full", changes=True))] == ["p1"]


def test_each_case_is_handed_out_once() -> None:
    work, found = Work(), cases(0, {"commands": [["ps"]], "changes": []}, Choice())
    first, second = work.take(0, found), work.take(0, found)
    assert [next(first), next(second), *first, *second] == found


def test_builds_are_compared_where_their_like_are_alike() -> None:
    def table(digest: str, mode: int = 0o644) -> dict[str, list[Any]]:
        return {"a": ["file", mode, 0, 0, digest], "jobs/JOB/log": ["file", 0o600, 0, 0, digest]}

    assert unequal(table("x"), [table("x"), table("x")]) == []
    assert unequal(table("x"), [table("y"), table("z")]) == []
    assert len(unequal(table("x"), [table("y"), table("y")])) == 1
    assert len(unequal(table("x"), [table("x", 0o600)])) == 1
    assert unequal({}, [table("x")]) == ["a: only one has it"]


def test_two_jobs_are_two_and_both_are_history(tmp_path: Path) -> None:
    for key in ("a" * 64, "b" * 64):
        (tmp_path / "jobs" / key).mkdir(parents=True)
        (tmp_path / "jobs" / key / "rc").write_text(key[0])
    found = table(str(tmp_path), Digests())
    assert sum(name.endswith("/rc") for name in found) == 2
    assert differences({}, found, found) == ["jobs: is missing"]


def test_a_digest_in_an_answer_is_one_whatever_its_digits_are() -> None:
    plain, telling = "a" * 64, "b" * 20 + "1234567890" + "c" * 34
    assert plain_answer({"digests": {"/a": plain}}) == plain_answer({"digests": {"/a": telling}})


def test_the_turn_of_a_command_does_not_depend_on_what_runs_beside_it() -> None:
    found = [["ps", "-o", "lstart="], ["mv", "-f", "/a"], ["sh", "/a/b"], ["ps", "-ww"], ["ps", "-o"], ["mount"]]
    assert [turn(found, number) for number in range(1, 7)] == [
        "ps.-o.1",
        "mv.-f.1",
        "sh..1",
        "ps.-ww.1",
        "ps.-o.2",
        "mount..1",
    ]
