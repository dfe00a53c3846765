from __future__ import annotations

import pandas as pd
import pytest

from CSAFusionLib.evaluation.distance import share_of_limit


def row(kind: str, method: str, ssim: float, epi: float, vif: float) -> dict[str, object]:
    return {"kind": kind, "method": method, "SSIM sum": ssim, "EPI sum": epi, "VIF": vif}


def test_each_method_is_held_against_the_limit_of_its_kind_by_what_was_optimised() -> None:
    limits = [
        row("CT-MRI", "SSIM sum", 1.6, 9, 9),
        row("CT-MRI", "EPI sum", 9, 1.4, 9),
        row("CT-MRI", "VIF", 9, 9, 0.5),
        row("CT-MRI", "balanced", 1.5, 1.2, 0.4),
        *(row("T1-T2", objective, 2, 2, 1) for objective in ("SSIM sum", "EPI sum", "VIF", "balanced")),
    ]
    methods = [row("CT-MRI", "ours", 1.2, 0.7, 0.4), row("T1-T2", "ours", 1, 1.5, 0.3)]
    shares = share_of_limit(pd.DataFrame(methods), pd.DataFrame(limits))
    balanced = 100 * (1.2 + 0.35 + 0.4) / (1.5 + 0.6 + 0.4)
    assert list(shares.loc[0]) == ["CT-MRI", "ours", *map(pytest.approx, (75, 50, 80, balanced))]
    assert list(shares.loc[1][2:]) == pytest.approx([50, 75, 30, 100 * 2.05 / 4])
