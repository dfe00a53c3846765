"""What every command can be asked: threads, quiet, a log, and to keep what is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import SimpleITK as sitk
import typer
from typer.testing import CliRunner, Result

from CSAFusionLib.cli.manners import MannersWithThreads, mannered
from CSAFusionLib.cli.option_groups import with_groups
from CSAFusionLib.cli.panels import PanelCommand
from CSAFusionLib.cli.user_errors import explains_errors
from CSAFusionLib.errors import InputError
from CSAFusionLib.logs import logger_of


def work(what: str = "nothing") -> None:
    """Do some work."""
    logger_of("CSAFusionLib.test").info("at it")
    typer.echo(f"did {what}")
    if what == "harm":
        raise InputError("'harm' cannot be done; ask for something else.")


def run(*words: object, command: object = work) -> Result:
    app = typer.Typer(rich_markup_mode=None)
    assert callable(command)
    app.command(cls=PanelCommand)(with_groups(explains_errors(mannered(command))))
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def test_quiet_says_nothing_but_what_went_wrong() -> None:
    assert run("--quiet").output == ""
    failed = run("--quiet", "--what", "harm")
    assert (failed.exit_code, failed.stdout) == (2, "")
    assert "cannot be done" in failed.stderr


def test_a_log_gets_the_command_what_is_said_and_what_went_wrong(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    assert run("--log", log).stdout == "did nothing\n"
    run("--log", log, "--quiet", "--what", "harm")
    lines = log.read_text().splitlines()
    assert [line.split(" ", 2)[2] for line in lines if "command" not in line] == [
        "INFO at it",
        "INFO did nothing",
        "INFO at it",
        "INFO did harm",
        "ERROR 'harm' cannot be done; ask for something else.",
    ]
    assert sum("INFO command: csafusion" in line for line in lines) == 2


def test_a_log_never_grows_an_image(tmp_path: Path) -> None:
    image = tmp_path / "t1.nii.gz"
    image.write_bytes(b"voxels")
    assert run("--log", image).exit_code == 2
    assert image.read_bytes() == b"voxels"


def seen() -> tuple[int, str | None]:
    return sitk.ProcessObject.GetGlobalDefaultNumberOfThreads(), os.environ.get("OMP_NUM_THREADS")


def test_threads_hold_for_itk_and_what_is_started_and_only_for_the_command() -> None:
    before, inside = seen(), []

    def look() -> None:
        inside.append(seen())

    run("--threads", 3, command=look)
    assert inside == [(3, "3")]
    assert seen() == before


@pytest.mark.parametrize("words", [("--threads", "0"), ("--threads", "many")])
def test_a_number_of_threads_that_is_none_is_refused(words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


def test_help_shows_the_manners_in_a_panel_of_their_own() -> None:
    assert "Running:\n  --quiet" in run("--help").stdout


def test_manners_end_with_a_command_that_fails() -> None:
    @contextmanager
    def failing() -> Iterator[None]:
        with MannersWithThreads(quiet=True, threads=2).kept():
            yield

    before = seen()
    with pytest.raises(ZeroDivisionError), failing():
        raise ZeroDivisionError
    assert seen() == before
