from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from CSAFusionLib.evaluation import observer_bound
from CSAFusionLib.evaluation.observer_bound import KNOTS, fused_by, optimised_table
from CSAFusionLib.training.pairs import ImagePair, PairKind


@pytest.fixture(scope="module")
def pair() -> ImagePair:
    """A calm A and a B whose texture hides lesions."""
    texture = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(2, 300, 300)), (0, 3, 3))
    texture /= texture.std(axis=(1, 2), keepdims=True)
    a, b = 0.5 + 0.02 * texture[0], 0.5 + 0.08 * texture[1]
    return ImagePair(*np.stack([a, b]).clip(0.2, 0.8).astype(np.float32), PairKind.T1_T2, "1-001")


def test_a_table_fuses_each_two_values_and_is_linear_in_between() -> None:
    values = np.linspace(0, 1, KNOTS)
    a, b = np.random.default_rng(0).random((2, 9, 7), dtype=np.float32)
    fused = fused_by(0.3 * values[:, None] + 0.6 * values)(a, b)
    np.testing.assert_allclose(fused, 0.3 * a + 0.6 * b, atol=1e-6)


def test_an_optimised_table_lets_the_observer_see_more_than_the_average_does(
    pair: ImagePair, monkeypatch: pytest.MonkeyPatch
) -> None:
    areas: list[float] = []
    measure = observer_bound._mean_area

    def measured(fused, diameter: int):
        area = measure(fused, diameter)
        areas.append(float(area.detach()))
        return area

    monkeypatch.setattr(observer_bound, "_mean_area", measured)
    table = optimised_table([pair], (0.16,), steps=10)
    assert np.mean(areas[-3:]) > np.mean(areas[:3]) + 0.02
    assert table.shape == (KNOTS, KNOTS)
    assert 0 < table.min() < table.max() < 1


def test_slices_without_room_for_a_lesion_leave_the_average() -> None:
    dark = np.zeros((90, 80), np.float32)
    table = optimised_table([ImagePair(dark, dark, PairKind.T1_T2, "dark")], (0.16,))
    a, b = np.random.default_rng(0).uniform(0.1, 0.9, (2, 5, 5)).astype(np.float32)
    np.testing.assert_allclose(fused_by(table)(a, b), (a + b) / 2, atol=0.01)
