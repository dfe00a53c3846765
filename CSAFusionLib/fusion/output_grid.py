"""A fusion on another grid than the fixed volume's: of another spacing, or the moving volume's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np

from CSAFusionLib import checks
from CSAFusionLib import lazy_simpleitk as sitk
from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.field_of_view import resample_to_grid
from CSAFusionLib.geometry.grid import is_sheared, lowest_value, voxel_axes
from CSAFusionLib.geometry.transform_algebra import identity
from CSAFusionLib.intensity.voxel_values import own_values, within_float32
from CSAFusionLib.volumes.volume import Volume, in_whole_numbers

_LEAST_MM, _MOST_MM = 0.05, 50.0
_MOST_VOXELS = 2**31


class GridOf(Enum):
    """Whose grid a result has."""

    FIXED = "fixed"
    MOVING = "moving"


@dataclass(frozen=True, kw_only=True)
class OutputGrid:
    """The requested grid of a result.

    of: the volume whose grid it is; the moving one's lies where the transform puts it on the fixed volume.
    spacing: sides of its voxels in mm, in place of that volume's own; None leaves them.
    """

    of: GridOf = GridOf.FIXED
    spacing: float | None = None

    def __post_init__(self) -> None:
        if self.spacing is not None:
            hint = f"{_LEAST_MM:g} to {_MOST_MM:g} mm"
            value = checks.number(self.spacing, "spacing", hint, low=_LEAST_MM, high=_MOST_MM, unit=" mm")
            object.__setattr__(self, "spacing", value)

    @property
    def is_fixed(self) -> bool:
        """Whether it is the fixed volume's own grid, unchanged."""
        return self.of is GridOf.FIXED and self.spacing is None

    def describe(self) -> dict[str, Any]:
        """The grid as plain JSON values."""
        return {"of": self.of.value, "spacing_mm": self.spacing}

    def apply(self, fixed: Volume, moving: Volume, transform: sitk.Transform) -> Volume:
        """Return the fixed volume on this grid, without DICOM frames.

        transform: from fixed to moving points, LPS mm; it stays valid, because no point moves.

        Raises InputError for the grid of a moving volume that the transform bends or shears, and for a grid too large.
        """
        if self.is_fixed:
            return fixed
        grid = fixed.image if self.of is GridOf.FIXED else _moving_grid(fixed, moving, transform)
        if self.spacing is not None:
            grid = with_spacing(grid, [self.spacing] * 3)
        return on_grid(fixed, grid)


def with_spacing(image: sitk.Image, spacing: Sequence[float]) -> sitk.Image:
    """Return an empty image (uint8) with the same field of view and other voxel sides, mm, centred on it.

    Raises InputError for more voxels than an image can have.
    """
    extent = np.multiply(image.GetSize(), image.GetSpacing())
    size = np.maximum(1, np.round(extent / spacing)).astype(int)
    if np.prod(size.astype(float)) > _MOST_VOXELS:
        raise InputError(f"A spacing of {min(spacing):g} mm makes {np.prod(size.astype(float)):.2g} voxels; give more.")
    grid = sitk.Image(size.tolist(), sitk.sitkUInt8)
    grid.SetDirection(image.GetDirection())
    grid.SetSpacing([float(side) for side in spacing])
    middle = image.TransformContinuousIndexToPhysicalPoint([(length - 1) / 2 for length in image.GetSize()])
    grid.SetOrigin((np.array(middle) - voxel_axes(grid) @ ((size - 1) / 2)).tolist())
    return grid


def on_grid(volume: Volume, grid: sitk.Image) -> Volume:
    """Return a volume resampled on a grid, with its lowest value where it does not reach."""
    narrow = within_float32(volume)
    image = resample_to_grid(narrow.image, grid, identity(), lowest_value(narrow.image))
    if volume.is_colour:
        image = in_whole_numbers(image, volume.image)
    return replace(volume, image=own_values(image, narrow), frames=())


def region_on_grid(region: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """Return a region, uint8 0 or 1, on a grid, by the nearest voxel."""
    return sitk.Resample(region, grid, identity(), sitk.sitkNearestNeighbor, 0)


def _moving_grid(fixed: Volume, moving: Volume, transform: sitk.Transform) -> sitk.Image:
    """The moving volume's grid where the transform puts it on the fixed one: its voxels need no interpolation there."""
    if transform.IsLinear():
        from CSAFusionLib.registration.given_transform import placed

        grid = placed(moving.image, fixed.image, transform)
        if not is_sheared(grid):
            return grid
    raise InputError(
        f"'{moving.name}' was bent or sheared by the registration, so its grid is no straight one on '{fixed.name}'; "
        f"choose a rigid model, or give a spacing."
    )
