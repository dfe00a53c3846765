"""Soft-edged discs of known contrast, put into a source where it has room for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from CSAFusionLib.evaluation.clinical.head import find_head

DIAMETERS = (6, 10, 16)
_CONTRAST = 0.3
_LEAST_CONTRAST = 0.1
"""Where the tissue leaves less room than this for getting brighter or darker, no lesion is put."""
_SOFT_EDGE = 2
_RING = (2, 6)
"""The ring lies so many pixels outside a lesion's nominal edge; its inner border is clear of the soft edge."""
_REACH = max(DIAMETERS) // 2 + _RING[1]
_SPACING = 40
"""Pixels from lesion to lesion: at least 12 of untouched tissue lie between the rings of two of the largest."""


@dataclass(frozen=True)
class Lesion:
    """A disc at a pixel of a slice; ``contrast`` is what it adds to the source, below zero for a dark lesion."""

    row: int
    column: int
    diameter: int
    contrast: float

    def around(self, image: np.ndarray) -> np.ndarray:
        """Return the part of an image (H, W) that the lesion and its ring lie in, as a view."""
        rows, columns = (slice(centre - _REACH, centre + _REACH + 1) for centre in (self.row, self.column))
        return image[rows, columns]

    def inside(self, image: np.ndarray) -> np.ndarray:
        """Return the values of an image within the lesion's nominal diameter."""
        return self.around(image)[_distance() < self.diameter / 2]

    def ring(self, image: np.ndarray) -> np.ndarray:
        """Return the values of an image in the ring of untouched tissue around the lesion."""
        outside = _distance() - self.diameter / 2
        return self.around(image)[(outside > _RING[0]) & (outside <= _RING[1])]


def place_lesions(source: np.ndarray, sign: int) -> list[Lesion]:
    """Return the lesions that fit into a source, the sizes by turns, on a fixed grid of places well inside the head.

    The contrast is 0.3, or as much as all pixels of the place can take without being clipped.

    Args:
        source: (H, W), 0 to 1.
        sign: 1 for bright lesions, -1 for dark ones; they get different sizes at the same place.
    """
    lesions = []
    for index, (row, column) in enumerate(lesion_places(find_head(source))):
        diameter = DIAMETERS[(index + (sign < 0)) % len(DIAMETERS)]
        room = room_for(source, row, column, diameter)[sign > 0]
        if room >= _LEAST_CONTRAST:
            lesions.append(Lesion(row, column, diameter, sign * min(room, _CONTRAST)))
    return lesions


def room_for(source: np.ndarray, row: int, column: int, diameter: int) -> tuple[float, float]:
    """Return by how much all pixels of a lesion can get darker, and brighter, without being clipped."""
    touched = Lesion(row, column, diameter, 0).around(source)[_profile(diameter) > 0]
    return float(touched.min()), float(1 - touched.max())


def insert(lesions: Sequence[Lesion], source: np.ndarray) -> np.ndarray:
    """Return a copy of a source, (H, W) from 0 to 1, that has the lesions."""
    marked = source.copy()
    for lesion in lesions:
        lesion.around(marked)[:] += lesion.contrast * _profile(lesion.diameter)
    return marked


def lesion_places(head: np.ndarray) -> list[tuple[int, int]]:
    """Return the points of a grid through a head's centre, (H, W), that are farther inside than lesions reach."""
    if not head.any():
        return []
    depth = ndimage.distance_transform_edt(np.pad(head, 1))[1:-1, 1:-1]
    row, column = (int(centre) for centre in ndimage.center_of_mass(head))
    grid = np.zeros(head.shape, bool)
    grid[row % _SPACING :: _SPACING, column % _SPACING :: _SPACING] = True
    rows, columns = np.nonzero(grid & (depth > _REACH))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


@lru_cache(maxsize=1)
def _distance() -> np.ndarray:
    """Return each pixel's distance from the lesion's centre."""
    rows, columns = np.mgrid[-_REACH : _REACH + 1, -_REACH : _REACH + 1]
    return np.hypot(rows, columns)


@lru_cache(maxsize=len(DIAMETERS))
def _profile(diameter: int) -> np.ndarray:
    """Return the lesion's share of its contrast: 1 inside, 0 outside, one half at the nominal edge."""
    return np.clip(0.5 + (diameter / 2 - _distance()) / _SOFT_EDGE, 0, 1).astype(np.float32)
