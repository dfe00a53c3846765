"""Tests of the grid on which two volumes are compared."""

from __future__ import annotations

import pytest
import SimpleITK as sitk

from CSAFusionLib.registration.landmarks.grids import common_grid

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
