"""A synthetic head computed from formulas: its tissues, a T1-weighted image, and a simulated FDG-like PET.

The PET has the uptake, movement, resolution and noise of a scanner.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

_Point = Sequence[float]

_SIZE = (112, 138, 100)
_SPACING_MM = 1.6
_MIDDLE_UP_MM = 8.0  # of the grid above the origin, which is the middle of the brain

# The T1-weighted intensity of each tissue, and the strength of noise and shading.
_T1 = {"fluid": 180.0, "grey": 520.0, "white": 760.0, "bone": 90.0, "scalp": 680.0}
_NOISE = 14.0
_SHADING = 0.06

# Half axes in mm of the brain; fluid, bone and scalp lie around it in layers of these thicknesses.
_BRAIN = (66.0, 84.0, 66.0)
_LAYERS_MM = (("fluid", 3.0), ("bone", 6.0), ("scalp", 6.0))
_FOLD_MM = 6.5
_SULCI_MM = 20.0

# Centre and half axes in mm (right, front, up) of what lies inside, the right one of a pair.
_VENTRICLE = ((9, 2, 12), (5, 26, 8))
_NUCLEI = (((14, 8, 2), (6, 17, 8)), ((26, 4, 0), (6, 14, 9)), ((10, -14, 4), (7, 12, 8)))
_CEREBELLUM = ((0, -44, -30), (44, 26, 17))
_STEM = ((0, -16, -36), (11, 11, 24))
LESION_MM = (34.0, 24.0, 22.0)
"""The position (right, front, up) of a spot with the tracer uptake of grey matter, which the T1 does not show."""
_LESION_RADIUS_MM = 8.0


def head_tissues() -> dict[str, sitk.Image]:
    """The share of each tissue in a voxel, float32 in [0, 1]: fluid, grey, white, bone, scalp, and lesion (in white).

    Left and right, front and back differ in shape, so that each can be told from the other.
    """
    right, front, up = _points()
    depth = _depth(right, front, up)
    masks = _brain(right, front, up, depth)
    outside = 0.0
    for tissue, thickness in _LAYERS_MM:
        layer = (depth <= -outside) & (depth > -outside - thickness)
        masks[tissue] = masks[tissue] | layer if tissue in masks else layer
        outside += thickness
    return {tissue: _with_partial_volume(mask) for tissue, mask in masks.items()}


def simulate_t1(tissues: dict[str, sitk.Image], seed: int = 0) -> sitk.Image:
    """A T1-weighted image (no unit, int16) of :func:`head_tissues`, with the shading of a coil, and noise.

    Args:
        seed: seed of the noise.
    """
    signal = sum(value * sitk.GetArrayViewFromImage(tissues[tissue]) for tissue, value in _T1.items())
    right, front, up = _points()
    shading = 1 + _SHADING * (np.sin(right / 70) + np.cos(front / 90) + up / 120)
    rng = np.random.default_rng(seed)
    # The magnitude of a complex signal: noise in air is never negative.
    real, imaginary = (rng.normal(0, _NOISE, signal.shape) for _ in range(2))
    image = sitk.GetImageFromArray(np.hypot(signal * shading + real, imaginary).astype(np.int16))
    image.CopyInformation(tissues["grey"])
    return image


def tracer_tissues(tissues: dict[str, sitk.Image]) -> tuple[sitk.Image, sitk.Image]:
    """The shares of a voxel that take up FDG as grey and as white matter do, for the simulation of a PET.

    The spot takes it up as grey matter; scalp and marrow, which show where the head ends, take up some.
    """
    like_grey = tissues["grey"] + tissues["lesion"]
    like_white = tissues["white"] - tissues["lesion"] + 0.6 * tissues["scalp"] + 0.3 * tissues["bone"]
    return like_grey, sitk.Clamp(like_white, lowerBound=0.0)


def _points() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right, front and up of every voxel in mm from the middle of the brain, (K, J, I)."""
    k, j, i = (np.arange(count, dtype=np.float32) - (count - 1) / 2 for count in reversed(_SIZE))
    up, back, left = np.meshgrid(k * _SPACING_MM, j * _SPACING_MM, i * _SPACING_MM, indexing="ij", sparse=True)
    return -left, -back, up + _MIDDLE_UP_MM


