"""CSAFusionLib.evaluation.methods.baselines, and what every baseline must do."""

from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.errors import InputError
from CSAFusionLib.evaluation.methods import FusionMethod
from CSAFusionLib.evaluation.methods.baselines import BASELINES, baselines_named

every_method = pytest.mark.parametrize("fuse", BASELINES.values(), ids=BASELINES)


def noise(seed: int, shape: tuple[int, int] = (61, 48)) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


@every_method
@pytest.mark.parametrize("shape", [(61, 48), (16, 16), (130, 33)])
def test_the_result_is_like_the_sources(fuse: FusionMethod, shape: tuple[int, int]) -> None:
    fused = fuse(noise(0, shape), noise(1, shape))
    assert (fused.shape, fused.dtype) == (shape, np.float32)
    assert 0 <= fused.min() < fused.max() <= 1


@pytest.mark.parametrize("name", sorted({*BASELINES} - {"brighter average"}))
def test_a_source_fused_with_itself_stays_as_it_is(name: str) -> None:
    np.testing.assert_allclose(BASELINES[name](noise(0), noise(0)), noise(0), atol=1e-5)


@every_method
def test_no_source_is_preferred_for_its_place(fuse: FusionMethod) -> None:
    np.testing.assert_allclose(fuse(noise(0), noise(1)), fuse(noise(1), noise(0)), atol=1e-5)


@every_method
def test_black_stays_black(fuse: FusionMethod) -> None:
    black = np.zeros((32, 32), np.float32)
    np.testing.assert_array_equal(fuse(black, black), black)


def test_methods_are_found_by_name() -> None:
    named = baselines_named(["maximum", "average"])
    assert named == {"maximum": BASELINES["maximum"], "average": BASELINES["average"]}


def test_what_was_named_ins_is_labelled_as_a_reimplementation() -> None:
    assert list(baselines_named(["INS"])) == ["INS (reimplemented)"]


def test_a_name_that_is_none_is_refused_with_the_names_there_are() -> None:
    choice = "no baseline named 'median'; choose from average, brighter average, maximum, "
    with pytest.raises(InputError, match=choice):
        baselines_named(["average", "median"])
