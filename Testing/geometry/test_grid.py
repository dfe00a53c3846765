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
    impossible_scale,
    points_of,
    question_of_scale,
    same_grid,
)
from CSAFusionLib.volumes.checking import check_volume
from CSAFusionLib.volumes.volume import Volume, notes_of


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
