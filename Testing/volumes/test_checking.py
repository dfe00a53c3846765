"""Volumes that cannot be fused are refused, each with its reason."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.checking import check_volume, notes_of
from CSAFusionLib.volumes.volume import Volume


def _an_array(dtype: type = np.float32) -> np.ndarray:
    return np.arange(60).reshape(3, 4, 5).astype(dtype)


def _refusal_of(image: sitk.Image) -> str:
    with pytest.raises(InputError) as refusal:
        check_volume(Volume(image, "head.nii.gz"))
    message = str(refusal.value)
    assert "'head.nii.gz'" in message
    assert message.endswith(".")
    return message


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_a_sound_volume_passes_in_every_number_type(dtype: type) -> None:
    check_volume(Volume(sitk.GetImageFromArray(_an_array(dtype)), "head"))


def test_a_colour_volume_and_a_single_slice_pass() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (3, 4, 5, 3)).astype(np.uint8)
    check_volume(Volume(sitk.GetImageFromArray(rgb, isVector=True), "pet"))
    check_volume(Volume(sitk.GetImageFromArray(_an_array()[:1]), "slab"))


def test_a_left_handed_volume_passes() -> None:
    image = sitk.GetImageFromArray(_an_array())
    image.SetDirection((-1, 0, 0, 0, 1, 0, 0, 0, 1))
    check_volume(Volume(image, "left"))


def test_a_picture_a_series_and_an_empty_volume_are_refused() -> None:
    assert "2-D" in _refusal_of(sitk.Image([4, 5], sitk.sitkUInt8))
    assert "series of 6 volumes" in _refusal_of(sitk.Image([3, 4, 5, 6], sitk.sitkUInt8))
    assert "empty" in _refusal_of(sitk.Image())


def test_voxels_that_are_not_finite_are_counted() -> None:
    array = _an_array()
    array[0, 0, :2] = np.nan
    array[1, 1, 1] = -np.inf
    assert "3 voxels that are not finite" in _refusal_of(sitk.GetImageFromArray(array))


def test_a_constant_volume_is_refused_with_its_value() -> None:
    assert "every voxel is 7" in _refusal_of(sitk.Image([3, 4, 5], sitk.sitkInt16) + 7)


def test_two_components_and_complex_numbers_are_refused() -> None:
    assert "2 components" in _refusal_of(sitk.Image([3, 4, 5], sitk.sitkVectorFloat32, 2))
    assert "complex" in _refusal_of(sitk.Image([3, 4, 5], sitk.sitkComplexFloat32))


@pytest.mark.parametrize("pixel", [sitk.sitkVectorFloat32, sitk.sitkVectorFloat64, sitk.sitkVectorInt16])
def test_three_numbers_that_are_no_colours_are_refused(pixel: int) -> None:
    assert "no colours, as a displacement field has" in _refusal_of(sitk.Image([3, 4, 5], pixel, 3))


def test_a_header_with_no_usable_axes_is_refused() -> None:
    image = sitk.GetImageFromArray(_an_array())
    image.SetOrigin((np.nan, 0, 0))
    assert "geometry" in _refusal_of(image)


def test_a_volume_of_three_components_is_in_colour() -> None:
    assert Volume(sitk.Image([2, 2, 2], sitk.sitkVectorUInt8, 3), "pet.nrrd").is_colour
    assert not Volume(sitk.Image([2, 2, 2], sitk.sitkUInt8), "mr.nrrd").is_colour


def test_notes_are_told_of_the_volume_in_its_role() -> None:
    image = sitk.Image([2, 2, 2], sitk.sitkUInt8)
    fixed, moving = Volume(image, "smith.nrrd"), Volume(image, "b", notes=("is tilted.",))
    assert notes_of(fixed, moving) == ["The moving volume is tilted."]
    assert notes_of(moving, fixed) == ["The fixed volume is tilted."]
