"""Apply a transform to a volume or a label map."""

from __future__ import annotations

import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.resampling import lowest_value, resample_to_grid
from CSAFusionLib.intensity.numeric_range import in_whole_numbers, own_values, within_float32
from CSAFusionLib.registration.given import check_meeting
from CSAFusionLib.volumes.volume import Volume


def apply_to(moving: Volume, reference: Volume, transform: sitk.Transform, *, labels: bool = False) -> sitk.Image:
    """Bring a volume onto the grid of another.

    Args:
        transform: takes points of the reference to points of the moving volume, LPS mm.
        labels: take the nearest voxel's label instead of interpolating; 0 where the volume does not reach.

    Returns:
        Labels and colours in the number type of the volume; intensities as float32, or as float64 where the volume's
        own values need it, with its lowest value where it does not reach.

    Raises:
        InputError: the volume does not reach the reference, or a volume in colour is to hold labels.
    """
    check_meeting(reference, moving, transform)
    image = moving.image
    if labels:
        if moving.is_colour:
            raise InputError(f"'{moving.name}' is in colour, which labels are not; leave --labels out.")
        return sitk.Resample(image, reference.image, transform, sitk.sitkNearestNeighbor, 0.0, image.GetPixelID())
    if moving.is_colour:
        return in_whole_numbers(resample_to_grid(image, reference.image, transform), image)
    narrow = within_float32(moving)
    brought = resample_to_grid(narrow.image, reference.image, transform, lowest_value(narrow.image))
    return own_values(brought, narrow)
