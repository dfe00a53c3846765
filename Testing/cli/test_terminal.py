"""What a command says: its outputs, progress, summary and errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import typer
from pydicom import dcmread
from typer.testing import CliRunner, Result

import CSAFusionLib as csafusion
from CSAFusionLib.cli.common_options import CommonOptionsWithThreads, with_common_options
from CSAFusionLib.cli.main import app
from CSAFusionLib.cli.outputs import (
    check_extension,
    check_output_folder,
    check_outputs,
    filled_folder,
    list_metrics,
    print_fusion_summary,
    print_registration,
    print_warnings,
    print_written,
)
from CSAFusionLib.cli.panels import PanelCommand, with_groups
from CSAFusionLib.cli.terminal import ProgressBar, explains_errors, muted
from CSAFusionLib.errors import Cancelled, InputError, NotEnoughMemory, RegistrationError
from CSAFusionLib.geometry.grid import corners_apart, same_grid
from CSAFusionLib.logs import logger_of
from CSAFusionLib.progress import ends_in_order
from CSAFusionLib.volumes.reading import read_volume
from Testing.volumes.dicom.objects import write_classic

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")


def test_an_output_that_is_an_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is an input"):
        check_outputs([tmp_path / "." / "a.nii"], [tmp_path / "a.nii"])


def test_two_outputs_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="named for two outputs"):
        check_outputs([tmp_path / "a.png", None, tmp_path / "a.png"], [])


def test_an_output_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        check_outputs([tmp_path / "missing" / "a.nii"], [])


def test_an_output_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        check_outputs([tmp_path], [])


def test_an_unknown_extension_is_refused_and_the_known_ones_are_named() -> None:
    check_extension(None, (".png",))
    check_extension(Path("A.PNG"), (".png",))
    with pytest.raises(InputError, match="'a.jpg' must end in .png"):
        check_extension(Path("a.jpg"), (".png",))


def test_a_folder_for_outputs_may_be_there_or_be_made_in_a_folder_that_is(tmp_path: Path) -> None:
    check_output_folder(tmp_path)
    check_output_folder(tmp_path / "new")
    with pytest.raises(InputError, match="'.*missing' does not exist"):
        check_output_folder(tmp_path / "missing" / "new")


def test_a_file_is_refused_as_a_folder_for_outputs(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(InputError, match="taken' is not a folder; give another name with -o"):
        check_output_folder(tmp_path / "taken")


@posix_only
def test_a_link_to_an_input_is_that_input(tmp_path: Path) -> None:
    (tmp_path / "a.nii").touch()
    (tmp_path / "link.nii").symlink_to("a.nii")
    with pytest.raises(InputError, match="link.nii' is an input"):
        check_outputs([tmp_path / "link.nii"], [tmp_path / "a.nii"])


def test_a_folder_that_was_made_for_outputs_goes_when_they_fail(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "new"):
        with pytest.raises(KeyboardInterrupt), filled_folder(folder):
            assert folder.is_dir()
            raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be made"), filled_folder(tmp_path / "missing" / "new"):
        pass


@posix_only
def test_a_folder_for_outputs_that_can_never_be_made_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("gone")
    for name, said in (("loop", "leads back"), ("dangling", "is not a folder"), ("a" * 300, "too long")):
        with pytest.raises(InputError, match=said):
            check_output_folder(tmp_path / name)


STUDY = {"PatientID": "P-17", "PatientName": "Doe^Jane", "FrameOfReferenceUID": "1.2.826.0.1.3680043.2.1125.88.9"}


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A DICOM series, a moving volume on another grid, and a region on the fixed grid."""
    smooth = sitk.SmoothingRecursiveGaussian(
        sitk.GetImageFromArray(np.random.default_rng(0).normal(size=(8, 20, 24)).astype(np.float32)), 2.0
    )
    voxels = sitk.GetArrayFromImage(sitk.RescaleIntensity(smooth, 0, 1000))
    places = [(-20.0, -30.0, 5.0 + 3 * number) for number in range(8)]
    write_classic(tmp_path / "fixed", voxels.astype(np.uint16), positions=places, modality="MR", sop_class="4", **STUDY)
    fixed = read_volume(tmp_path / "fixed").image
    moving = sitk.Resample(fixed, [12, 20, 8], sitk.Transform(), sitk.sitkLinear, fixed.GetOrigin(), [1.5, 0.5, 3.0])
    sitk.WriteImage(1000 - sitk.Cast(moving, sitk.sitkFloat32), str(tmp_path / "moving.nii.gz"))
    region = fixed * 0
    region[8:16, :, :] = 1
    sitk.WriteImage(sitk.Cast(region, sitk.sitkUInt8), str(tmp_path / "region.nii.gz"))
    return tmp_path


