"""A batch on a cluster of threads: what is done, skipped, tried again and summed up."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from CSAFusionLib.batch.case import Case
from CSAFusionLib.batch.layout import Record, Summary, read_records
from CSAFusionLib.batch.perform import Run, perform, record_failure
from CSAFusionLib.batch.run import Batch, Tally
from Testing.batch.conftest import MakeCase
from Testing.batch.test_perform import contents

if TYPE_CHECKING:
    from distributed import Client

Threads = Callable[[], AbstractContextManager["Client"]]


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "summary.tsv").open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def run(cases: list[Case], out: Path, threads: Threads, told: list[str] | None = None, **options: Any) -> Tally:
    def tell(record: Record, count: int, total: int) -> None:
        if told is not None:
            told.append(record.name)

    return Batch(cases=cases, out=out, command="csafusion", **options).run(threads, tell)


def nobody() -> AbstractContextManager[Client]:
    pytest.fail("workers were started for nothing")


def test_good_cases_are_done_and_a_bad_one_is_told_and_stops_none(
    make_case: MakeCase, out: Path, threads: Threads
) -> None:
    cases = [make_case(name) for name in "abc"]
    cases[1].fixed.write_bytes(b"no volume")
    tally = run(cases, out, threads)
    assert (tally.done, tally.failed, tally.skipped) == (2, 1, 0)
    assert [(row["name"], row["status"]) for row in rows(out)] == [("a", "done"), ("b", "failed"), ("c", "done")]
    assert "b_t1.nii.gz" in rows(out)[1]["reason"]
    assert sorted(path.name for path in out.iterdir()) == ["a", "c", "failed", "summary.tsv"]


def test_what_has_ended_is_skipped_and_what_failed_tried_again_only_when_asked(
    make_case: MakeCase, out: Path, threads: Threads
) -> None:
    cases = [make_case(name) for name in "ab"]
    cases[1].fixed.write_bytes(b"no volume")
    run(cases, out, threads)
    summary, told = (out / "summary.tsv").read_bytes(), []
    tally = run(cases, out, nobody)
    assert (tally.done, tally.failed, tally.skipped, tally.skipped_failed) == (0, 0, 2, 1)
    assert (out / "summary.tsv").read_bytes() == summary
    tally = run(cases, out, threads, told, retry_failed=True)
    assert (tally.failed, tally.skipped, told) == (1, 1, ["b"])
    run(cases, out, threads, told, again=True)
    assert sorted(told) == ["a", "b", "b"]


def test_a_case_with_another_setting_is_done_again(make_case: MakeCase, out: Path, threads: Threads) -> None:
    run([make_case("a"), make_case("b")], out, threads)
    told: list[str] = []
    run([make_case("a"), make_case("b", balance=0.5)], out, threads, told)
    assert told == ["b"]


def stub(case: Case, out: Path, record_of: Callable[..., Record]) -> Record:
    return record_of(case, out)


def fail(case: Case) -> Record:
    raise ZeroDivisionError("by nothing")


def test_an_error_nobody_foresaw_fails_its_case_alone(make_case: MakeCase, out: Path, threads: Threads) -> None:
    tally = run([make_case("a")], out, threads, task=fail)
    assert tally.failed == 1
    assert "ZeroDivisionError: by nothing" in rows(out)[0]["reason"]


def test_the_summary_grows_as_cases_end_and_ends_in_the_order_of_the_pairs(
    make_case: MakeCase, out: Path, threads: Threads, record_of: Callable[..., Record]
) -> None:
    cases = [make_case(name) for name in "dcba"]
    seen: list[int] = []

    def tell(record: Record, count: int, total: int) -> None:
        seen.append(len(rows(out)))

    task = partial(stub, out=out, record_of=record_of)
    Batch(cases=cases, out=out, command="csafusion", task=task).run(threads, tell)
    assert seen == [1, 2, 3, 4]
    assert [row["name"] for row in rows(out)] == ["d", "c", "b", "a"]
    assert rows(out)[0]["moved_mm"] == "1.23"
    assert rows(out)[0]["warnings"] == "n/a"


def test_a_summary_that_was_cut_off_is_whole_after_the_next_run(
    make_case: MakeCase, out: Path, threads: Threads
) -> None:
    cases = [make_case(name) for name in "ab"]
    run(cases, out, threads)
    whole = (out / "summary.tsv").read_bytes()
    (out / "summary.tsv").write_bytes(whole[:-40])
    run(cases, out, nobody)
    assert (out / "summary.tsv").read_bytes() == whole


def test_a_name_with_a_tab_keeps_its_cell(make_case: MakeCase, out: Path) -> None:
    from CSAFusionLib.batch.layout import Summary

    record = record_failure(make_case("a"), out, "It holds\ta tab\nand a line.", Run(""))
    with Summary(out / "summary.tsv", ["a"], []) as summary:
        summary.add(record)
    assert rows(out)[0]["reason"] == "It holds?a tab?and a line."


def test_what_killed_processes_left_is_swept_away(make_case: MakeCase, out: Path, threads: Threads) -> None:
    case = make_case("a")
    perform(case, out, "csafusion")
    left = out / ".csafusion-dead"
    left.mkdir()
    from CSAFusionLib.files import temporary

    (left / temporary._LOCK).touch()
    run([case], out, nobody)
    assert not left.exists()


def test_a_case_that_is_done_is_no_longer_among_the_failed(make_case: MakeCase, out: Path, threads: Threads) -> None:
    case = make_case("a")
    run([case], out, threads)
    record_failure(make_case("a", balance=0.5), out, "No.", Run("csafusion"))
    tally = run([case], out, nobody)
    assert (tally.skipped, tally.skipped_failed) == (1, 0)
    assert [record.failed for record in read_records(out)] == [False]


def test_the_summary_is_appended_to_and_holds_no_row_in_memory(make_case: MakeCase, out: Path, record_of: Any) -> None:
    cases = [replace(make_case("a"), name=f"case-{number}") for number in (3, 1, 2)]
    looked_at: list[str] = []

    def before() -> Iterator[Record]:
        for case in cases[:1]:
            looked_at.append(case.name)
            yield record_of(case, out)

    summary = Summary(out / "summary.tsv", [case.name for case in cases], before())
    with summary:
        assert [row["name"] for row in rows(out)] == looked_at == ["case-3"]
        first = (out / "summary.tsv").stat().st_ino
        for case in reversed(cases[1:]):
            summary.add(record_of(case, out))
            assert rows(out)[-1]["name"] == case.name
        assert (out / "summary.tsv").stat().st_ino == first
        (out / "summary.tsv").rename(out / "moved.tsv")
        (out / "summary.tsv").write_text("another's")
        assert not any(isinstance(held, dict) and "done" in str(held) for held in vars(summary).values())
    assert [row["name"] for row in rows(out)] == ["case-3", "case-1", "case-2"]


def run_alone(cases: list[Case], out: Path, scratch: Path) -> None:
    """What a process that is going to be killed does."""
    from distributed import Client

    client = Client(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0", local_directory=str(scratch)
    )
    Batch(cases=cases, out=out, command="killed").run(lambda: nullcontext(client), lambda *_: None)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX's")
def test_after_a_killed_command_and_a_resume_every_file_is_that_of_an_undisturbed_run(
    make_case: MakeCase, out: Path, threads: Threads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    cases = [make_case(name) for name in "abc"]
    cases[1].moving.write_bytes(cases[1].moving.read_bytes()[:300])
    monkeypatch.setenv("TMPDIR", str(scratch))
    process = get_context("spawn").Process(target=run_alone, args=(cases, out, tmp_path / "dask"))
    process.start()
    deadline = time.monotonic() + 60
    while not (out / "a" / "case.json").exists():
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.join()
    assert not (out / "c").exists()
    tally = run(cases, out, threads)
    assert tally.skipped >= 1 and tally.all_failed == 1
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    run(cases, undisturbed, threads)
    assert contents(out) == contents(undisturbed)
    assert not list(scratch.glob("csafusion-*"))
