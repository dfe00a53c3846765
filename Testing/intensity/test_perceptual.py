"""CSAFusionLib/intensity/colour.py, against OKLab as coloraide has it."""

from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.intensity.colour import COLOUR_TABLES, apply_colour_table, shaded, to_linear, to_srgb


def test_linear_light_and_back_is_the_same() -> None:
    values = np.linspace(0, 1, 101)
    np.testing.assert_allclose(to_srgb(to_linear(values)), values, atol=1e-5)


@pytest.mark.parametrize("factor", [0.6, 0.9, 1.2])
def test_shading_scales_lightness_and_chroma_of_oklab_and_keeps_its_hue(factor: float) -> None:
    coloraide = pytest.importorskip("coloraide", reason="coloraide is not installed")
    for colour in ((0.5, 0.1, 0.05), (0.2, 0.4, 0.6), (0.3, 0.3, 0.3)):
        changed = shaded(np.array(colour), np.array(factor))
        before, after = (coloraide.Color("srgb", list(map(float, one))).convert("oklab") for one in (colour, changed))
        np.testing.assert_allclose(after[:3], factor * np.array(before[:3]), atol=2e-3)


@pytest.mark.parametrize("table", COLOUR_TABLES)
def test_no_channel_is_clipped_so_that_the_colour_can_be_read_back(table: str) -> None:
    colours = apply_colour_table(np.linspace(0, 1, 64), table)
    light = to_linear(colours)
    bright = to_linear(shaded(colours, np.full(64, 1.4)))
    seen = light.max(axis=-1) > 1e-3
    ratio = bright[seen] / np.maximum(light[seen], 1e-6)
    lit = light[seen] > 1e-3
    for row, mask in zip(ratio, lit, strict=True):
        np.testing.assert_allclose(row[mask], row[mask][0], rtol=5e-3)