@pytest.fixture
def fuse(scans: Path, weights_file: Path):
    """Runs the command on the two; returns its exit code and what it said."""

    def run(*words: str) -> tuple[int, str]:
        common = ["--registration", "none", "--weights", str(weights_file), "--device", "cpu"]
        common += ["--fixed-modality", "mr", "--moving-modality", "mr"]
        result = CliRunner().invoke(app, ["fuse", str(scans / "fixed"), str(scans / "moving.nii.gz"), *words, *common])
        return result.exit_code, result.output

    return run


def test_a_dicom_series_lies_in_its_folder_with_the_fixed_grid(scans: Path, fuse) -> None:
    code, said = fuse("-o", str(scans / "out"), "--dicom", "--provenance", str(scans / "how.json"))
    assert code == 0, said
    files = sorted((scans / "out").iterdir())
    assert [file.name for file in files] == [f"IM0000{number}.dcm" for number in range(1, 9)]
    assert corners_apart(read_volume(scans / "out").image, read_volume(scans / "fixed").image) < 1e-6
    assert dcmread(files[0]).PatientID == "P-17"
    assert "different patients" not in said
    told = said + (scans / "how.json").read_text()
    assert not any(word in told for word in ("P-17", "Doe", "Jane"))


def test_a_dicom_series_goes_to_a_new_folder_alone(scans: Path, fuse) -> None:
    before = sorted((scans / "fixed").iterdir())
    code, said = fuse("-o", str(scans / "fixed"), "--dicom")
    assert code == 2
    assert "is not empty" in said
    assert sorted((scans / "fixed").iterdir()) == before


def test_a_dicom_series_of_a_fixed_volume_that_is_none_is_refused_before_any_work(scans: Path, weights_file) -> None:
    moving = str(scans / "moving.nii.gz")
    result = CliRunner().invoke(app, ["fuse", moving, str(scans / "fixed"), "-o", str(scans / "out"), "--dicom"])
    assert result.exit_code == 2
    assert "give FIXED as DICOM" in result.output.splitlines()[-1]
    assert not (scans / "out").exists()


