"""CSAFusionLib.fusion.uptake_colour"""

from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.fusion.uptake_colour import bind_colour, local_detail
from CSAFusionLib.intensity.colour_tables import apply_colour_table

SHAPE = (2, 32, 40)


@pytest.fixture
def anatomy() -> np.ndarray:
    """Slices with edges and texture, brighter than air."""
    random = np.random.default_rng(0)
    slices = 0.4 + 0.1 * random.random(SHAPE, np.float32)
    slices[:, 10:20] += 0.3
    return slices


def bound(uptake: np.ndarray, anatomy: np.ndarray, **options: tuple[float, float]) -> np.ndarray:
    return bind_colour(uptake, "hot-iron", anatomy, anatomy, np.ones(SHAPE, np.float32), pixel=(1.0, 1.0), **options)


def read_back(rgb: np.ndarray) -> np.ndarray:
    positions = np.linspace(0, 1, 512, dtype=np.float32)
    table = apply_colour_table(positions, "hot-iron")
    return positions[((rgb[..., None, :] - table) ** 2).sum(axis=-1).argmin(axis=-1)]


def test_uptake_is_read_back_from_the_colour_better_than_from_an_overlay(anatomy: np.ndarray) -> None:
    uptake = np.random.default_rng(1).uniform(0.1, 1, SHAPE).astype(np.float32)
    overlay = 0.5 * apply_colour_table(uptake, "hot-iron") + 0.5 * anatomy[..., None]
    error = np.abs(read_back(bound(uptake, anatomy)) - uptake).mean()
    assert error <= 0.06
    assert error < np.abs(read_back(overlay) - uptake).mean() / 2


def test_there_is_no_colour_where_nothing_is_taken_up(anatomy: np.ndarray) -> None:
    rgb = bound(np.zeros(SHAPE, np.float32), anatomy)
    np.testing.assert_array_equal(rgb, np.repeat(anatomy[..., None], 3, axis=-1))


def test_anatomical_edges_show_inside_the_uptake(anatomy: np.ndarray) -> None:
    rgb = bound(np.full(SHAPE, 0.4, np.float32), anatomy)
    brightness = rgb.max(axis=-1)
    assert np.corrcoef(local_detail(anatomy[0], (1.0, 1.0)).ravel(), brightness[0].ravel())[0, 1] > 0.9


def test_no_colour_leaves_the_screen_s_range_and_no_hue_changes(anatomy: np.ndarray) -> None:
    uptake = np.linspace(0.1, 1, np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    rgb, table = bound(uptake, anatomy), apply_colour_table(uptake, "hot-iron")
    assert rgb.min() >= 0
    assert rgb.max() <= 1 + 1e-6
    shade = rgb.max(axis=-1, keepdims=True) / table.max(axis=-1, keepdims=True)
    np.testing.assert_allclose(rgb, table * shade, atol=1e-6)


def test_without_strength_the_functional_volume_has_no_colour(anatomy: np.ndarray) -> None:
    rgb = bound(np.full(SHAPE, 0.8, np.float32), anatomy, strengths=(0.0, 2.0))
    assert np.ptp(rgb, axis=-1).max() == 0


def test_without_strength_of_the_anatomy_the_colour_is_the_table_s(anatomy: np.ndarray) -> None:
    uptake = np.full(SHAPE, 0.8, np.float32)
    rgb = bound(uptake, anatomy, strengths=(2.0, 0.0))
    np.testing.assert_allclose(rgb, apply_colour_table(uptake, "hot-iron"), atol=1e-6)


def test_detail_is_measured_in_mm() -> None:
    fine = np.full((64, 64), 0.2, np.float32)
    fine[:, 24:40] = 0.7
    coarse = fine[::2, ::2]
    np.testing.assert_allclose(local_detail(fine, (1, 1))[::2, ::2], local_detail(coarse, (2, 2)), atol=0.25)


def test_a_slice_too_narrow_for_surroundings_has_no_detail() -> None:
    assert not local_detail(np.ones((3, 40), np.float32), (1.0, 1.0)).any()


def test_the_table_s_own_colour_is_shown_where_the_anatomy_does_not_reach(anatomy: np.ndarray) -> None:
    uptake = np.linspace(0, 1, np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    rgb = bind_colour(uptake, "hot-iron", anatomy, anatomy, np.zeros(SHAPE, np.float32), pixel=(1.0, 1.0))
    np.testing.assert_allclose(rgb, apply_colour_table(uptake, "hot-iron"), atol=1e-6)


def test_tissue_beside_air_is_no_brighter_than_its_uptake() -> None:
    flat = np.zeros(SHAPE, np.float32)
    flat[:, 8:24, 8:32] = 0.6
    uptake = np.full(SHAPE, 0.3, np.float32)
    inside = bound(uptake, flat)[flat > 0]
    np.testing.assert_allclose(inside, apply_colour_table(uptake, "hot-iron")[flat > 0], atol=0.02)
