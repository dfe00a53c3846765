"""Whether two volumes meet by their headers, and where one that does not is put."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.registration.preparation import in_one_order
from CSAFusionLib.registration.search.meeting import centred, meet


def test_volumes_meet_where_a_single_voxel_does(a_head, moved) -> None:
    head = a_head(size=(61, 68, 60))
    assert meet(head, moved(head, sitk.TranslationTransform(3, (60 * 3.0, 67 * 3.0, 59 * 3.0))))
    assert not meet(head, moved(head, sitk.TranslationTransform(3, (0.0, 0.0, 60 * 3.0 + 1))))


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("way", [-1500.0, 2500.0])
def test_a_volume_metres_away_is_put_onto_the_other_and_the_shift_takes_it_back(a_head, axis, way) -> None:
    away = way * np.eye(3)[axis]
    fixed, moving = a_head("T1"), in_one_order(a_head("T2", middle=tuple(away), direction=np.diag([-1.0, -1.0, 1.0])))
    placed, shift = centred(fixed, moving)
    np.testing.assert_allclose(np.add(placed.GetOrigin(), shift), moving.GetOrigin())
    np.testing.assert_allclose(shift, away, atol=8)


@pytest.mark.parametrize("end", [slice(0, 30), slice(30, 60)])
def test_a_part_is_put_where_the_whole_shows_it(a_head, end) -> None:
    whole = a_head("T1", middle=(0.0, 0.0, 900.0))
    part = a_head("T2")[:, :, end]
    for fixed, moving, away in ((part, whole, 900.0), (whole, part, -900.0)):
        shift = centred(fixed, moving)[1]
        assert np.abs(shift - [0, 0, away]).max() < 25