def test_what_the_panel_gives_the_command_gives_too(scans: Path, fuse, weights_file: Path) -> None:
    names = {"registered": "moved.nii.gz", "contribution": "share.nii.gz", "metrics": "slices.tsv"}
    options = [word for name, file in names.items() for word in (f"--{name}", str(scans / file))]
    code, said = fuse("-o", str(scans / "fused.nrrd"), "--region", str(scans / "region.nii.gz"), *options)
    assert code == 0, said
    by_python = csafusion.fuse(
        scans / "fixed",
        scans / "moving.nii.gz",
        registration="none",
        weights=weights_file,
        device="cpu",
        fixed_modality="mr",
        moving_modality="mr",
        region=scans / "region.nii.gz",
        contribution=True,
    )
    for image, file in (
        (by_python.fused, "fused.nrrd"),
        (by_python.moving_on_grid, "moved.nii.gz"),
        (by_python.contribution, "share.nii.gz"),
    ):
        written = read_volume(scans / file).image
        assert same_grid(written, image)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(written), sitk.GetArrayFromImage(image))
    rows = [line.split("\t") for line in (scans / "slices.tsv").read_text().splitlines()]
    assert rows[0][:4] == ["slice", "r_mm", "a_mm", "s_mm"]
    assert [row[0] for row in rows[1:]] == [str(number) for number in range(1, 9)]
    column = rows[0].index("ssim_fixed")
    np.testing.assert_allclose([float(row[column]) for row in rows[1:]], by_python.figures["ssim_fixed"], atol=1e-6)
    # The middle of the first slice.
    assert [float(word) for word in rows[1][1:4]] == pytest.approx([20 - 11.5 * 0.75, 30 - 9.5 * 0.5, 5])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--region", "moving.nii.gz"], "does not lie on the fixed volume's grid"),
        (["--metrics", "slices.txt"], "must end in .tsv"),
        (["--contribution", "share.png"], "must end in"),
        (["--registered", "fused.nrrd"], "named for two outputs"),
    ],
)
def test_what_cannot_be_given_is_told_in_one_sentence(scans: Path, fuse, options: list[str], reason: str) -> None:
    code, said = fuse("-o", str(scans / "fused.nrrd"), options[0], str(scans / options[1]))
    assert code == 2
    assert reason in said.splitlines()[-1]
    assert not (scans / "fused.nrrd").exists()


def test_provenance_holds_a_warning_of_two_patients(scans: Path, fuse) -> None:
    write_classic(scans / "other", positions=[(-20.0, -30.0, 5.0 + 3 * n) for n in range(4)], PatientID="someone else")
    (scans / "moving.nii.gz").unlink()
    other = read_volume(scans / "other").image
    assert other.GetSize()[2] == 4
    (scans / "other").rename(scans / "moving.nii.gz")
    code, said = fuse("-o", str(scans / "out"), "--dicom", "--provenance", str(scans / "how.json"))
    assert code == 0, said
    warnings = json.loads((scans / "how.json").read_text())["warnings"]
    assert any("name different patients" in warning for warning in warnings)
    assert "someone" not in said


