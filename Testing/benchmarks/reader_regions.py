"""Tissues and lesions of the reader's table, found in the sources by their grey values, (S, H, W) in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

_LESIONS = 5


@dataclass(frozen=True)
class Regions:
    """Masks, (S, H, W); each lesion has the white matter around it."""

    white: np.ndarray
    grey: np.ndarray
    ventricle: np.ndarray
    lesions: list[tuple[np.ndarray, np.ndarray]]


def find_regions(t1: np.ndarray, t2: np.ndarray, flair: np.ndarray | None, head: np.ndarray) -> Regions:
    """Find white and grey matter, the largest pool of fluid, and the five largest lesions of a brain.

    A lesion is dark on T1, bright on T2 and, where there is one, on FLAIR, next to white matter.
    """
    edges = ndimage.gaussian_gradient_magnitude(t1, 1)
    white = (t1 > np.percentile(t1[head], 62)) & (t2 < np.percentile(t2[head], 55)) & (edges < 0.06)
    white = ndimage.binary_opening(white)
    of_t1, of_t2 = (float(source[white].mean()) for source in (t1, t2))
    lesions = (t1 < of_t1 - 0.12) & (t2 > of_t2 + 0.2) & head
    if flair is not None:
        lesions &= flair > flair[white].mean() + 0.15
    lesions = ndimage.binary_opening(lesions)
    grey = (t1 > 0.35) & (t1 < of_t1 - 0.1) & (t2 > of_t2 + 0.03) & (t2 < of_t2 + 0.2) & head & ~lesions
    fluid = (t2 > 0.9) & (t1 < 0.25) & head
    return Regions(
        white=white,
        grey=ndimage.binary_opening(grey),
        ventricle=_largest(fluid, 1)[0],
        lesions=_with_surroundings(_largest(lesions, _LESIONS), white) if flair is not None else [],
    )


def _largest(mask: np.ndarray, count: int) -> list[np.ndarray]:
    labels, found = ndimage.label(mask)
    sizes = ndimage.sum(mask, labels, range(1, found + 1))
    return [labels == index + 1 for index in np.argsort(sizes)[::-1][:count]]


def _with_surroundings(lesions: list[np.ndarray], white: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    around = [
        ndimage.binary_dilation(lesion, iterations=8) & ~ndimage.binary_dilation(lesion, iterations=2) & white
        for lesion in lesions
    ]
    return [(lesion, ring) for lesion, ring in zip(lesions, around, strict=True) if ring.sum() > 20]


@dataclass(frozen=True)
class Ball:
    """A ball of acute blood in a CT of a head: the CT with it, and masks of its inside and of the brain around it."""

    hounsfield: np.ndarray
    inside: np.ndarray
    around: np.ndarray
    bone: np.ndarray


def with_blood(hounsfield: np.ndarray, index: int, spacing: tuple[float, float, float], *, left: bool) -> Ball:
    """Put a ball of 12 mm and 75 HU deep into the brain, with an edge of a pixel.

    Args:
        hounsfield: axial slices (S, H, W).
        index: of the slice its centre lies in.
        spacing: between slices, rows and columns, in mm.
        left: into the half of the slice with the smaller column numbers, else into the other.
    """
    brain = ndimage.binary_opening((hounsfield > 10) & (hounsfield < 60), iterations=2)
    columns = np.arange(hounsfield.shape[2]) - hounsfield.shape[2] // 2
    aside = (columns < -15) if left else (columns > 15)
    depth = ndimage.distance_transform_edt(brain[index]) * aside
    row, column = np.unravel_index(np.argmax(depth), depth.shape)
    axes = np.ogrid[tuple(slice(length) for length in hounsfield.shape)]
    distance = np.sqrt(
        sum(((axis - at) * step) ** 2 for axis, at, step in zip(axes, (index, row, column), spacing, strict=True))
    )
    share = np.clip(0.5 + (6 - distance) / spacing[2], 0, 1)
    return Ball(
        hounsfield=(hounsfield + share * (75 - hounsfield)).astype(np.float32),
        inside=distance < 5,
        around=(distance > 8) & (distance < 14) & brain,
        bone=hounsfield > 400,
    )
