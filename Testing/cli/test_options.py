"""Options, their groups and defaults, the help, and the inputs they choose."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import SimpleITK as sitk
import typer
from typer.main import get_command
from typer.testing import CliRunner

import CSAFusionLib
from CSAFusionLib.cli.development.data_options import parse_kinds, parse_split
from CSAFusionLib.cli.development.train import TrainingOptions
from CSAFusionLib.cli.main import app
from CSAFusionLib.cli.options import parse_named, read_inputs
from CSAFusionLib.cli.panels import offering, with_groups
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.training.pairs import PairKind
from CSAFusionLib.training.training_configuration import TrainingConfiguration
from CSAFusionLib.volumes.nifti import Orientation
from Testing.volumes.dicom.objects import PLACES, stored, write_classic, write_enhanced
from Testing.volumes.stored_files import nifti, some_voxels


def options_of(command: str) -> dict[str, Any]:
    """The options of a command by their names, as the parser knows them."""
    return {option.name: option for option in get_command(app).commands[command].params}


@pytest.mark.parametrize(("command", "group"), [(c, g) for c in ("fuse", "register") for g in ("model", "seed")])
def test_an_option_of_a_group_is_an_option_of_each_command(command: str, group: str) -> None:
    found = {word for option in options_of(command).values() for word in option.opts}
    assert f"--{group}" in found


def test_what_is_left_out_on_the_command_line_is_what_python_takes() -> None:
    known = {field.name: field for field in fields(FusionSettings)}
    options = {name: option for name, option in options_of("fuse").items() if name in known}
    assert len(options) == len(known)
    for name, option in options.items():
        default = None if name == "registration" else getattr(FusionSettings(), name)
        assert option.default in (default, getattr(default, "value", default)), name


def test_a_choice_is_taken_in_any_case_and_another_is_refused(tmp_path: Path) -> None:
    words = ["register", "no.nii", "such.nii", "--transform", str(tmp_path / "t.tfm"), "--method"]
    assert "'no.nii' does not exist" in CliRunner().invoke(app, [*words, "SITK"]).output
    refused = CliRunner().invoke(app, [*words, "best"])
    assert refused.exit_code == 2 and "'best' is not one of 'auto', 'none'" in refused.output


def test_a_training_has_the_defaults_of_its_configuration() -> None:
    configuration = TrainingConfiguration()
    for field in fields(TrainingOptions):
        assert field.default == getattr(configuration, field.name), field.name


def test_kinds_are_named_with_commas_between_them() -> None:
    assert parse_kinds("T1-T2,CT-MRI") == (PairKind.T1_T2, PairKind.CT_MRI)


def test_an_unknown_kind_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match="no kind of pair named 'MR-US'; choose from CT-MRI,"):
        parse_kinds("CT-MRI,MR-US")


def test_the_split_is_train_or_val() -> None:
    assert (parse_split("train"), parse_split("val")) == ("train", "val")
    with pytest.raises(InputError, match="must be 'train' or 'val', not 'test'"):
        parse_split("test")


def test_a_name_ends_at_the_first_equals_sign() -> None:
    assert parse_named("no attention=runs/a=b.safetensors", "weights") == ("no attention", "runs/a=b.safetensors")


@pytest.mark.parametrize("text", ["runs", "=runs", "name="])
def test_what_is_no_name_with_a_value_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=f"'{text}' is no folder of results; give it as NAME=VALUE"):
        parse_named(text, "folder of results")


@dataclass(frozen=True)
class Sizes:
    """Two options, one of which must be given."""

    width: Annotated[int, typer.Option("-w", "--width")]
    height: Annotated[float, typer.Option(help="In mm.")] = 2.5


def run(*words: str) -> str:
    """What a command with a group says to these words."""

    def draw(name: str, sizes: Sizes, *, times: int = 1) -> None:
        """Draw something."""
        typer.echo(f"{name} {sizes} {times}")

    app = typer.Typer(rich_markup_mode=None)
    app.command()(with_groups(draw))
    return CliRunner().invoke(app, words).output


def test_the_command_gets_the_group_that_its_options_make() -> None:
    assert run("box", "-w", "3", "--times", "2") == "box Sizes(width=3, height=2.5) 2\n"
    assert run("box", "--height", "1", "--width", "4") == "box Sizes(width=4, height=1.0) 1\n"


@pytest.mark.parametrize("words", [("box",), ("box", "-w", "wide")])
def test_what_a_field_needs_is_needed_of_its_option(words: tuple[str, ...]) -> None:
    assert "--width" in run(*words) and "Sizes" not in run(*words)


def test_the_help_has_the_options_of_the_group() -> None:
    assert "Draw something." in run("--help") and "In mm." in run("--help")


ROOT = Path(__file__).resolve().parents[2]


def titles(command: str) -> list[str]:
    """The titles of the groups in a command's help, in order."""
    lines = CliRunner().invoke(app, [command, "--help"]).stdout.splitlines()
    return [line.rstrip(":") for line in lines if line.endswith(":") and not line.startswith(" ")]