def test_the_bar_shows_stage_and_count_on_stderr(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with ProgressBar() as progress:
        progress("Fusing slices", 0, 4)
        progress("Fusing slices", 4, 4)
    out, err = capfd.readouterr()
    assert out == ""
    assert "Fusing slices" in err
    assert "4/4" in err


def test_a_stage_without_a_known_end_is_named(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with ProgressBar() as progress:
        progress("Reading", 0, 0)
        progress("Writing", 0, 0)
    err = capfd.readouterr().err
    assert "Reading..." in err
    assert "Writing..." in err


def test_ctrl_c_cancels_at_the_next_report() -> None:
    with ProgressBar() as progress, pytest.raises(Cancelled):
        progress("Fusing slices", 0, 2)
        signal.raise_signal(signal.SIGINT)
        progress("Fusing slices", 1, 2)


def test_a_second_ctrl_c_stops_at_once() -> None:
    with ProgressBar(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_ctrl_c_is_as_before_when_the_work_is_over() -> None:
    before = signal.getsignal(signal.SIGINT)
    with ProgressBar():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_request_of_the_system_to_end_cancels_at_the_next_report_and_keeps_its_exit_code(name: str) -> None:
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as told, ends_in_order(), ProgressBar() as progress:
        signal.raise_signal(number)
        # As in a callback of ITK, out of which SystemExit would not come.
        with pytest.raises(Cancelled) as cancelled:
            progress("Registering", 1, 2)
        raise cancelled.value
    assert told.value.code == 128 + number
    assert signal.getsignal(number) is before


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_request_to_end_that_comes_after_the_last_report_spoils_nothing() -> None:
    with ends_in_order(), ProgressBar() as progress:
        progress("Writing", 0, 0)
        signal.raise_signal(signal.SIGTERM)


def test_without_a_terminal_a_line_comes_after_a_second_and_then_every_ten(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("CSAFusionLib.cli.terminal.time.monotonic", lambda: clock[0])
    with ProgressBar() as progress:
        for done in range(25):
            progress("Fusing slices", done, 25)
            clock[0] += 1.0
        clock[0] += 10.0
        progress("Writing", 0, 0)
    lines = ["Fusing slices 1/25", "Fusing slices 11/25", "Fusing slices 21/25", "Writing..."]
    assert capfd.readouterr().err.splitlines() == lines


def test_a_short_job_without_a_terminal_says_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("CSAFusionLib.cli.terminal.time.monotonic", lambda: clock[0])
    with ProgressBar() as progress:
        progress("Reading", 0, 0)
        clock[0] += 5.0
        progress("Fusing slices", 0, 3)
        clock[0] += 0.5
        progress("Fusing slices", 2, 3)
    assert capfd.readouterr().err == ""


def test_muted_it_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with muted(), ProgressBar() as progress:
        progress("Reading", 0, 0)
    assert capfd.readouterr().err == ""


REGISTRATION = {
    "method": "SITK",
    "model": "RIGID",
    "seconds": 3.21,
    "metric": {"mutual_information_before": 0.5, "mutual_information_after": 0.75, "shift_mm": 3.0},
    "verdict": {"level": "good", "reason": "No better alignment was found."},
}


def provenance() -> dict:
    return {
        "fixed": {"modality": "MR", "modality_is_guessed": True, "black": 0.0, "white": 812.5, "colour_table": None},
        "moving": {"modality": "PET", "modality_is_guessed": False, "black": 0.0, "white": 9.0, "colour_table": "ice"},
        "registration": REGISTRATION,
        "device": {"name": "cpu", "reason": "asked for"},
        "weights": {"name": "ct-mr", "sha256": "0123456789abcdef"},
        "warnings": ["Memory ran out."],
        "notice": "Research use only, not for diagnosis.",
    }


def test_the_summary_says_how_the_result_was_made(capsys: pytest.CaptureFixture[str]) -> None:
    print_fusion_summary(provenance())
    assert capsys.readouterr().out.splitlines() == [
        "Fixed        MR (guessed), 0 to 812.5 shown from black to white",
        "Moving       PET, 0 to 9 shown from black to white, in colour through ice",
        "Registration sitk, rigid, 3.2 s, quality: good (No better alignment was found)",
        "Metrics      mutual information 0.50 to 0.75",
        "Device       cpu: asked for",
        "Weights      ct-mr (SHA-256 0123456789ab...)",
        "Warning      Memory ran out.",
        "Research use only, not for diagnosis.",
    ]


def test_pictures_have_no_registration_and_no_window(capsys: pytest.CaptureFixture[str]) -> None:
    pictures = provenance() | {"fixed": {"modality": "MR", "modality_is_guessed": True}}
    del pictures["registration"]
    print_fusion_summary(pictures)
    out = capsys.readouterr().out
    assert out.startswith("Fixed        MR (guessed)\n")
    assert "Registration" not in out


def test_a_registration_by_the_headers_has_no_model_and_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    print_registration(REGISTRATION | {"method": "NONE", "model": None, "verdict": None, "metric": {}})
    assert capsys.readouterr().out == "Registration none\n"


def test_a_figure_that_did_not_change_is_given_once() -> None:
    assert list_metrics({"overlap_before": 0.801, "overlap_after": 0.8, "peak": 0.4}) == "overlap 0.80"


def test_every_warning_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_warnings(["It is tilted.", "It is black."])
    assert capsys.readouterr().out == "Warning      It is tilted.\nWarning      It is black.\n"


def test_the_files_written_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    print_written([Path("a.nii"), Path("b.png")])
    assert capsys.readouterr().out == "Wrote        a.nii, b.png\n"


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
@pytest.mark.parametrize("words", [("register", "--help"), ("fuse", __file__, __file__, "-o", "fused.nii.gz")])
def test_libraries_that_do_not_fit_are_no_traceback(words: tuple[str, ...]) -> None:
    code = "import resource; resource.setrlimit(resource.RLIMIT_AS, (300 << 20,) * 2); "
    code += "from CSAFusionLib.cli.main import run; run()"
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env=os.environ | one_thread
    )
    assert (done.returncode, "ulimit -v" in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def work(what: str = "nothing") -> None:
    """Do some work."""
    logger_of("CSAFusionLib.test").info("at it")
    typer.echo(f"did {what}")
    if what == "harm":
        raise InputError("'harm' cannot be done; ask for something else.")


def run_in(*words: object, command: object = work) -> Result:
    app = typer.Typer(rich_markup_mode=None)
    assert callable(command)
    app.command(cls=PanelCommand)(with_groups(explains_errors(with_common_options(command))))
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


class Kind(Enum):
    """Two choices."""

    ONE = "one"
    OTHER = "other"


def given(
    first: Path,
    *,
    file: Path | None = None,
    files: list[Path] | None = None,
    text: str | None = None,
    kind: Kind = Kind.ONE,
    number: int = 3,
    share: float = 0.5,
) -> None:
    """Say what the options are."""
    typer.echo(repr((first, file, files, text, kind, number, share)))


def test_options_are_of_their_types_whether_given_or_left_out(tmp_path: Path) -> None:
    assert run_in("a.nii", command=given).output == f"{(Path('a.nii'), None, None, None, Kind.ONE, 3, 0.5)!r}\n"
    words = ["--file", tmp_path, "--files", "x", "--files", "y", "--text", "", "--kind", "other", "--number", "-4"]
    told = run_in("b", *words, "--share", "1e-3", command=given).output
    assert told == f"{(Path('b'), tmp_path, [Path('x'), Path('y')], '', Kind.OTHER, -4, 0.001)!r}\n"


@pytest.mark.parametrize("words", [["--number", "x"], ["--kind", "third"], ["--share", ""], [], ["--file"]])
def test_a_word_that_is_no_value_of_its_option_ends_in_one_sentence(words: list[str]) -> None:
    result = run_in(*(["a.nii", *words] if words else []), command=given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert (words or ["FIRST"])[0].lower() in result.stderr.lower()


def test_a_file_that_may_not_be_read_is_refused_by_its_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("")
    monkeypatch.setattr(os, "access", lambda *_: False)
    result = run_in("a.nii", "--file", tmp_path / "secret", command=given)
    assert result.exit_code == 2 and "is not readable" in result.stderr


def test_quiet_says_nothing_but_what_went_wrong() -> None:
    assert run_in("--quiet").output == ""
    failed = run_in("--quiet", "--what", "harm")
    assert (failed.exit_code, failed.stdout) == (2, "")
    assert "cannot be done" in failed.stderr


def test_a_log_gets_the_command_what_is_said_and_what_went_wrong(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    assert run_in("--log", log).stdout == "did nothing\n"
    run_in("--log", log, "--quiet", "--what", "harm")
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
    assert run_in("--log", image).exit_code == 2
    assert image.read_bytes() == b"voxels"


def seen() -> tuple[int, str | None]:
    return sitk.ProcessObject.GetGlobalDefaultNumberOfThreads(), os.environ.get("OMP_NUM_THREADS")


def test_threads_hold_for_itk_and_what_is_started_and_only_for_the_command() -> None:
    before, inside = seen(), []

    def look() -> None:
        inside.append(seen())

    run_in("--threads", 3, command=look)
    assert inside == [(3, "3")]
    assert seen() == before


@pytest.mark.parametrize("words", [("--threads", "0"), ("--threads", "many")])
def test_a_number_of_threads_that_is_none_is_refused(words: tuple[str, ...]) -> None:
    assert run_in(*words).exit_code == 2


def test_help_shows_the_common_options_in_a_panel_of_their_own() -> None:
    assert "Running:\n  --quiet" in run_in("--help").stdout


def test_common_options_end_with_a_command_that_fails() -> None:
    @contextmanager
    def failing() -> Iterator[None]:
        with CommonOptionsWithThreads(quiet=True, threads=2).kept():
            yield

    before = seen()
    with pytest.raises(ZeroDivisionError), failing():
        raise ZeroDivisionError
    assert seen() == before
