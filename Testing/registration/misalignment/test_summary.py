"""A map of misalignment in words."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.registration.misalignment_map import Misalignment, summarise
from CSAFusionLib.text import to_json


def a_map(direction: np.ndarray | None = None) -> Misalignment:
    """A block of 18 voxels a side, off by 0.5 mm, and by 3 mm in its left front bottom corner."""
    grid = sitk.Image(18, 18, 18, sitk.sitkFloat32)
    grid.SetSpacing((5.0, 5.0, 5.0))
    grid.SetDirection((np.eye(3) if direction is None else direction).ravel().tolist())
    distance = np.full((18, 18, 18), 0.5, np.float32)
    # LPS: x grows to the left, y to the back, z to the top.
    corner = (slice(0, 6), slice(0, 6), slice(12, 18))
    distance[corner] = 3.0
    everywhere = np.ones(distance.shape, bool)
    return Misalignment(grid, everywhere, everywhere.copy(), distance, np.full_like(distance, 0.25))


def test_the_region_that_is_farthest_off_is_named() -> None:
    summary = summarise(a_map())
    assert summary.within_mm == pytest.approx(0.5)
    worst = summary.worst
    assert worst is not None and worst.where == "left front bottom"
    assert worst.mm == pytest.approx(3.0) and worst.deviation_mm == pytest.approx(0.25)
    assert summary.sentence() == (
        "95 % of the anatomy lies within 0.5 mm; farthest off: left front bottom, 3.0 ± 0.2 mm."
    )


def test_sides_are_the_patients_however_the_voxels_are_stored() -> None:
    turned = a_map(np.diag([-1.0, -1.0, 1.0]))
    worst = summarise(turned).worst
    assert worst is not None and worst.where == "right back bottom"


def test_what_is_not_known_is_said() -> None:
    found = a_map()
    found.known[:9] = False
    summary = summarise(found)
    assert summary.known == pytest.approx(0.5)
    assert "(50% of it is not known)" in summary.sentence()
    assert summary.regions[-1].mm is None


def test_a_map_that_knows_nothing_says_so() -> None:
    found = a_map()
    found.known[:] = False
    summary = summarise(found)
    assert summary.within_mm is None and summary.worst is None
    assert "not known" in summary.sentence()


def test_it_travels_as_json() -> None:
    described = json.loads(to_json(summarise(a_map()).describe()))
    assert described["regions"][0]["where"] == "left front bottom"
    assert described["sentence"].startswith("95 %")
