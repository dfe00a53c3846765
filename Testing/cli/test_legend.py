"""CSAFusionLib/cli/legend.py."""

from __future__ import annotations

import numpy as np

from CSAFusionLib.cli.legend import HEIGHT, band, key_of_fused, key_of_input, square
from CSAFusionLib.fusion.colouring import two_colours

PET = {"modality": "PET", "black": 0.0, "white": 12.5, "unit": "SUV", "colour_table": "hot-iron", "knee": None}
CT = {"modality": "CT", "black": 0.0, "white": 1000.0, "unit": "HU", "colour_table": None,
      "knee": {"value": 80.0, "brightness": 0.8}}  # fmt: skip


def test_a_bar_has_the_colours_of_its_table_and_says_values_and_unit() -> None:
    key = key_of_input(PET)
    assert key is not None
    np.testing.assert_allclose(key.colours[0, [0, -1]], [[0, 0, 0], [1, 1, 1]])
    assert key.values == ("0", "12.5")
    assert key.line == "PET, SUV"


def test_the_line_of_two_slopes_tells_the_knee() -> None:
    key = key_of_input(CT)
    assert key is not None and key.line == "CT, HU, 80 at 80%"


def test_an_input_without_a_mapping_has_no_key() -> None:
    assert key_of_input({"modality": "PET", "modality_is_guessed": True}) is None


def test_each_key_stands_under_its_column() -> None:
    drawn = band([key_of_fused(), None, key_of_input(PET)], 100, 4)
    assert drawn.shape == (HEIGHT, 3 * 104 - 4, 3)
    columns = [drawn[:, place : place + 100] for place in (0, 104, 208)]
    assert [bool((column > 100).any()) for column in columns] == [True, False, True]
    assert np.ptp(columns[2][8].astype(int), axis=-1).max() > 100


def test_a_square_shows_the_fixed_value_upwards_and_the_moving_one_rightwards() -> None:
    key = square(two_colours, "fixed upwards")
    np.testing.assert_allclose(key.colours[0, 0], [1, 0.5, 0])
    np.testing.assert_allclose(key.colours[-1, -1], [0, 0.5, 1])
    np.testing.assert_allclose(key.colours[-1, 0], [0, 0, 0])
