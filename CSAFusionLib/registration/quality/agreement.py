"""Figures that say how well two volumes agree under a transform."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import coarsen, field_of_view, volume_of
from CSAFusionLib.geometry.transform_algebra import is_identity
from CSAFusionLib.registration.masks import NO_MASKS, RegistrationMasks

_BINS = 32
_SPACING_MM = 3.0
# A body is measured more coarsely than a head: on as many voxels as a large head has.
_MOST_VOXELS = 1_000_000
_SSIM_SIGMA_VOXELS = 1.5
_SHORTEST_FILTERED = 4
_IDENTITY = sitk.Transform(3, sitk.sitkIdentity)


class Comparison:
    """Measures how well two scalar images agree under any transform; what does not depend on it is computed once."""

    def __init__(self, fixed: sitk.Image, moving: sitk.Image) -> None:
        spacing = max(_SPACING_MM, (volume_of(fixed) / _MOST_VOXELS) ** (1 / 3))
        self._fixed, self._moving = coarsen(fixed, spacing), coarsen(moving, spacing)
        self._voxels = sitk.GetArrayFromImage(self._fixed)
        self._before: dict[str, float] | None = None

    def __call__(self, transform: sitk.Transform) -> dict[str, float]:
        """Measure the agreement before (by their headers) and after a registration.

        transform: from fixed to moving points, LPS mm.
        Returns, each with ``_before`` and ``_after``: ``mutual_information`` (nats, where both have voxels);
        ``correlation`` and ``ssim`` (-1 to 1) of the fixed image and of what the moving image's intensities predict of
        it, so that two modalities can be compared; ``overlap`` (share of the fixed field of view that is covered, 0 to
        1).
        """
        if self._before is None:
            self._before = self._measure(_IDENTITY)
        before = self._before
        after = before if is_identity(transform) else self._measure(transform)
        return {f"{name}_{when}": of[name] for when, of in (("before", before), ("after", after)) for name in of}

    def _measure(self, transform: sitk.Transform) -> dict[str, float]:
        resampled, inside = _brought(self._fixed, self._moving, transform)
        a, b = self._voxels[inside], resampled[inside]
        predicted = _predicted(a, b)
        return {
            "mutual_information": mutual_information(a, b),
            "correlation": _correlation(a, predicted),
            "ssim": self._structural_similarity(predicted, inside),
            "overlap": float(inside.mean()),
        }

    def _structural_similarity(self, predicted: np.ndarray, inside: np.ndarray) -> float:
        """Mean SSIM (Wang et al. 2004) of the fixed image and what is predicted of it, where it is covered; else 0."""
        fixed, spread = self._voxels, float(np.ptp(self._voxels))
        if not inside.any() or spread == 0:
            return 0.0
        # Outside, both are the same, so that the window sees a border in neither.
        other = fixed.astype(np.float32)
        other[inside] = predicted
        mean_a, var_a = self._moments
        mean_b = _smooth(other)
        var_b = _smooth(other * other) - mean_b**2
        covariance = _smooth(fixed * other) - mean_a * mean_b
        c1, c2 = (0.01 * spread) ** 2, (0.03 * spread) ** 2
        luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
        structure = (2 * covariance + c2) / (var_a + var_b + c2)
        return float((luminance * structure)[inside].mean())

    @cached_property
    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of the fixed image around each voxel."""
        mean = _smooth(self._voxels)
        return mean, _smooth(self._voxels * self._voxels) - mean**2


def agreement(
    fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform, masks: RegistrationMasks = NO_MASKS
) -> float:
    """Return mutual information times overlap: one number to rank alignments, by which no sliver wins."""
    resampled, inside = _brought(fixed, moving, transform)
    if masks:
        inside &= masks.inside(fixed, transform)
    return mutual_information(sitk.GetArrayViewFromImage(fixed)[inside], resampled[inside]) * float(inside.mean())


def mutual_information(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mutual information of two equally long (N,) samples in nats, from a 32 by 32 joint histogram.

    0 if one tells nothing about the other, and for empty samples.
    """
    if a.size == 0:
        return 0.0
    counts = np.bincount(_bins(a) * _BINS + _bins(b), minlength=_BINS**2)
    joint = counts.reshape(_BINS, _BINS) / a.size
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float(np.sum(joint[seen] * np.log(joint[seen] / independent[seen])))


def _bins(values: np.ndarray) -> np.ndarray:
    """The bin of each value, of ``_BINS`` equally wide ones from the least value to the greatest."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.zeros(values.size, np.intp)
    return np.minimum((values - low) * (_BINS / (high - low)), _BINS - 1).astype(np.intp)


def _brought(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> tuple[np.ndarray, np.ndarray]:
    """The moving image on the fixed grid, and where it reaches (bool)."""
    resampled = sitk.Resample(moving, fixed, transform, sitk.sitkLinear, 0.0, sitk.sitkFloat32, True)
    inside = sitk.GetArrayFromImage(field_of_view(moving, fixed, transform)) > 0
    return sitk.GetArrayFromImage(resampled), inside


def _predicted(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The mean of ``a`` over all places with the same class of ``b`` (Roche et al. 1998, correlation ratio), (N,)."""
    borders = np.unique(np.quantile(b, np.linspace(0, 1, _BINS + 1)[1:-1])) if b.size else b
    classes = np.searchsorted(borders, b)
    counts = np.bincount(classes, minlength=1)
    return (np.bincount(classes, a, minlength=1) / np.maximum(counts, 1))[classes]


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation; 0 where one of the two is constant or empty."""
    if a.size == 0 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _smooth(array: np.ndarray) -> np.ndarray:
    """A Gaussian window around each voxel; an axis too short for the filter is left as it is."""
    image = sitk.GetImageFromArray(array)
    for axis, length in enumerate(image.GetSize()):
        if length >= _SHORTEST_FILTERED:
            image = sitk.RecursiveGaussian(
                image, _SSIM_SIGMA_VOXELS, False, sitk.RecursiveGaussianImageFilter.ZeroOrder, axis
            )
    return sitk.GetArrayFromImage(image)
