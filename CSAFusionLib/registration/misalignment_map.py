"""How far off a registration is at each place: a smooth map in mm from local matches, with its own uncertainty.

- A smooth field of shifts goes through many matches, some of them wrong, and tells how well each place is known.
- The summary gives a few metrics and one sentence, with regions named by where they lie in the patient.
- The colours show the map over the anatomy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.field_of_view import field_of_view
from CSAFusionLib.geometry.grid import coarsen, points_of, volume_of
from CSAFusionLib.intensity.voxel_values import foreground
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.landmark_matching import Level, find_counterparts

# Shifts stay similar over this distance (standard deviation of a Gaussian covariance): a lobe moves as one.
_LENGTH_MM = 24.0

# How far off a place may be along each axis if nothing is known of it (standard deviation).
PRIOR_MM = 2.0

# Neighbouring matches see the same edge and err alike: over this distance they share an error that is this multiple of
# each one's own.
_SHARED_MM = 10.0
_SHARED = 1.25

# A right match errs by no less and no more (standard deviation along an axis).
_ERROR_MM = (0.2, 1.0)

# A wrong one lies somewhere nearby, since the search does not go far.
_ASTRAY_MM = 3.5

# A match agrees with those around it when it lies closer than this to where they put it.
_AGREES_MM = 2.0

_ROUNDS = 10

# Shares of matches are means over this distance, among so many more of which nothing is known.
_AROUND_MM = 15.0
_DOUBTED = 1.0

_BATCH = 4000


class Estimate(NamedTuple):
    """At M places: the shift (M, 3) mm; its standard deviation along any axis (M,) mm; how many matches agree (M,).

    The last is the share of the matches around a place that lie where the others put them, 0 to 1.
    """

    shift: np.ndarray
    deviation: np.ndarray
    agreeing: np.ndarray


@dataclass(frozen=True)
class ShiftField:
    """What matches say of the shifts between and around them: a Gaussian process (Rasmussen and Williams, 2006).

    points: (N, 3) mm. weights: (N, 3), by which covariances with the points make a shift. precision: (N, N), the
    inverse of the covariance of the matches. agreeing: (N,), 1 for a match that lies where the others put it, else 0.
    """

    points: np.ndarray
    weights: np.ndarray
    precision: np.ndarray
    agreeing: np.ndarray

    @classmethod
    def through(cls, points: np.ndarray, shifts: np.ndarray) -> ShiftField:
        """Fit to shifts (N, 3) at points (N, 3), mm; N may be 0.

        Each match is either right, with a small error, or wrong and anywhere nearby. Expectation maximisation finds
        which; each match is judged by all the others.
        """
        squares = _squares(points, points)
        signal, near = _signal(squares), _near(squares)
        wrong = _density(np.sum(shifts**2, axis=1), np.full(len(points), _ASTRAY_MM**2))
        trust, error = np.full(len(points), 0.5), _ERROR_MM[1]
        for _ in range(_ROUNDS):
            own, misfits = _left_out(_precision(signal, squares, trust, error), shifts)
            # As for a right match: the uncertainty that the others leave at its place, and its own error.
            variances = own - _noise(trust, error) + error**2
            right, share = _density(misfits, variances), _share(near, trust, 0.5)
            trust = share * right / (share * right + (1 - share) * wrong)
            spread = np.sum(trust * (misfits / 3 - variances + error**2)) / max(trust.sum(), 1.0)
            error = float(np.sqrt(np.clip(spread, *np.square(_ERROR_MM))))
        precision = _precision(signal, squares, trust, error)
        _, misfits = _left_out(precision, shifts)
        return cls(points, precision @ shifts, precision, (misfits < _AGREES_MM**2).astype(float))

    def at(self, places: np.ndarray) -> Estimate:
        """Return what is known at places, (M, 3) in mm."""
        parts = [*self._in_parts(places)]
        return Estimate(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _in_parts(self, places: np.ndarray) -> Iterator[Estimate]:
        for first in range(0, max(len(places), 1), _BATCH):
            squares = _squares(places[first : first + _BATCH], self.points)
            signal = _signal(squares)
            open_left = PRIOR_MM**2 - np.einsum("mn,mn->m", signal @ self.precision, signal)
            agreeing = _share(_near(squares), self.agreeing, 0.0)
            yield Estimate(signal @ self.weights, np.sqrt(open_left.clip(min=0)), agreeing)


def _left_out(precision: np.ndarray, shifts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each match, (N,) each: the variance of what all others predict for it, and the squared distance from that.

    Both can be read off the inverse of the covariance (Rasmussen and Williams, 2006, equations 5.10 to 5.12).
    """
    own = 1 / np.diag(precision)
    return own, np.sum((own[:, None] * (precision @ shifts)) ** 2, axis=1)


def _precision(signal: np.ndarray, squares: np.ndarray, trust: np.ndarray, error: float) -> np.ndarray:
    shared = (_SHARED * error) ** 2 * np.exp(-squares / (2 * _SHARED_MM**2))
    return np.linalg.inv(signal + shared + np.diag(_noise(trust, error)))


