from __future__ import annotations

import numpy as np
import torch
from scipy import signal

from CSAFusionLib.metrics.information_metrics import gaussian_means


def test_it_is_the_convolution_with_a_gaussian_window() -> None:
    images = np.random.default_rng(0).random((2, 3, 20, 17))
    taps = signal.windows.gaussian(7, 1.5)
    window = np.outer(taps, taps) / taps.sum() ** 2
    means = gaussian_means(torch.tensor(images), 7, 1.5)
    assert means.shape == (2, 3, 14, 11)
    for image, result in zip(images.reshape(-1, 20, 17), means.flatten(0, 1), strict=True):
        np.testing.assert_allclose(result, signal.convolve2d(image, window, mode="valid"), atol=1e-12)


def test_the_mean_of_a_constant_is_the_constant() -> None:
    torch.testing.assert_close(gaussian_means(torch.full((12, 12), 0.3), 11, 1.5), torch.full((2, 2), 0.3))


def test_derivatives_can_be_had_after_a_call_without_them() -> None:
    image = torch.rand(23, 29, requires_grad=True)
    with torch.inference_mode():
        gaussian_means(image, 5, 1.0)
    gaussian_means(image, 5, 1.0).sum().backward()
    assert image.grad is not None
