"""How well two images agree, once and a thousand times."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.registration.quality.similarity import (
    LEFT_RIGHT,
    ComparedImage,
    Comparison,
    HeadSample,
    RigidPerturbation,
    Similarity,
    _borders,
    agreement,
    mutual_information,
)


def test_a_two_valued_signal_knows_ln_2_about_itself() -> None:
    signal = np.array([0.0, 1.0] * 500)
    assert mutual_information(signal, -signal) == pytest.approx(np.log(2))


def test_independent_signals_share_nothing() -> None:
    first, second = np.meshgrid(np.arange(32.0), np.arange(32.0))
    assert mutual_information(first.ravel(), second.ravel()) == pytest.approx(0, abs=1e-12)


def test_no_samples_share_nothing() -> None:
    assert mutual_information(np.empty(0), np.empty(0)) == 0


def test_undoing_a_motion_raises_mutual_information(a_pair, a_rigid_motion) -> None:
    fixed, moving = a_pair
    figures = Comparison(fixed.image, moving.image)(a_rigid_motion)
    assert figures["mutual_information_after"] > 1.2 * figures["mutual_information_before"]


def test_overlap_is_the_share_of_the_fixed_volume(a_head) -> None:
    fixed = a_head()
    half = fixed[:, :, :30]
    figures = Comparison(fixed, half)(sitk.Euler3DTransform())
    assert figures["overlap_after"] == pytest.approx(0.5, abs=0.02)


def test_a_matching_sliver_ranks_below_a_whole_match(a_head) -> None:
    head = a_head()
    away = sitk.TranslationTransform(3, (0.0, 0.0, 170.0))
    assert agreement(head, head, away) < agreement(head, head, sitk.TranslationTransform(3, (5.0, 0.0, 0.0)))


def test_another_contrast_correlates_with_what_it_predicts(a_pair, a_rigid_motion) -> None:
    fixed, moving = a_pair
    figures = Comparison(fixed.image, moving.image)(a_rigid_motion)
    for name in ("correlation", "ssim"):
        assert figures[f"{name}_before"] < figures[f"{name}_after"] <= 1
    assert figures["correlation_after"] > 0.95


def test_an_image_is_wholly_like_itself_and_apart_like_nothing(a_head) -> None:
    head = a_head()
    same = Comparison(head, head)(sitk.TranslationTransform(3, (900.0, 0.0, 0.0)))
    assert same["ssim_before"] > 0.97 and same["correlation_before"] > 0.99
    assert same["ssim_after"] == same["correlation_after"] == 0


POINTS = np.array([[1.0, 2.0, 3.0], [-4.0, 5.0, 6.0]])


def test_no_move_leaves_all_points_and_a_shift_takes_them_along_its_axis() -> None:
    np.testing.assert_array_equal(RigidPerturbation()(POINTS), POINTS)
    np.testing.assert_array_equal(RigidPerturbation().shifted(1, -3.0)(POINTS) - POINTS, [[0, -3, 0]] * 2)


def test_a_turn_keeps_the_place_where_the_centre_is_taken() -> None:
    perturbation = RigidPerturbation().shifted(0, 7.0).turned(2, 30.0)
    np.testing.assert_allclose(perturbation(np.zeros((1, 3))), [[7, 0, 0]])


def test_a_step_taken_once_more_goes_twice_as_far() -> None:
    since = RigidPerturbation().shifted(0, 2.0).turned(1, 5.0)
    again = since.shifted(2, 1.5).turned(1, 10.0).further(since)
    expected = since.shifted(2, 3.0).turned(1, 20.0)
    np.testing.assert_allclose(again(POINTS), expected(POINTS))


def test_mirroring_exchanges_left_and_right_alone() -> None:
    assert np.linalg.det(LEFT_RIGHT) == pytest.approx(-1)
    np.testing.assert_array_equal(RigidPerturbation(LEFT_RIGHT)(POINTS), POINTS * [-1, 1, 1])


def similarity_of(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> Similarity:
    """The similarity of a transform between two images."""
    sample = HeadSample.of(fixed, seed=0)
    return Similarity(sample, ComparedImage.at(sample.spacing, moving), transform)


@pytest.fixture(scope="module")
def a_similarity(a_pair, a_rigid_motion) -> Similarity:
    """The phantom pair under its true transform."""
    fixed, moving = a_pair
    return similarity_of(fixed.image, moving.image, a_rigid_motion)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("way", [-1, 1])
def test_every_move_away_from_the_truth_lowers_the_similarity(a_similarity: Similarity, axis: int, way: int) -> None:
    assert (
        a_similarity(RigidPerturbation())
        > a_similarity(RigidPerturbation().shifted(axis, 4.0 * way))
        > a_similarity(RigidPerturbation().shifted(axis, 12.0 * way))
    )
    assert a_similarity(RigidPerturbation()) > a_similarity(RigidPerturbation().turned(axis, 10.0 * way))


def test_no_alignment_is_favoured_where_voxels_coincide(a_head) -> None:
    noise = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=(40, 40, 40)).astype(np.float32))
    noise.SetSpacing((4.0, 4.0, 4.0))
    other = sitk.GetImageFromArray(np.random.default_rng(1).normal(size=(40, 40, 40)).astype(np.float32))
    other.CopyInformation(noise)
    similarity = similarity_of(noise, other, sitk.Euler3DTransform())
    assert similarity(RigidPerturbation()) == pytest.approx(similarity(RigidPerturbation().shifted(0, 1.7)), abs=0.01)


def test_a_deformable_transform_is_as_similar_as_the_linear_one_it_equals(
    a_pair, a_rigid_motion, a_similarity: Similarity
) -> None:
    fixed, moving = a_pair
    wide = sitk.Expand(sitk.ConstantPad(fixed.image, [20] * 3, [20] * 3), [1, 1, 1])
    field = sitk.TransformToDisplacementField(
        a_rigid_motion, sitk.sitkVectorFloat64, wide.GetSize(), wide.GetOrigin(), wide.GetSpacing(), wide.GetDirection()
    )
    deformed = similarity_of(fixed.image, moving.image, sitk.DisplacementFieldTransform(field))
    perturbation = RigidPerturbation().shifted(1, 5.0)
    assert deformed(perturbation) == pytest.approx(a_similarity(perturbation), abs=0.01)


def test_distance_is_how_far_a_move_takes_the_head(a_similarity: Similarity) -> None:
    assert a_similarity.distance(RigidPerturbation(), RigidPerturbation().shifted(2, -6.0)) == pytest.approx(6.0)
    assert 3.0 < a_similarity.distance(RigidPerturbation(), RigidPerturbation().turned(0, 5.0)) < 6.0


def test_a_z_score_is_sure_of_a_clear_difference_and_of_none_where_there_is_none(a_similarity: Similarity) -> None:
    away = RigidPerturbation().shifted(0, 10.0)
    assert a_similarity.z_score(RigidPerturbation(), away) > 5
    assert a_similarity.z_score(away, RigidPerturbation()) < -5
    assert a_similarity.z_score(away, away) == 0


def test_overlap_is_the_share_of_the_head_that_is_covered(a_head) -> None:
    head = a_head()
    similarity = similarity_of(head, head[:, :, :30], sitk.Euler3DTransform())
    assert similarity.overlap(RigidPerturbation()) == pytest.approx(0.5, abs=0.06)
    assert similarity.overlap(RigidPerturbation().shifted(0, 500.0)) == 0
    assert similarity(RigidPerturbation().shifted(0, 500.0)) == 0


def test_the_phantom_is_told_from_its_mirror_image(a_similarity: Similarity) -> None:
    assert a_similarity.z_score(RigidPerturbation(), RigidPerturbation(LEFT_RIGHT)) > 5


def test_the_moving_head_s_centre_is_found_where_the_transform_brings_it(a_head) -> None:
    head = a_head()
    similarity = similarity_of(head, head, sitk.TranslationTransform(3, (0.0, 9.0, -6.0)))
    np.testing.assert_allclose(similarity.moving_centre, (0, -9, 6), atol=1.5)


def test_borders_rounded_down_leave_each_value_in_its_class() -> None:
    # So close that float32 holds few values between two borders.
    values = (1000 + np.random.default_rng(0).normal(size=4003) / 100).astype(np.float32)
    exact = np.quantile(values, np.linspace(0, 1, 17)[1:-1])
    classes = sum((values > border).astype(int) for border in _borders(values))
    np.testing.assert_array_equal(classes, np.searchsorted(exact, values))
    assert _borders(values).dtype == np.float32
