"""Figures that say how well two volumes agree under a transform."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.resampling import field_of_view
from CSAFusionLib.registration.preparation import coarsen

_BINS = 32
_SPACING_MM = 3.0
_SSIM_SIGMA_VOXELS = 1.5
_SHORTEST_FILTERED = 4


def compare(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> dict[str, float]:
    """Measure how two scalar images agree before (by their headers) and after a registration.

    transform: from fixed to moving points, LPS mm.
    Returns, each with ``_before`` and ``_after``: ``mutual_information`` (nats, where both have voxels);
    ``correlation`` and ``ssim`` (-1 to 1) of the fixed image and of what the moving image's intensities predict of it,
    so that two modalities can be compared; ``overlap`` (share of the fixed field of view that is covered, 0 to 1).
    """
    fixed, moving = coarsen(fixed, _SPACING_MM), coarsen(moving, _SPACING_MM)
    figures = {}
    for when, mapping in (("before", sitk.Transform(3, sitk.sitkIdentity)), ("after", transform)):
        resampled, inside = _brought(fixed, moving, mapping)
        a, b = sitk.GetArrayViewFromImage(fixed)[inside], resampled[inside]
        predicted = _predicted(a, b)
        figures[f"mutual_information_{when}"] = mutual_information(a, b)
        figures[f"correlation_{when}"] = _correlation(a, predicted)
        figures[f"ssim_{when}"] = _structural_similarity(sitk.GetArrayViewFromImage(fixed), predicted, inside)
        figures[f"overlap_{when}"] = float(inside.mean())
    return figures


def agreement(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> float:
    """Return mutual information times overlap: one number to rank alignments, where a good-looking sliver loses."""
    resampled, inside = _brought(fixed, moving, transform)
    return mutual_information(sitk.GetArrayViewFromImage(fixed)[inside], resampled[inside]) * float(inside.mean())


def mutual_information(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mutual information of two equally long (N,) samples in nats, from a 32 by 32 joint histogram.

    0 when nothing can be learnt from one about the other, also for empty samples.
    """
    if a.size == 0:
        return 0.0
    joint = np.histogram2d(a, b, bins=_BINS)[0] / a.size
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float(np.sum(joint[seen] * np.log(joint[seen] / independent[seen])))


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


def _structural_similarity(fixed: np.ndarray, predicted: np.ndarray, inside: np.ndarray) -> float:
    """Mean SSIM (Wang et al. 2004) of an image and what is predicted of it where it is covered; 0 without cover."""
    spread = float(np.ptp(fixed))
    if not inside.any() or spread == 0:
        return 0.0
    # Outside, both are the same, so that the window sees a border in neither.
    other = fixed.astype(np.float32)
    other[inside] = predicted
    mean_a, mean_b = _smooth(fixed), _smooth(other)
    var_a, var_b = _smooth(fixed * fixed) - mean_a**2, _smooth(other * other) - mean_b**2
    covariance = _smooth(fixed * other) - mean_a * mean_b
    c1, c2 = (0.01 * spread) ** 2, (0.03 * spread) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (var_a + var_b + c2)
    return float((luminance * structure)[inside].mean())


def _smooth(array: np.ndarray) -> np.ndarray:
    """A Gaussian window around each voxel; an axis too short for the filter is left as it is."""
    image = sitk.GetImageFromArray(array)
    for axis, length in enumerate(image.GetSize()):
        if length >= _SHORTEST_FILTERED:
            image = sitk.RecursiveGaussian(
                image, _SSIM_SIGMA_VOXELS, False, sitk.RecursiveGaussianImageFilter.ZeroOrder, axis
            )
    return sitk.GetArrayFromImage(image)
