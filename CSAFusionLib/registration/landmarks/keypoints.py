"""Places of an image that can be told from their surroundings in all three directions."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

_WINDOW_SIGMA_VOXELS = 1.0

# Enough for least squares; more cost time.
_MOST = 2000


def find_keypoints(image: sitk.Image, mask: np.ndarray) -> np.ndarray:
    """Find the most distinct voxels, none beside a more distinct one, (N, 3) as (z, y, x) indices, N at most 2000.

    image: scalar float32, on a grid of equal spacings.
    mask: (Z, Y, X) bool, where keypoints may lie.
    """
    strength = distinctiveness(image) * mask
    highest = sitk.GrayscaleDilate(sitk.GetImageFromArray(strength), [1] * 3, sitk.sitkBox)
    peaks = np.argwhere((strength > 0) & (strength == sitk.GetArrayViewFromImage(highest)))
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
    return sitk.GetArrayFromImage(sitk.DiscreteGaussian(sitk.GetImageFromArray(voxels), _WINDOW_SIGMA_VOXELS**2))
