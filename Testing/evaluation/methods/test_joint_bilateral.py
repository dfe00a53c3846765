from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.evaluation.methods import baselines as module
from CSAFusionLib.evaluation.methods.baselines import joint_bilateral


def test_the_detail_that_only_one_source_has_comes_through(flat: np.ndarray) -> None:
    lines = np.where(np.indices(flat.shape)[1] % 4 < 2, 0.4, 0.6).astype(np.float32)
    inside = np.s_[8:-8, 8:-8]
    np.testing.assert_allclose(joint_bilateral(flat, lines)[inside], lines[inside], atol=0.01)


def test_of_two_flat_sources_the_one_with_more_energy_is_taken() -> None:
    sources = np.full((40, 37), 0.2, np.float32), np.full((40, 37), 0.6, np.float32)
    np.testing.assert_allclose(joint_bilateral(*sources), 0.6, atol=1e-6)


def test_the_filter_follows_its_definition() -> None:
    image, guide = np.random.default_rng(0).random((2, 15, 15), dtype=np.float32)
    down, right = np.mgrid[-6:7, -6:7]
    window = np.s_[1:14, 1:14]  # all that the radius of 6 reaches from the middle pixel
    weights = np.exp(-(down**2 + right**2) / (2 * 3.0**2) - (guide[window] - guide[7, 7]) ** 2 / (2 * 0.05**2))
    expected = (weights * image[window]).sum() / weights.sum()
    assert module._filter_jointly(image, guide)[7, 7] == pytest.approx(expected, rel=1e-5)


def test_a_large_edge_belongs_to_the_energy_layer_and_a_dot_to_the_structure_layer() -> None:
    image = np.zeros((64, 64), np.float32)
    image[:, 32:] = 0.8
    image[32, 12] = 0.3
    structure = image - module._energy_layer(image)
    assert np.abs(structure[5, 28:36]).max() < 0.02
    assert structure[32, 12] > 0.25