def _noise(trust: np.ndarray, error: float) -> np.ndarray:
    """The variance of each match: one that is half trusted counts half."""
    return error**2 / trust.clip(min=1e-4)


def _signal(squares: np.ndarray) -> np.ndarray:
    return PRIOR_MM**2 * np.exp(-squares / (2 * _LENGTH_MM**2))


def _near(squares: np.ndarray) -> np.ndarray:
    return np.exp(-squares / (2 * _AROUND_MM**2))


def _density(squares: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Of a normal distribution in 3-D at squared distances from its middle."""
    return (2 * np.pi * variances) ** -1.5 * np.exp(-squares / (2 * variances))


def _share(near: np.ndarray, values: np.ndarray, unknown: float) -> np.ndarray:
    return (near @ values + _DOUBTED * unknown) / (near.sum(axis=1) + _DOUBTED)


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances, (len(a), len(b)) mm^2."""
    return (np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1) - 2 * a @ b.T).clip(min=0)


NOT_KNOWN = -1.0
"""The value of voxels of which nothing is known, because some file formats cannot hold NaN."""

LARGEST_SEEN_MM = 6.0
"""Matching does not find what is farther off, so its surroundings stay unknown."""

_STAGE = "Measuring misalignment"
_LEVEL = Level(2.0, 4)
_IDENTITY = sitk.Transform(3, sitk.sitkIdentity)

# Places this far apart show all that a smooth map holds; a body gets as many as a head.
_SPACING_MM = 5.0
_MOST_PLACES = 60_000

# A place is known where its shift is known this well, and most matches around it agree.
_MOST_DEVIATION_MM = 1.2
_LEAST_AGREEING = 0.5

# Matches that agree by chance make islands; where nothing else is known, the islands are not known either.
_LEAST_KNOWN = 0.4


