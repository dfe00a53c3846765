"""CSAFusionLib/volumes/volume.py."""

from __future__ import annotations

import SimpleITK as sitk

from CSAFusionLib.volumes.volume import Volume


def test_a_volume_of_three_components_is_in_colour() -> None:
    assert Volume(sitk.Image([2, 2, 2], sitk.sitkVectorUInt8, 3), "pet.nrrd").is_colour
    assert not Volume(sitk.Image([2, 2, 2], sitk.sitkUInt8), "mr.nrrd").is_colour
