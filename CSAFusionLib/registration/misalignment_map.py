"""How far off a registration is at each place: a smooth map in mm from local matches, with its own uncertainty.

The summary gives a few metrics and one sentence, with regions named by where they lie in the patient; the colours show
the map over the anatomy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import coarsen, field_of_view, points_of, volume_of
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.landmark_matching import Level, find_counterparts
from CSAFusionLib.registration.preparation import foreground
from CSAFusionLib.registration.shift_field import ShiftField

NOT_KNOWN = -1.0
"""The value of a map's voxel of which nothing can be said: the files of some formats cannot hold NaN."""

LARGEST_SEEN_MM = 6.0
"""What is farther off is not found by a match, so that its surroundings are not known."""

_STAGE = "Measuring misalignment"
_LEVEL = Level(2.0, 4)
_IDENTITY = sitk.Transform(3, sitk.sitkIdentity)

# Places this far apart show all that a smooth map holds; of a body there are as many as of a head.
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
    known of it. distance, deviation: (Z, Y, X) float32 in mm, how far the moving volume lies from where it
    should, and the standard deviation of that.
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
    """Measure how far off a registration is, from places that can be told apart in both volumes.

    fixed, moving: scalar float32, as :func:`CSAFusionLib.registration.preparation.prepare` makes them.
    transform: from fixed to moving points, LPS mm; linear or deformable.

    Places are matched by their self-similarity, and a smooth field of shifts is laid through the matches. It shows what
    is off by up to ``LARGEST_SEEN_MM`` over some centimetres. Raises what ``progress`` raises, such as Cancelled.
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

# Of a region: the fewest places, on the grid of the map, that say something of it.
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
            return (
                "How far off it is from place to place is not known: too few places can be told apart in both volumes."
            )
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