@dataclass(frozen=True)
class Misalignment:
    """How far off a registration is, on a coarse grid along the fixed volume's axes.

    grid: an empty image. anatomy, known: (Z, Y, X) bool, what both volumes show of the anatomy, and where something is
    known of it. distance, deviation: (Z, Y, X) float32 in mm, how far the moving volume lies from where it should be,
    and the standard deviation of that distance.
    """

    grid: sitk.Image
    anatomy: np.ndarray
    known: np.ndarray
    distance: np.ndarray
    deviation: np.ndarray

    def on_grid(self, reference: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
        """The distance and its standard deviation as float32 images in mm on another grid, ``NOT_KNOWN`` elsewhere."""
        known = self._resampled(self.known.astype(np.uint8), reference, sitk.sitkNearestNeighbor)
        distance, deviation = (
            sitk.Mask(self._resampled(values, reference, sitk.sitkLinear), known, NOT_KNOWN)
            for values in (self.distance, self.deviation)
        )
        return distance, deviation

    def places(self, marked: np.ndarray) -> np.ndarray:
        """The points (N, 3) in LPS mm that (Z, Y, X) bool marks."""
        return points_of(self.grid, np.argwhere(marked))

    def _resampled(self, values: np.ndarray, reference: sitk.Image, interpolator: int) -> sitk.Image:
        image = sitk.GetImageFromArray(values)
        image.CopyInformation(self.grid)
        # The outermost half voxels of the coarse grid lie beyond its centres.
        return sitk.Resample(image, reference, _IDENTITY, interpolator, 0.0, image.GetPixelID(), True)


def measure_misalignment(
    fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform, *, progress: Progress = silent
) -> Misalignment:
    """Measure how far off a registration is, from places that are distinct in both volumes.

    fixed, moving: scalar float32, as :func:`CSAFusionLib.registration.preparation.prepare` makes them.
    transform: from fixed to moving points, LPS mm; linear or deformable.

    Places are matched by their self-similarity, and a smooth field of shifts is fitted to the matches. It shows what is
    off by up to ``LARGEST_SEEN_MM`` over some centimetres. Raises what ``progress`` raises, such as Cancelled.
    """
    on_step: Callable[[], None] = partial(progress, _STAGE, 0, 0)
    points, counterparts = find_counterparts(fixed, moving, transform, _LEVEL, on_step)
    on_step()
    field = ShiftField.through(points, counterparts - points)
    on_step()
    grid = coarsen(fixed, max(_SPACING_MM, (volume_of(fixed) / _MOST_PLACES) ** (1 / 3)))
    shown = sitk.BinaryFillhole(foreground(grid)) * field_of_view(moving, grid, transform)
    # Values beyond the rim, from which those at it are interpolated.
    around = sitk.GetArrayFromImage(sitk.BinaryDilate(shown, [1] * 3, sitk.sitkBox)) > 0
    anatomy = sitk.GetArrayFromImage(shown) > 0
    estimate = field.at(points_of(grid, np.argwhere(around)))
    sure = (estimate.deviation < _MOST_DEVIATION_MM) & (estimate.agreeing > _LEAST_AGREEING)
    known = _volume(sure, around) & anatomy
    if known.sum() < _LEAST_KNOWN * anatomy.sum():
        known[:] = False
    distance = np.linalg.norm(estimate.shift, axis=1)
    lengths = (_volume(values.astype(np.float32), around) for values in (distance, estimate.deviation))
    return Misalignment(grid, anatomy, known, *lengths)


def _volume(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Values (N,) at the places that ``where`` (Z, Y, X) marks, 0 elsewhere."""
    volume = np.zeros(where.shape, values.dtype)
    volume[where] = values
    return volume


_SHARE = 0.95

# Along each axis of LPS, from its lower end: thirds of what both volumes show. The middle ones have no name.
_THIRDS = (("right", "", "left"), ("front", "", "back"), ("bottom", "", "top"))
_CENTRE = "centre"

# The fewest places of the map's grid that say anything about a region.
_FEWEST = 10


@dataclass(frozen=True)
class Region:
    """A 27th of the box around the anatomy, such as "left front bottom": how far off it is on average, and how surely.

    mm, deviation_mm: mean over what is known of it; None where too little is. known: the share of it, 0 to 1.
    """

    where: str
    mm: float | None
    deviation_mm: float | None
    known: float


@dataclass(frozen=True)
class Summary:
    """within_mm: what 95 % of the known anatomy is off at most; None where nothing is known. known: its share, 0 to 1.

    regions: those that hold some of the anatomy, the farthest off first, those of which nothing is known last.
    """

    known: float
    within_mm: float | None
    regions: tuple[Region, ...]

    @property
    def worst(self) -> Region | None:
        """The region that is farthest off, of those known; None where none is."""
        return next((region for region in self.regions if region.mm is not None), None)

    def sentence(self) -> str:
        """What a reader should know, in one sentence."""
        if self.within_mm is None:
            return "How far off it is from place to place is unknown: too few places are distinct in both volumes."
        rest = "" if self.known > 1 - 0.005 else f" ({1 - self.known:.0%} of it is not known)"
        said = f"95 % of the anatomy lies within {self.within_mm:.1f} mm{rest}"
        if (worst := self.worst) is None:
            return said + "."
        return f"{said}; farthest off: {worst.where}, {worst.mm:.1f} ± {worst.deviation_mm:.1f} mm."

    def describe(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        return {
            "sentence": self.sentence(),
            "known_share": self.known,
            "within_mm": self.within_mm,
            "regions": [vars(region) for region in self.regions],
        }


def summarise(misalignment: Misalignment) -> Summary:
    """Summarise a map."""
    found, known = misalignment.anatomy, misalignment.known
    regions = sorted(_regions(misalignment), key=lambda region: -1.0 if region.mm is None else region.mm, reverse=True)
    return Summary(
        known=float(known[found].mean()) if found.any() else 0.0,
        within_mm=float(np.quantile(misalignment.distance[known], _SHARE)) if known.any() else None,
        regions=tuple(regions),
    )


def _regions(misalignment: Misalignment) -> list[Region]:
    found = misalignment.anatomy
    if not found.any():
        return []
    points = misalignment.places(found)
    low, high = points.min(axis=0), points.max(axis=0)
    thirds = ((points - low) / (high - low).clip(min=1e-6) * 3).astype(int).clip(0, 2)
    known, distance, deviation = (
        values[found] for values in (misalignment.known, misalignment.distance, misalignment.deviation)
    )
    regions = []
    for third in np.unique(thirds, axis=0):
        inside = (thirds == third).all(axis=1)
        there = inside & known
        is_enough = there.sum() >= _FEWEST
        regions.append(
            Region(
                where=_name(third.tolist()),
                mm=float(distance[there].mean()) if is_enough else None,
                deviation_mm=float(deviation[there].mean()) if is_enough else None,
                known=float(there.sum() / inside.sum()),
            )
        )
    return regions


def _name(third: list[int]) -> str:
    parts = [names[index] for names, index in zip(_THIRDS, third, strict=True)]
    return " ".join(part for part in parts if part) or _CENTRE


# viridis (van der Walt and Smith, 2015), which every kind of colour vision can read, from 0 to 1 in equal steps.
_COLOURS = np.array(
    [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], np.float32
) / np.float32(255)  # fmt: skip
_OPACITY = 0.65
_LEAST_SCALE_MM = 2.0


def scale_mm(distance: np.ndarray) -> float:
    """The whole number of mm that the last colour stands for, at least 2. distance: mm, negative where not known."""
    return max(_LEAST_SCALE_MM, float(np.ceil(distance.max())))


def coloured(grey: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Grey (H, W) under colours of 0 to 1 (H, W), from blue to yellow, as RGB (H, W, 3); where negative, grey alone."""
    place = share.clip(0, 1) * (len(_COLOURS) - 1)
    low = np.minimum(place.astype(int), len(_COLOURS) - 2)
    part = (place - low)[..., None]
    colour = _COLOURS[low] * (1 - part) + _COLOURS[low + 1] * part
    rgb = np.repeat(grey[..., None], 3, axis=-1)
    return np.where(share[..., None] >= 0, (1 - _OPACITY) * rgb + _OPACITY * colour, rgb)
