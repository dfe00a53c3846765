from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.evaluation.methods.average import average
from CSAFusionLib.evaluation.methods.maximum import maximum
from CSAFusionLib.evaluation.metrics.measure import measure
from CSAFusionLib.evaluation.table import evaluate, summarise, to_markdown
from CSAFusionLib.training.pairs import ImagePair, PairKind


@pytest.fixture
def pairs() -> list[ImagePair]:
    images = np.random.default_rng(0).random((3, 2, 48, 48)).astype(np.float32)
    kinds = (PairKind.CT_MRI, PairKind.CT_MRI, PairKind.PET_MRI)
    return [
        ImagePair(a=a, b=b, kind=kind, name=f"{i}") for i, ((a, b), kind) in enumerate(zip(images, kinds, strict=True))
    ]


def test_every_pair_is_measured_with_every_method_on_whole_grey_values(pairs: list[ImagePair]) -> None:
    results = evaluate({"average": average, "maximum": maximum}, pairs)
    assert list(zip(results["pair"], results["method"], strict=True)) == [
        (str(i), method) for i in range(3) for method in ("average", "maximum")
    ]
    a, b = (255 * pairs[1].a).round(), (255 * pairs[1].b).round()
    expected = measure(a, b, np.maximum(a, b))
    assert results.iloc[3][list(expected)].to_dict() == pytest.approx(expected)


def test_the_summary_is_the_mean_over_the_pairs_of_a_kind(pairs: list[ImagePair]) -> None:
    results = evaluate({"average": average}, pairs)
    summary = summarise(results)
    assert list(summary["kind"]) == ["CT-MRI", "PET-MRI"]
    assert list(summary["pairs"]) == [2, 1]
    assert summary["VIF"][0] == pytest.approx(results["VIF"][:2].mean())


def test_the_markdown_has_a_row_for_each_kind_and_method(pairs: list[ImagePair]) -> None:
    lines = to_markdown(summarise(evaluate({"average": average, "maximum": maximum}, pairs))).splitlines()
    assert lines[0].startswith("| kind | method | pairs | SSIM(A) |")
    assert len(lines) == 2 + 4
    assert lines[3].startswith("| CT-MRI | maximum | 2 | 0.")
