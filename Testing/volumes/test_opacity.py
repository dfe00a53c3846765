"""CSAFusionLib/volumes/opacity.py."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.volumes.pictures import lay_on_black


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_opaque_colours_stay_and_transparent_ones_are_black(dtype: type) -> None:
    white = np.iinfo(dtype).max
    voxels = np.random.default_rng(0).integers(0, white, (3, 4, 5, 4)).astype(dtype)
    voxels[..., 3] = white
    voxels[0, 0, 0, 3], voxels[0, 0, 1, 3] = 0, white // 2
    image = sitk.GetImageFromArray(voxels, isVector=True)
    image.SetSpacing((1, 2, 3))
    laid, notes = lay_on_black(image)
    colours = sitk.GetArrayFromImage(laid)
    np.testing.assert_array_equal(colours[1:], voxels[1:, ..., :3])
    np.testing.assert_array_equal(colours[0, 0, 0], (0, 0, 0))
    np.testing.assert_allclose(colours[0, 0, 1], voxels[0, 0, 1, :3] / 2, rtol=0.05, atol=1)
    assert laid.GetSpacing() == (1, 2, 3) and "RGB and opacity" in notes[0]


def test_what_has_no_opacity_is_left_alone() -> None:
    for image in (sitk.Image([2, 2, 2], sitk.sitkVectorUInt8, 3), sitk.Image([2, 2, 2], sitk.sitkVectorFloat32, 4)):
        assert lay_on_black(image) == (image, ())
