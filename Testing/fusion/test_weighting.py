"""CSAFusionLib.fusion.weighting"""

from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.weighting import apply_gains, share_of_a, strengths_of
from CSAFusionLib.network.configuration import NetworkConfiguration

GAINS = NetworkConfiguration()
PIXELS = NetworkConfiguration(gains=False)


@pytest.mark.parametrize(("fixed_is_a", "expected"), [(True, (0.75, 1.25)), (False, (1.25, 0.75))])
def test_the_balance_strengthens_the_moving_source_and_weakens_the_fixed_one(
    fixed_is_a: bool, expected: tuple[float, float]
) -> None:
    assert strengths_of(GAINS, fixed_is_a, 0.25) == expected


def test_a_network_that_predicts_pixels_cannot_be_balanced() -> None:
    assert strengths_of(PIXELS, True, 0) == (1, 1)
    with pytest.raises(InputError, match="trained without gains"):
        strengths_of(PIXELS, True, 0.5)


def test_the_fused_slices_are_the_weighted_sum_and_the_share_is_what_a_adds_to_it() -> None:
    a, b = np.float32([[0, 0, 0.5, 1]]), np.float32([[0, 0.4, 0.25, 0.5]])
    fused, parts = apply_gains(np.full((2, 1, 4), 0.5, np.float32), a, b, (2, 1))
    np.testing.assert_allclose(fused, [[0, 0.2, 0.625, 1]], atol=1e-6)
    np.testing.assert_allclose(share_of_a(parts), [[0.5, 0, 0.8, 0.8]], atol=1e-6)
