"""CSAFusionLib/geometry/straight.py."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import corners_apart
from CSAFusionLib.geometry.straight import is_sheared, nearest_straight, off_straight, resampled_straight

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
