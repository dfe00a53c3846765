"""CSAFusionLib/volumes/stored_volume.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.stored_volume import StoredVolume, to_image
from CSAFusionLib.volumes.voxel_data import VoxelData

VOXELS = np.random.default_rng(0).integers(-9, 99, (4, 5, 6)).astype("<i2")
AFFINE = np.array([[0, 0, 3.0, 1], [-0.5, 0, 0, 2], [0, 2, 0, 3], [0, 0, 0, 1]])


@pytest.fixture
def stored(tmp_path: Path) -> StoredVolume:
    (tmp_path / "a.raw").write_bytes(VOXELS.tobytes())
    return StoredVolume(tmp_path / "a.hdr", (6, 5, 4), VOXELS.dtype, AFFINE, VoxelData((tmp_path / "a.raw",)))


def test_a_voxel_lies_where_the_matrix_puts_it(stored: StoredVolume) -> None:
    image, notes = to_image(stored)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), VOXELS)
    np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((3, 1, 2)), (AFFINE @ (3, 1, 2, 1))[:3])
    assert image.GetSpacing() == (0.5, 2, 3) and notes == ()


def test_a_direction_as_good_as_zero_is_zero_and_itk_says_nothing_of_it(stored: StoredVolume, capfd) -> None:
    tiny = AFFINE.copy()
    tiny[0, 0] = 1e-308
    image, _ = to_image(replace(stored, affine=tiny))
    image.TransformPhysicalPointToContinuousIndex((1, 2, 3))
    assert image.GetDirection()[0] == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("dtype", "scaled"), [("<i2", "f4"), ("<f4", "f4"), ("<i4", "f8"), ("<f8", "f8")])
def test_scaled_values_keep_as_many_digits_as_their_numbers_have(stored: StoredVolume, dtype: str, scaled: str) -> None:
    numbers = VOXELS.astype(dtype)
    stored.data.files[0].write_bytes(numbers.tobytes())
    image, _ = to_image(replace(stored, number_type=np.dtype(dtype), scaling=(0.1, -3)))
    voxels = sitk.GetArrayFromImage(image)
    assert voxels.dtype == np.dtype(scaled)
    np.testing.assert_allclose(voxels, (numbers.astype(float) * 0.1 - 3).astype(scaled), rtol=0)


def test_what_a_wrong_size_leaves_over_is_told_and_padding_is_not(stored: StoredVolume) -> None:
    (_, notes), (_, few) = to_image(replace(stored, size=(6, 5, 3))), to_image(replace(stored, size=(6, 5, 4)))
    assert "holds 60 bytes more than its header says" in notes[0] and few == ()
    stored.data.files[0].write_bytes(VOXELS.tobytes() + bytes(20))
    assert to_image(stored)[1] == ()


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_matrix_without_a_geometry_is_refused_before_voxels_are_read(stored: StoredVolume, value: float) -> None:
    stored.data.files[0].unlink()
    broken = AFFINE.copy()
    broken[1, 0] = value
    with pytest.raises(InputError, match="make no geometry"):
        to_image(replace(stored, affine=broken))
