"""How far off a registration is, measured on a phantom with structure everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import Cancelled
from CSAFusionLib.registration.misalignment_map import NOT_KNOWN, Misalignment, measure_misalignment

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
