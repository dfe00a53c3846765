"""How far off a registration is at each place of the anatomy, in mm, and how well that is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import points_of, volume_of
from CSAFusionLib.geometry.resampling import coarsen, field_of_view
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.landmarks.counterparts import Level, find_counterparts
from CSAFusionLib.registration.misalignment.field import ShiftField
from CSAFusionLib.registration.preparation import foreground

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
