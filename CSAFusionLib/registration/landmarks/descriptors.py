"""Descriptors of a place's surroundings that are alike across modalities."""

from __future__ import annotations

import itertools

import numpy as np
import SimpleITK as sitk

# The six face neighbours of a voxel, as (z, y, x) steps, and the twelve pairs of them that share an edge.
_NEIGHBOURS = (
    [(step, 0, 0) for step in (-1, 1)] + [(0, step, 0) for step in (-1, 1)] + [(0, 0, step) for step in (-1, 1)]
)
_PAIRS = [pair for pair in itertools.combinations(_NEIGHBOURS, 2) if np.any(np.add(*pair))]

# A place's own variance counts between these multiples of the image's mean, so that flat noise has no structure.
_VARIANCE_RANGE = (1e-3, 1e3)


def self_similarity(image: sitk.Image) -> np.ndarray:
    """Describe each voxel by how alike the patches around it are, (Z, Y, X, 12) float32 in [0, 1].

    image: scalar float32, on a grid of equal spacings.

    MIND-SSC (Heinrich et al., Towards realtime multimodal fusion for image-guided interventions using
    self-similarities, MICCAI 2013): exp(-D / V) for the twelve pairs of neighbours, D the mean squared difference of
    the 3x3x3 patches around the two, less the least of the twelve, V the mean of the twelve.
    """
    padded = np.pad(sitk.GetArrayFromImage(image), 2, mode="edge")
    distances = np.stack([_patch_mean((_shifted(padded, a) - _shifted(padded, b)) ** 2) for a, b in _PAIRS])
    distances -= distances.min(axis=0)
    variance = distances.mean(axis=0)
    typical = float(variance.mean()) or 1.0
    low, high = np.multiply(_VARIANCE_RANGE, typical).astype(np.float32)
    distances /= -variance.clip(low, high)
    return np.ascontiguousarray(np.moveaxis(np.exp(distances, out=distances), 0, -1))


def _shifted(padded: np.ndarray, step: tuple[int, int, int]) -> np.ndarray:
    """All but the outermost voxels, each replaced by its neighbour a step away."""
    return padded[tuple(slice(1 + s, length - 1 + s) for s, length in zip(step, padded.shape, strict=True))]


def _patch_mean(voxels: np.ndarray) -> np.ndarray:
    """The mean of the 3x3x3 voxels around each but the outermost."""
    for axis in range(3):
        rows = np.swapaxes(voxels, 0, axis)
        voxels = np.swapaxes(rows[:-2] + rows[1:-1] + rows[2:], 0, axis)
    return voxels / np.float32(27)
