"""Grids, and what is brought from one to another."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.field_of_view import check_overlap, coverage, field_of_view, resample_to_grid
from CSAFusionLib.geometry.grid import (
    corners_apart,
    ijk_to_ras,
    is_sheared,
    nearest_straight,
    off_straight,
    points_of,
    resampled_straight,
    same_grid,
)
from CSAFusionLib.geometry.planes import Plane
from CSAFusionLib.volumes.checking import check_volume, impossible_scale, notes_of, question_of_scale
from CSAFusionLib.volumes.volume import Volume


def _an_oblique_left_handed_image() -> sitk.Image:
    image = sitk.Image([20, 30, 10], sitk.sitkInt16)
    image.SetSpacing((0.5, 0.7, 3.0))
    image.SetOrigin((-100.0, 35.0, 12.0))
    rotation = sitk.VersorRigid3DTransform()
    rotation.SetRotation((0.3, 1, -0.2), 0.4)
    image.SetDirection((np.reshape(rotation.GetMatrix(), (3, 3)) @ np.diag([1, 1, -1])).ravel())
    return image


def test_ijk_to_ras_agrees_with_itk_but_for_the_sign_of_the_first_two_axes() -> None:
    image = _an_oblique_left_handed_image()
    for index in [(0, 0, 0), (19, 3, 7), (5, 29, 9)]:
        left, posterior, superior = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(ijk_to_ras(image) @ [*index, 1], [-left, -posterior, superior, 1])


def test_an_image_has_the_grid_of_its_float32_header() -> None:
    image = _an_oblique_left_handed_image()
    stored = sitk.Image(image)
    stored.SetOrigin(np.float32(image.GetOrigin()).astype(float).tolist())
    stored.SetSpacing(np.float32(image.GetSpacing()).astype(float).tolist())
    assert same_grid(image, stored)


def test_another_size_origin_spacing_or_direction_is_another_grid() -> None:
    image = _an_oblique_left_handed_image()
    moved, stretched, turned = (sitk.Image(image) for _ in range(3))
    moved.SetOrigin((-100.0, 35.05, 12.0))
    stretched.SetSpacing((0.5, 0.7, 3.01))
    turned.SetDirection(sitk.Image([1, 1, 1], sitk.sitkInt16).GetDirection())
    for other in (moved, stretched, turned, image[:-1], sitk.Flip(image, [True, False, False])):
        assert not same_grid(image, other)


def test_headers_are_as_far_apart_as_their_farthest_corners() -> None:
    image = _an_oblique_left_handed_image()
    moved, stretched = sitk.Image(image), sitk.Image(image)
    moved.SetOrigin((-100.0, 38.0, 16.0))
    stretched.SetSpacing((0.5, 0.7, 3.5))
    assert corners_apart(image, sitk.Image(image)) == 0
    assert corners_apart(image, moved) == pytest.approx(5)
    assert corners_apart(image, stretched) == pytest.approx(9 * 0.5)
    assert corners_apart(image, image[:-1]) == math.inf


def test_real_volumes_said_to_share_a_grid_do(shared_data) -> None:
    stroke = shared_data / "volumes" / "stroke"
    assert same_grid(sitk.ReadImage(str(stroke / "T1.nii.gz")), sitk.ReadImage(str(stroke / "T2.nii.gz")))


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
    assert note.startswith(f"The fixed volume has voxels of {spacing[0]:g} x") and "other than millimetres" in note


@pytest.mark.parametrize("spacing", [(1e-9, 1e-9, 1e-9), (1e-12, 5, 5), (1e5, 1e5, 1e5)])
def test_what_nothing_can_be_is_refused(spacing: tuple) -> None:
    assert impossible_scale(_image(*spacing))
    with pytest.raises(InputError, match="'v' would be .* mm in size, which no scanned object is"):
        check_volume(Volume(_image(*spacing), "v"))


def test_points_of_places_are_where_the_image_itself_has_them() -> None:
    grid = sitk.Image((9, 8, 7), sitk.sitkUInt8)
    grid.SetSpacing((2.0, 2.0, 2.0))
    turned = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.1, -0.2, 0.3)
    grid.SetDirection(turned.GetMatrix())
    grid.SetOrigin((50.0, -60.0, 70.0))
    places = np.array([[0.0, 0.0, 0.0], [6.0, 7.0, 8.0], [1.5, 2.25, 3.75]])
    expected = [grid.TransformContinuousIndexToPhysicalPoint(place[::-1].tolist()) for place in places]
    np.testing.assert_allclose(points_of(grid, places), expected)


TURN = np.reshape(sitk.Euler3DTransform((0, 0, 0), 0.3, -0.5, 0.8).GetMatrix(), (3, 3))


def _a_sheared_image(shear: float, size: tuple[int, int, int] = (20, 30, 10)) -> sitk.Image:
    """Slices that each lie ``shear`` mm further back for a mm up, in an oblique volume."""
    image = sitk.Image(size, sitk.sitkFloat32)
    axes = TURN @ np.array([[1, 0, 0], [0, 1, shear], [0, 0, 1]])
    lengths = np.linalg.norm(axes, axis=0)
    image.SetDirection((axes / lengths).ravel().tolist())
    image.SetSpacing(((0.5, 0.7, 3.0) * lengths).tolist())
    image.SetOrigin((1, 2, 3))
    return image


@pytest.mark.parametrize("mirrored", [1, -1])
def test_a_straight_grid_stays_where_it_is(mirrored: int) -> None:
    image = _a_sheared_image(0)
    image.SetDirection((TURN @ np.diag([1, 1, mirrored])).ravel().tolist())
    assert off_straight(image) < 1e-12 and corners_apart(nearest_straight(image), image) < 1e-12


@pytest.mark.parametrize("shear", [2e-4, 5e-3])
def test_the_distance_is_that_of_the_farthest_corner(shear: float) -> None:
    image = _a_sheared_image(shear)
    straight, moved = nearest_straight(image), off_straight(image)
    directions = np.reshape(straight.GetDirection(), (3, 3))
    np.testing.assert_allclose(directions @ directions.T, np.eye(3), atol=1e-12)
    assert corners_apart(straight, image) == pytest.approx(moved)
    # Half the shear is taken by either axis, over half the height and depth.
    assert moved == pytest.approx(shear / 2 * np.hypot(27, 29 * 0.7) / 2, rel=1e-2)


def test_a_tenth_of_a_millimetre_is_the_limit() -> None:
    assert not is_sheared(_a_sheared_image(0.0115))
    assert is_sheared(_a_sheared_image(0.0122))


def test_a_tilted_volume_is_straightened_within_its_slices_and_every_point_keeps_its_value() -> None:
    image = _a_sheared_image(0.4)
    where = image.GetSize(), image.GetOrigin(), image.GetSpacing(), image.GetDirection()
    tilted = sitk.VectorIndexSelectionCast(sitk.PhysicalPointSource(sitk.sitkVectorFloat32, *where), 0)
    straight = resampled_straight(tilted, default=-1000)
    assert not is_sheared(straight)
    assert straight.GetSpacing() == pytest.approx((0.5, 0.7, 3.0))
    columns, rows, slices = straight.GetSize()
    assert (columns, slices) == (20, 10) and rows == 30 + np.ceil(0.4 * 27 / 0.7)
    for index in ((1, 1, 1), (18, 28, 8), (5, 20, 4)):
        point = tilted.TransformIndexToPhysicalPoint(index)
        assert straight.EvaluateAtPhysicalPoint(point, sitk.sitkLinear) == pytest.approx(point[0], abs=1e-3)
    assert sitk.GetArrayFromImage(straight).min() == -1000


def test_a_straight_volume_is_not_resampled() -> None:
    image = _a_sheared_image(1e-4)
    assert resampled_straight(image, default=0) is image


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
