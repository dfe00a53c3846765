"""Nothing of what the backend names is left without a translation."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import CSAFusionLib
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.slicer_host.wording import STAGES, device_in_words, stage_in_words, words_of

LIBRARY = Path(CSAFusionLib.__file__).parent
# What runs during a fusion that the panel has started.
FOLDERS = ("registration", "fusion", "slicer_host/engines")


@pytest.mark.parametrize("choice", [*Method, *TransformModel])
def test_every_method_and_transform_has_a_title_and_a_tooltip(choice):
    title, tooltip = words_of(choice)
    assert title and tooltip.endswith(".")


def stages_of(source: str) -> set[str]:
    """Literals that are reported as a stage, and those of names and attributes that are called so."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "progress":
            found.add(node.args[0])
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).strip("_").lower() == "stage":
            found.add(node.value)
    return {node.value for node in found if isinstance(node, ast.Constant)}


def test_stages_are_found_however_they_are_named():
    assert stages_of('_STAGE = "a"\nclass C:\n  stage = "b"\nprogress("c", 0, 0)\nprogress(x, 0, 0)') == {*"abc"}


def test_every_stage_of_a_fusion_is_translated():
    files = [path for folder in FOLDERS for path in (LIBRARY / folder).rglob("*.py")]
    reported = {stage for path in files for stage in stages_of(path.read_text(encoding="utf-8"))}
    assert len(reported) > 5 and reported <= set(STAGES), reported - set(STAGES)


@pytest.mark.parametrize(
    ("name", "reason", "said"),
    [
        (
            "cpu",
            "no accelerator can be used (cuda: not present; mps: not present)",
            "the processor (CPU): no graphics card that can compute was found",
        ),
        (
            "cpu",
            "no accelerator can be used (cuda: no kernel image is available (sm_37); mps: not present)",
            "the processor (CPU): the graphics card cannot be used (no kernel image is available (sm_37))",
        ),
        ("cuda", "the fastest device that passed a test", "the graphics card (cuda): it passed a short test"),
        ("mps", "asked for", "the graphics card (mps): it was chosen"),
    ],
)
def test_why_a_device_was_taken_is_said_in_a_users_words(name, reason, said):
    assert device_in_words(name, reason) == said


def test_the_reasons_are_still_those_the_backend_gives():
    source = (LIBRARY / "fusion" / "device.py").read_text(encoding="utf-8")
    for reason in ("asked for", "no accelerator can be used ({})", "not present", "no such device"):
        assert f'"{reason}"' in source


def test_an_unknown_stage_is_shown_as_it_is():
    assert stage_in_words("Resampling") == "Resampling" and stage_in_words("negation") == "negation"
