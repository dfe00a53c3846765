from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.evaluation.metrics.measure import measure


def test_each_metric_is_measured_against_its_own_source() -> None:
    a, b = np.random.default_rng(0).integers(0, 256, (2, 48, 50)).astype(float)
    of_a = measure(a, b, a)
    assert of_a["SSIM(A)"] == pytest.approx(1)
    assert of_a["EPI(A)"] == pytest.approx(1)
    assert of_a["SSIM(B)"] < 0.5
    assert of_a["EPI(B)"] < 0.5
    of_b = measure(a, b, b)
    assert of_b["SSIM(B)"] == pytest.approx(1)
    assert of_b["SSIM sum"] == pytest.approx(of_b["SSIM(A)"] + of_b["SSIM(B)"])
    assert of_b["EPI sum"] == pytest.approx(of_b["EPI(A)"] + of_b["EPI(B)"])
    assert of_b["VIF"] == pytest.approx(0.5, abs=0.05)
