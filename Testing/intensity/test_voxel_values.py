"""Values that float32 cannot hold, and quantiles."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.intensity.mapping import find_mapping
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.intensity.voxel_values import own_values, quantiles, within_float32
from CSAFusionLib.volumes.volume import Volume

UNIT = np.random.default_rng(0).integers(0, 256, (8, 9, 10))
ODD = {
    "float64 of 1e-50": UNIT * 1e-50,
    "float64 of 1e-310": UNIT * 1e-310,
    "float64 of 1e40": UNIT * 1e40,
    "float64 of 1e305": (UNIT - 128.0) * 1e305,
    "float64 round 1e15": 1e15 + UNIT,
    "int32 round 2e9": (2_000_000_000 + UNIT).astype(np.int32),
    "int32 round -2e9": (UNIT - 2_000_000_000).astype(np.int32),
    "uint32 round 4e9": (4_000_000_000 + UNIT).astype(np.uint32),
    "int64 round -2**62": (UNIT - 2**62).astype(np.int64),
    "uint64 round 2**63": np.uint64(2**63) + UNIT.astype(np.uint64),
    "uint64 up to its largest": np.uint64(2**64 - 1) - (255 - UNIT).astype(np.uint64),
}


def _volume(voxels: np.ndarray) -> Volume:
    return Volume(sitk.GetImageFromArray(voxels), "odd")


@pytest.mark.parametrize("name", ODD)
def test_every_step_of_the_values_is_kept(name: str) -> None:
    within = within_float32(_volume(ODD[name]))
    voxels = sitk.GetArrayFromImage(within.image)
    assert voxels.dtype == np.float32 and within_float32(within) is within
    steps = (voxels - voxels.min()) / np.ptp(voxels) * np.ptp(UNIT)
    np.testing.assert_allclose(steps, UNIT - UNIT.min(), atol=0.01)


@pytest.mark.parametrize("name", ODD)
def test_odd_values_are_mapped_as_ordinary_ones_are(name: str) -> None:
    ordinary, odd = _volume(UNIT.astype(np.float32)), within_float32(_volume(ODD[name]))
    expected, found = (
        find_mapping(volume, Modality.MR)(sitk.GetArrayFromImage(volume.image)) for volume in (ordinary, odd)
    )
    np.testing.assert_allclose(found, expected, atol=0.01)


@pytest.mark.parametrize("voxels", [UNIT.astype(kind) for kind in (np.int16, np.int32, np.float32, np.float64)])
def test_ordinary_values_stay_as_they_are(voxels: np.ndarray) -> None:
    volume = _volume(voxels)
    assert within_float32(volume) is volume


@pytest.mark.parametrize("name", ["float64 of 1e-50", "float64 of 1e40", "int32 round 2e9", "float64 round 1e15"])
def test_the_own_values_come_back(name: str) -> None:
    within = within_float32(_volume(ODD[name]))
    back = sitk.GetArrayFromImage(own_values(within.image, within))
    np.testing.assert_allclose(back, ODD[name].astype(float), rtol=1e-6)
    assert np.ptp(back) == pytest.approx(float(np.ptp(ODD[name])), rel=1e-6)


def test_a_power_of_two_changes_no_digit() -> None:
    voxels = np.random.default_rng(1).gamma(2, 100, (8, 9, 10)).astype(np.float32)
    one, other = (within_float32(_volume(voxels * np.float32(factor))) for factor in (2.0**60, 2.0**-60))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(one.image), sitk.GetArrayFromImage(other.image))


@pytest.mark.parametrize(("name", "spike"), [("uint64 round 2**63", 0), ("int64 round -2**62", 2**62)])
def test_a_spike_does_not_hide_the_rest(name: str, spike: int) -> None:
    voxels = np.tile(ODD[name], (3, 1, 1))
    voxels[0, 0, 0] = spike
    found = sitk.GetArrayFromImage(within_float32(_volume(voxels)).image)
    assert np.isfinite(found).all()
    assert len(np.unique(found)) == len(np.unique(voxels))


SHARES = [0, 0.005, 0.5, 0.999, 1]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_quantiles_are_numpy_s(size: int) -> None:
    values = np.random.default_rng(size).normal(size=size)
    np.testing.assert_allclose(quantiles(values, SHARES), np.quantile(values, SHARES), rtol=1e-12)


def test_neither_number_type_nor_order_changes_a_bit() -> None:
    values = np.random.default_rng(0).integers(0, 1000, 997)
    expected = quantiles(values, SHARES)
    for other in (values.astype(np.float32), values.astype(np.int16)[::-1], np.sort(values).astype(float)):
        assert quantiles(other, SHARES) == expected
