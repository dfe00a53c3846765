from __future__ import annotations

from math import log

import numpy as np
import pytest

from CSAFusionLib.metrics.information_metrics import qncie, qncie_of_pearson

EVERY_VALUE = np.arange(256).reshape(16, 16)
ROWS, COLUMNS = np.divmod(EVERY_VALUE, 16)
HALVES = np.where(ROWS < 8, 10, 90)


def of_eigenvalues(*eigenvalues: float) -> float:
    return 1 + sum(value / 3 * log(value / 3, 256) for value in eigenvalues if value)


def test_three_copies_of_an_image_with_every_grey_value_have_all_in_common() -> None:
    assert qncie(EVERY_VALUE, EVERY_VALUE, EVERY_VALUE) == pytest.approx(1)


def test_independent_images_have_nothing_in_common() -> None:
    """Rows, columns and a chequer of blocks: any two of them occur in all combinations, equally often."""
    chequer = (ROWS // 8 + COLUMNS // 8) % 2
    assert qncie(HALVES, COLUMNS // 8, chequer) == pytest.approx(of_eigenvalues(1, 1, 1))
    assert qncie_of_pearson(HALVES, COLUMNS // 8, chequer) == pytest.approx(of_eigenvalues(1, 1, 1))


def test_two_halves_tell_one_bit_of_eight() -> None:
    inverted = 255 - HALVES
    assert qncie(HALVES, inverted, COLUMNS) == pytest.approx(of_eigenvalues(1 + 1 / 8, 1 - 1 / 8, 1))


def test_two_equal_images_are_fully_correlated_in_the_linear_sense() -> None:
    assert qncie_of_pearson(ROWS, COLUMNS, 3 * ROWS + 2) == pytest.approx(of_eigenvalues(2, 1, 0))


def test_any_relabelling_of_grey_values_is_as_good() -> None:
    a, b, fused = np.random.default_rng(0).integers(0, 40, (3, 32, 32))
    relabelled = np.random.default_rng(1).permutation(256)[fused]
    assert qncie(a, b, relabelled) == pytest.approx(qncie(a, b, fused))
    assert qncie(a, b, 6 * fused) == pytest.approx(qncie(a, b, fused))


def test_a_constant_image_correlates_with_none() -> None:
    flat = np.full((16, 16), 255.0)
    assert qncie(EVERY_VALUE, EVERY_VALUE, flat) == pytest.approx(of_eigenvalues(2, 1, 0))
    assert qncie_of_pearson(EVERY_VALUE, EVERY_VALUE, flat) == pytest.approx(of_eigenvalues(2, 1, 0))
