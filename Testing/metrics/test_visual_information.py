from __future__ import annotations

import numpy as np
import pytest
import sewar
import torch
from scipy import ndimage

from CSAFusionLib.metrics.information_metrics import vif


def tensor(image: np.ndarray) -> torch.Tensor:
    """A picture (H, W) of grey values from 0 to 255 as the metrics take it, (1, 1, H, W) in [0, 1]."""
    return torch.tensor(image, dtype=torch.float64)[None, None] / 255


def textured(seed: int) -> np.ndarray:
    image = ndimage.gaussian_filter(np.random.default_rng(seed).random((64, 72)), 2)
    return (255 * (image - image.min()) / np.ptp(image)).round()


@pytest.mark.parametrize("mixture", [0.2, 0.7])
def test_it_equals_sewar(mixture: float) -> None:
    source = textured(0)
    fused = (1 - mixture) * source + mixture * textured(1)
    assert float(vif(tensor(fused), tensor(source))) == pytest.approx(sewar.vifp(source, fused), rel=1e-9)


def test_it_equals_sewar_where_both_images_are_black() -> None:
    source, fused = textured(0), textured(1)
    source[:30] = fused[:30] = 0
    assert float(vif(tensor(fused), tensor(source))) == pytest.approx(sewar.vifp(source, fused), rel=1e-9)


def test_a_copy_is_one_and_an_unrelated_image_near_zero() -> None:
    assert float(vif(tensor(textured(0)), tensor(textured(0)))) == pytest.approx(1, abs=1e-6)
    assert float(vif(tensor(textured(5)), tensor(textured(0)))) < 0.1
