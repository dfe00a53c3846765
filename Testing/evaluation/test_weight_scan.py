from __future__ import annotations

import pandas as pd

from CSAFusionLib.evaluation.weight_scan import by_weight


def test_the_reference_is_every_terms_point_at_one() -> None:
    methods = ["reference", "0x-ssim", "0.5x-ssim", "0x-rmi", "0.5x-rmi"]
    summary = pd.DataFrame({"kind": "CT-MRI", "method": methods, "VIF": range(5)})
    points = by_weight(summary, "reference").set_index(["term", "factor"])["VIF"]
    assert points.to_dict() == {
        ("ssim", 0): 1,
        ("ssim", 0.5): 2,
        ("ssim", 1): 0,
        ("rmi", 0): 3,
        ("rmi", 0.5): 4,
        ("rmi", 1): 0,
    }
