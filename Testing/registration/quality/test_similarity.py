"""How well two images agree near an alignment."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.registration.quality.similarity import (
    LEFT_RIGHT,
    ComparedImage,
    HeadSample,
    RigidPerturbation,
    Similarity,
)


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
