"""CSAFusionLib/geometry/grid.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import corners_apart, ijk_to_ras, same_grid


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
