"""Nothing of what the backend names is left without a translation."""

from __future__ import annotations

import ast
from pathlib import Path

import CSAFusionLib
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.slicer_host.panel.wording import METHODS, MODELS, STAGES, in_words

LIBRARY = Path(CSAFusionLib.__file__).parent
# What runs during a fusion that the panel has started.
FOLDERS = ("registration", "fusion", "slicer_host/engines")


def test_methods_and_transforms_have_the_words_of_the_backend():
    assert {method: method.value for method in Method} == METHODS
    assert {model: model.value for model in TransformModel} == MODELS


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


def test_an_unknown_stage_is_shown_as_it_is():
    assert in_words("Resampling") == "Resampling" and in_words("negation") == "negation"
