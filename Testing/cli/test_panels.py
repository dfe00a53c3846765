"""CSAFusionLib.cli.panels, and what every command of csafusion has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import CSAFusionLib
from CSAFusionLib.cli.main import app
from CSAFusionLib.cli.panels import offering

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
