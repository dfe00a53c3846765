"""Tests of the search for distinct places."""

from __future__ import annotations

import itertools

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.registration.landmarks.keypoints import distinctiveness, find_keypoints

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
