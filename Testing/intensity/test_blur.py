"""CSAFusionLib/intensity/blur.py."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.intensity.evidence import edge_width_mm, rim_to_depth
from CSAFusionLib.volumes.volume import Volume


def _a_ball(radius_mm: float, spacing: tuple, rim: float = 1.0, depth: float = 1.0) -> Volume:
    """A ball whose outer 15 mm have the value ``rim`` and whose inside has ``depth``."""
    size = [int(130 / side) for side in spacing]
    grid = np.meshgrid(*[(np.arange(n) - (n - 1) / 2) * s for n, s in zip(size, spacing, strict=True)], indexing="ij")
    distance = radius_mm - np.sqrt(sum(axis**2 for axis in grid))
    values = np.where(distance > 15, depth, rim) * (distance > 0)
    image = sitk.GetImageFromArray(values.transpose(2, 1, 0).astype(np.float32))
    image.SetSpacing(spacing)
    return Volume(image, "ball")


def _blurred(volume: Volume, fwhm: float) -> Volume:
    return Volume(sitk.SmoothingRecursiveGaussian(volume.image, fwhm / 2.3548), volume.name)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (1, 1, 4), (4, 1, 1)])
@pytest.mark.parametrize("fwhm", [5, 8, 12])
def test_the_edge_width_is_the_blur_in_millimetres(spacing: tuple, fwhm: float) -> None:
    ball = _blurred(_a_ball(50, spacing), fwhm)
    assert edge_width_mm(ball) == pytest.approx(fwhm, rel=0.2)


def test_a_sharp_volume_has_the_edge_width_of_its_pixels() -> None:
    assert edge_width_mm(_a_ball(50, (1, 1, 3))) < 2.5


def test_the_rim_is_compared_with_the_depth() -> None:
    assert rim_to_depth(_a_ball(50, (2, 2, 2), rim=0.3, depth=0.9)) == pytest.approx(1 / 3, abs=0.01)
    assert rim_to_depth(_a_ball(50, (1, 1, 3), rim=0.8, depth=0.4)) == pytest.approx(2, abs=0.02)


def test_a_volume_without_a_surface_or_too_thin_has_no_rim_to_judge() -> None:
    filled = np.random.default_rng(0).uniform(0.5, 1, (20, 20, 20)).astype(np.float32)
    assert rim_to_depth(Volume(sitk.GetImageFromArray(filled), "filled")) == 1
    assert rim_to_depth(_a_ball(9, (1, 1, 1))) == 1


def test_a_single_column_of_voxels_has_no_edges() -> None:
    assert edge_width_mm(Volume(sitk.GetImageFromArray(np.ones((5, 1, 4), np.float32)), "line")) == 0
