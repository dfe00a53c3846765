"""CSAFusionLib/registration/given.py."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import same_grid
from CSAFusionLib.registration.given import apply_to
from CSAFusionLib.volumes.volume import Volume

SHIFT = sitk.TranslationTransform(3, (2.0, 0.0, 0.0))


def _image(voxels: np.ndarray, *, vector: bool = False) -> sitk.Image:
    image = sitk.GetImageFromArray(voxels, isVector=vector)
    image.SetSpacing((2.0, 2.0, 2.0))
    return image


@pytest.fixture
def reference() -> Volume:
    """An empty grid, which is no volume to fuse but one to resample on."""
    return Volume(_image(np.zeros((6, 7, 8), np.uint8)), "reference")


@pytest.mark.parametrize("number_type", [np.uint8, np.int16, np.int32, np.uint16, np.float32])
def test_labels_keep_their_numbers_and_their_type(reference: Volume, number_type: type) -> None:
    labels = np.zeros((6, 7, 8), number_type)
    labels[2:4, 2:5, 3:6] = 117
    moved = apply_to(Volume(_image(labels), "labels"), reference, SHIFT, labels=True)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(moved)[..., :-1], labels[..., 1:])
    assert sitk.GetArrayFromImage(moved).dtype == number_type
    assert not sitk.GetArrayFromImage(moved)[..., -1].any()
    assert same_grid(moved, reference.image)


def test_intensities_are_interpolated_and_darkest_outside(reference: Volume) -> None:
    ramp = np.broadcast_to(np.arange(8, dtype=np.int16) - 100, (6, 7, 8)).copy()
    half = sitk.TranslationTransform(3, (1.0, 0.0, 0.0))
    moved = sitk.GetArrayFromImage(apply_to(Volume(_image(ramp), "ct"), reference, half))
    np.testing.assert_allclose(moved[2, 2, :7], np.arange(7) - 99.5)
    far = sitk.TranslationTransform(3, (8.0, 0.0, 0.0))
    assert sitk.GetArrayFromImage(apply_to(Volume(_image(ramp), "ct"), reference, far))[2, 2, 7] == -100


@pytest.mark.parametrize("number_type", [np.uint8, np.uint16])
def test_colours_stay_colours(reference: Volume, number_type: type) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (6, 7, 8, 3)).astype(number_type)
    moved = apply_to(Volume(_image(colours, vector=True), "spect"), reference, SHIFT)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(moved)[..., :-1, :], colours[..., 1:, :])
    assert sitk.GetArrayFromImage(moved).dtype == number_type
    with pytest.raises(InputError, match="is in colour, which labels are not"):
        apply_to(Volume(_image(colours, vector=True), "spect"), reference, SHIFT, labels=True)


def test_a_volume_that_does_not_reach_is_told_and_so_is_the_way_that_would(reference: Volume) -> None:
    away = _image(np.ones((6, 7, 8), np.uint8))
    away.SetOrigin((500.0, 0.0, 0.0))
    with pytest.raises(InputError, match="check that it was found between these two"):
        apply_to(Volume(away, "away"), reference, SHIFT)
    with pytest.raises(InputError, match="its inverse does"):
        apply_to(Volume(away, "away"), reference, sitk.TranslationTransform(3, (-500.0, 0.0, 0.0)))
