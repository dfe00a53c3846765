"""CSAFusionLib.slicer_host.sample_data"""

from __future__ import annotations

import socket

import numpy as np
import slicer
import slicer.util

from CSAFusionLib.example.simulated_pet import known_movement
from CSAFusionLib.slicer_host.sample_data import add_example_volumes
from Testing.host.application import raise_errors
from Testing.host.scene import ijk_to_ras_of


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
