"""CSAFusionLib.losses.terms"""

from __future__ import annotations

import pytest
import torch

from CSAFusionLib.losses.terms import artefact_loss


@pytest.fixture
def sources() -> torch.Tensor:
    """Two unlike textures, (2, 1, 1, 40, 40)."""
    torch.manual_seed(0)
    return torch.rand(2, 1, 1, 40, 40)


def test_any_even_mixture_of_the_sources_costs_almost_nothing(sources: torch.Tensor) -> None:
    a, b = sources
    for fused in (a, b, 0.5 * (a + b), 0.9 * a - 0.3 * b + 0.2):
        assert float(artefact_loss(fused, a, b)) < 5e-3


def test_a_patchwork_of_the_sources_costs_more_the_more_seams_it_has(sources: torch.Tensor) -> None:
    a, b = sources
    column = torch.arange(40)
    costs = [float(artefact_loss(torch.where(column // width % 2 == 0, a, b), a, b)) for width in (40, 20, 10, 5)]
    assert costs == sorted(costs) and costs[0] < 5e-3 and costs[-1] > 0.1


def test_noise_of_its_own_costs_about_its_spread(sources: torch.Tensor) -> None:
    a, b = sources
    fused = 0.5 * (a + b) + 0.05 * torch.randn_like(a)
    assert float(artefact_loss(fused, a, b)) == pytest.approx(0.05, rel=0.15)


def test_flat_images_have_a_finite_gradient() -> None:
    fused = torch.full((1, 1, 20, 20), 0.5, requires_grad=True)
    flat = torch.zeros(1, 1, 20, 20)
    artefact_loss(fused, flat, flat).backward()
    assert fused.grad is not None and bool(torch.isfinite(fused.grad).all())
