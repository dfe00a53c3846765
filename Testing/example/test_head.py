"""The head made of formulas, and the PET simulated from it."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.example.head import LESION_MM, head_tissues, known_movement, simulate_pet, simulate_t1, tracer_tissues
from CSAFusionLib.intensity.modality import Modality, guess_modality
from CSAFusionLib.volumes.volume import Volume


@pytest.fixture(scope="module")
def tissues() -> dict[str, sitk.Image]:
    return head_tissues()


def array(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image).astype(float)


def test_every_voxel_of_the_head_is_of_one_tissue(tissues):
    total = sum(array(tissues[name]) for name in ("fluid", "grey", "white", "bone", "scalp"))
    inside = array(tissues["white"]) > 0.5
    np.testing.assert_allclose(total[inside], 1, atol=0.05)
    assert total.min() > -0.01 and total.max() < 1.05
    share = {name: array(tissues[name]).sum() / total.sum() for name in tissues}
    assert share["grey"] > 0.1 and share["white"] > 0.2 and share["bone"] > 0.1


def test_left_is_not_right_and_front_is_not_back(tissues):
    head = array(tissues["grey"])
    for axis in (1, 2):
        assert np.corrcoef(head.ravel(), np.flip(head, axis).ravel())[0, 1] < 0.7


def test_the_spot_lies_in_white_matter_where_it_is_said_to_be(tissues):
    spot = array(tissues["lesion"])
    centre = np.average(np.indices(spot.shape).reshape(3, -1), axis=1, weights=spot.ravel())[::-1]
    left, back, up = tissues["lesion"].TransformContinuousIndexToPhysicalPoint(centre.tolist())
    np.testing.assert_allclose((-left, -back, up), LESION_MM, atol=4)
    assert (array(tissues["white"]) - spot).min() > -0.05


def test_the_two_volumes_are_guessed_as_what_they_are(tissues):
    t1 = simulate_t1(tissues)
    pet = simulate_pet(*tracer_tissues(tissues), known_movement())
    assert guess_modality(Volume(t1, "T1")) is Modality.MR and guess_modality(Volume(pet, "PET")) is Modality.PET
    assert sitk.GetArrayViewFromImage(t1).min() >= 0


def test_one_seed_makes_one_image(tissues):
    first, again, other = (sitk.GetArrayFromImage(simulate_t1(tissues, seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


SIDE = 160


def block(first: int, last: int) -> sitk.Image:
    """Tissue from ``first`` to ``last`` mm along x, in the middle of a cube of 160 mm."""
    array = np.zeros((SIDE, SIDE, SIDE), np.float32)
    array[30:-30, 30:-30, first:last] = 1
    return sitk.GetImageFromArray(array)


def profile(pet: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """Position along x (mm) and mean uptake (kBq/mL) over the inner part of the block."""
    array = sitk.GetArrayFromImage(pet)
    inner = array[array.shape[0] // 2 - 10 :, array.shape[1] // 2 - 15 :][:20, :30]
    return pet.GetOrigin()[0] + pet.GetSpacing()[0] * np.arange(array.shape[2]), inner.mean(axis=(0, 1))


def at(pet: sitk.Image, position: float) -> float:
    return float(np.interp(position, *profile(pet)))


def test_grey_matter_takes_up_four_times_what_white_matter_does() -> None:
    pet = simulate_pet(block(30, 80), block(80, 130), sitk.Euler3DTransform())
    assert at(pet, 55) == pytest.approx(20, rel=0.03)
    assert at(pet, 55) / at(pet, 105) == pytest.approx(4, rel=0.06)


def test_an_edge_is_blurred_as_by_a_scanner_of_6_mm() -> None:
    pet = simulate_pet(block(30, 80), block(0, 0), sitk.Euler3DTransform())
    positions, uptake = profile(pet)
    edge = (positions > 65) & (positions < 95)
    crossed = [np.interp(-level, -uptake[edge], positions[edge]) for level in (18, 2)]
    # The 10 to 90 % width of a Gaussian edge is 2.563 sigma; 6 mm FWHM is a sigma of 2.55 mm.
    assert crossed[1] - crossed[0] == pytest.approx(2.563 * 2.55, abs=0.8)


def test_the_brain_is_where_the_movement_takes_it() -> None:
    movement = known_movement()
    tissue = block(60, 100)
    pet = simulate_pet(tissue, block(0, 0), movement)
    voxels = sitk.GetArrayFromImage(pet)
    indices = np.argwhere(voxels > 5)[:, ::-1]
    found = pet.TransformContinuousIndexToPhysicalPoint(indices.mean(axis=0).tolist())
    expected = movement.TransformPoint((79.5, 79.5, 79.5))
    np.testing.assert_allclose(found, expected, atol=0.5)


def test_noise_is_there_and_a_seed_repeats_it() -> None:
    grey = block(30, 130)
    first, again, other = (
        sitk.GetArrayFromImage(simulate_pet(grey, block(0, 0), sitk.Euler3DTransform(), seed)) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    inner = np.s_[22:42, 40:70, 40:60]
    spread = (first - other)[inner].std() / np.sqrt(2) / first[inner].mean()
    assert 0.02 < spread < 0.2


def test_uptake_is_never_negative() -> None:
    assert sitk.GetArrayFromImage(simulate_pet(block(30, 80), block(0, 0), known_movement())).min() >= 0
