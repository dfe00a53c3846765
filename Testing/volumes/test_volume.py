"""CSAFusionLib/volumes/volume.py."""

from __future__ import annotations

import SimpleITK as sitk

from CSAFusionLib.volumes.checking import notes_of
from CSAFusionLib.volumes.volume import Volume


def test_a_volume_of_three_components_is_in_colour() -> None:
    assert Volume(sitk.Image([2, 2, 2], sitk.sitkVectorUInt8, 3), "pet.nrrd").is_colour
    assert not Volume(sitk.Image([2, 2, 2], sitk.sitkUInt8), "mr.nrrd").is_colour


def test_notes_are_told_of_the_volume_in_its_role() -> None:
    image = sitk.Image([2, 2, 2], sitk.sitkUInt8)
    fixed, moving = Volume(image, "smith.nrrd"), Volume(image, "b", notes=("is tilted.",))
    assert notes_of(fixed, moving) == ["The moving volume is tilted."]
    assert notes_of(moving, fixed) == ["The fixed volume is tilted."]
