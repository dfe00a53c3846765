from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.evaluation.clinical.synthetic_lesions import DIAMETERS, Lesion, insert, place_lesions


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
