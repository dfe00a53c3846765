from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.losses.ssim_loss import SSIMLoss
from skimage.metrics import structural_similarity

from CSAFusionLib.losses.structural_similarity import ssim_loss


def test_it_is_one_minus_what_scikit_image_finds_on_the_valid_region() -> None:
    random = np.random.default_rng(0)
    fused, source = random.random((2, 40, 37))
    _, similarity = structural_similarity(
        fused, source, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1, full=True
    )
    loss = ssim_loss(torch.tensor(fused)[None, None], torch.tensor(source)[None, None])
    assert float(loss) == pytest.approx(1 - similarity[5:-5, 5:-5].mean(), abs=1e-6)


def test_it_is_the_loss_of_monai() -> None:
    torch.manual_seed(0)
    fused, source = torch.rand(2, 3, 1, 40, 37)
    theirs = SSIMLoss(spatial_dims=2, win_size=11, kernel_sigma=1.5)(fused, source)
    assert float(ssim_loss(fused, source)) == pytest.approx(float(theirs), abs=1e-5)


def test_a_perfect_copy_costs_nothing() -> None:
    image = torch.rand(2, 1, 20, 20)
    assert float(ssim_loss(image, image)) == pytest.approx(0, abs=1e-6)


def test_its_gradient_is_right() -> None:
    torch.manual_seed(0)
    fused = torch.rand(1, 1, 12, 13, dtype=torch.float64, requires_grad=True)
    source = torch.rand(1, 1, 12, 13, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda f: ssim_loss(f, source), fused)
