"""Tests of the search for distinct places."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.registration.landmark_matching import distinctiveness, find_keypoints, self_similarity

LOW, HIGH = 8, 15


def _cube() -> sitk.Image:
    voxels = np.zeros((24, 24, 24), np.float32)
    voxels[LOW : HIGH + 1, LOW : HIGH + 1, LOW : HIGH + 1] = 100
    return sitk.GetImageFromArray(voxels)


def test_the_keypoints_of_a_cube_are_its_corners() -> None:
    found = find_keypoints(_cube(), np.ones((24, 24, 24), bool))
    corners = np.array(list(itertools.product((LOW, HIGH), repeat=3)))
    apart = np.abs(found[:, None] - corners).max(axis=2)
    # A corner is where the image changes along all three axes; along edges and faces it does not.
    assert (apart.min(axis=0) <= 1).all()
    assert (apart.min(axis=1) <= 1).all()


def test_none_lies_outside_the_mask() -> None:
    mask = np.zeros((24, 24, 24), bool)
    mask[:12] = True
    found = find_keypoints(_cube(), mask)
    assert len(found) >= 4
    assert (found[:, 0] < 12).all()


def test_no_two_are_neighbours_and_the_most_distinct_come_first() -> None:
    noise = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=(20, 20, 20)).astype(np.float32))
    found = find_keypoints(noise, np.ones((20, 20, 20), bool))
    apart = np.abs(found[:, None] - found).max(axis=2) + 9 * np.eye(len(found), dtype=int)
    assert apart.min() > 1
    assert (np.diff(distinctiveness(noise)[tuple(found.T)]) <= 0).all()


def test_an_edge_is_not_distinct_and_a_flat_image_has_no_keypoint() -> None:
    edge = np.zeros((16, 16, 16), np.float32)
    edge[:, 8:, 8:] = 100
    assert distinctiveness(sitk.GetImageFromArray(edge))[4:12].max() < 1e-3 * distinctiveness(_cube()).max()
    flat = sitk.GetImageFromArray(np.full((9, 9, 9), 5, np.float32))
    assert len(find_keypoints(flat, np.ones((9, 9, 9), bool))) == 0


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
