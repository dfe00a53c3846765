"""The quality assessment of a registration: metrics and a grade, from the images and the transform alone.

- Plausibility: how a transform moves and deforms a head, whichever way it is parametrised.
- Alternative optima: alignments that may be better, near, far away, and with left and right exchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import coarsen, in_one_order, volume_of
from CSAFusionLib.geometry.transform_algebra import is_identity, linear_part, map_points, rotation
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.preparation import head_points
from CSAFusionLib.registration.quality.grading import Quality, quality_of
from CSAFusionLib.registration.quality.similarity import (
    LEFT_RIGHT,
    ComparedImage,
    Comparison,
    HeadSample,
    RigidPerturbation,
    Similarity,
    head_mask,
    marked_volume,
    perturbation_of,
)
from CSAFusionLib.side_by_side import side_by_side

_POINTS = 500
_SPACING_MM = 4.0

# A spline bends over centimetres; a field of displacements may fold between any two of its nodes, which mostly are the
# fixed voxels. More nodes than these would only take memory.
_SPLINE_SPACING_MM = 2.0
_MOST_NODES = 4_000_000


def describe_transform(fixed: sitk.Image, transform: sitk.Transform) -> dict[str, float]:
    """Describe what a transform does to the head in the fixed image.

    transform: from fixed to moving points, LPS mm.
    Returns ``rotation_degrees`` and ``shift_mm`` of the head, ``moved_mm`` (how far its points move on average),
    ``scale_min`` and ``scale_max`` (of its closest affine transform, along any direction), and ``jacobian_min`` and
    ``jacobian_max``: volume change at a point, 1 for none, 0 or less where space folds or is mirrored.
    """
    grid = coarsen(fixed, _SPACING_MM)
    points = head_points(grid, _POINTS)
    mapped = map_points(transform, points)
    matrix = linear_part(transform)[0] if transform.IsLinear() else _closest_matrix(points, mapped)
    jacobian = np.array([np.linalg.det(matrix)]) if transform.IsLinear() else _jacobian(fixed, transform)
    left, scales, right = np.linalg.svd(matrix)
    return {
        "rotation_degrees": _angle(left @ right),
        "shift_mm": float(np.linalg.norm(mapped.mean(axis=0) - points.mean(axis=0))),
        "moved_mm": float(np.linalg.norm(mapped - points, axis=1).mean()),
        "scale_min": float(scales.min()),
        "scale_max": float(scales.max()),
        "jacobian_min": float(jacobian.min()),
        "jacobian_max": float(jacobian.max()),
    }


def _closest_matrix(points: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """The (3, 3) matrix that takes the points, relative to their mean, closest to where they are mapped."""
    return np.linalg.lstsq(points - points.mean(axis=0), mapped - mapped.mean(axis=0), rcond=None)[0].T


def _angle(turn: np.ndarray) -> float:
    """The angle of an orthogonal matrix in degrees; of a mirroring one, the angle of the rotation left in it."""
    cosine = (np.trace(turn * np.sign(np.linalg.det(turn))) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _jacobian(fixed: sitk.Image, transform: sitk.Transform) -> np.ndarray:
    """Volume change at the inner nodes of a grid over the fixed image, (Z, Y, X)."""
    spacing = 0.0 if _has_field(transform) else _SPLINE_SPACING_MM
    grid = coarsen(fixed, max(spacing, (volume_of(fixed) / _MOST_NODES) ** (1 / 3)))
    field = sitk.TransformToDisplacementField(
        transform, sitk.sitkVectorFloat64, grid.GetSize(), grid.GetOrigin(), grid.GetSpacing(), grid.GetDirection()
    )
    # Differences at the border are one-sided there and say nothing of the transform.
    inner = tuple(slice(1, -1) if length > 2 else slice(None) for length in grid.GetSize()[::-1])
    return sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(_along_the_axes(field)))[inner]


def _has_field(transform: sitk.Transform) -> bool:
    """Whether any part of a transform is a field of displacements."""
    if transform.GetTransformEnum() == sitk.sitkComposite:
        parts = sitk.CompositeTransform(transform)
        return any(_has_field(parts.GetNthTransform(number)) for number in range(parts.GetNumberOfTransforms()))
    return transform.GetTransformEnum() == sitk.sitkDisplacementField


def _along_the_axes(field: sitk.Image) -> sitk.Image:
    """The field in the frame of its own axes: ITK differentiates along the axes but takes vectors and axes for LPS.

    The determinant is the same in both frames.
    """
    axes = np.reshape(field.GetDirection(), (3, 3))
    turned = sitk.GetImageFromArray(sitk.GetArrayViewFromImage(field) @ axes, isVector=True)
    turned.SetSpacing(field.GetSpacing())
    return turned


# Rotations into which a search is drawn wrongly: a head is round, and nearly the same upside down or back to front.
_TURNS_DEGREES = (180.0, 30.0, -30.0)

_ROUGH_SHARE = 1 / 8
_ROUGH_STEPS_MM = (16.0, 1.0)
_FINE_STEPS_MM = (4.0, 0.5)

# Two maxima nearer to each other are one.
_ELSEWHERE_MM = 15.0


@dataclass(frozen=True)
class AlternativeOptima:
    """The best alignment found anywhere, the best one that lies elsewhere, and the best one of the mirrored head."""

    best: RigidPerturbation
    elsewhere: RigidPerturbation | None
    mirrored: RigidPerturbation


def find_alternatives(similarity: Similarity, on_step: Callable[[], None]) -> AlternativeOptima:
    """Search near and far; ``on_step`` is called after each local search and may raise to stop."""
    maxima = []
    for start in _starts(similarity):
        maxima.append(pattern_search(similarity, start, _ROUGH_STEPS_MM, _ROUGH_SHARE))
        on_step()
    near = pattern_search(similarity, RigidPerturbation(), _FINE_STEPS_MM)
    on_step()
    highest = pattern_search(similarity, max(maxima, key=similarity), _FINE_STEPS_MM)
    on_step()
    best = max(near, highest, key=similarity)
    elsewhere = [maximum for maximum in [*maxima, near, highest] if similarity.distance(maximum, best) > _ELSEWHERE_MM]
    mirrored = [
        RigidPerturbation(best.matrix @ LEFT_RIGHT, best.shift),
        RigidPerturbation(LEFT_RIGHT, similarity.moving_centre),
    ]
    rough = [pattern_search(similarity, start, _ROUGH_STEPS_MM, _ROUGH_SHARE) for start in mirrored]
    on_step()
    return AlternativeOptima(
        best,
        max(elsewhere, key=similarity, default=None),
        pattern_search(similarity, max(rough, key=similarity), _FINE_STEPS_MM),
    )


def pattern_search(
    similarity: Similarity, start: RigidPerturbation, steps_mm: tuple[float, float], share: float = 1.0
) -> RigidPerturbation:
    """Walk from a perturbation to the nearest maximum of the similarity (pattern search, Hooke and Jeeves 1961).

    steps_mm: length of the first steps, halved down to that of the last.
    """
    step, last = steps_mm
    here, height = start, similarity(start, share)
    while step >= last:
        before = here
        for axis in range(6):
            for candidate in _steps(here, axis, step, similarity.radius):
                if (reached := similarity(candidate, share)) > height:
                    here, height = candidate, reached
                    break
        if here is before:
            step /= 2
        elif (reached := similarity(here.further(before), share)) > height:
            here, height = here.further(before), reached
    return here


def _starts(similarity: Similarity) -> Iterator[RigidPerturbation]:
    """Centre on centre: unrotated, and rotated about each axis."""
    yield RigidPerturbation(shift=similarity.moving_centre)
    for axis in range(3):
        for degrees in _TURNS_DEGREES:
            yield RigidPerturbation(rotation(axis, degrees), similarity.moving_centre)


def _steps(
    perturbation: RigidPerturbation, axis: int, millimetres: float, radius: float
) -> tuple[RigidPerturbation, RigidPerturbation]:
    """A step each way along one of three axes, or about it, such that a point of the head moves so far."""
    if axis < 3:
        return perturbation.shifted(axis, millimetres), perturbation.shifted(axis, -millimetres)
    degrees = float(np.degrees(millimetres / radius))
    return perturbation.turned(axis - 3, degrees), perturbation.turned(axis - 3, -degrees)


_STAGE = "Checking the registration"
_IDENTITY = sitk.Transform(3, sitk.sitkIdentity)

# How far from the best alignment the similarity must have fallen: 8 mm in a head, in proportion in a body.
_AWAY_MM = 8.0
_AWAY_SHARE = 1 / 9

# Fields of view whose volumes differ by less than this share count as equally large.
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


_Both = tuple[sitk.Image, sitk.Image]
"""Of the fixed and of the moving image."""


@dataclass(frozen=True)
class _View:
    """The pair seen from one of the two images, which gives the sample.

    turned: seen from the moving image, so that transforms are inverted.
    """

    sample: HeadSample
    other: ComparedImage
    turned: bool

    @classmethod
    def of(cls, images: _Both, heads: _Both, *, turned: bool, seed: int) -> _View:
        """The view from the fixed image; turned, from the moving one. heads: the masks of the heads in the two."""
        (image, other), (head, other_head) = (images[::-1], heads[::-1]) if turned else (images, heads)
        sample = HeadSample.of(image, seed=seed, mask=head)
        return cls(sample, ComparedImage.at(sample.spacing, other, mask=other_head), turned)

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
        self._heads = side_by_side(
            partial(head_mask, sitk.Image(self._fixed)), partial(head_mask, sitk.Image(self._moving))
        )
        # Of the same voxels, for what is done on another thread.
        self._beside = sitk.Image(self._fixed), sitk.Image(self._moving)
        self._seed = seed
        self._on_step = partial(progress, _STAGE, 0, 0)

    def __call__(self, transform: sitk.Transform) -> Assessment:
        """Assess a transform from fixed to moving points, LPS mm; linear or deformable."""
        self._on_step()
        # What the smaller field of view shows stays the same wherever it is put in the larger; only a transform that
        # can be undone lets the pair be seen from the moving side.
        view = self._from_the_smaller if transform.IsLinear() else self._from_the_fixed
        figures, of_alternatives = side_by_side(
            lambda: self._comparison(transform) | describe_transform(self._beside[0], transform),
            lambda: self._against_alternatives(view, transform),
        )
        figures |= of_alternatives
        return Assessment(figures, quality_of(figures))

    def _against_alternatives(self, view: _View, transform: sitk.Transform) -> dict[str, float]:
        similarity = view.similarity(transform)
        figures = _against_alternatives(similarity, self._on_step)
        figures["headers_beaten_by"] = view.beaten_by(similarity, transform)
        figures["resolution_mm"] = view.sample.spacing / 2
        return figures

    @cached_property
    def _comparison(self) -> Comparison:
        return Comparison(*self._beside)

    @cached_property
    def _from_the_fixed(self) -> _View:
        return _View.of((self._fixed, self._moving), self._heads, turned=False, seed=self._seed)

    @cached_property
    def _from_the_smaller(self) -> _View:
        if _moving_is_smaller((self._fixed, self._moving), self._heads):
            return _View.of((self._fixed, self._moving), self._heads, turned=True, seed=self._seed)
        return self._from_the_fixed


def assess(
    fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform, *, seed: int = 0, progress: Progress = silent
) -> Assessment:
    """Assess one transform of a pair: see :class:`QualityAssessor`."""
    return QualityAssessor(fixed, moving, seed=seed, progress=progress)(transform)


def _moving_is_smaller(images: _Both, heads: _Both) -> bool:
    """Whether the moving field of view is the smaller one or, of two equally large, shows the smaller head.

    So both orders of a pair are assessed from the same side.
    """
    volume, other = map(volume_of, images)
    if abs(volume - other) > _AS_LARGE * max(volume, other):
        return other < volume
    fixed_head, moving_head = map(marked_volume, heads)
    return moving_head < fixed_head


def _against_alternatives(similarity: Similarity, on_step: partial[None]) -> dict[str, float]:
    """How the alignment compares with all others that a search finds; :mod:`grading` draws the conclusion."""
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
