"""CSAFusionLib.losses.terms"""

from __future__ import annotations

import pytest
import torch

from CSAFusionLib.losses.terms import consistency_loss


def two_tissues() -> torch.Tensor:
    """Two tissues side by side in both patches, (2, 2, 16, 16)."""
    sources = torch.full((2, 2, 16, 16), 0.3)
    sources[:, 1, :, 8:] = 0.8
    return sources


def test_a_function_of_the_two_values_costs_nothing_whatever_it_is() -> None:
    sources = two_tissues()
    assert float(consistency_loss((sources[:, :1] - sources[:, 1:]).abs() ** 2, sources)) == pytest.approx(0, abs=1e-12)


def test_one_tissue_shown_in_two_greys_costs_their_variance_also_from_patch_to_patch() -> None:
    sources = two_tissues()
    fused = torch.full((2, 1, 16, 16), 0.5)
    fused[1] = 0.7
    assert float(consistency_loss(fused, sources)) == pytest.approx(0.01, abs=1e-6)
    within = fused[:1].clone()
    within[:, :, :8] = 0.7
    assert float(consistency_loss(within, sources[:1])) == pytest.approx(0.01, abs=1e-6)


def test_air_and_rare_pairs_of_values_do_not_count() -> None:
    sources = torch.zeros(1, 2, 16, 16)
    sources[..., 0, :7] = 0.5
    assert float(consistency_loss(torch.rand(1, 1, 16, 16), sources)) == 0


def test_its_gradient_pulls_the_greys_of_a_tissue_together() -> None:
    fused = torch.full((2, 1, 16, 16), 0.5)
    fused[1] = 0.7
    fused.requires_grad_()
    consistency_loss(fused, two_tissues()).backward()
    assert (fused.grad[0] < 0).all()
    assert (fused.grad[1] > 0).all()
