from __future__ import annotations

import math

import pytest
import torch

from CSAFusionLib.losses.terms import CONTRAST_OMEGA, CONTRAST_WINDOW, contrast_loss, local_contrast


def checkerboard(low: float, high: float, size: int = 20) -> torch.Tensor:
    index = torch.arange(size)
    return torch.where((index[:, None] + index) % 2 == 0, high, low)[None, None].double()


def test_the_contrast_of_a_checkerboard_is_as_worked_out_by_hand() -> None:
    # A 7x7 window holds 25 squares of one kind and 24 of the other.
    assert CONTRAST_WINDOW == 7
    bright = torch.tensor([0.8] * 25 + [0.2] * 24).double()
    expected = math.sqrt(bright.var(correction=0) / (bright.mean() + CONTRAST_OMEGA))
    assert float(local_contrast(checkerboard(0.2, 0.8))[0, 0, 0, 0]) == pytest.approx(expected, abs=2e-3)


def test_a_flat_image_has_no_contrast_whether_dark_or_bright() -> None:
    for level in (0.0, 0.5, 1.0):
        contrast = local_contrast(torch.full((1, 1, 16, 16), level).double())
        assert contrast.abs().max() < 1e-3


def test_a_copy_of_the_stronger_source_costs_nothing() -> None:
    strong, weak = checkerboard(0.1, 0.9), checkerboard(0.4, 0.6)
    assert float(contrast_loss(strong, strong, weak)) == pytest.approx(0, abs=1e-9)
    assert float(contrast_loss(strong, weak, strong)) == pytest.approx(0, abs=1e-9)


def test_only_the_stronger_source_has_a_say() -> None:
    strong, weak = checkerboard(0.1, 0.9), checkerboard(0.4, 0.6)
    smoothed = checkerboard(0.3, 0.7)
    assert float(contrast_loss(smoothed, strong, weak)) > 0.1
    assert float(contrast_loss(smoothed, weak, strong)) == pytest.approx(0, abs=1e-9)


def test_too_smooth_and_too_noisy_both_cost() -> None:
    strong, weak = checkerboard(0.3, 0.7), checkerboard(0.45, 0.55)
    assert float(contrast_loss(checkerboard(0.4, 0.6), strong, weak)) > 0.05
    assert float(contrast_loss(checkerboard(0.1, 0.9), strong, weak)) > 0.05


def test_a_local_loss_is_not_made_up_for_elsewhere() -> None:
    source = torch.cat([checkerboard(0.2, 0.8)] * 2, dim=3)
    shifted = torch.cat([checkerboard(0.1, 0.9), checkerboard(0.3, 0.7)], dim=3)
    assert float(contrast_loss(shifted, source, torch.zeros_like(source))) > 0.1


def test_its_gradient_is_right() -> None:
    torch.manual_seed(0)
    fused = torch.rand(1, 1, 10, 11, dtype=torch.float64, requires_grad=True)
    source, other = torch.rand(2, 1, 1, 10, 11, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda f: contrast_loss(f, source, other), fused)
