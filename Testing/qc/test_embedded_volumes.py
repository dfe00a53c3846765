"""The volumes of a view: where they lie, how bright and in which colour, and what happens to large ones."""

from __future__ import annotations

import gzip

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.qc.embedded_volumes import LONGEST_SIDE, factors_to_fit, nifti_of


def _oblique(voxels: np.ndarray) -> sitk.Image:
    """A volume of uneven voxels that lies turned and away from the origin."""
    image = sitk.GetImageFromArray(voxels, isVector=voxels.ndim == 4)
    image.SetSpacing((0.7, 1.1, 3.0))
    image.SetOrigin((-12.0, 40.0, 5.5))
    turn = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.3, -0.2, 0.1)
    image.SetDirection(turn.GetMatrix())
    return image


def _read(content: bytes) -> nibabel.Nifti1Image:
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(content))


def _lps_to_ras(image: sitk.Image, index: tuple[int, int, int]) -> np.ndarray:
    return np.array(image.TransformIndexToPhysicalPoint(index)) * (-1, -1, 1)


def test_every_voxel_lies_where_it_lay() -> None:
    image = _oblique(np.random.default_rng(0).random((4, 5, 6)).astype(np.float32))
    found = _read(nifti_of(image))
    assert found.shape == image.GetSize() and found.get_data_dtype() == np.uint8
    for index in ((0, 0, 0), (5, 0, 0), (0, 4, 0), (2, 3, 3)):
        assert found.affine @ (*index, 1) == pytest.approx([*_lps_to_ras(image, index), 1], abs=1e-4)
        assert found.dataobj[index] == pytest.approx(255 * image[index], abs=0.51)


def test_a_sheared_grid_stays_sheared() -> None:
    image = _oblique(np.zeros((4, 5, 6), np.float32))
    sheared = np.reshape(image.GetDirection(), (3, 3)) @ np.array([[1, 0, 0.2], [0, 1, 0], [0, 0, 0.98]])
    image = sitk.GetImageFromArray(np.zeros((4, 5, 6), np.float32))
    image.SetDirection(sheared.ravel())
    found = _read(nifti_of(image))
    assert found.affine @ (5, 4, 3, 1) == pytest.approx([*_lps_to_ras(image, (5, 4, 3)), 1], abs=1e-4)


def test_colour_is_rgb24_voxel_by_voxel() -> None:
    voxels = np.random.default_rng(1).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    found = _read(nifti_of(_oblique(voxels)))
    assert int(found.header["datatype"]) == 128 and int(found.header["bitpix"]) == 24
    assert found.shape == (5, 4, 3)
    stored = np.asarray(found.dataobj)
    assert np.array_equal(np.stack([stored[name] for name in "RGB"], axis=-1), voxels.transpose(2, 1, 0, 3))


def test_what_is_no_number_or_out_of_range_is_black_or_white() -> None:
    voxels = np.array([[[np.nan, -3.0, 0.5, 7.0]]], np.float32)
    assert np.asarray(_read(nifti_of(sitk.GetImageFromArray(voxels))).dataobj).ravel().tolist() == [0, 0, 128, 255]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_coarser_volume_covers_the_same_place(channels: int) -> None:
    voxels = np.full((4, 6, 8) + ((3,) if channels == 3 else ()), 100, np.uint8)
    image = _oblique(voxels if channels == 3 else voxels.astype(np.float32) / 255)
    found = _read(nifti_of(image, (2, 2, 1)))
    assert found.shape == (4, 3, 4)
    middle = np.array(image.TransformContinuousIndexToPhysicalPoint((3.5, 2.5, 1.5))) * (-1, -1, 1)
    assert (found.affine @ (1.5, 1, 1.5, 1))[:3] == pytest.approx(middle, abs=1e-4)
    stored = np.asarray(found.dataobj)
    assert set((stored["G"] if channels == 3 else stored).ravel().tolist()) == {100}


def test_the_shortest_sides_grow_until_a_volume_fits() -> None:
    image = _oblique(np.zeros((4, 20, 20), np.uint8))
    assert factors_to_fit(image) == (1, 1, 1)
    assert factors_to_fit(image, 500) == (2, 2, 1)
    long = sitk.Image(LONGEST_SIDE + 1, 2, 2, sitk.sitkUInt8)
    assert factors_to_fit(long) == (2, 1, 1)
