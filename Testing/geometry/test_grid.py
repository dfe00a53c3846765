"""CSAFusionLib/geometry/grid.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
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
    assert note.startswith(f"The fixed volume has voxels of {spacing[0]:g} x") and "metres, than millimetres?" in note


@pytest.mark.parametrize("spacing", [(1e-9, 1e-9, 1e-9), (1e-12, 5, 5), (1e5, 1e5, 1e5)])
def test_what_nothing_can_be_is_refused(spacing: tuple) -> None:
    assert impossible_scale(_image(*spacing))
    with pytest.raises(InputError, match="'v' would be .* mm in size, which nothing that is scanned is"):
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


def _an_image(shear: float, size: tuple[int, int, int] = (20, 30, 10)) -> sitk.Image:
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
    image = _an_image(0)
    image.SetDirection((TURN @ np.diag([1, 1, mirrored])).ravel().tolist())
    assert off_straight(image) < 1e-12 and corners_apart(nearest_straight(image), image) < 1e-12


@pytest.mark.parametrize("shear", [2e-4, 5e-3])
def test_the_distance_is_that_of_the_farthest_corner(shear: float) -> None:
    image = _an_image(shear)
    straight, moved = nearest_straight(image), off_straight(image)
    directions = np.reshape(straight.GetDirection(), (3, 3))
    np.testing.assert_allclose(directions @ directions.T, np.eye(3), atol=1e-12)
    assert corners_apart(straight, image) == pytest.approx(moved)
    # Half the shear is taken by either axis, over half the height and depth.
    assert moved == pytest.approx(shear / 2 * np.hypot(27, 29 * 0.7) / 2, rel=1e-2)


def test_a_tenth_of_a_millimetre_is_the_limit() -> None:
    assert not is_sheared(_an_image(0.0115))
    assert is_sheared(_an_image(0.0122))


def test_a_tilted_volume_is_straightened_within_its_slices_and_every_point_keeps_its_value() -> None:
    image = _an_image(0.4)
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
    image = _an_image(1e-4)
    assert resampled_straight(image, default=0) is image
