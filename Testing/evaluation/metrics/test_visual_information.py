from __future__ import annotations

import numpy as np
import pytest
import sewar
from scipy import ndimage

from CSAFusionLib.evaluation.metrics.visual_information import vif


def textured(seed: int) -> np.ndarray:
    image = ndimage.gaussian_filter(np.random.default_rng(seed).random((64, 72)), 2)
    return (255 * (image - image.min()) / np.ptp(image)).round()


@pytest.mark.parametrize("mixture", [0.2, 0.7])
def test_it_equals_sewar(mixture: float) -> None:
    source = textured(0)
    fused = (1 - mixture) * source + mixture * textured(1)
    assert vif(source, fused) == pytest.approx(sewar.vifp(source, fused), rel=1e-9)


def test_it_equals_sewar_where_both_images_are_black() -> None:
    source, fused = textured(0), textured(1)
    source[:30] = fused[:30] = 0
    assert vif(source, fused) == pytest.approx(sewar.vifp(source, fused), rel=1e-9)


def test_a_copy_is_one_and_an_unrelated_image_near_zero() -> None:
    assert vif(textured(0), textured(0)) == pytest.approx(1, abs=1e-6)
    assert vif(textured(0), textured(5)) < 0.1
