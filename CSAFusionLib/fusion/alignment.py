"""Two registered volumes as stacks of slices on one grid, mapped to [0, 1] once per volume."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.sources import Source
from CSAFusionLib.geometry.planes import slices_view
from CSAFusionLib.geometry.resampling import (
    coverage_slices,
    field_of_view,
    leaves_voxels_alone,
    overlap,
    resample_to_grid,
)
from CSAFusionLib.intensity.colour_tables import apply_colour_table
from CSAFusionLib.intensity.mapping import IntensityMapping, find_mapping
from CSAFusionLib.intensity.modality import Modality, guess_modality
from CSAFusionLib.intensity.numeric_range import within_float32
from CSAFusionLib.intensity.windows import Window
from CSAFusionLib.volumes.volume import Volume

_ONE_GREY = 1 / 256


@dataclass(frozen=True)
class Role:
    """What is known of one input before its voxels are used: modality (and whether guessed), mapping, colour table.

    The volume is the one given, with its values where float32 holds them apart; the mapping is of its voxels.
    """

    volume: Volume
    modality: Modality
    is_guess: bool
    mapping: IntensityMapping
    colour_table: str | None

    def describe(self) -> dict[str, Any]:
        """Modality and mapping as plain JSON values."""
        return {
            "modality": self.modality.name,
            "modality_is_guessed": self.is_guess,
            "black": float(self.volume.own_value(self.mapping.low)),
            "white": float(self.volume.own_value(self.mapping.high)),
            "knee": self._describe_knee(),
            "colour_table": self.colour_table,
        }

    def _describe_knee(self) -> dict[str, float] | None:
        if self.mapping.knee is None:
            return None
        value, brightness = self.mapping.knee
        return {"value": float(self.volume.own_value(value)), "brightness": brightness}

    def to_source(self, slices: np.ndarray) -> Source:
        """Slices of this volume's own intensities, (S, H, W) or (S, H, W, 3), as the network takes them."""
        units = Source.from_slices((self.mapping(one) for one in slices), len(slices))
        if self.colour_table is None:
            return units
        uptake = units.luminance
        coloured = Source.from_slices((apply_colour_table(one, self.colour_table) for one in uptake), len(uptake))
        return replace(coloured, uptake=uptake)


@dataclass(frozen=True)
class AlignedPair:
    """Both sources (S, H, W) on the fixed grid, and how far the moving one reaches (1 inside, 0 outside)."""

    fixed: Source
    moving: Source
    coverage: np.ndarray


def find_roles(fixed: Volume, moving: Volume, settings: FusionSettings) -> tuple[Role, Role]:
    """Settle modality, mapping and colour table of the two volumes, from the settings or else from the data.

    Raises:
        InputError: a colour table is asked for and no volume is PET or SPECT.
    """
    roles = (
        _find_role(fixed, settings.fixed_modality, settings.fixed_window, settings.colour_table),
        _find_role(moving, settings.moving_modality, settings.moving_window, settings.colour_table),
    )
    if settings.colour_table and not any(role.modality.is_functional for role in roles):
        raise InputError(
            f"The colour table '{settings.colour_table}' colours a PET or SPECT volume, but '{fixed.name}' was taken "
            f"as {roles[0].modality.name} and '{moving.name}' as {roles[1].modality.name}; set the modality."
        )
    return roles


def align(fixed: Role, moving: Role, settings: FusionSettings, transform: sitk.Transform) -> AlignedPair:
    """Bring the moving volume onto the fixed grid and cut both into slices.

    Args:
        transform: from fixed points to moving points (LPS, mm).

    Raises:
        InputError: under this transform the volumes do not overlap.
    """
    reference, image, plane = fixed.volume.image, moving.volume.image, settings.plane
    inside = field_of_view(image, reference, transform)
    overlap(fixed.volume, moving.volume, inside)
    is_there = leaves_voxels_alone(image, reference, transform)
    on_grid = image if is_there else moving_on_grid(fixed, moving, transform)
    return AlignedPair(
        fixed=fixed.to_source(slices_view(reference, plane)),
        moving=moving.to_source(slices_view(on_grid, plane)),
        coverage=coverage_slices(inside, plane),
    )


def moving_on_grid(fixed: Role, moving: Role, transform: sitk.Transform) -> sitk.Image:
    """The moving volume's own intensities on the fixed grid, its darkest where it does not reach."""
    image = moving.volume.image
    return resample_to_grid(image, fixed.volume.image, transform, darkest(image))


def darkest(image: sitk.Image) -> float:
    """The value to put where an image does not reach: its lowest, which is air in every modality; 0 for colour."""
    if image.GetNumberOfComponentsPerPixel() > 1:
        return 0.0
    return float(sitk.GetArrayViewFromImage(image).min())


def _find_role(volume: Volume, modality: Modality | None, window: Window | None, colour_table: str | None) -> Role:
    volume = within_float32(volume)
    known = modality or guess_modality(volume)
    mapping = find_mapping(volume, known, window)
    _check_contrast(volume, mapping)
    return Role(
        volume=volume,
        modality=known,
        is_guess=modality is None,
        mapping=mapping,
        colour_table=colour_table if known.is_functional and not volume.is_colour else None,
    )


def _check_contrast(volume: Volume, mapping: IntensityMapping) -> None:
    """Refuse a window that shows the whole volume in one grey: nothing of it could be seen in the result."""
    if volume.is_colour:
        return
    voxels = sitk.GetArrayViewFromImage(volume.image)
    extremes = float(voxels.min()), float(voxels.max())
    black, white = mapping(np.array(extremes))
    if white - black < _ONE_GREY:
        low, high = (volume.own_value(value) for value in extremes)
        raise InputError(
            f"The window from {volume.own_value(mapping.low):g} to {volume.own_value(mapping.high):g} shows all of "
            f"'{volume.name}' in one grey; give one that fits its values, {low:g} to {high:g}."
        )
