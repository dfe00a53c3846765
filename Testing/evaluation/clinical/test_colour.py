from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.evaluation.clinical.colour import colour_fidelity, read_back
from CSAFusionLib.intensity.colour import apply_colour_table

UPTAKE = np.tile(np.linspace(0, 1, 101, dtype=np.float32), (3, 4, 1))


@pytest.mark.parametrize("table", ["hot-iron", "ice"])
def test_uptake_is_read_back_from_its_own_colour(table: str) -> None:
    np.testing.assert_allclose(read_back(apply_colour_table(UPTAKE, table), table), UPTAKE, atol=0.002)


def test_the_table_itself_is_faithful() -> None:
    found = colour_fidelity(apply_colour_table(UPTAKE, "hot-iron"), UPTAKE, "hot-iron")
    assert found["read-back error"] < 0.002
    assert found["read-back r"] == pytest.approx(1, abs=1e-4)
    assert found["hue error"] == pytest.approx(0, abs=1e-3)
    assert found["clipped"] == 0


def test_a_shaded_colour_keeps_its_hue_and_an_overlay_on_white_does_not_keep_the_uptake() -> None:
    colours = apply_colour_table(UPTAKE, "hot-iron")
    shaded, overlay = (colour_fidelity(rgb, UPTAKE, "hot-iron") for rgb in (0.9 * colours, 0.5 * colours + 0.5))
    assert shaded["hue error"] == pytest.approx(0, abs=1e-3)
    assert overlay["read-back error"] > 2 * shaded["read-back error"]


def test_a_turned_hue_is_told_in_degrees() -> None:
    uptake = np.array([0.3, 0.4], np.float32).reshape(1, 1, 2)
    green = np.zeros((1, 1, 2, 3))
    green[..., 1] = 0.8
    assert colour_fidelity(green, uptake, "hot-iron")["hue error"] == pytest.approx(120, abs=0.1)


def test_clipped_colours_and_colour_where_nothing_is_taken_up_are_told() -> None:
    rgb = apply_colour_table(UPTAKE, "hot-iron")
    rgb[UPTAKE < 0.02] = (0.3, 0.1, 0.1)
    rgb[(UPTAKE >= 0.1) & (UPTAKE < 0.5)] = 1
    found = colour_fidelity(rgb, UPTAKE, "hot-iron")
    assert found["colour of nothing"] == pytest.approx(0.2, abs=1e-6)
    assert found["clipped"] == pytest.approx(40 / 91, abs=0.02)
