from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from CSAFusionLib.evaluation.methods.baselines import average
from CSAFusionLib.evaluation.observer_table import SOURCES, observe, summarise_observer
from CSAFusionLib.training.pairs import ImagePair, PairKind

METHODS = {"average": lambda pair: average, "A alone": lambda pair: lambda a, b: a}


def a_pair(seed: int) -> ImagePair:
    """Two unlike textures in a head that fills the slice."""
    noise = np.random.default_rng(seed).normal(size=(2, 300, 300))
    texture = ndimage.gaussian_filter(noise, (0, 2, 2))
    a, b = (0.5 + 0.06 * texture / texture.std()).clip(0.2, 0.8).astype(np.float32)
    return ImagePair(a, b, PairKind.T1_T2, f"{seed}-001", patient=str(seed))


@pytest.fixture(scope="module")
def ratings() -> pd.DataFrame:
    pairs = [a_pair(seed) for seed in range(6)]
    return observe(METHODS, pairs[:4], pairs[4:])


@pytest.fixture(scope="module")
def table(ratings: pd.DataFrame) -> pd.DataFrame:
    return summarise_observer(ratings).set_index("method")


def test_sources_and_methods_are_rated_on_the_pairs_that_were_not_trained_on(ratings: pd.DataFrame) -> None:
    assert set(ratings["method"]) == {*SOURCES, *METHODS}
    assert set(ratings["patient"]) == {"4", "5"}


def test_each_kind_of_lesion_is_seen_where_it_is(table: pd.DataFrame) -> None:
    assert table.loc["A", "A only"] > 0.8
    assert table.loc["A", "B only"] == 0.5
    assert table.loc["B", "B only"] > 0.8
    assert table.loc["A alone", "B only"] == 0.5
    assert table.loc["A and B side by side", "opposite signs"] > table.loc["A", "opposite signs"] - 0.02
    # The mean of a darker and a brighter lesion is none.
    assert table.loc["average", "opposite signs"] == pytest.approx(0.5, abs=0.08)
    assert table.loc["average", "same sign"] > 0.85


def test_a_copy_of_a_source_is_seen_as_well_as_the_source(table: pd.DataFrame) -> None:
    assert table.loc["A alone", "A only"] == table.loc["A", "A only"]


def test_too_few_places_to_train_on_give_no_rating() -> None:
    assert observe(METHODS, [], [a_pair(0)]).empty
