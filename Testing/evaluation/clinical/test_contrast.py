from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.evaluation.clinical.contrast import contrast_to_noise, kept_contrast

INSIDE = np.arange(20) < 4
AROUND = ~INSIDE


def with_contrast(contrast: float, noise: float) -> np.ndarray:
    """Surroundings of mean 0.5 and a standard deviation of ``noise``, and a region that differs by ``contrast``."""
    image = 0.5 + noise * np.resize([1.0, -1.0], 20)
    image[INSIDE] = 0.5 + contrast
    return image


def test_it_is_the_difference_of_the_means_over_the_deviation_around() -> None:
    assert contrast_to_noise(with_contrast(-0.3, 0.1), INSIDE, AROUND) == pytest.approx(-3)


def test_surroundings_without_noise_count_as_having_what_a_display_shows() -> None:
    assert contrast_to_noise(with_contrast(0.1, 0), INSIDE, AROUND) == pytest.approx(5)


def test_what_is_kept_is_a_share_of_the_better_source_whatever_the_sign() -> None:
    a, b, fused = with_contrast(-0.3, 0.1), with_contrast(0.1, 0.1), with_contrast(0.15, 0.1)
    assert kept_contrast(fused, a, b, INSIDE, AROUND) == pytest.approx(0.5)
