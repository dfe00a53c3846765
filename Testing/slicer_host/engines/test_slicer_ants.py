"""The extension SlicerANTs is run with its own presets. (Against the stand-in.)"""

from __future__ import annotations

import pytest

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.registration.methods import TransformModel
from CSAFusionLib.slicer_host.engines.command_line import SlicerAnts
from Testing.host.scene import snapshot


@pytest.mark.parametrize(
    ("model", "stages"),
    [
        (TransformModel.RIGID, ["Rigid"]),
        (TransformModel.AFFINE, ["Rigid", "Affine"]),
        (TransformModel.SYN, ["Rigid", "Affine", "SyN"]),
    ],
)
def test_the_stages_are_those_of_the_model(slicer_ants, pair, model, stages):
    SlicerAnts(*pair, model).start()
    (asked,) = slicer_ants.asked
    assert f"--transform {stages} " in asked["antsCommand"]


def test_an_extension_without_the_preset_is_told(slicer_ants, pair, monkeypatch):
    import antsRegistration

    monkeypatch.setattr(antsRegistration.PresetManager, "names", ("Rigid",))
    before = snapshot()
    with pytest.raises(RegistrationError, match="no preset 'QuickSyN'; update it"):
        SlicerAnts(*pair, TransformModel.SYN).start()
    assert snapshot() == before
