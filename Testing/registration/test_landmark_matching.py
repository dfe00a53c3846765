"""Places of one volume found again in the other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import Cancelled
from CSAFusionLib.registration.landmark_matching import (
    Described,
    Level,
    common_grid,
    distinctiveness,
    find_keypoints,
    find_pairs,
    match_both_ways,
    self_similarity,
)

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


COARSE = Level(4.0, 3)


def test_counterparts_lie_where_the_motion_takes_the_points(a_folded_head, moved, a_rigid_motion) -> None:
    fixed, moving = a_folded_head("T1"), moved(a_folded_head("T2"), a_rigid_motion)
    rough = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.05, -0.04, 0.08, (3.0, -3.0, 2.0))
    points, targets = find_pairs(fixed, moving, rough, Level(3.0, 3), lambda: None)
    truth = np.array([a_rigid_motion.TransformPoint(point) for point in points.tolist()])
    begun = np.array([rough.TransformPoint(point) for point in points.tolist()])
    assert len(points) >= 40
    assert np.median(np.linalg.norm(targets - truth, axis=1)) < 2
    assert np.median(np.linalg.norm(begun - truth, axis=1)) > 3


def test_points_lie_only_where_both_volumes_have_voxels(a_folded_head) -> None:
    slab = a_folded_head("T2", size=(60, 68, 6), spacing=(3.0, 3.0, 5.0))
    points, targets = find_pairs(a_folded_head("T1"), slab, sitk.Euler3DTransform(), COARSE, lambda: None)
    assert len(points) > 0
    assert np.abs(points[:, 2]).max() <= 15
    assert np.abs(targets[:, 2]).max() <= 15 + COARSE.spacing_mm


def test_it_can_be_stopped_between_its_steps(a_pair) -> None:
    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        find_pairs(a_pair[0].image, a_pair[1].image, sitk.Euler3DTransform(), COARSE, cancel)


IDENTITY = sitk.Euler3DTransform()


def _volume(size: tuple[int, int, int], spacing: tuple[float, float, float]) -> sitk.Image:
    image = sitk.Image(size, sitk.sitkFloat32)
    image.SetSpacing(spacing)
    return image


def test_thick_slices_become_voxels_of_equal_sides_over_the_same_box() -> None:
    volume = _volume((40, 20, 5), (1.0, 1.0, 4.0))
    grid = common_grid(volume, volume, IDENTITY, 2.0, 0)
    assert grid.GetSpacing() == (2.0, 2.0, 2.0)
    assert grid.GetSize() == (20, 10, 10)
    # The box begins half a voxel before the first centre: at (-0.5, -0.5, -2).
    assert grid.GetOrigin() == pytest.approx((0.5, 0.5, -1.0))


def test_the_margin_lies_around_the_box() -> None:
    volume = _volume((10, 10, 10), (2.0, 2.0, 2.0))
    grid = common_grid(volume, volume, IDENTITY, 2.0, 3)
    assert grid.GetSize() == (16, 16, 16)
    assert grid.GetOrigin() == pytest.approx((-6.0, -6.0, -6.0))


def test_only_what_both_show_is_covered() -> None:
    head, slab = _volume((20, 20, 20), (2.0, 2.0, 2.0)), _volume((20, 20, 4), (2.0, 2.0, 2.0))
    lifted = sitk.TranslationTransform(3, (0.0, 0.0, -12.0))
    grid = common_grid(head, slab, lifted, 2.0, 0)
    assert grid.GetSize() == (20, 20, 4)
    assert grid.GetOrigin() == pytest.approx((0.0, 0.0, 12.0))
