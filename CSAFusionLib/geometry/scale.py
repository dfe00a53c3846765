"""Whether a volume is as large as something that is scanned, or its header is in another unit than mm."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

# Clinical voxels are 0.1 to 10 mm; micro-CT reaches 0.001 mm, and a slab of few slices may have them far apart.
_USUAL_MM = (0.05, 50.0)
# A nanometre; and no table is so long.
_LEAST_MM = 1e-6
_LARGEST_FIELD_MM = 10_000.0


def impossible_scale(image: sitk.Image) -> str | None:
    """Say why an image cannot be that small or large, as a sentence goes on after its name; None when it can."""
    field = np.multiply(image.GetSize(), image.GetSpacing())
    if min(image.GetSpacing()) < _LEAST_MM or field.max() > _LARGEST_FIELD_MM:
        sides = " x ".join(f"{side:g}" for side in field)
        return (
            f"would be {sides} mm in size, which nothing that is scanned is; correct the spacing in its header, which "
            "is in mm."
        )
    return None


def question_of_scale(image: sitk.Image) -> str | None:
    """Ask about voxels of an unusual size, as a sentence goes on after "The fixed volume"; None for usual ones.

    Such a volume is worked on as any other: micro-CT has voxels of 0.02 mm.
    """
    spacing = image.GetSpacing()
    if _USUAL_MM[0] <= min(spacing) and max(spacing) <= _USUAL_MM[1]:
        return None
    sides = " x ".join(f"{side:g}" for side in spacing)
    return (
        f"has voxels of {sides} mm: is its header in another unit, such as metres, than millimetres? Registration and "
        "its check are made for the size of a head and say little of any other."
    )
