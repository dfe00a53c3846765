"""CSAFusionLib.cli.user_errors"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from CSAFusionLib.cli.user_errors import explains_errors
from CSAFusionLib.errors import Cancelled, InputError, NotEnoughMemory, RegistrationError


def run(error: BaseException | None) -> tuple[int, str, BaseException | None]:
    def command() -> None:
        if error is not None:
            raise error

    app = typer.Typer()
    app.command()(explains_errors(command))
    result = CliRunner().invoke(app, [])
    return result.exit_code, result.stderr, result.exception


@pytest.mark.parametrize("error", [InputError("The volume is empty."), RegistrationError("The engine failed.")])
def test_an_expected_error_is_one_sentence_and_exit_code_2(error: Exception) -> None:
    assert run(error)[:2] == (2, f"{error}\n")


@pytest.mark.parametrize("error", [Cancelled(), KeyboardInterrupt()])
def test_a_cancelled_command_ends_as_ctrl_c_does(error: BaseException) -> None:
    assert run(error)[:2] == (130, "Cancelled; nothing was written.\n")


def test_a_mistake_of_the_program_is_not_hidden() -> None:
    mistake = ZeroDivisionError("a mistake")
    code, _, raised = run(mistake)
    assert (code, raised) == (1, mistake)


def test_a_command_that_does_its_work_ends_with_0() -> None:
    assert run(None)[:2] == (0, "")


def test_a_command_keeps_its_own_options_and_help() -> None:
    def command(count: int = 3) -> None:
        """Count."""
        typer.echo(count + 1)

    app = typer.Typer()
    app.command()(explains_errors(command))
    assert CliRunner().invoke(app, ["--count", "4"]).stdout == "5\n"
    assert "Count." in CliRunner().invoke(app, ["--help"]).stdout


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(36, "File name too long", "a" * 300), "a...' cannot be used (File name too long); check the path"),
        (OSError(28, "No space left on device"), "refused a file (No space left on device); check the free disk"),
    ],
)
def test_what_the_system_refuses_is_one_sentence(capsys: pytest.CaptureFixture, error: OSError, said: str) -> None:
    def command() -> None:
        raise error

    with pytest.raises(typer.Exit) as told:
        explains_errors(command)()
    assert told.value.exit_code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "lack",
    [
        MemoryError(),
        RuntimeError("Failed to allocate memory for image."),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    ],
)
def test_memory_that_runs_out_is_told_in_a_sentence_wherever_it_does(lack: Exception) -> None:
    code, said, _ = run(lack)
    assert code == 2 and said.startswith("Memory ran out. Close other programs")


def test_a_file_that_could_not_be_read_for_lack_of_memory_is_not_called_damaged() -> None:
    error = InputError("'a.nrrd' cannot be read; give an undamaged file.")
    error.__cause__ = MemoryError()
    code, said, _ = run(error)
    assert code == 2 and said.startswith("Memory ran out")


def test_a_machine_that_is_too_small_is_told_with_its_figures() -> None:
    assert run(NotEnoughMemory("The fusion needs about 9 GiB."))[:2] == (2, "The fusion needs about 9 GiB.\n")


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_libraries_that_do_not_fit_are_no_traceback() -> None:
    code = "import resource; resource.setrlimit(resource.RLIMIT_AS, (300 << 20,) * 2); import CSAFusionLib.cli.main"
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | one_thread)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
