"""An FDG-like PET, simulated from tissue maps: uptake, movement, resolution and noise of a scanner."""

from __future__ import annotations

import math

import numpy as np
import SimpleITK as sitk

GREY_MATTER_UPTAKE = 20.0  # kBq/mL, a common value for FDG
WHITE_MATTER_UPTAKE = 5.0  # a quarter of it

# Scanner and reconstruction filter together resolve 6 mm, as clinical PET does. The noise lies between the two, so
# that it is correlated over a few millimetres, as in a reconstructed image.
_SCANNER_FWHM_MM = 4.5
_FILTER_FWHM_MM = 4.0
_COUNTS_PER_UPTAKE = 2.0  # counts in a voxel for one kBq/mL

_SIZE = (96, 112, 64)
_SPACING_MM = (2.2, 2.2, 3.0)


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
    grid = sitk.Image(_SIZE, sitk.sitkFloat32)
    grid.SetSpacing(_SPACING_MM)
    centre = brain.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in brain.GetSize()])
    half = (np.array(_SIZE) - 1) / 2 * _SPACING_MM
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
