from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.errors import Cancelled
from CSAFusionLib.evaluation.compared_methods import ComparedMethod, by_method
from CSAFusionLib.evaluation.methods.baselines import average, maximum
from CSAFusionLib.evaluation.table import fuse_all, measure_all, to_picture
from CSAFusionLib.metrics.measure import measure
from CSAFusionLib.training.pairs import ImagePair

COMPARED = [by_method("average", average), by_method("maximum", maximum)]


def test_every_method_fuses_every_pair_once(pairs: list[ImagePair]) -> None:
    asked: list[str] = []

    def fuse(pair: ImagePair) -> np.ndarray:
        asked.append(pair.name)
        return pair.a

    fused = fuse_all([ComparedMethod("a", fuse), *COMPARED], pairs)
    assert asked == [pair.name for pair in pairs]
    assert [list(pictures) for pictures in fused] == [["a", "average", "maximum"]] * 4
    np.testing.assert_array_equal(fused[1]["a"], (255 * pairs[1].a).round())


def test_fusing_can_be_cancelled_between_methods(pairs: list[ImagePair]) -> None:
    def cancel(stage: str, done: int, total: int) -> None:
        assert (stage, total) == ("Fusing", 8)
        if done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        fuse_all(COMPARED, pairs, cancel)


def test_every_pair_is_measured_with_every_method_on_whole_grey_values(pairs: list[ImagePair]) -> None:
    results = measure_all(pairs, fuse_all(COMPARED, pairs))
    assert list(zip(results.index, results["pair"], results["method"], strict=True)) == [
        (place, pair.name, method) for place, pair in enumerate(pairs) for method in ("average", "maximum")
    ]
    a, b = (255 * pairs[1].a).round(), (255 * pairs[1].b).round()
    expected = measure(a, b, np.maximum(a, b))
    assert results.iloc[3][list(expected)].to_dict() == pytest.approx(expected)


def test_the_rows_tell_the_patient(pairs: list[ImagePair]) -> None:
    results = measure_all(pairs, fuse_all(COMPARED[:1], pairs))
    assert list(results["patient"]) == ["9", "9", "33", "ms-1"]


def test_a_picture_has_whole_grey_values_within_its_range() -> None:
    np.testing.assert_array_equal(to_picture(np.array([-0.1, 0.5, 1.2])), np.array([0, 128, 255], np.uint8))
