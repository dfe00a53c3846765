"""Tests of the algebra of transforms."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.geometry.transform_algebra import (
    after_shift,
    as_affine,
    as_rigid,
    inverse,
    is_identity,
    linear_matrix,
    nearest_rigid,
    rotation,
    target_registration_error,
)

POINT = (12.0, -34.0, 56.0)
FAR_POINTS = [(3000.0, -2000.0, 5000.0), (2950.0, -2080.0, 5040.0), (3060.0, -1990.0, 4890.0)]
FIRST = sitk.Euler3DTransform((3000.0, -2000.0, 5000.0), 0.3, -0.2, 0.1, (4.0, 3.0, -5.0))
SECOND = sitk.VersorRigid3DTransform((0.0, 0.0, 1.0), 0.4, (1.0, 2.0, 3.0), (10.0, 20.0, 30.0))


@pytest.fixture
def a_rigid_motion() -> sitk.Euler3DTransform:
    """Turns and shifts about the origin."""
    return sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.1, -0.2, 0.15, (4.0, -7.0, 9.0))


def test_a_composite_of_rigid_transforms_is_one_rotation_and_translation() -> None:
    both = sitk.CompositeTransform([FIRST, SECOND])
    rigid = as_rigid(both)
    assert isinstance(rigid, sitk.Euler3DTransform)
    for point in FAR_POINTS:
        np.testing.assert_allclose(rigid.TransformPoint(point), both.TransformPoint(point), atol=1e-6)


def test_a_composite_with_scales_and_shears_is_one_affine_transform() -> None:
    sheared = sitk.AffineTransform([1.1, 0.2, 0.0, 0.0, 0.9, 0.1, 0.05, 0.0, 1.2], (5.0, 6.0, 7.0), (8.0, 9.0, 10.0))
    both = sitk.CompositeTransform([sheared, FIRST])
    affine = as_affine(both)
    assert isinstance(affine, sitk.AffineTransform)
    for point in FAR_POINTS:
        np.testing.assert_allclose(affine.TransformPoint(point), both.TransformPoint(point), atol=1e-6)


def test_the_error_is_the_distance_between_where_points_land(a_rigid_motion) -> None:
    points = np.array([[0.0, 0.0, 0.0], [100.0, 0.0, 0.0]])
    truth = sitk.TranslationTransform(3, (3.0, 4.0, 0.0))
    np.testing.assert_allclose(target_registration_error(sitk.Euler3DTransform(), truth, points), [5.0, 5.0])
    quarter = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.0, 0.0, np.pi / 2)
    expected = [0.0, 100 * np.sqrt(2)]
    np.testing.assert_allclose(target_registration_error(quarter, sitk.Euler3DTransform(), points), expected, atol=1e-9)


def test_the_nearest_rigid_transform_drops_scaling_and_keeps_the_motion(a_rigid_motion) -> None:
    affine = sitk.AffineTransform(3)
    affine.SetCenter((5.0, 6.0, 7.0))
    affine.SetMatrix((np.reshape(a_rigid_motion.GetMatrix(), (3, 3)) * 1.02).ravel().tolist())
    affine.SetTranslation(a_rigid_motion.GetTranslation())
    rigid = nearest_rigid(affine)
    np.testing.assert_allclose(rigid.GetMatrix(), a_rigid_motion.GetMatrix(), atol=1e-12)
    np.testing.assert_allclose(rigid.TransformPoint((5.0, 6.0, 7.0)), affine.TransformPoint((5.0, 6.0, 7.0)))


@pytest.mark.parametrize("kind", [sitk.Euler3DTransform, sitk.AffineTransform])
def test_the_inverse_brings_a_point_back_and_is_of_the_same_kind(a_rigid_motion, kind) -> None:
    motion = sitk.Euler3DTransform(a_rigid_motion)
    motion.SetCenter((30.0, -20.0, 10.0))
    given = kind(motion) if kind is sitk.Euler3DTransform else sitk.AffineTransform(motion.GetMatrix(), (1.0, 2.0, 3.0))
    back = inverse(given)
    assert isinstance(back, kind)
    np.testing.assert_allclose(back.TransformPoint(given.TransformPoint(POINT)), POINT, atol=1e-9)


def a_field() -> sitk.Transform:
    """3 mm along x everywhere near the origin."""
    vectors = np.zeros((8, 8, 8, 3))
    vectors[..., 0] = 3.0
    return sitk.DisplacementFieldTransform(sitk.GetImageFromArray(vectors, isVector=True))


@pytest.mark.parametrize(
    "transform",
    [
        sitk.Euler3DTransform((1.0, 2.0, 3.0), 0.1, 0.2, 0.3, (4.0, 5.0, 6.0)),
        sitk.AffineTransform((1.1, 0.1, 0.0, 0.0, 0.9, 0.0, 0.0, 0.2, 1.0), (1.0, 2.0, 3.0)),
        sitk.CompositeTransform([sitk.AffineTransform(3), a_field()]),
        a_field(),
    ],
    ids=["rigid", "affine", "affine and field", "field"],
)
def test_a_shift_is_added_after_a_transform_of_any_kind(transform) -> None:
    point, shift = (2.0, 3.0, 4.0), np.array([-120.0, 40.0, 900.0])
    shifted = after_shift(transform, shift)
    np.testing.assert_allclose(shifted.TransformPoint(point), transform.TransformPoint(point) + shift)
    if transform.IsLinear():
        assert isinstance(shifted, type(transform))


def test_only_a_transform_that_moves_nothing_is_the_identity() -> None:
    assert is_identity(sitk.Euler3DTransform())
    assert not is_identity(sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.0, 0.0, 1e-9))
    assert not is_identity(a_field())


def test_linear_transforms_one_after_the_other_are_one_matrix() -> None:
    both = sitk.CompositeTransform([sitk.TranslationTransform(3, (1.0, 2.0, 3.0)), sitk.ScaleTransform(3, (2.0,) * 3)])
    np.testing.assert_allclose(
        linear_matrix(both) @ [1, 1, 1, 1], [*both.TransformPoint((1.0, 1.0, 1.0)), 1], atol=1e-9
    )


def test_a_quarter_turn_takes_each_axis_to_the_next_but_one() -> None:
    np.testing.assert_allclose(rotation(2, 90.0) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(rotation(0, 90.0) @ [0, 1, 0], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(rotation(1, 90.0) @ [0, 0, 1], [1, 0, 0], atol=1e-12)
