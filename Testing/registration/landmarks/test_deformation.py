"""Tests of the deformation through landmarks."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.registration.engines.landmarks import smooth_deformation

POINTS = np.random.default_rng(0).uniform(-60, 60, size=(600, 3))


def _bump(points: np.ndarray) -> np.ndarray:
    """Up to 4 mm along x, within some 40 mm of the origin."""
    return np.exp(-np.sum(points**2, axis=1, keepdims=True) / (2 * 30**2)) * (4.0, 0.0, 0.0)


def _moved(deformation: sitk.Transform, points: np.ndarray) -> np.ndarray:
    return np.array([deformation.TransformPoint(point) for point in points.tolist()])


def _field(deformation: sitk.Transform) -> sitk.Image:
    spacing, size = 6.0, 60
    start = -spacing * (size - 1) / 2
    return sitk.TransformToDisplacementField(
        deformation, sitk.sitkVectorFloat64, [size] * 3, [start] * 3, [spacing] * 3, np.eye(3).ravel().tolist()
    )


def test_a_smooth_deformation_is_found_in_spite_of_noise_and_wrong_matches() -> None:
    random = np.random.default_rng(1)
    shifts = _bump(POINTS) + random.normal(scale=0.7, size=POINTS.shape)
    shifts[::5] = random.uniform(-6, 6, size=(120, 3))
    deformation = smooth_deformation(POINTS, shifts, tolerance_mm=1.5)
    inner = POINTS[np.linalg.norm(POINTS, axis=1) < 45]
    assert np.linalg.norm(_bump(inner), axis=1).mean() > 1.8
    assert np.linalg.norm(_moved(deformation, inner) - inner - _bump(inner), axis=1).mean() < 0.5


def test_far_from_the_points_nothing_moves() -> None:
    deformation = smooth_deformation(POINTS, np.full_like(POINTS, 3.0), tolerance_mm=1.5)
    far = 250 * np.array([[1.0, 0, 0], [0, -1, 0], [0.6, 0.6, 0.6]])
    np.testing.assert_allclose(_moved(deformation, far), far)
    assert _moved(deformation, np.zeros((1, 3)))[0] == pytest.approx((3, 3, 3), abs=0.3)


def test_shifts_that_would_fold_space_are_bounded_until_they_do_not() -> None:
    against_each_other = np.where(POINTS[:, :1] > 0, -60.0, 60.0) * (1.0, 0.0, 0.0)
    field = _field(smooth_deformation(POINTS, against_each_other, tolerance_mm=100.0))
    assert sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(field)).min() > 0
    assert 6 < np.abs(sitk.GetArrayViewFromImage(field)).max() < 30 / 2.48


def test_the_deformation_can_be_undone() -> None:
    deformation = smooth_deformation(POINTS, _bump(POINTS), tolerance_mm=1.5)
    undo = sitk.DisplacementFieldTransform(sitk.InvertDisplacementField(_field(deformation), 50))
    there_and_back = _moved(undo, _moved(deformation, POINTS))
    assert np.linalg.norm(there_and_back - POINTS, axis=1).mean() < 0.1


def test_a_few_points_in_one_plane_are_enough() -> None:
    flat = POINTS[:20] * (1, 1, 0)
    found = _moved(smooth_deformation(flat, np.full_like(flat, 2.0), tolerance_mm=1.5), flat) - flat
    np.testing.assert_allclose(found, 2, atol=1)
