from __future__ import annotations

import numpy as np
import pytest
import torch

from CSAFusionLib.metrics.information_metrics import fmi, vif
from CSAFusionLib.metrics.measure import measure


def test_the_names_and_their_order_are_those_of_the_tables() -> None:
    names = (
        "SSIM(A), SSIM(B), SSIM sum, EPI(A), EPI(B), EPI sum, EPIg(A), EPIg(B), SF, AG, QNCIE, QNCIE_r, FMI, VIF, QABF"
    )
    images = np.random.default_rng(1).integers(0, 256, (3, 48, 50))
    assert list(measure(*images)) == [*names.split(", "), "SSIM balance", "EPI balance"]


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


def vif_of(fused: np.ndarray, source: np.ndarray) -> float:
    return float(vif(*(torch.tensor(image)[None, None] / 255 for image in (fused, source))))


def test_fmi_and_vif_are_means_of_both_sources() -> None:
    a, b, fused = np.random.default_rng(2).integers(0, 256, (3, 48, 50)).astype(float)
    measured = measure(a, b, fused)
    assert measured["FMI"] == pytest.approx((fmi(a, fused) + fmi(b, fused)) / 2)
    assert measured["VIF"] == pytest.approx((vif_of(fused, a) + vif_of(fused, b)) / 2)


def test_balance_is_that_of_the_lesser_source_to_the_greater() -> None:
    a, noise = np.random.default_rng(3).integers(0, 256, (2, 48, 50)).astype(float)
    b = (a + noise) / 2
    copy = measure(a, b, a)
    assert copy["SSIM balance"] == pytest.approx(copy["SSIM(B)"])
    assert copy["EPI balance"] == pytest.approx(copy["EPI(B)"])
    assert measure(b, a, a)["EPI balance"] == pytest.approx(copy["EPI balance"])


def test_a_source_turned_upside_down_leaves_no_balance() -> None:
    a, b = np.random.default_rng(4).integers(0, 256, (2, 48, 50)).astype(float)
    inverting = measure(a, b, 128 + a / 4 - b / 2)
    assert inverting["EPI(B)"] < 0
    assert inverting["EPI balance"] == 0