def _depth(right: np.ndarray, front: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Millimetres below the surface of the brain, negative outside; lopsided, as every head."""
    wide = _BRAIN[0] * (1 - 0.0012 * front + 0.0006 * front * np.sign(right) - 0.0012 * np.minimum(up, 0))
    low = np.where(up < 0, 0.78, 1.0) * _BRAIN[2] * (1 + 0.0008 * front)
    radius = np.sqrt((right / wide) ** 2 + (front / _BRAIN[1]) ** 2 + (up / low) ** 2)
    return (1 - radius) * 68


def _brain(right: np.ndarray, front: np.ndarray, up: np.ndarray, depth: np.ndarray) -> dict[str, np.ndarray]:
    """Masks of what lies inside the skull: folds of grey matter around white matter, and what lies between."""
    folds = _folds(right, front, up)
    brain = depth > 0
    cerebellum = brain & _inside(right, front, up, *_CEREBELLUM)
    stem = brain & _inside(right, front, up, *_STEM)
    above = _inside(right, front, up, _CEREBELLUM[0], [half + 3 for half in _CEREBELLUM[1]]) & ~cerebellum
    middle = np.abs(right + 1.5 * np.sin(front / 25))
    fissure = (middle < 1.2) & (depth < 32) & (up > -10) | above
    sulcus = (np.abs(folds) < 0.2) & (depth < _SULCI_MM) & ~cerebellum & ~stem
    ventricle = _pair(right, front, up, *_VENTRICLE) | _inside(right, front, up, (0, -4, 0), (2, 14, 9))
    fluid = brain & (fissure | sulcus | ventricle)
    banks = (np.abs(folds) < 0.75) & (depth < _SULCI_MM + 3)
    ribbon = (depth < 4) | banks | ((middle < 4) & (depth < 34) & (up > -12))
    nuclei = np.any([_pair(right, front, up, *nucleus) for nucleus in _NUCLEI], axis=0)
    leaves = cerebellum & (np.abs(np.sin(up / 2.2 + front / 9)) < 0.75)
    grey = brain & ~fluid & ((ribbon & ~cerebellum & ~stem) | nuclei | leaves)
    white = brain & ~fluid & ~grey
    lesion = white & _inside(right, front, up, LESION_MM, (_LESION_RADIUS_MM,) * 3)
    return {"fluid": fluid, "grey": grey, "white": white, "lesion": lesion}


def _folds(right: np.ndarray, front: np.ndarray, up: np.ndarray) -> np.ndarray:
    """A gyroid, bent so that no fold is like the next; sulci run where it is zero."""
    x = (right + 6 * np.sin(front / 31) + 3 * np.sin(up / 17)) / _FOLD_MM
    y = (front + 5 * np.sin(up / 23) + 4 * np.sin(right / 19)) / _FOLD_MM
    z = (up + 5 * np.sin(right / 27) + 3 * np.sin(front / 21)) / _FOLD_MM
    return np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)


def _pair(right: np.ndarray, front: np.ndarray, up: np.ndarray, centre: _Point, axes: _Point) -> np.ndarray:
    return _inside(np.abs(right), front, up, centre, axes)


def _inside(right: np.ndarray, front: np.ndarray, up: np.ndarray, centre: _Point, axes: _Point) -> np.ndarray:
    """Whether points are in an ellipsoid."""
    scaled = [(axis - middle) / half for axis, middle, half in zip((right, front, up), centre, axes, strict=True)]
    inside: np.ndarray = scaled[0] ** 2 + scaled[1] ** 2 + scaled[2] ** 2 < 1
    return inside


def _with_partial_volume(mask: np.ndarray) -> sitk.Image:
    """The mask as a share of each voxel, which edges cross."""
    image = sitk.GetImageFromArray(mask.astype(np.float32))
    image.SetSpacing([_SPACING_MM] * 3)
    x, y, z = (-(count - 1) / 2 * _SPACING_MM for count in _SIZE)
    image.SetOrigin((x, y, z + _MIDDLE_UP_MM))
    return sitk.Clamp(sitk.SmoothingRecursiveGaussian(image, 0.5 * _SPACING_MM), lowerBound=0.0, upperBound=1.0)


GREY_MATTER_UPTAKE = 20.0  # kBq/mL, a common value for FDG
WHITE_MATTER_UPTAKE = 5.0  # a quarter of it

# Scanner and reconstruction filter together resolve 6 mm, as clinical PET does. The noise lies between the two, so
# that it is correlated over a few millimetres, as in a reconstructed image.
_SCANNER_FWHM_MM = 4.5
_FILTER_FWHM_MM = 4.0
_COUNTS_PER_UPTAKE = 2.0  # counts in a voxel for one kBq/mL

_PET_SIZE = (96, 112, 64)
_PET_SPACING_MM = (2.2, 2.2, 3.0)


def known_movement() -> sitk.Euler3DTransform:
    """The rigid transform from points of the T1 to points of the PET (LPS, mm): 6, -4, 9 degrees and 16 mm."""
    movement = sitk.Euler3DTransform()
    movement.SetRotation(*np.radians((6.0, -4.0, 9.0)).tolist())
    movement.SetTranslation((9.0, -12.0, 5.0))
    return movement


def simulate_pet(grey: sitk.Image, white: sitk.Image, movement: sitk.Transform, seed: int = 0) -> sitk.Image:
    """Simulate the PET (kBq/mL, float32) of a brain that ``movement`` took elsewhere, on a coarser grid of its own.

    Args:
        grey, white: share of each tissue in a voxel, in [0, 1], on one grid.
        movement: from points of that grid to points of the PET (LPS, mm).
        seed: seed of the noise.
    """
    uptake = GREY_MATTER_UPTAKE * grey + WHITE_MATTER_UPTAKE * white
    seen = _blur(uptake, _SCANNER_FWHM_MM)
    scanned = sitk.Resample(seen, _scanner_grid(grey, movement), movement.GetInverse(), sitk.sitkLinear, 0.0)
    return sitk.Maximum(_blur(_with_counting_noise(scanned, seed), _FILTER_FWHM_MM), 0.0)


def _scanner_grid(brain: sitk.Image, movement: sitk.Transform) -> sitk.Image:
    """The empty grid of the scanner, centred on where the brain now is."""
    grid = sitk.Image(_PET_SIZE, sitk.sitkFloat32)
    grid.SetSpacing(_PET_SPACING_MM)
    centre = brain.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in brain.GetSize()])
    half = (np.array(_PET_SIZE) - 1) / 2 * _PET_SPACING_MM
    grid.SetOrigin((np.array(movement.TransformPoint(centre)) - half).tolist())
    return grid


def _blur(image: sitk.Image, fwhm_mm: float) -> sitk.Image:
    return sitk.SmoothingRecursiveGaussian(image, fwhm_mm / math.sqrt(8 * math.log(2)))


def _with_counting_noise(image: sitk.Image, seed: int) -> sitk.Image:
    expected = sitk.GetArrayFromImage(image).clip(min=0) * _COUNTS_PER_UPTAKE
    counts = np.random.default_rng(seed).poisson(expected).astype(np.float32)
    noisy = sitk.GetImageFromArray(counts / np.float32(_COUNTS_PER_UPTAKE))
    noisy.CopyInformation(image)
    return noisy
