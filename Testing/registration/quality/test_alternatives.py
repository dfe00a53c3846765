"""Alignments that may be better than the one being judged."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import Cancelled
from CSAFusionLib.geometry.transform_algebra import rotation
from CSAFusionLib.registration.quality.assessment import find_alternatives, pattern_search
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


def of_head_and_moved_head(
    a_head, matrix: np.ndarray, shift: tuple[float, float, float]
) -> tuple[Similarity, RigidPerturbation]:
    """A head's T2 judged where its T1 lies but for this motion, and the perturbation that would put it right."""
    motion = sitk.AffineTransform(matrix.ravel().tolist(), shift)
    right = RigidPerturbation(matrix.T, -matrix.T @ shift)
    return similarity_of(a_head("T1"), a_head("T2"), motion), right


def test_a_climb_ends_on_the_summit_nearby(a_head) -> None:
    similarity, right = of_head_and_moved_head(a_head, rotation(2, 8.0), (6.0, -4.0, 3.0))
    assert similarity.distance(pattern_search(similarity, RigidPerturbation(), (4.0, 0.5)), right) < 1.5


@pytest.mark.parametrize(
    ("axis", "degrees", "shift"),
    [(0, 25.0, (30.0, 0.0, 20.0)), (1, 180.0, (5.0, 5.0, 0.0)), (2, 180.0, (0.0, 0.0, 9.0))],
)
def test_the_best_alignment_is_found_from_far_away_and_upside_down(a_head, axis, degrees, shift) -> None:
    similarity, right = of_head_and_moved_head(a_head, rotation(axis, degrees), shift)
    optima = find_alternatives(similarity, lambda: None)
    assert similarity.distance(optima.best, right) < 2
    assert optima.elsewhere is not None
    assert similarity.distance(optima.elsewhere, optima.best) > 15


def test_of_a_mirrored_head_the_mirror_image_is_the_better_one(a_head) -> None:
    similarity, right = of_head_and_moved_head(a_head, LEFT_RIGHT, (3.0, 2.0, 0.0))
    optima = find_alternatives(similarity, lambda: None)
    assert similarity.distance(optima.mirrored, right) < 2
    assert similarity.z_score(optima.mirrored, optima.best) > 3


def test_the_search_stops_when_told_to(a_head) -> None:
    similarity, _ = of_head_and_moved_head(a_head, np.eye(3), (0.0, 0.0, 0.0))

    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        find_alternatives(similarity, cancel)
