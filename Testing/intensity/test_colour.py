"""CSAFusionLib/intensity/colour.py."""

from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.intensity.colour import rgb_to_yuv, yuv_to_rgb


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_round_trip_returns_every_colour(dtype: type) -> None:
    corners = np.stack(np.meshgrid(*[[0, 0.25, 0.5, 1]] * 3), axis=-1).astype(dtype)
    back = yuv_to_rgb(rgb_to_yuv(corners))
    assert back.dtype == dtype
    np.testing.assert_allclose(back, corners, atol=1e-6)


@pytest.mark.parametrize(
    ("rgb", "yuv"),
    [
        # The primaries by the definitions of BT.601.
        ((1, 0, 0), (0.299, -0.147108, 0.614777)),
        ((0, 1, 0), (0.587, -0.288804, -0.514799)),
        ((0, 0, 1), (0.114, 0.435912, -0.099978)),
        ((1, 1, 1), (1, 0, 0)),
        ((0.5, 0.5, 0.5), (0.5, 0, 0)),
    ],
)
def test_the_primaries_and_grey_have_the_luminance_and_chrominance_of_bt_601(rgb: tuple, yuv: tuple) -> None:
    np.testing.assert_allclose(rgb_to_yuv(np.array(rgb, float)), yuv, atol=1e-6)


def test_a_luminance_no_screen_can_show_is_clipped() -> None:
    yuv = rgb_to_yuv(np.array([1.0, 0, 0]))
    yuv[0] = 1
    rgb = yuv_to_rgb(yuv)
    assert rgb.max() == 1
    assert rgb.min() >= 0
