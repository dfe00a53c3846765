"""The model observer before colour: what it sees of one, uptake out of a coloured picture, and the ratings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from CSAFusionLib.errors import Cancelled
from CSAFusionLib.evaluation import colour_observer, statistics
from CSAFusionLib.evaluation.colour_observer import as_seen, observe_in_colour, uptake_of
from CSAFusionLib.evaluation.fusion_methods import OVERLAY, average, slice_by_slice, with_chrominance
from CSAFusionLib.evaluation.observer import (
    BETTER_SOURCE,
    COLOURED,
    SOURCES,
    area_under_roc,
    compare_areas,
    draws_of_noise,
    look_at,
    summarise_observer,
    train_observer,
)
from CSAFusionLib.fusion.colour import to_linear, to_srgb
from CSAFusionLib.training.pairs import ImagePair, PairKind
from CSAFusionLib.volumes.pictures import write_picture

BESIDE = f"{COLOURED} and B side by side"
SIDE = 41


def test_a_grey_is_seen_as_it_is_and_without_chroma() -> None:
    grey = np.linspace(0, 1, 256)
    seen = as_seen(np.repeat(grey[:, None], 3, axis=1))
    np.testing.assert_allclose(seen, np.stack([grey, 0 * grey, 0 * grey], axis=1), atol=2e-6)


def test_the_primaries_have_their_place_in_oklab() -> None:
    seen = as_seen(np.eye(3))
    lightness = np.cbrt(to_linear(seen[:, 0]))
    # Red, green and blue of sRGB, as CSS Color 4 gives them.
    expected = [[0.628, 0.225, 0.126], [0.866, -0.234, 0.179], [0.452, -0.032, -0.312]]
    np.testing.assert_allclose(np.column_stack([lightness, seen[:, 1:]]), expected, atol=1e-3)


def in_rgb(oklab: np.ndarray) -> np.ndarray:
    cones = oklab @ np.linalg.inv(colour_observer._OKLAB_OF_CONES).T
    return to_srgb(cones**3 @ np.linalg.inv(colour_observer._CONES_OF_LIGHT).T)


def disc() -> np.ndarray:
    return np.hypot(*np.mgrid[-20:21, -20:21]) < 5


def areas(images: np.ndarray) -> tuple[float, float]:
    """The area under the curve in lightness alone and in colour, of RGB squares (2, N, ...) without and with a signal;
    the first half is trained on."""
    found = []
    for components in (slice(0, 1), slice(0, 3)):
        looks = np.array([[look_at(as_seen(one)[..., components], 20, 20, 10) for one in some] for some in images])
        half = looks.shape[1] // 2
        observer, drawn = train_observer(*looks[:, :half]), draws_of_noise(0, half, looks.shape[2])
        found.append(area_under_roc(*map(observer.ratings, looks[:, half:], drawn)))
    return found[0], found[1]


def textured(count: int, spread: float) -> np.ndarray:
    """Lightness about a middle grey, of a coarse texture, in OKLab (2, N, 41, 41, 3)."""
    noise = np.random.default_rng(0).normal(size=(2, count, SIDE, SIDE))
    texture = ndimage.gaussian_filter(noise, (0, 0, 2, 2))
    oklab = np.zeros((*texture.shape, 3))
    oklab[..., 0] = 0.6 + spread * texture / texture.std()
    return oklab


def test_a_signal_of_hue_alone_is_seen_in_colour_and_not_in_grey() -> None:
    oklab = textured(120, 0.03)
    oklab[1, ..., 1] += 0.05 * disc()
    in_grey, in_colour = areas(in_rgb(oklab))
    assert in_colour > 0.95
    assert in_grey == pytest.approx(0.5, abs=0.1)


def test_grey_pictures_are_rated_in_colour_as_in_grey() -> None:
    oklab = textured(400, 0.06)
    oklab[1, ..., 0] += 0.05 * disc()
    rgb = in_rgb(oklab)
    in_grey, in_colour = areas(rgb)
    assert 0.6 < in_grey < 0.9
    assert in_colour == pytest.approx(in_grey, abs=1e-3)
    looks = np.array([[look_at(as_seen(one), 20, 20, 10) for one in some] for some in rgb])
    grey, coloured = train_observer(*looks[..., :6]), train_observer(*looks)
    np.testing.assert_allclose(coloured.template[:6], grey.template, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(coloured.template[6:], 0, atol=1e-2 * np.abs(grey.template).max())


@pytest.mark.parametrize("kind", [PairKind.PET_MRI, PairKind.SPECT_MRI])
def test_uptake_is_the_place_in_the_table_that_the_picture_was_coloured_with(kind: PairKind, tmp_path: Path) -> None:
    last, corners = colour_observer._ATLAS_TABLES[kind]
    uptake = np.tile(np.linspace(0, 1, 90), (70, 1))
    step, *channels = np.transpose(corners)
    rgb = np.stack([np.interp(last * uptake, step, channel) for channel in channels], axis=-1)
    write_picture(rgb.round().astype(np.uint8), tmp_path / "a.png")
    luminance = np.zeros((70, 90), np.float32)
    found = uptake_of(ImagePair(luminance, luminance, kind, "1", source=tmp_path / "a.png"))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, uptake, atol=0.01)


@pytest.mark.parametrize("shape", [(70, 90), (70, 90, 3)])
def test_a_picture_in_other_colours_is_uptake_by_its_luminance(shape: tuple[int, ...], tmp_path: Path) -> None:
    write_picture(np.random.default_rng(0).integers(0, 256, shape, np.uint8), tmp_path / "a.png")
    luminance = np.zeros((70, 90), np.float32)
    for source in (tmp_path / "a.png", None):
        assert uptake_of(ImagePair(luminance, luminance, PairKind.PET_MRI, "1", source=source)) is luminance


METHODS = {"average": lambda kind: with_chrominance(slice_by_slice(average))}


def a_pair(seed: int, kind: PairKind = PairKind.PET_MRI) -> ImagePair:
    """Two unlike textures in a head that fills the slice."""
    noise = np.random.default_rng(seed).normal(size=(2, 300, 300))
    texture = ndimage.gaussian_filter(noise, (0, 2, 2))
    a, b = (0.5 + 0.06 * texture / texture.std()).clip(0.2, 0.8).astype(np.float32)
    return ImagePair(a, b, kind, f"{seed}-001", patient=str(seed))


PAIRS = [a_pair(seed) for seed in range(4)]


@pytest.fixture(scope="module")
def ratings() -> pd.DataFrame:
    return observe_in_colour(METHODS, PAIRS[:3], PAIRS[3:])


@pytest.fixture(scope="module")
def table(ratings: pd.DataFrame) -> pd.DataFrame:
    return summarise_observer(ratings).set_index("method")


def test_sources_are_seen_in_grey_and_in_colour_and_beside_them_the_overlay(table: pd.DataFrame) -> None:
    assert list(table.index) == [*SOURCES, COLOURED, BESIDE, OVERLAY, "average"]


def test_each_kind_of_lesion_is_seen_where_it_is(table: pd.DataFrame) -> None:
    assert table.loc[COLOURED, "A only"] > 0.8
    assert table.loc[COLOURED, "B only"] == 0.5
    assert table.loc[BESIDE, "B only"] > 0.7
    # In grey the mean of a darker and a brighter lesion is none; in colour, hue still tells the uptake.
    assert table.loc["average", "opposite signs"] > 0.7


def test_the_better_source_may_be_the_coloured_one_and_the_overlay_is_compared_with(
    ratings: pd.DataFrame, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "_DRAWS", 5)
    compared = compare_areas(ratings, "average").set_index("lesion")
    for lesion in compared.index:
        better = table.loc[["A", "B", COLOURED], lesion].max()
        own = table.loc["average", lesion]
        assert compared.loc[lesion, f"less {BETTER_SOURCE}"] == pytest.approx(own - better, abs=1e-3)
        assert compared.loc[lesion, f"less {OVERLAY}"] == pytest.approx(own - table.loc[OVERLAY, lesion], abs=1e-3)
    opposite = table["opposite signs"]
    assert opposite[COLOURED] > opposite[["A", "B"]].max()


def test_the_ratings_are_the_same_every_time_and_progress_is_told(ratings: pd.DataFrame) -> None:
    told: list[tuple[str, int, int]] = []
    again = observe_in_colour(METHODS, PAIRS[:3], PAIRS[3:], lambda *step: told.append(step))
    pd.testing.assert_frame_equal(again, ratings)
    assert told == [("Observing in colour", done, 4) for done in range(5)]


def test_it_can_be_cancelled() -> None:
    def cancel(stage: str, done: int, total: int) -> None:
        if done == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        observe_in_colour(METHODS, PAIRS[:3], PAIRS[3:], cancel)


def test_kinds_without_uptake_are_not_looked_at() -> None:
    told: list[str] = []
    pairs = [a_pair(0, PairKind.CT_MRI), a_pair(1, PairKind.T1_T2)]
    assert observe_in_colour(METHODS, pairs, pairs, lambda *step: told.append(step[0])).empty
    assert not told
