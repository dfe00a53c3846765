from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.losses.ssim_loss import SSIMLoss
from scipy import ndimage
from skimage.metrics import structural_similarity

from CSAFusionLib.metrics.information_metrics import ssim


def tensor(image: np.ndarray) -> torch.Tensor:
    """A picture (H, W) of grey values from 0 to 255 as the metrics take it, (1, 1, H, W) in [0, 1]."""
    return torch.tensor(image, dtype=torch.float64)[None, None] / 255


def by_definition(a: np.ndarray, b: np.ndarray) -> float:
    """Wang et al. 2004, equation 13, with the window written out."""
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(taps, taps) / taps.sum() ** 2
    mean = lambda image: ndimage.correlate(image, window)[5:-5, 5:-5]  # noqa: E731
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    va, vb = mean(a * a) - mean(a) ** 2, mean(b * b) - mean(b) ** 2
    cov = mean(a * b) - mean(a) * mean(b)
    similarity = (2 * mean(a) * mean(b) + c1) * (2 * cov + c2) / ((mean(a) ** 2 + mean(b) ** 2 + c1) * (va + vb + c2))
    return similarity.mean()


def test_it_follows_the_definition_on_the_valid_region() -> None:
    a, b = np.random.default_rng(0).integers(0, 256, (2, 40, 33)).astype(float)
    assert float(ssim(tensor(b), tensor(a))) == pytest.approx(by_definition(a, b), abs=1e-9)


def test_it_equals_scikit_image_on_the_valid_region() -> None:
    a, b = np.random.default_rng(2).integers(0, 256, (2, 50, 37)).astype(float)
    _, similarity = structural_similarity(
        a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, full=True
    )
    assert float(ssim(tensor(b), tensor(a))) == pytest.approx(similarity[5:-5, 5:-5].mean(), abs=1e-12)


def test_a_copy_is_one() -> None:
    image = np.random.default_rng(1).integers(0, 256, (20, 20))
    assert float(ssim(tensor(image), tensor(image))) == pytest.approx(1)


def test_it_is_one_minus_the_loss_of_monai() -> None:
    torch.manual_seed(0)
    fused, source = torch.rand(2, 3, 1, 40, 37)
    theirs = SSIMLoss(spatial_dims=2, win_size=11, kernel_sigma=1.5)(fused, source)
    assert float(ssim(fused, source).mean()) == pytest.approx(1 - float(theirs), abs=1e-5)
