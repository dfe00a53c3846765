"""Figures that say how well two volumes agree under a transform."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.resampling import field_of_view
from CSAFusionLib.registration.preparation import coarsen

_BINS = 32
_SPACING_MM = 3.0


def compare(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> dict[str, float]:
    """Measure how two scalar images agree before (by their headers) and after a registration.

    transform: from fixed to moving points, LPS mm.
    Returns ``mutual_information_before`` and ``_after`` (nats, where both have voxels), and ``overlap_before`` and
    ``_after`` (share of the fixed field of view that the moving one covers, 0 to 1).
    """
    fixed, moving = coarsen(fixed, _SPACING_MM), coarsen(moving, _SPACING_MM)
    figures = {}
    for when, mapping in (("before", sitk.Transform(3, sitk.sitkIdentity)), ("after", transform)):
        pairs, overlap = _overlapping(fixed, moving, mapping)
        figures[f"mutual_information_{when}"] = mutual_information(*pairs)
        figures[f"overlap_{when}"] = overlap
    return figures


def agreement(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> float:
    """Return mutual information times overlap: one number to rank alignments, where a good-looking sliver loses."""
    pairs, overlap = _overlapping(fixed, moving, transform)
    return mutual_information(*pairs) * overlap


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


def _overlapping(
    fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform
) -> tuple[tuple[np.ndarray, np.ndarray], float]:
    """Values of both images, (N,) each, at the fixed voxels the moving image covers, and their share of all."""
    resampled = sitk.Resample(moving, fixed, transform, sitk.sitkLinear, 0.0, sitk.sitkFloat32, True)
    inside = sitk.GetArrayFromImage(field_of_view(moving, fixed, transform)) > 0
    values = sitk.GetArrayViewFromImage(fixed)[inside], sitk.GetArrayViewFromImage(resampled)[inside]
    return values, float(inside.mean())
