from __future__ import annotations

import numpy as np

from CSAFusionLib.evaluation.methods.baselines import wavelet


def test_the_detail_that_only_one_source_has_comes_through(flat: np.ndarray, chequered: np.ndarray) -> None:
    inside = np.s_[8:-8, 8:-8]
    np.testing.assert_allclose(wavelet(flat, chequered)[inside], chequered[inside], atol=1e-3)


def test_of_two_flat_sources_the_approximation_is_the_mean() -> None:
    sources = np.full((40, 37), 0.2, np.float32), np.full((40, 37), 0.6, np.float32)
    np.testing.assert_allclose(wavelet(*sources), 0.4, atol=1e-5)
