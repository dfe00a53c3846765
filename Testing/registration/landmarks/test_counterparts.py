"""Tests of the counterparts found at one resolution."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import Cancelled
from CSAFusionLib.registration.landmark_matching import Level, common_grid, find_pairs

COARSE = Level(4.0, 3)


def test_counterparts_lie_where_the_motion_takes_the_points(a_folded_head, moved, a_rigid_motion) -> None:
    fixed, moving = a_folded_head("T1"), moved(a_folded_head("T2"), a_rigid_motion)
    rough = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.05, -0.04, 0.08, (3.0, -3.0, 2.0))
    points, targets = find_pairs(fixed, moving, rough, Level(3.0, 3), lambda: None)
    truth = np.array([a_rigid_motion.TransformPoint(point) for point in points.tolist()])
    begun = np.array([rough.TransformPoint(point) for point in points.tolist()])
    assert len(points) >= 40
    assert np.median(np.linalg.norm(targets - truth, axis=1)) < 2
    assert np.median(np.linalg.norm(begun - truth, axis=1)) > 3


def test_points_lie_only_where_both_volumes_have_voxels(a_folded_head) -> None:
    slab = a_folded_head("T2", size=(60, 68, 6), spacing=(3.0, 3.0, 5.0))
    points, targets = find_pairs(a_folded_head("T1"), slab, sitk.Euler3DTransform(), COARSE, lambda: None)
    assert len(points) > 0
    assert np.abs(points[:, 2]).max() <= 15
    assert np.abs(targets[:, 2]).max() <= 15 + COARSE.spacing_mm


def test_it_can_be_stopped_between_its_steps(a_pair) -> None:
    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        find_pairs(a_pair[0].image, a_pair[1].image, sitk.Euler3DTransform(), COARSE, cancel)


IDENTITY = sitk.Euler3DTransform()


def _volume(size: tuple[int, int, int], spacing: tuple[float, float, float]) -> sitk.Image:
    image = sitk.Image(size, sitk.sitkFloat32)
    image.SetSpacing(spacing)
    return image


def test_thick_slices_become_voxels_of_equal_sides_over_the_same_box() -> None:
    volume = _volume((40, 20, 5), (1.0, 1.0, 4.0))
    grid = common_grid(volume, volume, IDENTITY, 2.0, 0)
    assert grid.GetSpacing() == (2.0, 2.0, 2.0)
    assert grid.GetSize() == (20, 10, 10)
    # The box begins half a voxel before the first centre: at (-0.5, -0.5, -2).
    assert grid.GetOrigin() == pytest.approx((0.5, 0.5, -1.0))


def test_the_margin_lies_around_the_box() -> None:
    volume = _volume((10, 10, 10), (2.0, 2.0, 2.0))
    grid = common_grid(volume, volume, IDENTITY, 2.0, 3)
    assert grid.GetSize() == (16, 16, 16)
    assert grid.GetOrigin() == pytest.approx((-6.0, -6.0, -6.0))


def test_only_what_both_show_is_covered() -> None:
    head, slab = _volume((20, 20, 20), (2.0, 2.0, 2.0)), _volume((20, 20, 4), (2.0, 2.0, 2.0))
    lifted = sitk.TranslationTransform(3, (0.0, 0.0, -12.0))
    grid = common_grid(head, slab, lifted, 2.0, 0)
    assert grid.GetSize() == (20, 20, 4)
    assert grid.GetOrigin() == pytest.approx((0.0, 0.0, 12.0))
