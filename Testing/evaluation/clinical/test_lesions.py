"""Synthetic lesions, and how much of them is retained."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from CSAFusionLib.evaluation.clinical.lesions import (
    DIAMETERS,
    LESION_KINDS,
    Lesion,
    LesionRetention,
    insert,
    lesion_retention,
    place_lesions,
    places_for_all_kinds,
    put_in,
    summarise_retention,
)
from CSAFusionLib.evaluation.fusion_methods import FusionMethod, laplacian_pyramid


def a_head(brightness: float, radius: int = 100) -> np.ndarray:
    rows, columns = np.mgrid[:256, :240]
    return np.where(np.hypot(rows - 128, columns - 120) < radius, brightness, 0).astype(np.float32)


@pytest.mark.parametrize("contrast", [0.3, -0.2])
@pytest.mark.parametrize("diameter", DIAMETERS)
def test_a_lesion_adds_its_contrast_inside_half_of_it_at_its_edge_and_nothing_in_its_ring(
    diameter: int, contrast: float
) -> None:
    lesion = Lesion(40, 50, diameter, contrast)
    change = insert([lesion], np.full((90, 80), 0.5, np.float32)) - 0.5
    assert change[40, 50] == pytest.approx(contrast)
    assert change[40, 50 + diameter // 2] == pytest.approx(contrast / 2)
    assert change[40 + diameter // 2 + 1, 50] == 0
    assert abs(lesion.inside(change)).min() > abs(contrast) / 2
    assert not lesion.ring(change).any()
    assert lesion.ring(change).size > 100


def test_the_source_itself_is_left_alone() -> None:
    source = np.full((50, 50), 0.5, np.float32)
    insert([Lesion(25, 25, 6, 0.3)], source)
    assert (source == 0.5).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_lesions_of_all_sizes_lie_well_inside_the_head_and_apart(sign: int) -> None:
    lesions = place_lesions(a_head(0.5), sign)
    assert {lesion.diameter for lesion in lesions} == set(DIAMETERS)
    assert len(lesions) > 9
    places = np.array([(lesion.row, lesion.column) for lesion in lesions])
    assert (np.hypot(*(places - [128, 120]).T) < 100 - 14).all()
    distances = np.hypot(*(places[:, None] - places).T)
    assert distances[distances > 0].min() >= 40


def test_the_sign_changes_the_size_at_a_place() -> None:
    bright, dark = (place_lesions(a_head(0.5), sign) for sign in (1, -1))
    for one, other in zip(bright, dark, strict=True):
        assert (one.row, one.column) == (other.row, other.column)
        assert one.diameter != other.diameter
        assert one.contrast == -other.contrast == 0.3


@pytest.mark.parametrize(("brightness", "sign", "contrast"), [(0.8, 1, 0.2), (0.2, -1, -0.2), (0.8, -1, -0.3)])
def test_the_contrast_is_what_the_tissue_has_room_for(brightness: float, sign: int, contrast: float) -> None:
    source = a_head(brightness)
    lesions = place_lesions(source, sign)
    assert [lesion.contrast for lesion in lesions] == pytest.approx([contrast] * len(lesions))
    assert lesions
    marked = insert(lesions, source)
    assert marked.min() >= -1e-6
    assert marked.max() <= 1 + 1e-6


@pytest.mark.parametrize(("brightness", "sign"), [(0.95, 1), (0.05, -1), (0.05, 1)])
def test_where_there_is_no_room_or_no_head_there_is_no_lesion(brightness: float, sign: int) -> None:
    assert place_lesions(a_head(brightness), sign) == []


def test_a_head_that_runs_out_of_the_picture_ends_at_its_border() -> None:
    lesions = place_lesions(np.full((100, 100), 0.5, np.float32), 1)
    assert lesions
    assert all(14 < place < 85 for lesion in lesions for place in (lesion.row, lesion.column))


HEAD = np.where(np.hypot(*(np.indices((200, 200)) - 100)) < 90, 0.5, 0).astype(np.float32)


def test_a_place_has_room_in_both_sources_and_lies_away_from_the_border() -> None:
    bright = HEAD.copy()
    bright[:, 100:] *= 1.9
    everywhere, left = places_for_all_kinds(HEAD, HEAD, 0.2), places_for_all_kinds(HEAD, bright, 0.2)
    assert len(everywhere) > len(left) > 0
    assert all(column < 100 for _, column, _ in left)
    assert {diameter for *_, diameter in everywhere} == {6, 10, 16}
    assert all(40 <= row < 160 for row, _, _ in places_for_all_kinds(HEAD, HEAD, 0.2, margin=40))


@pytest.mark.parametrize("kind", LESION_KINDS)
def test_a_lesion_changes_each_source_by_its_sign(kind: str) -> None:
    places = places_for_all_kinds(HEAD, HEAD, 0.2)
    row, column, _ = places[0]
    for sign, marked in zip(LESION_KINDS[kind], put_in(places, kind, 0.2, HEAD, HEAD), strict=True):
        assert marked[row, column] - HEAD[row, column] == pytest.approx(0.2 * sign, abs=1e-6)


def tissue(seed: int, spread: float, level: float = 0.5) -> np.ndarray:
    """A square head of textured tissue."""
    texture = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(160, 160)), 1)
    head = np.zeros((200, 200))
    head[20:180, 20:180] = (level + spread * texture / texture.std()).clip(0.11, 0.99)
    return head.astype(np.float32)


SMOOTH, ROUGH = tissue(0, 0.03), tissue(1, 0.12)


def retention(fuse: FusionMethod, a: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    found = lesion_retention(fuse, a, b)
    return {source: np.array([lesion.retention for lesion in found if lesion.source == source]) for source in "AB"}


def average(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a + b) / 2


def test_a_copy_of_one_source_keeps_all_of_its_lesions_and_none_of_the_others() -> None:
    of = retention(lambda a, b: a, SMOOTH, ROUGH)
    assert of["A"] == pytest.approx(1, abs=1e-4)
    assert of["B"] == pytest.approx(0, abs=1e-4)
    assert of["A"].size >= 18


def test_the_average_keeps_half_or_less_where_the_other_source_is_rougher() -> None:
    of = retention(average, SMOOTH, ROUGH)
    assert of["B"] == pytest.approx(0.5, abs=1e-3)
    assert (of["A"] < 0.4).all()
    assert (of["A"] > 0.15).all()


def test_contrast_is_counted_apart_from_noise() -> None:
    found = lesion_retention(average, SMOOTH, ROUGH)
    for source, expected in {"A": 0.5, "B": 0.5, "same": 1, "opposite": 0}.items():
        kept = [lesion.contrast for lesion in found if lesion.source == source]
        assert kept == pytest.approx([expected] * len(kept), abs=1e-4)
        assert kept


def test_a_lesion_of_both_is_held_against_the_source_that_shows_it_better() -> None:
    found = lesion_retention(lambda a, b: b, SMOOTH, ROUGH)
    noise = [[lesion.ring(image).std() for image in (SMOOTH, ROUGH)] for lesion in map(as_lesion, found)]
    for lesion, (of_smooth, of_rough) in zip(found, noise, strict=True):
        if lesion.source in ("same", "opposite"):
            assert lesion.retention == pytest.approx(of_smooth / of_rough, rel=1e-3)


def as_lesion(found: LesionRetention) -> Lesion:
    return Lesion(found.row, found.column, found.diameter, 0)


def test_a_lesion_of_opposite_signs_stands_out_whichever_sign_it_takes() -> None:
    found = lesion_retention(lambda a, b: (2 * b + a) / 3, ROUGH, ROUGH[::-1])
    kept = [lesion.retention for lesion in found if lesion.source == "opposite"]
    assert kept and min(kept) > 0


def test_the_maximum_loses_dark_lesions_under_bright_tissue_and_keeps_bright_ones_over_dark() -> None:
    found = lesion_retention(np.maximum, tissue(2, 0.02, level=0.45), tissue(3, 0.02, level=0.55))
    lost = [lesion.retention for lesion in found if lesion.source == "A" and lesion.sign < 0]
    kept = [lesion.retention for lesion in found if lesion.source == "B" and lesion.sign > 0]
    assert len(lost) == len(kept) == 9
    assert max(lost) < 0.05
    assert min(kept) > 0.9


def test_an_inverted_lesion_counts_below_zero() -> None:
    of = retention(lambda a, b: 0.5 - a / 4 + b / 2, ROUGH, ROUGH[::-1])
    assert (of["A"] < 0).all()
    assert (of["B"] > 0).all()


def test_dimming_everything_is_not_free() -> None:
    of = retention(lambda a, b: a / 4, ROUGH, SMOOTH)
    assert of["A"] == pytest.approx(0.25, abs=1e-3)


def test_noise_that_the_method_adds_hides_lesions() -> None:
    noise = np.random.default_rng(5).normal(0, 0.2, SMOOTH.shape).astype(np.float32)
    found = lesion_retention(lambda a, b: a + noise, SMOOTH, ROUGH)
    of_a = [lesion for lesion in found if lesion.source == "A"]
    assert [lesion.contrast for lesion in of_a] == pytest.approx([1] * len(of_a), abs=1e-4)
    assert max(lesion.retention for lesion in of_a) < 0.25


def test_a_flat_surrounding_does_not_make_every_trace_of_a_lesion_stand_out() -> None:
    flat = tissue(0, 0)
    assert retention(lambda a, b: a / 100, flat, SMOOTH)["A"] == pytest.approx(0.01, abs=1e-3)


def test_lesions_do_not_matter_to_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    from CSAFusionLib.evaluation.clinical import lesions

    together = {
        (found.source, found.sign, found.row): found for found in lesion_retention(laplacian_pyramid, SMOOTH, ROUGH)
    }
    place_all = lesions.place_lesions
    monkeypatch.setattr(lesions, "place_lesions", lambda source, sign: place_all(source, sign)[-1:])
    place_one = lesions.places_for_all_kinds
    monkeypatch.setattr(lesions, "places_for_all_kinds", lambda a, b, contrast: place_one(a, b, contrast)[-1:])
    for alone in lesion_retention(laplacian_pyramid, SMOOTH, ROUGH):
        assert together[alone.source, alone.sign, alone.row].retention == pytest.approx(alone.retention, abs=0.05)


def test_a_pair_takes_seven_fusions_of_single_precision_images() -> None:
    calls = []

    def fuse(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        calls.append((a.dtype, b.dtype))
        return a

    lesion_retention(fuse, SMOOTH, ROUGH)
    assert calls == [(np.float32, np.float32)] * 7


def test_a_source_without_a_head_has_no_lesions_and_needs_no_fusion_for_them() -> None:
    of = retention(average, np.zeros_like(ROUGH), ROUGH)
    assert of["A"].size == 0
    assert of["B"].size > 0


def test_the_summary_is_the_mean_and_the_tenth_percentile_of_each_source() -> None:
    lesions = [LesionRetention("A", 1, 6, 9, 9, 1, value / 10) for value in range(11)]
    summary = summarise_retention(lesions)
    assert summary["retention(A)"] == pytest.approx(0.5)
    assert summary["worst decile(A)"] == pytest.approx(0.1)
    assert np.isnan(summary["retention(B)"])
    assert np.isnan(summary["worst decile(B)"])
