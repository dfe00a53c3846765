"""CSAFusionLib/cli/main.py: each command is loaded when it is asked for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from CSAFusionLib.cli.main import COMMANDS, CommandsOnDemand, app
from CSAFusionLib.memory import RAN_OUT
from CSAFusionLib.volumes.pictures import write_picture

NAMES = [name.rpartition(".")[2] for name in COMMANDS]
# Of each, what the other commands, the pictures or the terminal need.
OTHERS = (
    "torch",
    "SimpleITK",
    "tqdm",
    "scipy",
    "PIL.ImageDraw",
    "CSAFusionLib.cli.batch",
    "CSAFusionLib.registration.register",
)


def test_the_help_names_every_command_in_order() -> None:
    told = CliRunner().invoke(app, ["--help"]).output
    assert re.findall(r"^  (\w+) {2,}\w", told.split("Commands:")[1], re.MULTILINE) == NAMES


def test_a_misspelt_command_is_told_the_nearest_one() -> None:
    result = CliRunner().invoke(app, ["fus"])
    assert result.exit_code == 2 and "'fuse'" in result.output


def test_a_command_is_made_once() -> None:
    commands = CommandsOnDemand()
    assert commands["qc"] is commands["qc"] and list(commands) == NAMES


def test_the_room_for_the_libraries_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("CSAFusionLib.cli.main.check_room_for_numpy_and_simpleitk", lambda: asked.append("asked"))
    assert CliRunner().invoke(app, ["--help"]).exit_code == 0
    assert asked == ["asked"]


def test_a_command_loads_nothing_of_the_others() -> None:
    code = f"""
import sys
from CSAFusionLib.cli.main import app
app(["fuse", "--help"], standalone_mode=False)
sys.exit(" ".join(name for name in {OTHERS!r} if name in sys.modules) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")


# Each takes some hundredths of a second or more, and pictures have no geometry, no header and no registration.
NOT_FOR_PICTURES = r"SimpleITK|pydantic|pydicom|scipy|CSAFusionLib\.(batch|registration\.(engines|register|trans|mask))"


def test_a_fusion_of_pictures_loads_nothing_that_volumes_need(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_picture(np.random.default_rng(ord(name)).integers(0, 256, (16, 16), np.uint8), tmp_path / f"{name}.png")
    code = f"""
import re, sys
from CSAFusionLib.cli.main import app
app({["fuse", *(str(tmp_path / f"{name}.png") for name in "ab"), "-o", str(tmp_path / "c.png"), "--device", "cpu"]!r},
    standalone_mode=False)
sys.exit(" ".join(name for name in sys.modules if re.match({NOT_FOR_PICTURES!r}, name)) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip(), (tmp_path / "c.png").exists()) == (0, "", True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's device that is always full")
@pytest.mark.parametrize("words", [["--help"], ["--version"], ["fuse", "--help"], ["batch", "--help"]])
def test_a_full_disk_refuses_the_help_in_one_sentence(words: list[str]) -> None:
    command = [sys.executable, "-m", "CSAFusionLib", *words]
    with open("/dev/full", "w") as full:
        told = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        untold = subprocess.run(command, stdout=full, stderr=full, check=False)
    assert (told.returncode, untold.returncode) == (2, 2)
    assert "No space left" in told.stderr and len(told.stderr.splitlines()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.parametrize("mib", [100, 170, 448])
def test_a_limit_too_low_for_the_libraries_is_told_in_one_sentence(mib: int) -> None:
    # Within these, NumPy's linear algebra would try forever to get its memory.
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({mib << 20}, {mib << 20}));"
        'from CSAFusionLib.cli.main import run; import sys; sys.argv[1:] = ["--help"]; run()'
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_a_library_that_does_not_fit_while_the_words_are_read_is_told(tmp_path: Path) -> None:
    code = """
import sys
from CSAFusionLib.cli import main, panels
def fail(*_):
    raise ImportError("core.so: failed to map segment from shared object")
panels.spare_validators = fail
sys.argv[1:] = ["fuse", "a", "b"]
main.run()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (2, RAN_OUT)


# A thread works on when all else is done, and is waited for.
A_PROCESS = """
import atexit, os, sys, threading
from CSAFusionLib.cli.main import run

atexit.register(print, "called")
leave = os._exit
def leave_telling(code):
    os.write(1, b"at once\\n")
    leave(code)
os._exit = leave_telling
def work():
    threading.main_thread().join()
    print("worked")
if THREAD:
    threading.Thread(target=work).start()
sys.argv[1:] = WORDS
run()
"""


@pytest.mark.parametrize(
    ("words", "thread", "code", "ending"),
    [
        (["--version"], False, 0, ["called", "at once"]),
        (["fus"], False, 2, ["called", "at once"]),
        (["--version"], True, 0, ["worked", "called"]),
    ],
)
def test_the_process_ends_at_once_when_all_is_done(
    words: list[str], thread: bool, code: int, ending: list[str]
) -> None:
    program = A_PROCESS.replace("WORDS", repr(words)).replace("THREAD", repr(thread))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    said = [line for line in done.stdout.splitlines() if not line.startswith("csafusion ")]
    assert (done.returncode, said) == (code, ending)
