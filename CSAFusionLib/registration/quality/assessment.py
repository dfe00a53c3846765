"""The quality assessment of a registration: figures and a grade, from the images and the transform alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

import SimpleITK as sitk

from CSAFusionLib.geometry.grid import volume_of
from CSAFusionLib.geometry.resampling import in_one_order
from CSAFusionLib.geometry.transform_algebra import is_identity
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.quality.agreement import Comparison
from CSAFusionLib.registration.quality.alternatives import find_alternatives
from CSAFusionLib.registration.quality.grading import Quality, quality_of
from CSAFusionLib.registration.quality.perturbation import RigidPerturbation, perturbation_of
from CSAFusionLib.registration.quality.plausibility import describe_transform
from CSAFusionLib.registration.quality.similarity import ComparedImage, HeadSample, Similarity, head_volume

_STAGE = "Checking the registration"
_IDENTITY = sitk.Transform(3, sitk.sitkIdentity)

# How far from the best alignment the similarity must have fallen: 8 mm in a head, as much of its size in a body.
_AWAY_MM = 8.0
_AWAY_SHARE = 1 / 9

# Fields of view whose volumes differ by less than this share are as large.
_AS_LARGE = 0.01


@dataclass(frozen=True)
class Assessment:
    """Figures of a registration by name, and what they mean.

    ``figures["agreement"]`` ranks transforms of one pair: the higher, the better. ``figures["headers_beaten_by"]`` is
    by how many standard errors the transform agrees better than the headers; 0 where it is the headers.
    ``figures["resolution_mm"]`` is how far apart two alignments must lie for the assessment to tell them apart.
    """

    figures: dict[str, float]
    quality: Quality


@dataclass(frozen=True)
class _View:
    """The pair seen from one of the two images, which gives the sample.

    turned: seen from the moving image, so that transforms are inverted.
    """

    sample: HeadSample
    other: ComparedImage
    turned: bool

    @classmethod
    def of(cls, fixed: sitk.Image, moving: sitk.Image, *, turned: bool, seed: int) -> _View:
        """The view from the fixed image; turned, from the moving one."""
        image, other = (moving, fixed) if turned else (fixed, moving)
        sample = HeadSample.of(image, seed=seed)
        return cls(sample, ComparedImage.at(sample.spacing, other), turned)

    def similarity(self, transform: sitk.Transform) -> Similarity:
        """The similarity of a transform from fixed to moving points."""
        return Similarity(self.sample, self.other, transform.GetInverse() if self.turned else transform)

    def beaten_by(self, similarity: Similarity, transform: sitk.Transform) -> float:
        """By how many standard errors a transform, whose similarity is given, agrees better than the headers."""
        if is_identity(transform):
            return 0.0
        if transform.IsLinear():
            back = transform if self.turned else transform.GetInverse()
            perturbation = perturbation_of(back, self.sample.centre)
            if similarity.holds(perturbation):
                return similarity.z_score(RigidPerturbation(), perturbation)
        return similarity.z_score(RigidPerturbation(), RigidPerturbation(), self.similarity(_IDENTITY))


class QualityAssessor:
    """Assesses transforms of one pair, however they were found, by looking for better ones.

    What does not depend on the transform is done once for all that are assessed.
    """

    def __init__(self, fixed: sitk.Image, moving: sitk.Image, *, seed: int = 0, progress: Progress = silent) -> None:
        """fixed, moving: scalar float32, as :func:`CSAFusionLib.registration.preparation.prepare` makes them.

        seed: of the random samples, 0 or more. progress: what it raises, such as Cancelled, stops the assessment.
        """
        self._fixed, self._moving = in_one_order(fixed), in_one_order(moving)
        self._seed = seed
        self._on_step = partial(progress, _STAGE, 0, 0)

    def __call__(self, transform: sitk.Transform) -> Assessment:
        """Assess a transform from fixed to moving points, LPS mm; linear or deformable."""
        self._on_step()
        figures = self._comparison(transform) | describe_transform(self._fixed, transform)
        # What the smaller field of view shows stays the same wherever it is put in the larger; only a transform that
        # can be undone lets the pair be seen from the moving side.
        view = self._from_the_smaller if transform.IsLinear() else self._from_the_fixed
        similarity = view.similarity(transform)
        figures |= _against_alternatives(similarity, self._on_step)
        figures["headers_beaten_by"] = view.beaten_by(similarity, transform)
        figures["resolution_mm"] = view.sample.spacing / 2
        return Assessment(figures, quality_of(figures))

    @cached_property
    def _comparison(self) -> Comparison:
        return Comparison(self._fixed, self._moving)

    @cached_property
    def _from_the_fixed(self) -> _View:
        return _View.of(self._fixed, self._moving, turned=False, seed=self._seed)

    @cached_property
    def _from_the_smaller(self) -> _View:
        if _moving_is_smaller(self._fixed, self._moving):
            return _View.of(self._fixed, self._moving, turned=True, seed=self._seed)
        return self._from_the_fixed


def assess(
    fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform, *, seed: int = 0, progress: Progress = silent
) -> Assessment:
    """Assess one transform of a pair: see :class:`QualityAssessor`."""
    return QualityAssessor(fixed, moving, seed=seed, progress=progress)(transform)


def _moving_is_smaller(fixed: sitk.Image, moving: sitk.Image) -> bool:
    """Whether the moving field of view is the smaller one; of two as large, whether it shows the smaller head.

    So both orders of a pair are assessed from the same side.
    """
    volume, other = (volume_of(image) for image in (fixed, moving))
    if abs(volume - other) > _AS_LARGE * max(volume, other):
        return other < volume
    fixed_head, moving_head = (head_volume(image) for image in (fixed, moving))
    return moving_head < fixed_head


def _against_alternatives(similarity: Similarity, on_step: partial[None]) -> dict[str, float]:
    """How the alignment stands against all others that a search finds; see :mod:`grading` for what follows from it."""
    here, optima = RigidPerturbation(), find_alternatives(similarity, on_step)
    agreement, best = similarity(here), similarity(optima.best)
    return {
        "agreement": agreement,
        "head_overlap": similarity.overlap(here),
        "best_share": agreement / best if best else 1.0,
        "better_mm": similarity.distance(here, optima.best),
        "better_certainty": similarity.z_score(optima.best, here),
        "elsewhere_share": similarity(optima.elsewhere) / best if optima.elsewhere and best else 0.0,
        "mirror_certainty": similarity.z_score(optima.mirrored, optima.best),
        "peak": 1 - _mean_similarity_away(similarity, optima.best) / best if best else 0.0,
    }


def _mean_similarity_away(similarity: Similarity, perturbation: RigidPerturbation) -> float:
    away = max(_AWAY_MM, _AWAY_SHARE * similarity.radius)
    shifts = [similarity(perturbation.shifted(axis, way * away), 0.25) for axis in range(3) for way in (-1, 1)]
    return sum(shifts) / len(shifts)
