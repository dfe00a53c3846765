"""Places of an image that can be told from their surroundings in all three directions."""

from __future__ import annotations

import itertools

import numpy as np
import SimpleITK as sitk

# The discrete Gaussian of variance 1 (Lindeberg, Scale-space for discrete signals, 1990), from its middle outwards.
_WINDOW = np.array([0.46681, 0.20838, 0.05005, 0.00817], np.float32)
_REACH = len(_WINDOW) - 1

# Enough for least squares; more cost time.
_MOST = 2000


def find_keypoints(image: sitk.Image, mask: np.ndarray) -> np.ndarray:
    """Find the most distinct voxels, none beside a more distinct one, (N, 3) as (z, y, x) indices, N at most 2000.

    image: scalar float32, on a grid of equal spacings.
    mask: (Z, Y, X) bool, where keypoints may lie.
    """
    strength = distinctiveness(image) * mask
    peaks = np.argwhere((strength > 0) & (strength == _highest_around(strength)))
    strongest_first = np.argsort(-strength[tuple(peaks.T)], kind="stable")
    return peaks[strongest_first[:_MOST]]


def distinctiveness(image: sitk.Image) -> np.ndarray:
    """Return 1 / trace(inverse of the structure tensor) for each voxel, (Z, Y, X) float32, 0 where it is singular.

    High only where the image changes in every direction, so that a place is known along all of them (Foerstner and
    Guelch, A fast operator for detection and precise location of distinct points, corners and centres of circular
    features, 1987; in 3-D Rohr, On 3D differential operators for detecting point landmarks, 1997).
    """
    gradients = np.gradient(sitk.GetArrayFromImage(image))
    zz, zy, zx, yy, yx, xx = (_window_mean(gradients[a] * gradients[b]) for a in range(3) for b in range(a, 3))
    minors = yy * xx - yx**2, zz * xx - zx**2, zz * yy - zy**2
    determinant = zz * minors[0] - zy * (zy * xx - yx * zx) + zx * (zy * yx - yy * zx)
    total = sum(minors)
    return np.divide(determinant, total, out=np.zeros_like(determinant), where=total > 0).clip(min=0)


def _window_mean(voxels: np.ndarray) -> np.ndarray:
    """A Gaussian window around each voxel; beyond the border the nearest voxel counts."""
    for axis in range(3):
        far = np.swapaxes(
            np.pad(voxels, [(_REACH, _REACH) if other == axis else (0, 0) for other in range(3)], "edge"), 0, axis
        )
        length = voxels.shape[axis]
        total = far[_REACH : _REACH + length] * _WINDOW[0]
        for step in range(1, _REACH + 1):
            total += (far[_REACH - step :][:length] + far[_REACH + step :][:length]) * _WINDOW[step]
        voxels = np.swapaxes(total, 0, axis)
    return voxels


def _highest_around(voxels: np.ndarray) -> np.ndarray:
    """The highest of the 3x3x3 voxels around each."""
    highest = np.pad(voxels, 1, "edge")
    for axis in range(3):
        rows = np.swapaxes(highest, 0, axis)
        highest = np.swapaxes(np.maximum(np.maximum(rows[:-2], rows[1:-1]), rows[2:]), 0, axis)
    return highest


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
