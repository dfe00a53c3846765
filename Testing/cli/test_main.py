"""CSAFusionLib/cli/main.py: each command is loaded when it is asked for."""

from __future__ import annotations

import re
import subprocess
import sys

from typer.testing import CliRunner

from CSAFusionLib.cli.main import COMMANDS, CommandsOnDemand, app

NAMES = [name.rpartition(".")[2] for name in COMMANDS]
# Of each, what the other commands, the pictures or the terminal need.
OTHERS = ("torch", "tqdm", "scipy", "PIL.ImageDraw", "CSAFusionLib.cli.batch", "CSAFusionLib.registration.register")


def test_the_help_names_every_command_in_order() -> None:
    told = CliRunner().invoke(app, ["--help"]).output
    assert re.findall(r"^  (\w+) {2,}\w", told.split("Commands:")[1], re.MULTILINE) == NAMES


def test_a_misspelt_command_is_told_the_nearest_one() -> None:
    result = CliRunner().invoke(app, ["fus"])
    assert result.exit_code == 2 and "'fuse'" in result.output


def test_a_command_is_made_once() -> None:
    commands = CommandsOnDemand()
    assert commands["qc"] is commands["qc"] and list(commands) == NAMES


def test_a_command_loads_nothing_of_the_others() -> None:
    code = f"""
import sys
from CSAFusionLib.cli.main import app
app(["fuse", "--help"], standalone_mode=False)
sys.exit(" ".join(name for name in {OTHERS!r} if name in sys.modules) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_the_end_of_the_process_looks_for_no_garbage() -> None:
    code = """
import atexit, gc, sys
from CSAFusionLib.cli.main import run
atexit.register(lambda: print("frozen", gc.get_freeze_count() > 10_000))
sys.argv[1:] = ["--version"]
run()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ["frozen", "True"]
