"""What goes together, the sample data, and words for all that the backend names."""

from __future__ import annotations

import ast
import socket
from pathlib import Path

import numpy as np
import pytest
import slicer
import slicer.util

import CSAFusionLib
from CSAFusionLib.errors import InputError
from CSAFusionLib.example.head import known_movement
from CSAFusionLib.registration.registration import Method, TransformModel
from CSAFusionLib.slicer_host.sample_data import add_example_volumes
from CSAFusionLib.slicer_host.validation import check_nodes, check_registration
from CSAFusionLib.slicer_host.wording import STAGES, device_in_words, stage_in_words, title_of, words_of
from Testing.host.application import raise_errors
from Testing.host.scene import OBLIQUE, a_blob_node, a_linear_transform_node, ijk_to_ras_of


@pytest.fixture
def nodes():
    return tuple(a_blob_node(name) for name in "FM")


def test_two_volumes_are_enough(nodes):
    check_nodes(*nodes)
    check_nodes(*nodes, [a_blob_node("O"), a_linear_transform_node(OBLIQUE)])


def test_what_is_missing_is_named(nodes):
    with pytest.raises(InputError, match="Select the fixed volume"):
        check_nodes(None, nodes[1])
    with pytest.raises(InputError, match="Select the moving volume"):
        check_nodes(nodes[0], None)
    with pytest.raises(InputError, match="'F' is selected twice"):
        check_nodes(nodes[0], nodes[0])


@pytest.mark.parametrize("index", [0, 1])
def test_an_input_is_never_overwritten(nodes, index):
    with pytest.raises(InputError, match="is an input"):
        check_nodes(*nodes, [nodes[index]])


def test_a_mask_is_never_overwritten(nodes):
    mask = a_blob_node("mask")
    with pytest.raises(InputError, match="'mask' is an input"):
        check_nodes(*nodes, [mask], mask)


@pytest.mark.parametrize("index", [0, 1])
def test_a_transform_above_an_input_is_never_overwritten(nodes, index):
    outer = a_linear_transform_node(OBLIQUE)
    inner = a_linear_transform_node(OBLIQUE, parent=outer)
    nodes[index].SetAndObserveTransformNodeID(inner.GetID())
    for transform in (inner, outer):
        with pytest.raises(InputError, match="already moves"):
            check_nodes(*nodes, [transform])


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("model", TransformModel)
def test_a_method_is_only_asked_for_what_it_can_find(method, model):
    if not method.models or model in method.models:
        check_registration(method, model)
    else:
        with pytest.raises(InputError, match=f"^{title_of(method)} cannot find"):
            check_registration(method, model)


def test_the_example_is_made_without_a_network_and_chosen_in_the_panel(panel, monkeypatch):
    def refuse(*_arguments, **_keywords):
        raise AssertionError("the network is asked")

    monkeypatch.setattr(socket, "socket", refuse)
    panel.ui.exampleButton.click()
    raise_errors()
    t1, pet = panel.ui.volumeASelector.currentNode(), panel.ui.volumeBSelector.currentNode()
    assert (t1.GetName(), pet.GetName()) == ("Example T1", "Example PET") and slicer.app.errors == []
    assert panel.ui.intensityALabel.text.startswith("MR (guessed): ")
    assert panel.ui.intensityBLabel.text.startswith("PET (guessed): 0 kBq/mL is black, ")
    assert panel._panel.request().fixed is t1


def test_the_example_lies_in_the_scene_as_it_was_simulated(application, monkeypatch):
    monkeypatch.setattr(slicer, "app", application, raising=False)
    t1, pet = add_example_volumes()
    again, _ = add_example_volumes()
    assert again.GetName() != t1.GetName()
    centres = []
    for node in (t1, pet):
        array = slicer.util.arrayFromVolume(node).astype(float)
        # The brain: what a PET shows, and what is brightest of the T1 in its middle.
        weights = np.where(array > 0.35 * array.max(), array, 0) if node is pet else np.where(array > 450, array, 0)
        index = np.average(np.indices(array.shape).reshape(3, -1), axis=1, weights=weights.ravel())[::-1]
        matrix = ijk_to_ras_of(node)
        centres.append((matrix @ [*index, 1])[:3] * (-1, -1, 1))
    np.testing.assert_allclose(known_movement().TransformPoint(centres[0].tolist()), centres[1], atol=6)


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
