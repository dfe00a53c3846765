"""Whether an input has changed, and who works in a folder, with real processes that are killed."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from CSAFusionLib.batch import resuming
from CSAFusionLib.batch.resuming import BatchPart, at_work, describe_input, held
from CSAFusionLib.batch.run import Batch
from CSAFusionLib.cli.main import app
from CSAFusionLib.errors import InputError
from Testing.batch.conftest import MakeCase
from Testing.batch.test_run import nobody


def test_a_file_has_its_sha_256(tmp_path: Path) -> None:
    file = tmp_path / "a.nii"
    file.write_bytes(b"voxels")
    described = describe_input(file)
    assert described["sha256"] == hashlib.sha256(b"voxels").hexdigest()
    assert (described["path"], described["bytes"]) == (str(file), 6)


def test_a_file_of_the_same_size_and_time_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.nii"
    file.write_bytes(b"voxels")
    known = describe_input(file)
    monkeypatch.setattr(resuming, "_sha256", lambda file: pytest.fail("read again"))
    assert describe_input(file, known) == known


def test_a_file_that_was_touched_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "a.nii"
    file.write_bytes(b"voxels")
    known = describe_input(file)
    file.write_bytes(b"others")
    os.utime(file, ns=(0, known["modified_ns"] + 1))
    assert describe_input(file, known)["sha256"] == hashlib.sha256(b"others").hexdigest()


def test_a_folder_counts_with_names_and_contents_and_wherever_it_lies(tmp_path: Path) -> None:
    for folder, names in (("one", "ab"), ("same", "ab"), ("renamed", "ac")):
        (tmp_path / folder / "series").mkdir(parents=True)
        for name in names:
            (tmp_path / folder / "series" / name).write_text("slice")
    one, same, renamed = (describe_input(tmp_path / name)["sha256"] for name in ("one", "same", "renamed"))
    assert one == same != renamed


def test_a_header_counts_with_its_voxels(tmp_path: Path) -> None:
    header = tmp_path / "a.mhd"
    header.write_text("header")
    (tmp_path / "a.raw").write_text("voxels")
    before = describe_input(header)["sha256"]
    (tmp_path / "a.raw").write_text("others")
    assert describe_input(header)["sha256"] != before


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing.nii' does not exist"):
        describe_input(tmp_path / "missing.nii")


HOLDS = """
import sys
from pathlib import Path
from CSAFusionLib.batch.resuming import held
part = tuple(map(int, sys.argv[2:])) or None
with held(Path(sys.argv[1]), part):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another(out: Path, part: BatchPart | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that works in the folder."""
    command = [sys.executable, "-c", HOLDS, str(out), *map(str, part or ())]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "_TRIES", 3)


def test_a_second_command_is_told_who_works_there_and_the_first_one_may_be_killed(out: Path) -> None:
    with another(out) as process:
        with (
            pytest.raises(InputError, match=rf"'{out}' is in use: .*batch on .* \(process {process.pid}, since"),
            held(out, None),
        ):
            pass
        with pytest.raises(InputError, match="is in use"), held(out, (1, 2)):
            pass
        assert [path.name for path in out.iterdir()] == [".csafusion-batch.lock"]
        assert len(at_work(out)) == 1
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert at_work(out) == []
        with held(out, None) as is_alone:
            assert is_alone
    assert not list(out.iterdir())


def test_parts_of_one_batch_work_side_by_side_and_no_others(out: Path) -> None:
    with another(out, (1, 3)):
        with held(out, (2, 3)):
            assert len(at_work(out)) == 2
        for part in ((1, 3), (2, 4), None):
            with pytest.raises(InputError, match="part 1/3"), held(out, part):
                pass
        assert len(list(out.iterdir())) == 1


def test_what_killed_parts_have_left_is_removed_by_the_whole(out: Path) -> None:
    for part in ((1, 2), (2, 2)):
        with another(out, part) as process:
            process.kill()
    assert len(list(out.iterdir())) == 2
    with held(out, None):
        assert len(list(out.iterdir())) == 1
    assert not list(out.iterdir())


def test_a_disk_without_locks_keeps_nobody_away(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_: object) -> None:
        raise OSError(resuming.errno.ENOLCK, os.strerror(resuming.errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with held(out, None) as first, held(out, None) as second:
        assert (first, second) == (False, False)
    assert not list(out.iterdir())


def test_a_batch_that_is_kept_away_starts_no_worker_and_writes_nothing(make_case: MakeCase, out: Path) -> None:
    with another(out):
        with pytest.raises(InputError, match="is in use"):
            Batch(cases=[make_case("one")], out=out, command="csafusion").run(nobody, lambda *_: None)
        assert [path.name for path in out.iterdir()] == [".csafusion-batch.lock"]


def test_a_page_made_while_a_batch_is_at_work_says_so(make_case: MakeCase, out: Path) -> None:
    from CSAFusionLib.batch.perform import perform

    perform(make_case("one"), out, "csafusion")
    with another(out, (1, 2)):
        result = CliRunner().invoke(app, ["qc", str(out)])
        assert result.exit_code == 0, result.output
        assert "Still at work: " in result.output and "part 1/2" in result.output
    assert (out / "qc.html").is_file()
