"""CSAFusionLib/volumes/non_finite.py."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import same_grid
from CSAFusionLib.volumes.reading import fill_non_finite


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_voxels_that_are_no_numbers_become_the_background_and_are_counted(dtype: type) -> None:
    voxels = np.random.default_rng(0).normal(40, 5, (3, 4, 5)).astype(dtype)
    voxels[0, 0, :4] = np.nan, np.inf, -np.inf, -1000
    image = sitk.GetImageFromArray(voxels)
    image.SetOrigin((1, 2, 3))
    filled, (note,) = fill_non_finite(image)
    expected = voxels.copy()
    expected[0, 0, :3] = -1000
    np.testing.assert_array_equal(sitk.GetArrayFromImage(filled), expected)
    assert filled.GetPixelID() == image.GetPixelID() and same_grid(filled, image)
    assert "has 3 voxels that are not finite" in note and "lowest value, -1000" in note


@pytest.mark.parametrize(
    "voxels", [np.zeros((2, 2, 2), np.int16), np.ones((2, 2, 2), np.float32), np.full((2, 2, 2), np.nan)]
)
def test_nothing_is_touched_where_nothing_is_to_fill_or_to_fill_it_with(voxels: np.ndarray) -> None:
    image = sitk.GetImageFromArray(voxels)
    assert fill_non_finite(image) == (image, ())
