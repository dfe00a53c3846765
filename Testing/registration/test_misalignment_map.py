"""How far off a registration is at each place."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import Cancelled
from CSAFusionLib.registration.misalignment_map import (
    NOT_KNOWN,
    PRIOR_MM,
    Misalignment,
    ShiftField,
    measure_misalignment,
    summarise,
)
from CSAFusionLib.text import to_json


@pytest.fixture
def places() -> np.ndarray:
    """Places all over a head, mm."""
    return np.random.default_rng(1).uniform(-60, 60, (400, 3))


def bent(points: np.ndarray) -> np.ndarray:
    """A smooth shift of up to 3 mm, which grows from right to left."""
    return np.stack([np.zeros(len(points)), 1.5 + points[:, 0] / 40, np.zeros(len(points))], axis=1)


def test_a_smooth_shift_is_found_and_its_error_told(places: np.ndarray) -> None:
    random = np.random.default_rng(0)
    field = ShiftField.through(places, bent(places) + random.normal(0, 0.3, places.shape))
    asked = random.uniform(-50, 50, (200, 3))
    found = field.at(asked)
    errors = np.linalg.norm(found.shift - bent(asked), axis=1)
    assert errors.mean() < 0.4
    assert np.mean(errors < 3 * found.deviation) > 0.9
    assert found.agreeing.min() > 0.7


def test_matches_that_went_astray_do_not_bend_the_field(places: np.ndarray) -> None:
    random = np.random.default_rng(0)
    shifts = bent(places) + random.normal(0, 0.3, places.shape)
    astray = random.random(len(places)) < 0.3
    shifts[astray] = random.uniform(-6, 6, (astray.sum(), 3))
    found = ShiftField.through(places, shifts).at(places)
    assert np.linalg.norm(found.shift - bent(places), axis=1).mean() < 0.6
    assert 0.5 < found.agreeing.mean() < 0.9


def test_matches_at_random_agree_nowhere(places: np.ndarray) -> None:
    shifts = np.random.default_rng(0).normal(0, 2.5, places.shape)
    assert ShiftField.through(places, shifts).at(places).agreeing.max() < 0.5


def test_far_from_all_matches_nothing_is_known(places: np.ndarray) -> None:
    found = ShiftField.through(places, bent(places)).at(np.array([[300.0, 0.0, 0.0]]))
    assert found.deviation[0] == pytest.approx(PRIOR_MM)
    assert found.agreeing[0] == pytest.approx(0, abs=1e-9)


def test_without_a_match_nothing_is_known() -> None:
    found = ShiftField.through(np.zeros((0, 3)), np.zeros((0, 3))).at(np.zeros((2, 3)))
    assert np.array_equal(found.deviation, [PRIOR_MM] * 2)
    assert np.array_equal(found.shift, np.zeros((2, 3)))


_IDENTITY = sitk.Euler3DTransform()


def a_textured_head(contrast: int = 0, seed: int = 7) -> sitk.Image:
    """A ball of 36 mm radius full of smooth structure, on a grid of 3 mm; contrast 1 shows it in other greys."""
    texture = texture_of(seed)
    inside = np.linalg.norm(np.indices(texture.shape) - 14.5, axis=0) < 12
    values = np.cos(1.3 * texture) + 0.3 * texture if contrast else texture
    return on_the_grid(np.where(inside, 500 + 100 * values, 0))


def texture_of(seed: int) -> np.ndarray:
    """Smooth noise, (30, 30, 30)."""
    noise = sitk.GetImageFromArray(np.random.default_rng(seed).normal(size=(30, 30, 30)).astype(np.float32))
    texture = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(noise, 1.5))
    return texture / texture.std()


def on_the_grid(values: np.ndarray) -> sitk.Image:
    """An image of 3 mm voxels, its middle at the origin."""
    image = sitk.GetImageFromArray(values.astype(np.float32))
    image.SetSpacing((3.0, 3.0, 3.0))
    image.SetOrigin((-43.5, -43.5, -43.5))
    return image


def moved(image: sitk.Image, shift: tuple[float, float, float]) -> sitk.Image:
    """The image with its content this far on, mm."""
    back = sitk.TranslationTransform(3, [-one for one in shift])
    return sitk.Resample(image, image, back, sitk.sitkBSpline)


@pytest.fixture(scope="module")
def off_by_three() -> Misalignment:
    """Measured on a moving volume that lies 3 mm to the left of where it should, in another contrast."""
    return measure_misalignment(a_textured_head(), moved(a_textured_head(1), (3.0, 0.0, 0.0)), _IDENTITY)


def test_what_lies_three_millimetres_off_is_measured_so(off_by_three: Misalignment) -> None:
    known = off_by_three.known
    assert known[off_by_three.anatomy].mean() > 0.8
    assert off_by_three.distance[known].mean() == pytest.approx(3.0, abs=0.4)
    within = np.abs(off_by_three.distance[known] - 3) < 2 * off_by_three.deviation[known]
    assert within.mean() > 0.9


def test_the_transform_counts(off_by_three: Misalignment) -> None:
    right = sitk.TranslationTransform(3, (3.0, 0.0, 0.0))
    found = measure_misalignment(a_textured_head(), moved(a_textured_head(1), (3.0, 0.0, 0.0)), right)
    assert found.distance[found.known].mean() < 0.5


def test_a_deformable_transform_is_measured_too() -> None:
    head = a_textured_head()
    spline = sitk.BSplineTransformInitializer(head, [3, 3, 3])
    spline.SetParameters(np.full(spline.GetNumberOfParameters(), 1.5).tolist())
    found = measure_misalignment(head, head, spline)
    middle = tuple(length // 2 for length in found.distance.shape)
    assert found.known[middle]
    assert found.distance[middle] == pytest.approx(1.5 * np.sqrt(3), abs=0.5)


def test_of_two_volumes_that_show_different_things_nothing_is_known() -> None:
    found = measure_misalignment(*(on_the_grid(texture_of(seed)) for seed in (7, 8)), _IDENTITY)
    assert found.anatomy.any()
    assert not found.known.any()


def test_on_another_grid_unknown_voxels_say_so(off_by_three: Misalignment) -> None:
    reference = sitk.Image(22, 23, 24, sitk.sitkUInt8)
    reference.SetSpacing((4.0, 4.0, 4.0))
    reference.SetOrigin((-44.0, -44.0, -44.0))
    distance, deviation = map(sitk.GetArrayFromImage, off_by_three.on_grid(reference))
    assert distance.dtype == np.float32 and distance.shape == (24, 23, 22)
    assert distance[0, 0, 0] == deviation[0, 0, 0] == NOT_KNOWN
    assert distance[11, 11, 11] == pytest.approx(3.0, abs=0.5)
    assert ((distance < 0) == (deviation < 0)).all()


def test_volumes_that_do_not_meet_are_not_known() -> None:
    head = a_textured_head()
    found = measure_misalignment(head, head, sitk.TranslationTransform(3, (500.0, 0.0, 0.0)))
    assert not found.anatomy.any()
    assert not found.known.any()


def test_it_can_be_cancelled() -> None:
    def cancel(*_: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        measure_misalignment(a_textured_head(), a_textured_head(), _IDENTITY, progress=cancel)


def a_map(direction: np.ndarray | None = None) -> Misalignment:
    """A block of 18 voxels a side, off by 0.5 mm, and by 3 mm in its left front bottom corner."""
    grid = sitk.Image(18, 18, 18, sitk.sitkFloat32)
    grid.SetSpacing((5.0, 5.0, 5.0))
    grid.SetDirection((np.eye(3) if direction is None else direction).ravel().tolist())
    distance = np.full((18, 18, 18), 0.5, np.float32)
    # LPS: x grows to the left, y to the back, z to the top.
    corner = (slice(0, 6), slice(0, 6), slice(12, 18))
    distance[corner] = 3.0
    everywhere = np.ones(distance.shape, bool)
    return Misalignment(grid, everywhere, everywhere.copy(), distance, np.full_like(distance, 0.25))


def test_the_region_that_is_farthest_off_is_named() -> None:
    summary = summarise(a_map())
    assert summary.within_mm == pytest.approx(0.5)
    worst = summary.worst
    assert worst is not None and worst.where == "left front bottom"
    assert worst.mm == pytest.approx(3.0) and worst.deviation_mm == pytest.approx(0.25)
    assert summary.sentence() == (
        "95 % of the anatomy lies within 0.5 mm; farthest off: left front bottom, 3.0 ± 0.2 mm."
    )


def test_sides_are_the_patients_however_the_voxels_are_stored() -> None:
    turned = a_map(np.diag([-1.0, -1.0, 1.0]))
    worst = summarise(turned).worst
    assert worst is not None and worst.where == "right back bottom"


def test_what_is_not_known_is_said() -> None:
    found = a_map()
    found.known[:9] = False
    summary = summarise(found)
    assert summary.known == pytest.approx(0.5)
    assert "(50% of it is not known)" in summary.sentence()
    assert summary.regions[-1].mm is None


def test_a_map_that_knows_nothing_says_so() -> None:
    found = a_map()
    found.known[:] = False
    summary = summarise(found)
    assert summary.within_mm is None and summary.worst is None
    assert "unknown" in summary.sentence()


def test_it_travels_as_json() -> None:
    described = json.loads(to_json(summarise(a_map()).describe()))
    assert described["regions"][0]["where"] == "left front bottom"
    assert described["sentence"].startswith("95 %")
