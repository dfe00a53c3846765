"""A small comparison, made once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from CSAFusionLib.evaluation.attainable_limit import OBJECTIVES
from CSAFusionLib.evaluation.comparison import Comparison
from CSAFusionLib.metrics.measure import INDICATORS
from CSAFusionLib.training.pairs import ImagePair, PairKind

METHODS = ("average", "maximum", "ours")
METRICS = (
    *INDICATORS, "SSIM(A)", "SSIM(B)", "EPI(A)", "EPI(B)", "SSIM balance", "EPI balance", "EPIg(A)", "EPIg(B)",
    "QNCIE_r", "SF", "AG", "artefacts", "artefacts 99.9 %",
)  # fmt: skip


@pytest.fixture(scope="session")
def comparison() -> Comparison:
    """Five pairs of a CT-MRI patient and two T1-T2 slices; values rise from method to method and from pair to pair."""
    random = np.random.default_rng(0)
    names = [(PairKind.CT_MRI, f"3300{index}") for index in range(5)] + [
        (PairKind.T1_T2, f"ms-00{i}") for i in range(2)
    ]
    pairs = [ImagePair(*random.random((2, 100, 120), dtype=np.float32), kind=kind, name=name) for kind, name in names]
    fused = [{method: random.integers(0, 256, (100, 120), np.uint8) for method in METHODS} for _ in pairs]
    rows = [
        {"kind": pair.kind.value, "patient": pair.name[:-3], "pair": pair.name, "method": method}
        | {metric: 1 + 0.2 * level + 0.01 * place + 0.001 * random.random() for metric in METRICS}
        for place, pair in enumerate(pairs)
        for level, method in enumerate(METHODS)
    ]
    index = [place for place in range(len(pairs)) for _ in METHODS]
    results = pd.DataFrame(rows, index)
    return Comparison("ours", pairs, fused, results, _lesions(), _flicker(), _colour(), _limits(results))


def _limits(results: pd.DataFrame) -> pd.DataFrame:
    """Twice what our method has, for every objective."""
    ours = results[results["method"] == "ours"]
    doubled = ours.assign(**{metric: 2 * ours[metric] for metric in METRICS})
    return pd.concat([doubled.assign(method=objective) for objective in OBJECTIVES])


def _lesions() -> pd.DataFrame:
    lesion = {"sign": 1, "diameter": 6, "row": 50, "column": 60, "contrast": 0.5}
    return pd.DataFrame(
        {
            "kind": kind,
            "patient": "33",
            "pair": "33000",
            "method": method,
            "source": source,
            **lesion,
            "retention": retention,
        }
        for kind in ("CT-MRI", "T1-T2")
        for method in METHODS
        for source in ("A", "B")
        for retention in (0.2, 0.8)
    )


def _colour() -> pd.DataFrame:
    return pd.DataFrame(
        {"kind": "PET-MRI", "volume": volume, "method": method, "read-back error": error, "read-back r": 1 - error}
        for volume in ("one", "two")
        for method, error in {"overlay 50 %": 0.2, "ours": 0.02}.items()
    )


def _flicker() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "kind": "T1-T2",
            "volume": volume,
            "method": method,
            "flicker": index,
            "flicker for detail": 1.0,
            "inconsistency": 10 * index,
            "drift": 5 * index,
            "turn to A": index / 10,
            "turn to B": index / 20,
        }
        for volume, indices in {"ms": (0.6, 0.7, 0.8), "stroke": (0.5, 0.9, 0.4)}.items()
        for method, index in zip(METHODS, indices, strict=True)
    )
