from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.metrics.activity import average_gradient, spatial_frequency

SMALL = np.array([[0, 3, 3], [4, 0, 0]], np.uint8)


def test_spatial_frequency_of_a_small_image_is_as_worked_out_by_hand() -> None:
    along_rows = 3**2 + 0 + 4**2 + 0
    along_columns = 4**2 + 3**2 + 3**2
    assert spatial_frequency(SMALL) == pytest.approx(((along_rows + along_columns) / 6) ** 0.5)


def test_average_gradient_of_a_small_image_is_as_worked_out_by_hand() -> None:
    assert average_gradient(SMALL) == pytest.approx((((3**2 + 4**2) / 2) ** 0.5 + (3**2 / 2) ** 0.5) / 2)


@pytest.mark.parametrize("metric", [average_gradient, spatial_frequency])
def test_activity_grows_with_contrast_and_ignores_brightness_and_direction(metric) -> None:
    image = np.random.default_rng(0).random((9, 12)) * 100
    assert metric(2 * image + 30) == pytest.approx(2 * metric(image))
    assert metric(255 - image[:, ::-1].T) == pytest.approx(metric(255 - image.T[::-1]))
    assert metric(np.full((5, 5), 80.0)) == 0
