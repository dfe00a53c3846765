"""CSAFusionLib/geometry/resampling.py."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.planes import Plane
from CSAFusionLib.geometry.resampling import check_overlap, coverage, field_of_view, resample_to_grid
from CSAFusionLib.volumes.volume import Volume

IDENTITY = sitk.Transform(3, sitk.sitkIdentity)


def _an_image(array: np.ndarray, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0)) -> sitk.Image:
    image = sitk.GetImageFromArray(array, isVector=array.ndim == 4)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    return image


def _noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(100, 200, size=shape).astype(np.float32)


def _shift(*mm: float) -> sitk.Transform:
    return sitk.TranslationTransform(3, mm)


def _array(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def test_resampling_on_the_same_grid_changes_nothing() -> None:
    image = _an_image(_noise(4, 5, 6))
    result = resample_to_grid(image, image, IDENTITY, -1000)
    np.testing.assert_allclose(_array(result), _array(image), rtol=1e-6)
    assert result.GetPixelID() == sitk.sitkFloat32


def test_the_transform_takes_fixed_points_to_moving_points() -> None:
    moving = np.zeros((3, 8, 8), np.float32)
    moving[1, 4, 6] = 1
    result = _array(resample_to_grid(_an_image(moving), _an_image(moving), _shift(2, 0, 0), 0))
    assert result[1, 4, 4] == 1
    assert result.sum() == 1


def test_a_colour_volume_is_resampled_channel_by_channel() -> None:
    moving = _noise(3, 4, 5, 3)
    result = _array(resample_to_grid(_an_image(moving), _an_image(moving[..., 0]), _shift(1, 0, 0), 7))
    np.testing.assert_allclose(result[:, :, :-1], moving[:, :, 1:], rtol=1e-6)
    assert (result[:, :, -1] == 7).all()


@pytest.mark.parametrize("shift", [0.5, -0.5, 0.49, -0.49])
def test_the_last_half_voxel_of_the_field_of_view_is_neither_lost_nor_darkened(shift: float) -> None:
    moving = np.full((3, 4, 5), 100, np.float32)
    for axis in np.eye(3):
        result = resample_to_grid(_an_image(moving), _an_image(moving), _shift(*(shift * axis)), 0)
        np.testing.assert_allclose(_array(result), 100)


def test_beyond_the_last_half_voxel_the_default_stands() -> None:
    moving = np.full((3, 4, 5), 100, np.float32)
    result = _array(resample_to_grid(_an_image(moving), _an_image(moving), _shift(0, 0, 0.51), -1000))
    assert (result[-1] == -1000).all()
    np.testing.assert_allclose(result[:-1], 100)


def test_the_field_of_view_agrees_with_the_continuous_index_of_every_voxel() -> None:
    moving = _an_image(_noise(6, 7, 8), (1.5, 0.8, 2.0), (3, 2, 1))
    reference = _an_image(_noise(9, 15, 17))
    turn = sitk.Euler3DTransform((5, 4, 3), 0.3, -0.2, 0.5, (1, -2, 0.5))
    inside = _array(field_of_view(moving, reference, turn))
    for index in np.ndindex(*inside.shape):
        point = turn.TransformPoint(reference.TransformIndexToPhysicalPoint(index[::-1]))
        place = np.array(moving.TransformPhysicalPointToContinuousIndex(point))
        depth = np.minimum(place + 0.5, np.array(moving.GetSize()) - 0.5 - place).min()
        # A thousandth of a voxel about the border is left to rounding.
        assert abs(depth) < 2e-3 or inside[index] == (depth > 0)
    assert 0 < inside.mean() < 1


def test_a_slab_covers_its_own_slices_whole_and_no_others() -> None:
    reference = _an_image(_noise(9, 16, 16), (1, 1, 4))
    slab = reference[:, :, 3:6]
    covered = _array(coverage(slab, reference, IDENTITY))
    assert (covered[3:6] == 1).all()
    assert (covered[[0, 1, 2, 6, 7, 8]] == 0).all()


def test_a_real_ct_slab_covers_slices_7_to_11_of_its_mr(shared_data) -> None:
    rire = shared_data / "volumes" / "rire"
    mr = sitk.ReadImage(str(rire / "training_001_mr_T1.mha"))
    ct = sitk.ReadImage(str(rire / "CT_slab_in_T1_grid_slices7-11.nii.gz"))
    covered = _array(coverage(ct, mr, IDENTITY))
    assert (covered[7:12] == 1).all()
    assert (np.delete(covered, np.s_[7:12], axis=0) == 0).all()
    assert check_overlap(Volume(mr, "mr"), Volume(ct, "ct"), IDENTITY) == pytest.approx(5 / 26)


def test_a_field_of_view_that_holds_the_whole_reference_covers_it_fully() -> None:
    reference = _an_image(_noise(5, 6, 7), origin=(10, 10, 10))
    moving = _an_image(_noise(10, 10, 10), (3, 3, 3))
    for plane in Plane:
        assert (_array(coverage(moving, reference, IDENTITY, plane)) == 1).all()


def test_coverage_falls_smoothly_to_zero_within_the_feather_and_only_there() -> None:
    reference = _an_image(_noise(3, 40, 60))
    moving = reference[:30]
    covered = _array(coverage(moving, reference, IDENTITY, feather_mm=8.0))
    profile = covered[1, 20]
    assert (profile[30:] == 0).all()
    assert (profile[:21] == 1).all()
    assert (np.diff(profile) <= 0).all()
    assert np.abs(np.diff(profile)).max() < 0.25
    np.testing.assert_array_equal(covered, np.broadcast_to(profile, covered.shape))


def test_the_feather_is_measured_in_millimetres() -> None:
    narrow = _an_image(_noise(2, 40, 40), (0.5, 2.0, 1.0))
    covered = _array(coverage(narrow[:20, :20], narrow, IDENTITY, feather_mm=6.0))[0]
    along_rows, along_columns = covered[:20, 0], covered[0, :20]
    assert np.count_nonzero(along_columns < 1) * 0.5 == pytest.approx(6, abs=1)
    assert np.count_nonzero(along_rows < 1) * 2.0 == pytest.approx(6, abs=2)


def test_the_feather_lies_in_the_plane_of_the_slices() -> None:
    reference = _an_image(_noise(20, 20, 20))
    moving = reference[:, :, :10]
    assert set(np.unique(_array(coverage(moving, reference, IDENTITY, Plane.AXIAL)))) == {0, 1}
    assert len(np.unique(_array(coverage(moving, reference, IDENTITY, Plane.SAGITTAL)))) > 2


def test_volumes_that_do_not_meet_are_refused_by_name() -> None:
    fixed, moving = Volume(_an_image(_noise(4, 4, 4)), "head.nii"), Volume(_an_image(_noise(4, 4, 4)), "foot.nii")
    with pytest.raises(InputError, match="'foot.nii' does not overlap 'head.nii'"):
        check_overlap(fixed, moving, _shift(500, 0, 0))
    assert check_overlap(fixed, moving, _shift(2, 0, 0)) == pytest.approx(0.5)
