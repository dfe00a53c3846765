"""Tests of matching both ways."""

from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.registration.landmark_matching import Described, match_both_ways

SHAPE = (16, 17, 18)
KEYPOINTS = np.array([[8, 8, 8], [6, 9, 10], [9, 6, 7]])


def _random(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((*SHAPE, 12)).astype(np.float32)


def _described(descriptors: np.ndarray, inside: np.ndarray | None = None) -> Described:
    return Described(descriptors, np.ones(SHAPE, bool) if inside is None else inside)


def test_a_shift_of_whole_voxels_is_found() -> None:
    fixed = _random(0)
    moving = np.roll(fixed, (1, -2, 0), axis=(0, 1, 2))
    kept, found = match_both_ways(_described(fixed), _described(moving), KEYPOINTS, 3)
    assert (kept == KEYPOINTS).all()
    assert (np.rint(found - KEYPOINTS) == (1, -2, 0)).all()


def test_a_shift_of_part_of_a_voxel_is_found() -> None:
    # Descriptors that are their own coordinates: the cost of a shift is its squared distance from the right one.
    coordinates = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1).astype(np.float32)
    moved = coordinates - np.array([0.3, 0.0, -0.45], np.float32)
    _, found = match_both_ways(_described(coordinates), _described(moved), KEYPOINTS, 1)
    assert found - KEYPOINTS == pytest.approx(np.tile([0.3, 0.0, -0.45], (3, 1)), abs=1e-4)


def test_a_shift_as_far_as_the_range_is_left_out_for_it_may_go_on() -> None:
    fixed = _random(0)
    moving = np.roll(fixed, 2, axis=2)
    assert len(match_both_ways(_described(fixed), _described(moving), KEYPOINTS, 2)[0]) == 0
    assert len(match_both_ways(_described(fixed), _described(moving), KEYPOINTS, 3)[0]) == 3


def test_what_does_not_find_its_way_back_is_left_out() -> None:
    keypoints = np.argwhere(np.ones((6, 6, 6))) + 5
    kept, _ = match_both_ways(_described(_random(0)), _described(_random(1)), keypoints, 3)
    # In noise the best of 343 is an inner one in 125 cases; one of three of those is led back by chance.
    assert len(kept) < 0.2 * len(keypoints)


def test_nothing_is_matched_where_the_moving_image_has_no_voxels() -> None:
    fixed = _random(0)
    inside = np.ones(SHAPE, bool)
    inside[8:] = False
    kept, _ = match_both_ways(_described(fixed), _described(fixed, inside), KEYPOINTS, 2)
    assert kept.tolist() == [[6, 9, 10]]


def test_no_keypoints_give_no_matches() -> None:
    described = _described(_random(0))
    kept, found = match_both_ways(described, described, np.empty((0, 3), int), 2)
    assert kept.shape == found.shape == (0, 3)