@pytest.mark.parametrize("command", ["fuse", "register"])
def test_the_options_of_a_command_come_in_groups(command: str) -> None:
    assert titles(command)[0] == "Arguments"
    assert {"Inputs", "Registration", "Outputs", "Options"} <= set(titles(command))


def test_only_the_help_itself_is_in_no_group_of_its_own() -> None:
    ungrouped = CliRunner().invoke(app, ["fuse", "--help"]).stdout.split("\nOptions:\n")[1]
    assert ungrouped.split() == ["--help", "Show", "this", "message", "and", "exit."]


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"csafusion {CSAFusionLib.__version__}\n"


def test_the_package_runs_as_the_command() -> None:
    command = [sys.executable, "-m", "CSAFusionLib", "--version"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"csafusion {CSAFusionLib.__version__}\n"


def test_a_shell_completes_the_names_of_a_choice() -> None:
    assert offering(["sitk", "none", "syn"])("s") == ["sitk", "syn"]
    words = "csafusion fuse a.nii b.nii --registration l"
    asked = {"_CSAFUSION_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "5"}
    command = [sys.executable, "-m", "CSAFusionLib"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | asked, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["landmarks"]


@pytest.mark.parametrize("words", [("--steadiness", "-1"), ("--steadiness=-1",), ("--through-slice-smoothing", "-1")])
def test_an_option_by_its_name_of_a_version_before_is_still_taken(words: tuple[str, ...]) -> None:
    said = CliRunner().invoke(app, ["fuse", "a.nii", "b.nii", "-o", "c.nii", *words]).stderr
    assert said.startswith("The through-slice smoothing is -1.0 mm")


SHEARED = np.array([[0.9, 0.3, 0, 0], [0, 0.9, 0, 0], [0, 0, 3.0, 0]])


@pytest.mark.parametrize("choice", [None, "1", "1,1"])
def test_both_are_placed_by_one_orientation_and_only_the_moving_one_may_be_sheared(
    tmp_path: Path, choice: str | None
) -> None:
    straight = nifti(tmp_path / "a.nii", some_voxels(), codes=(0, 0))
    sheared = nifti(tmp_path / "b.nii", some_voxels(), rows=SHEARED)
    fixed, moving = read_inputs(straight, sheared, choice, orientation=Orientation.NIBABEL)
    assert "as requested" in fixed.notes[0] and "as requested" in moving.notes[0] and "sheared" in moving.notes[1]
    with pytest.raises(InputError, match="sheared axes"):
        read_inputs(sheared, straight, choice)


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A series of one volume."""
    return write_classic(tmp_path / "one")


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A file of two volumes."""
    return write_enhanced(tmp_path / "two.dcm", stored(8), positions=PLACES * 2)


def first_voxels(volumes) -> list[int]:
    return [int(np.min(sitk.GetArrayFromImage(volume.image))) for volume in volumes]


FIRST, SECOND = int(stored(8)[0].min()), int(stored(8)[4].min())


def test_one_number_is_for_the_input_that_holds_several_volumes(one: Path, two: Path) -> None:
    assert first_voxels(read_inputs(one, two, "2")) == [FIRST, SECOND]
    assert first_voxels(read_inputs(two, one, "2")) == [SECOND, FIRST]


def test_two_numbers_are_for_the_fixed_and_the_moving_input(one: Path, two: Path) -> None:
    assert first_voxels(read_inputs(two, two, "2, 1")) == [SECOND, FIRST]
    assert first_voxels(read_inputs(one, two, "1,2")) == [FIRST, SECOND]
    assert first_voxels(read_inputs(one, one, "1")) == [FIRST, FIRST]
    assert first_voxels(read_inputs(one, one, None)) == [FIRST, FIRST]


def test_a_choice_that_does_not_say_which_is_refused(one: Path, two: Path) -> None:
    for fixed, moving, choice, said in (
        (one, two, None, "holds 2 volumes"),
        (two, two, "2", "Both inputs hold several volumes"),
        (one, one, "2", "Neither input holds several volumes"),
        (one, two, "3", "there is no volume 3"),
        (one, two, "2,2", "holds 1 volume, so there is no volume 2"),
        (one, two, "x", "--volume must be a number"),
        (one, two, "-1", "--volume must be a number"),
        (one, two, "1,2,3", "--volume must be a number"),
    ):
        with pytest.raises(InputError, match=said):
            read_inputs(fixed, moving, choice)
