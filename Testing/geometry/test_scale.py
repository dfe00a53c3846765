"""CSAFusionLib.geometry.scale"""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.scale import impossible_scale, question_of_scale
from CSAFusionLib.volumes.checking import check_volume
from CSAFusionLib.volumes.volume import Volume, notes_of


def _image(*spacing: float) -> sitk.Image:
    image = sitk.GetImageFromArray(np.arange(512, dtype=np.float32).reshape(8, 8, 8))
    image.SetSpacing(spacing)
    return image


@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.1, 0.1, 0.1), (0.5, 0.5, 50), (20, 20, 20)])
def test_usual_voxels_raise_no_question(spacing: tuple) -> None:
    assert question_of_scale(_image(*spacing)) is None


@pytest.mark.parametrize("spacing", [(0.02, 0.02, 0.02), (0.001, 0.001, 0.001), (1, 1, 60), (1000, 1000, 1000)])
def test_unusual_voxels_raise_a_question_and_are_worked_on(spacing: tuple) -> None:
    volume = Volume(_image(*spacing), "v")
    check_volume(volume)
    (note,) = notes_of(volume, Volume(_image(1, 1, 1), "w"))
    assert note.startswith(f"The fixed volume has voxels of {spacing[0]:g} x") and "metres, than millimetres?" in note


@pytest.mark.parametrize("spacing", [(1e-9, 1e-9, 1e-9), (1e-12, 5, 5), (1e5, 1e5, 1e5)])
def test_what_nothing_can_be_is_refused(spacing: tuple) -> None:
    assert impossible_scale(_image(*spacing))
    with pytest.raises(InputError, match="'v' would be .* mm in size, which nothing that is scanned is"):
        check_volume(Volume(_image(*spacing), "v"))
