"""Tests of the descriptors that do not depend on the modality."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.registration.landmarks.descriptors import self_similarity


def _image(voxels: np.ndarray) -> sitk.Image:
    return sitk.GetImageFromArray(voxels.astype(np.float32))


def test_on_a_ramp_the_four_pairs_across_it_are_alike_and_the_eight_along_it_are_not() -> None:
    ramp = np.broadcast_to(np.arange(9.0), (9, 9, 9))
    # Squared differences are 0 four times and 1 eight times, so V is 2/3.
    expected = [1.0] * 4 + [np.exp(-1.5)] * 8
    assert sorted(self_similarity(_image(ramp))[4, 4, 4], reverse=True) == pytest.approx(expected, abs=1e-6)


def test_contrast_and_brightness_make_no_difference() -> None:
    voxels = np.random.default_rng(0).normal(size=(8, 9, 10))
    as_is, inverted = self_similarity(_image(voxels)), self_similarity(_image(700 - 30 * voxels))
    assert as_is.std() > 0.1
    np.testing.assert_allclose(inverted, as_is, atol=1e-4)


def test_it_moves_with_the_image() -> None:
    voxels = np.random.default_rng(1).normal(size=(12, 12, 12))
    described, moved = self_similarity(_image(voxels)), self_similarity(_image(np.roll(voxels, 2, axis=1)))
    np.testing.assert_allclose(moved[3:9, 5:9, 3:9], described[3:9, 3:7, 3:9], atol=1e-6)


def test_where_nothing_changes_all_is_alike() -> None:
    described = self_similarity(_image(np.full((5, 6, 7), 40.0)))
    assert described.shape == (5, 6, 7, 12)
    assert (described == 1).all()
