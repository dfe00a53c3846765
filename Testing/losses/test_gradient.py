"""CSAFusionLib.losses.terms"""

from __future__ import annotations

import pytest
import torch

from CSAFusionLib.losses.terms import gradient_loss


def a_ramp(slope: float) -> torch.Tensor:
    """Brighter by ``slope`` with each column."""
    return (slope * torch.arange(8.0)).expand(1, 1, 8, 8)


def test_the_steeper_source_costs_nothing_wherever_its_brightness_lies() -> None:
    assert float(gradient_loss(a_ramp(0.1) - 0.2, a_ramp(0.1), a_ramp(0.02))) == pytest.approx(0, abs=1e-6)


def test_the_flatter_source_costs_the_difference_of_the_slopes() -> None:
    # One of the two directions differs, by 0.08.
    assert float(gradient_loss(a_ramp(0.02), a_ramp(0.1), a_ramp(0.02))) == pytest.approx(0.04, abs=1e-6)


def test_a_gradient_turned_round_costs_twice_its_slope() -> None:
    assert float(gradient_loss(a_ramp(-0.1), a_ramp(0.1), a_ramp(0.0))) == pytest.approx(0.1, abs=1e-6)


def test_the_sources_can_be_exchanged() -> None:
    torch.manual_seed(0)
    fused, a, b = torch.rand(3, 2, 1, 12, 12)
    assert float(gradient_loss(fused, a, b)) == pytest.approx(float(gradient_loss(fused, b, a)))
