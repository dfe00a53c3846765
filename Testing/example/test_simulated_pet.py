"""CSAFusionLib.example.simulated_pet"""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.example.simulated_pet import known_movement, simulate_pet

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
