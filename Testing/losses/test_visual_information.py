from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from sewar.full_ref import vifp

from CSAFusionLib.losses.visual_information import vif_loss


def pictures(count: int, size: int = 64) -> np.ndarray:
    noise = np.random.default_rng(0).random((count, size, size))
    smooth = ndimage.gaussian_filter(noise, (0, 2, 2))
    return (smooth - smooth.min()) / np.ptp(smooth)


def test_it_is_one_minus_what_sewar_finds() -> None:
    fused, source = pictures(2)
    mixed = (0.6 * source + 0.4 * fused).round(2)
    loss = vif_loss(torch.tensor(mixed)[None, None], torch.tensor(source)[None, None])
    assert float(loss) == pytest.approx(1 - vifp(255 * source, 255 * mixed), abs=1e-4)


def test_a_perfect_copy_costs_nothing_and_a_black_image_everything() -> None:
    source = torch.tensor(pictures(1))[None]
    assert float(vif_loss(source, source)) == pytest.approx(0, abs=1e-6)
    assert float(vif_loss(torch.zeros_like(source), source)) == pytest.approx(1)


def test_it_is_the_mean_over_the_batch() -> None:
    fused, source = torch.tensor(pictures(4)).reshape(2, 2, 1, 64, 64)
    each = [float(vif_loss(f[None], s[None])) for f, s in zip(fused, source, strict=True)]
    assert float(vif_loss(fused, source)) == pytest.approx(np.mean(each))


def test_a_source_without_structure_gives_a_finite_gradient() -> None:
    fused = torch.rand(1, 1, 48, 48, requires_grad=True)
    vif_loss(fused, torch.zeros(1, 1, 48, 48)).backward()
    assert torch.isfinite(fused.grad).all()


def test_its_gradient_is_right() -> None:
    source, fused = torch.tensor(pictures(2, 41))[:, None, None]
    assert torch.autograd.gradcheck(
        lambda f: vif_loss(f, source), (0.5 * fused + 0.5 * source).requires_grad_(), fast_mode=True
    )
