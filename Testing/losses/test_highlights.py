"""CSAFusionLib.losses.terms"""

from __future__ import annotations

import pytest
import torch

from CSAFusionLib.losses.terms import highlights_loss

BONE = torch.ones(1, 1, 8, 8)


@pytest.mark.parametrize(("fused", "lost"), [(1.0, 0), (0.5, 0.25), (0.0, 1)])
def test_bone_that_is_grey_costs_what_it_lacks_squared_from_either_source(fused: float, lost: float) -> None:
    for a, b in ((BONE, 0 * BONE), (0 * BONE, BONE)):
        assert float(highlights_loss(fused * BONE, a, b)) == pytest.approx(lost)


def test_grey_tissue_hardly_counts_and_what_is_brighter_than_both_not_at_all() -> None:
    assert float(highlights_loss(0 * BONE, 0.3 * BONE, 0.2 * BONE)) < 1e-3
    assert float(highlights_loss(BONE, 0.9 * BONE, 0.5 * BONE)) == 0
