"""CSAFusionLib.intensity.numeric_range"""

from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.intensity.numeric_range import quantiles

SHARES = [0, 0.005, 0.5, 0.999, 1]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_quantiles_are_numpy_s(size: int) -> None:
    values = np.random.default_rng(size).normal(size=size)
    np.testing.assert_allclose(quantiles(values, SHARES), np.quantile(values, SHARES), rtol=1e-12)


def test_neither_number_type_nor_order_changes_a_bit() -> None:
    values = np.random.default_rng(0).integers(0, 1000, 997)
    expected = quantiles(values, SHARES)
    for other in (values.astype(np.float32), values.astype(np.int16)[::-1], np.sort(values).astype(float)):
        assert quantiles(other, SHARES) == expected
